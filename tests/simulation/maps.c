#include "tests/simulation/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "clients/cli/client.h"
#include "daemon/publish.h"
#include "daemon/worker_thread.h"
#include "protocol/fossil.h"
#include "protocol/json.h"
#include "storage/map.h"
#include "tests/simulation/scene.h"

enum { PAGE = 100 };

void map_key_name(uint32_t key, char name[static 8]) {
    (void) snprintf(name, 8, "k%u", key % 100000);
}

static uint32_t key_of(struct str name) {
    uint32_t key = 0;
    for (size_t i = 1; i < name.len; i++)
        key = key * 10 + (uint32_t) (name.data[i] - '0');
    return key;
}

/* ---- what comes ---- */

static bool rebuild(struct peer *p, const struct wire_publication *w, uint32_t key) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct bytes data = w->data, base = bytes_of(p->map->bases[key].bytes, p->map->bases[key].len);
    struct buffer made = BUFFER_INIT;
    bool ok = true;

    if (p->has_delta && !p->is_protobuf) {
        struct json j;
        struct str text = { 0 };
        json_init(&j, data);
        ok = json_text(&j, &a, &text);
        data = str_bytes(text);
    }
    if (ok && w->is_delta) {
        ok = p->has_delta && base.len && fossil_decode(base, data, SCENE_VALUE_MAX, &made) == 0;
        data = buffer_bytes(&made);
        p->scene->ledger.patches++;
    }
    ok = ok && data.len <= SCENE_VALUE_MAX;
    if (ok) {
        memmove(p->map->bases[key].bytes, data.data, data.len);
        p->map->bases[key].len = (uint16_t) data.len;
    }
    buffer_finish(&made);
    return ok;
}

/* Into the view. */
static void apply(struct peer *p, const struct wire_publication *w) {
    struct scene *s = p->scene;
    uint32_t key = w->key.len > 1 ? key_of(w->key) : SCENE_KEYS_MAX;
    char wanted[SCENE_PAYLOAD_MAX];

    if (key >= SCENE_KEYS_MAX) {
        ledger_fault(&s->ledger, "channel %u: a key that nobody wrote", p->channel);
        return;
    }
    s->ledger.seen++;
    if (w->is_removed) {
        p->map->ids[key] = 0;
        p->map->bases[key].len = 0;
        return;
    }
    if (!rebuild(p, w, key)) {
        ledger_fault(&s->ledger, "channel %u: the value of key %u cannot be read, at %llu",
                     p->channel, key, (unsigned long long) w->offset);
        return;
    }
    struct bytes payload = bytes_of(p->map->bases[key].bytes, p->map->bases[key].len);
    uint32_t id = scene_message_id(payload);
    if (id >= s->ledger.n_messages || s->ledger.messages[id].channel != p->channel ||
        s->ledger.messages[id].key != key ||
        !bytes_equal(payload, bytes_of(wanted, scene_payload(id, wanted)))) {
        ledger_fault(&s->ledger, "channel %u: key %u has message %u", p->channel, key, id);
        return;
    }
    p->map->ids[key] = id + 1;
}

/* One of the stream: the next. */
static void follow_on(struct peer *p, const struct wire_publication *w) {
    if (p->scene->script.modes[p->channel] == CHANNEL_MAP) {
        if (w->offset != p->offset + 1)
            ledger_fault(&p->scene->ledger, "channel %u: a follower at %llu was given %llu",
                         p->channel, (unsigned long long) p->offset,
                         (unsigned long long) w->offset);
        p->offset = w->offset;
    }
    apply(p, w);
}

void map_note(struct peer *p, const struct wire_publication *w) {
    follow_on(p, w);
    scene_note(p->scene, w->offset);
    event_set(&p->scene->changed);
}

/* ---- subscribing ---- */

static void begin_anew(struct peer *p) {
    p->has_position = false;
    memset(p->map, 0, sizeof *p->map);
}

struct asking {
    struct command_subscribe next;
    char cursor[64];
    bool is_over;
};

static void take_page(struct peer *p, struct asking *a, const struct reply_subscribe *r) {
    struct ledger *l = &p->scene->ledger;

    if (r->epoch.len >= sizeof p->epoch || r->cursor.len > sizeof a->cursor) {
        ledger_fault(l, "channel %u: an epoch or a cursor of no such length", p->channel);
        a->is_over = true;
        return;
    }
    for (size_t i = 0; i < r->state.n; i++) {
        struct wire_publication w = wire_publications_at(&r->state, i);
        apply(p, &w);
    }
    if (a->next.phase == MAP_PHASE_STATE) /* what was frozen; the stream goes on from there */
        p->offset = r->phase == MAP_PHASE_LIVE ? r->offset - r->publications.n : r->offset;
    if (p->scene->script.modes[p->channel] == CHANNEL_LIVE_MAP)
        p->offset = 0;
    for (size_t i = 0; i < r->publications.n; i++) {
        struct wire_publication w = wire_publications_at(&r->publications, i);
        follow_on(p, &w);
    }
    if (r->phase != MAP_PHASE_STATE && r->offset != p->offset)
        ledger_fault(l, "channel %u: a page ends at %llu, but %llu was given", p->channel,
                     (unsigned long long) r->offset, (unsigned long long) p->offset);
    memset(p->epoch, 0, sizeof p->epoch);
    if (r->epoch.len)
        memcpy(p->epoch, r->epoch.data, r->epoch.len);

    if (r->phase == MAP_PHASE_LIVE) {
        a->is_over = true;
        return;
    }
    a->next.recover = false;
    a->next.phase = MAP_PHASE_STREAM;
    a->next.cursor = (struct str){ 0 };
    if (r->phase == MAP_PHASE_STATE && r->cursor.len) {
        memcpy(a->cursor, r->cursor.data, r->cursor.len);
        a->next.cursor = (struct str){ a->cursor, r->cursor.len };
        a->next.phase = MAP_PHASE_STATE;
    }
    a->next.offset = p->offset;
    a->next.epoch = str_of(p->epoch);
}

int map_subscribe_peer(struct peer *p, struct client *c) {
    struct scene *s = p->scene;
    struct client_end end = { 0 };
    char name[16];

    if (!p->map)
        p->map = calloc(1, sizeof *p->map);
    struct asking *a = calloc(1, sizeof *a);
    if (!p->map || !a) {
        free(a);
        return -ENOMEM;
    }
    scene_channel_name(s, p->channel, name);
    a->next = (struct command_subscribe){ .channel = str_of(name),
                                          .type = SUBSCRIPTION_MAP,
                                          .limit = PAGE };
    if (p->has_delta)
        a->next.delta = STR("fossil");
    if (p->has_position) {
        a->next.recover = true;
        a->next.phase = MAP_PHASE_STREAM;
        a->next.offset = p->offset;
        a->next.epoch = str_of(p->epoch);
    } else {
        begin_anew(p);
        a->next.phase = MAP_PHASE_STATE;
    }
    bool was_recovering = a->next.recover;
    int r = 0;
    while (r == 0 && !a->is_over) {
        struct command command = { .kind = COMMAND_SUBSCRIBE, .subscribe = a->next };
        struct reply reply;
        r = client_call(c, &command, NULL, NULL, &reply, &end);
        r = r == 0 ? -ECONNRESET : r < 0 ? r : 0;
        if (r < 0)
            break;
        if (reply.kind == REPLY_ERROR && reply.error.code == ERROR_UNRECOVERABLE_POSITION) {
            s->ledger.told++;
            begin_anew(p);
            r = -EAGAIN;
        } else if (reply.kind == REPLY_ERROR) {
            r = reply.error.is_temporary ? -EAGAIN : -EPROTO;
        } else {
            take_page(p, a, &reply.subscribe);
        }
    }
    if (r == 0) {
        s->ledger.recovered += was_recovering;
        p->has_position = s->script.modes[p->channel] == CHANNEL_MAP;
        p->is_subscribed = true;
        event_set(&s->changed);
    } else if (!was_recovering) {
        p->has_position = false; /* half a state is none */
    }
    free(a);
    return r;
}

/* ---- what the map holds ---- */

void map_answered(struct map_log *l, uint32_t key, uint32_t id, bool is_removal, int result) {
    if (result < 0) {
        l->pending[key]++;
        return;
    }
    l->acked[key] = is_removal ? 0 : id + 1;
    l->pending[key] = 0;
}

int map_read_all(struct scene_node *n, uint32_t channel, uint32_t ids[static SCENE_KEYS_MAX],
                 uint64_t *ret_top) {
    char name[16], cursor[64];
    struct worker *w = &n->daemon->threads[0].worker;

    scene_channel_name(n->scene, channel, name);
    struct map_query q = {
        .channel = str_of(name),
        .keep = publish_keep_of(config_namespace_of(w->config, str_of(name))),
        .limit = PAGE,
    };
    memset(ids, 0, SCENE_KEYS_MAX * sizeof *ids);
    for (;;) {
        struct map_page page;
        int r = engine_map_read(n->engine, &q, &page);
        if (r < 0)
            return r;
        for (size_t i = 0; i < page.n; i++)
            if (key_of(page.items[i]->key) < SCENE_KEYS_MAX)
                ids[key_of(page.items[i]->key)] = scene_message_id(page.items[i]->data) + 1;
        bool is_over = page.cursor.len == 0 || page.cursor.len > sizeof cursor;
        if (!is_over) {
            memcpy(cursor, page.cursor.data, page.cursor.len);
            q.cursor = (struct str){ cursor, page.cursor.len };
        }
        *ret_top = page.top.offset;
        map_page_finish(&page);
        if (is_over)
            return 0;
    }
}
