/* Those who follow: they dawdle, are cut off and come back, and write down what they see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/task.h"
#include "clients/cli/client.h"
#include "protocol/fossil.h"
#include "protocol/json.h"
#include "tests/simulation/scene.h"

/* On the wire a publication is about that much at most, its name and escapes included. */
enum { RECOVERY_MAX = 300, PUBLICATION_BYTES_MAX = 512 };

struct ledger_view peer_view(const struct peer *p) {
    return (struct ledger_view){
        .channel = p->channel, .epoch = p->epoch, .at = p->offset, .filter = p->filter
    };
}

/* ---- what comes ---- */

/* The payload that a publication stands for, in p->base. */
static bool rebuild(struct peer *p, const struct wire_publication *publication) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct bytes data = publication->data;
    struct buffer made = BUFFER_INIT;
    bool ok = true;

    if (p->has_delta && !p->is_protobuf) { /* a string that holds it */
        struct json j;
        struct str text = { 0 };
        json_init(&j, data);
        ok = json_text(&j, &a, &text);
        data = str_bytes(text);
    }
    if (ok && publication->is_delta) {
        ok = p->has_delta && p->has_base &&
             fossil_decode(bytes_of(p->base, p->base_len), data, sizeof p->base, &made) == 0;
        data = buffer_bytes(&made);
        p->scene->ledger.patches++;
    }
    ok = ok && data.len <= sizeof p->base;
    if (ok) {
        memmove(p->base, data.data, data.len);
        p->base_len = data.len;
        p->has_base = true;
    }
    buffer_finish(&made);
    return ok;
}

/* The message's id; everything about it is as it was sent. */
static uint32_t read_message(struct peer *p, const struct wire_publication *publication) {
    struct scene *s = p->scene;
    char wanted[SCENE_PAYLOAD_MAX];

    if (!rebuild(p, publication)) {
        ledger_fault(&s->ledger, "channel %u: what came at %llu cannot be read", p->channel,
                     (unsigned long long) publication->offset);
        return UINT32_MAX;
    }
    struct bytes payload = bytes_of(p->base, p->base_len);
    uint32_t id = scene_message_id(payload);
    size_t len = scene_payload(id, wanted);
    if (!bytes_equal(payload, bytes_of(wanted, len)))
        ledger_fault(&s->ledger, "channel %u: message %u says something else", p->channel, id);
    return id;
}

static void note(struct peer *p, const struct wire_publication *publication) {
    struct scene *s = p->scene;
    struct ledger_view v = peer_view(p);
    uint32_t id = read_message(p, publication);

    if (id == UINT32_MAX)
        return;
    scene_note(s, publication->offset);
    if (publication->offset == 0) {
        ledger_saw_live(&s->ledger, &v, id);
        return;
    }
    ledger_saw(&s->ledger, &v, publication->offset, id);
    p->offset = publication->offset;
    event_set(&s->changed);
}

/* ---- subscribing ---- */

static bool is_same_epoch(const struct peer *p, struct str epoch) {
    return str_equal(epoch, str_of(p->epoch));
}

/* Everything since then, or told. */
static void take_stream(struct peer *p, const struct reply_subscribe *result, const char *epoch) {
    struct scene *s = p->scene;
    struct ledger_view v = peer_view(p);

    if (p->has_position && !result->recovered) {
        /* What fits the queue is recovered in any case; how much more is the daemon's to say. */
        uint64_t limit = s->script.queue_max_bytes / 8 * 7 / PUBLICATION_BYTES_MAX;
        ledger_told(&s->ledger, &v, epoch, result->offset, s->script.history_size,
                    limit < RECOVERY_MAX ? limit : RECOVERY_MAX,
                    s->script.ttl_ms ? loop_now() - s->script.ttl_ms + 500 : INT64_MIN);
    }
    if (!result->recovered) {
        p->offset = result->offset;
        return;
    }
    s->ledger.recovered++;
    if (!is_same_epoch(p, result->epoch))
        ledger_fault(&s->ledger, "channel %u: recovered from another epoch", p->channel);
    if (result->offset != p->offset)
        ledger_fault(&s->ledger, "recovered from %llu, not %llu",
                     (unsigned long long) result->offset, (unsigned long long) p->offset);
}

/* The newest. */
static void take_cache(struct peer *p, const struct reply_subscribe *result, const char *epoch) {
    struct scene *s = p->scene;
    struct ledger_view v = peer_view(p);
    bool is_known = p->has_position && is_same_epoch(p, result->epoch);
    uint32_t id = UINT32_MAX;
    uint64_t offset = 0;

    if (result->publications.n > 1)
        ledger_fault(&s->ledger, "channel %u: a cache gave %zu", p->channel,
                     result->publications.n);
    if (result->publications.n == 1) {
        struct wire_publication publication = wire_publications_at(&result->publications, 0);
        id = read_message(p, &publication);
        offset = publication.offset;
    }
    v.epoch = epoch;
    ledger_cached(&s->ledger, &v, is_known, result->recovered, offset, id, result->offset,
                  s->script.ttl_ms ? loop_now() - s->script.ttl_ms + 500 : INT64_MIN);
    s->ledger.recovered += result->recovered;
    p->offset = result->offset;
}

static void subscribed(struct peer *p, const struct reply_subscribe *result) {
    struct scene *s = p->scene;
    char epoch[EPOCH_SIZE] = "";

    if (result->epoch.len == 0 || result->epoch.len >= sizeof epoch)
        ledger_fault(&s->ledger, "a recoverable subscription without an epoch");
    else
        memcpy(epoch, result->epoch.data, result->epoch.len);
    if (p->has_position && is_same_epoch(p, result->epoch) && result->offset < p->offset)
        ledger_fault(&s->ledger, "channel %u went back from %llu to %llu in one epoch", p->channel,
                     (unsigned long long) p->offset, (unsigned long long) result->offset);
    if (result->delta != p->has_delta)
        ledger_fault(&s->ledger, "delta is %s", result->delta ? "on" : "off");

    p->has_base = false;
    if (s->script.modes[p->channel] == CHANNEL_CACHE)
        take_cache(p, result, epoch);
    else
        take_stream(p, result, epoch);
    memcpy(p->epoch, epoch, sizeof epoch);
    if (s->script.modes[p->channel] == CHANNEL_STREAM) {
        for (size_t i = 0; i < result->publications.n; i++) {
            struct wire_publication publication = wire_publications_at(&result->publications, i);
            note(p, &publication);
        }
    }
    p->has_position = p->is_subscribed = true;
    event_set(&s->changed);
}

/* A FilterNode that lets through the tags of p->filter. The last tag is none. */
static struct bytes encode_filter(const struct peer *p, char text[static 128]) {
    static const char *const colours[] = { "red", "green", "blue" };
    bool is_negative = p->filter & 1U << (LEDGER_TAGS - 1);
    unsigned i = 0;

    while (((p->filter >> i) & 1) == is_negative)
        i++;
    const char *cmp = is_negative ? "neq" : "eq";
    int len = p->is_protobuf
                      ? snprintf(text, 128,
                                 "\x12\x06"
                                 "colour\x1a%c%s\"%c%s",
                                 (char) strlen(cmp), cmp, (char) strlen(colours[i]), colours[i])
                      : snprintf(text, 128, "{\"key\":\"colour\",\"cmp\":\"%s\",\"val\":\"%s\"}",
                                 cmp, colours[i]);
    return bytes_of(text, (size_t) len);
}

static int subscribe(struct peer *p, struct client *c) {
    char name[16], filter[128];
    struct client_end end = { 0 };
    struct reply reply;

    if (channel_is_map(p->scene->script.modes[p->channel]))
        return map_subscribe_peer(p, c);
    scene_channel_name(p->scene, p->channel, name);
    struct command command = { .kind = COMMAND_SUBSCRIBE,
                               .subscribe = { .channel = str_of(name),
                                              .recover = p->has_position,
                                              .offset = p->offset,
                                              .epoch = str_of(p->epoch) } };
    if (p->has_delta)
        command.subscribe.delta = STR("fossil");
    if (p->filter)
        command.subscribe.tags_filter = encode_filter(p, filter);
    /* Nothing of the channel may come before the reply: there is no on_push. */
    int r = client_call(c, &command, NULL, NULL, &reply, &end);
    if (r <= 0)
        return r == 0 ? -ECONNRESET : r;
    if (reply.kind == REPLY_ERROR)
        return reply.error.is_temporary ? -EAGAIN : -EPROTO;
    subscribed(p, &reply.subscribe);
    return 0;
}

/* ---- being subscribed ---- */

/* What the connect reply says of it. */
static int find_subscribed(struct peer *p, struct client *c) {
    const struct reply_connect *result = client_result(c);
    char name[16];

    scene_channel_name(p->scene, p->channel, name);
    if (result->n_subs != 1 || !str_equal(result->subs[0].channel, str_of(name)))
        ledger_fault(&p->scene->ledger, "channel %u: the connect reply has %zu subscriptions",
                     p->channel, result->n_subs);
    else
        subscribed(p, &result->subs[0].result);
    return 0;
}

/* A push says no more than where it begins: where the client is, or (it was not recovered) at the
 * top. What was missed follows. */
static void take_subscribed(struct peer *p, const struct push_subscribe *push) {
    struct reply_subscribe result = { .epoch = push->epoch,
                                      .offset = push->offset,
                                      .recoverable = push->recoverable,
                                      .positioned = push->positioned };
    result.recovered =
            p->has_position && is_same_epoch(p, push->epoch) && push->offset == p->offset;
    subscribed(p, &result);
}

static int begin(struct peer *p, struct client *c) {
    if (!p->is_server_side)
        return subscribe(p, c);
    if (!p->is_by_api)
        return find_subscribed(p, c);
    return application_subscribes(p, c) ? 0 : -ECONNRESET;
}

static int hear(struct peer *p, struct client *c, const struct push *push) {
    struct scene *s = p->scene;

    switch (push->kind) {
    case PUSH_PUBLICATION:
        if (!p->is_subscribed)
            ledger_fault(&s->ledger, "channel %u: a publication without a subscription",
                         p->channel);
        if (channel_is_map(s->script.modes[p->channel]))
            map_note(p, &push->publication);
        else
            note(p, &push->publication);
        return 0;
    case PUSH_SUBSCRIBE:
        take_subscribed(p, &push->subscribe);
        return 0;
    case PUSH_UNSUBSCRIBE:
        p->is_subscribed = false;
        if (script_is_quiet(&s->script) && !p->is_server_side)
            ledger_fault(&s->ledger, "channel %u: sent away for nothing", p->channel);
        if (p->is_server_side)
            return application_subscribes(p, c) ? 0 : -ECONNRESET;
        if (!unsubscribe_resubscribes(push->unsubscribe.code))
            ledger_fault(&s->ledger, "unsubscribed for good: %u", push->unsubscribe.code);
        return subscribe(p, c);
    default:
        return 0;
    }
}

static int follow(struct peer *p, struct client *c) {
    struct scene *s = p->scene;
    struct client_end end = { 0 };
    int64_t until = loop_now() + 100 + (int64_t) loop_random_below(5000);
    int r = begin(p, c);

    while (r == 0 && !s->is_over && (s->is_publishing_over || loop_now() < until)) {
        struct reply reply;
        if (s->script.has_slow_readers && !s->is_publishing_over && scene_chance(2))
            r = task_sleep((int64_t) loop_random_below(3000));
        if (r == 0) {
            DEADLINE(pause, s->is_publishing_over ? 60000 : until - loop_now() + 1);
            r = client_next(c, &reply, &end);
            /* Who came back now would hear of what it missed in any case. */
            if (r == -ETIMEDOUT && deadline_passed(&pause) && s->is_publishing_over) {
                r = 0;
                continue;
            }
        }
        if (r == 0)
            return -ECONNRESET;
        if (r < 0)
            return r;
        r = reply.kind == REPLY_PUSH ? hear(p, c, &reply.push) : 0;
        if (r == 0 && p->is_by_api && p->is_subscribed && !s->is_publishing_over && scene_chance(3))
            (void) application_unsubscribes(p, c);
    }
    return r;
}

int subscriber_run(void *arg) {
    struct peer *p = arg;
    struct scene *s = p->scene;

    while (!s->is_over) {
        CLEANUP(client_closep) struct client *c = NULL;
        int r = peer_reach(p, &c);
        if (r == 0) {
            r = follow(p, c);
            peer_leave(p, &c);
        }
        p->is_subscribed = false;
        if (r == -EPROTO)
            ledger_fault(&s->ledger, "a subscribe was refused for good");
        if (peer_pause(p, 1 + (int64_t) loop_random_below(s->is_publishing_over ? 50 : 1500)) < 0)
            return 0;
    }
    return 0;
}
