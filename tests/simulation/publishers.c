/* Those who publish: clients, and an application inside the daemon, as the API is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/loop.h"
#include "async/task.h"
#include "clients/cli/client.h"
#include "daemon/publish.h"
#include "daemon/worker_thread.h"
#include "tests/simulation/scene.h"

enum { BATCH_MAX = 8, TRIES_MAX = 20 };

/* ---- clients ---- */

/* Some channel that is no map; UINT32_MAX: there is none. */
static uint32_t some_stream(const struct scene *s) {
    uint32_t from = (uint32_t) loop_random_below(s->script.channels);
    for (uint32_t i = 0; i < s->script.channels; i++)
        if (!channel_is_map(s->script.modes[(from + i) % s->script.channels]))
            return (from + i) % s->script.channels;
    return UINT32_MAX;
}

static uint32_t queue_message(struct peer *p, struct client *c, uint32_t *ret_id) {
    struct message m = { .publisher = p->index,
                         .channel = some_stream(p->scene),
                         .tag = LEDGER_TAGS - 1 };
    char data[SCENE_PAYLOAD_MAX], name[16];
    struct command command = { .kind = COMMAND_PUBLISH };

    if (m.channel == UINT32_MAX)
        return 0;
    *ret_id = ledger_send(&p->scene->ledger, &m);
    scene_channel_name(p->scene, m.channel, name);
    command.publish.channel = str_of(name);
    command.publish.data = bytes_of(data, scene_payload(*ret_id, data));
    return client_queue(c, &command);
}

/* Sends a few at once and waits for their answers. */
static int publish_batch(struct peer *p, struct client *c) {
    struct scene *s = p->scene;
    struct client_end end = { 0 };
    uint32_t ids[BATCH_MAX], commands[BATCH_MAX];
    unsigned n = 1 + (unsigned) loop_random_below(BATCH_MAX);

    for (unsigned i = 0; i < n; i++) {
        commands[i] = queue_message(p, c, &ids[i]);
        if (commands[i] == 0)
            return -ENOMEM;
    }
    int r = client_flush(c);
    for (unsigned i = 0; i < n && r == 0;) {
        struct reply reply;
        r = client_next(c, &reply, &end);
        if (r <= 0)
            return r == 0 ? -ECONNRESET : r;
        r = 0;
        if (reply.kind == REPLY_PUSH)
            continue;
        if (reply.id != commands[i])
            ledger_fault(&s->ledger, "publish %u was answered before %u", reply.id, commands[i]);
        if (reply.kind == REPLY_ERROR && !reply.error.is_temporary)
            ledger_fault(&s->ledger, "a publish was refused for good: %u", reply.error.code);
        ledger_answered(&s->ledger, ids[i],
                        reply.kind == REPLY_ERROR ? MESSAGE_REFUSED : MESSAGE_ACKED);
        i++;
    }
    return r;
}

/* Now and then nobody says anything, until histories and then positions are forgotten. */
static int64_t pause_of(const struct scene *s) {
    if (s->script.ttl_ms && scene_chance(10))
        return s->script.ttl_ms * (1 + (int64_t) loop_random_below(3));
    return (int64_t) loop_random_below(60);
}

static void publish_as_client(struct peer *p) {
    struct scene *s = p->scene;

    while (!s->is_publishing_over) {
        CLEANUP(client_closep) struct client *c = NULL;
        if (peer_reach(p, &c) < 0) {
            if (peer_pause(p, 1 + (int64_t) loop_random_below(300)) < 0)
                return;
            continue;
        }
        while (!s->is_publishing_over && publish_batch(p, c) == 0)
            if (scene_chance(10) || task_sleep(pause_of(s)) < 0)
                break;
        peer_leave(p, &c);
    }
}

/* ---- the application ---- */

struct own_publish {
    struct publish publish;
    struct future done;
};

static void published(struct publish *p) {
    future_resolve(&CONTAINER_OF(p, struct own_publish, publish)->done, 0);
}

/* The channel, what it is tagged with, whether it skips the history: as the API has it.
 * ret: where it was put; may be NULL. */
static int publish_one(struct scene_node *n, uint32_t id, bool is_removal, struct position *ret) {
    struct scene *s = n->scene;
    static const char *const colours[] = { "red", "green", "blue" };
    const struct message *m = &s->ledger.messages[id];
    struct worker *w = &n->daemon->threads[loop_random_below(s->script.workers)].worker;
    char name[16], key[8], once[16], data[SCENE_PAYLOAD_MAX];
    struct tag tags[2] = { { STR("kind"), STR("any") } };
    struct publication_parts parts = { .tags = tags, .n_tags = 1, .wants_delta = scene_chance(70) };
    struct publish_terms terms = { .skips_history = m->is_live };
    struct own_publish p = { .publish.done = published };

    if (s->script.engine == ENGINE_REDIS) {
        (void) snprintf(once, sizeof once, "once-%u", id);
        terms.idempotency_key = str_of(once);
    }
    if (m->tag < ELEMENTS_OF(colours))
        tags[parts.n_tags++] = (struct tag){ STR("colour"), str_of(colours[m->tag]) };
    scene_channel_name(s, m->channel, name);
    parts.channel = str_of(name);
    parts.data = bytes_of(data, scene_payload(id, data));
    const struct namespace *ns = config_namespace_of(w->config, parts.channel);
    if (channel_is_map(s->script.modes[m->channel])) {
        map_key_name(m->key, key);
        publish_map_terms(ns, &terms);
        terms.skips_history = false;
        parts.key = str_of(key);
        parts.is_removed = is_removal;
        if (is_removal)
            parts.data = (struct bytes){ 0 };
    }
    future_init(&p.done);
    int r = publish_start_on(&p.publish, w, ns, &parts, &terms);
    if (r < 0)
        return r;
    SHIELD(INT64_MAX / 2); /* p is in the engine until it is done */
    r = future_wait(&p.done);
    if (r == 0 && ret)
        *ret = p.publish.request.position;
    return r < 0 ? r : p.publish.request.result;
}

/* What may be tried again is, until somebody knows, or nobody wants to. */
static void publish_for_sure(struct peer *p, struct scene_node *n, uint32_t id) {
    struct scene *s = p->scene;
    struct position at = { 0 };
    int r = publish_one(n, id, false, &at);

    for (unsigned i = 0; s->script.engine == ENGINE_REDIS && r < 0 && i < TRIES_MAX; i++) {
        if (peer_pause(p, 1 + (int64_t) loop_random_below(1000)) < 0)
            break;
        n = scene_some_node(s);
        if (n)
            r = publish_one(n, id, false, &at);
    }
    ledger_answered(&s->ledger, id, r < 0 ? MESSAGE_REFUSED : MESSAGE_ACKED);
    if (r == 0 && s->script.engine == ENGINE_REDIS && at.offset)
        ledger_acked_at(&s->ledger, id, at.epoch, at.offset);
}

/* A key has one publisher. */
static void write_key(struct scene_node *node, struct message *m) {
    struct scene *s = node->scene;
    uint32_t n = s->script.publishers;
    uint32_t keys = (s->script.keys + n - 1 - m->publisher) / n;
    bool is_removal = scene_chance(15);

    m->is_live = true; /* the ledger's streams have no place for it */
    m->key = (uint32_t) loop_random_below(keys) * n + m->publisher;
    uint32_t id = ledger_send(&s->ledger, m);
    int r = publish_one(node, id, is_removal, NULL);
    map_answered(&s->maps[m->channel], m->key, id, is_removal, r);
    if (r < 0)
        s->ledger.refused++;
    else
        s->ledger.acked++;
}

static void publish_as_application(struct peer *p) {
    struct scene *s = p->scene;

    while (!s->is_publishing_over) {
        struct message m = { .publisher = p->index,
                             .channel = (uint32_t) loop_random_below(s->script.channels),
                             .tag = (uint32_t) loop_random_below(LEDGER_TAGS),
                             .is_live = scene_chance(10) };
        struct scene_node *n = scene_some_node(s);
        if (n && channel_is_map(s->script.modes[m.channel])) {
            write_key(n, &m);
        } else if (n) {
            uint32_t id = ledger_send(&s->ledger, &m);
            publish_for_sure(p, n, id);
        }
        if (peer_pause(p, scene_chance(30) && n ? 0 : 1 + pause_of(s)) < 0)
            return;
    }
}

int publisher_run(void *arg) {
    struct peer *p = arg;

    if (p->is_application || some_stream(p->scene) == UINT32_MAX)
        publish_as_application(p);
    else
        publish_as_client(p);
    return 0;
}
