#include "tests/simulation/scene.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/wire.h"
#include "protocol/json.h"
#include "tests/simulation/recorder.h"
#include "tests/support/sim_vfs.h"

enum {
    READ_AGAIN_MS = 100,
    QUIET_MS = 120000,   /* within which everybody must have caught up */
    GOODBYE_MS = 5000,   /* within which who has gone must be gone for others */
    PRESENCE_MS = 70000, /* more than an entry lives by itself */
    HANG_MS = 60000,     /* within which a node must answer, when nothing is wrong any more */
};

/* How a client is, apart from what the script says. */
static void cast(struct scene *s, struct peer *p, uint64_t what) {
    uint64_t state = s->script.seed * 1000 + what;

    p->is_application = script_more(&state, 2);
    p->is_protobuf = wire_codec(WIRE_PROTOBUF) == &codec_protobuf && script_more(&state, 3) == 0;
    uint64_t kind = script_more(&state, 4);
    p->has_delta = kind == 0;
    if (kind == 1) /* one tag, or all but one */
        p->filter = script_more(&state, 2) ? 1U << script_more(&state, LEDGER_TAGS - 1)
                                           : 0xFU & ~(1U << script_more(&state, LEDGER_TAGS - 1));
    p->is_server_side =
            kind > 1 && !channel_is_map(s->script.modes[p->channel]) && script_more(&state, 2);
    if (p->is_server_side) /* its connect is in JSON */
        p->is_protobuf = false;
}

void scene_channel_name(const struct scene *s, uint32_t channel, char name[static 16]) {
    static const char *const namespaces[] = { "sim", "cch", "map", "eph" };

    (void) snprintf(name, 16, "%s:%u", namespaces[s->script.modes[channel]], channel);
}

size_t scene_payload(uint32_t id, char payload[static SCENE_PAYLOAD_MAX]) {
    static const char *const faces[] = { "😀", "😁", "é", "è", "ö", "漢", "漣", "x" };

    return (size_t) snprintf(payload, SCENE_PAYLOAD_MAX,
                             "{\"m\":%u,\"text\":\"Говорят, что \\\"это\\\" не меняется, %s, "
                             "и вот это тоже нет\",\"n\":%u,\"face\":\"%s\"}",
                             id, faces[id % 8], id / 3, faces[id / 5 % 8]);
}

uint32_t scene_message_id(struct bytes data) {
    struct json j;
    struct json_string key;
    uint32_t id = UINT32_MAX;

    json_init(&j, data);
    if (json_enter_object(&j) && json_member(&j, &key) && json_is(key, STR("m")))
        (void) json_uint32(&j, &id);
    return id;
}

struct keep scene_keep(const struct scene *s) {
    return (struct keep){ .history_size = s->script.history_size,
                          .history_ttl_ms = s->script.ttl_ms ? s->script.ttl_ms : 3600 * 1000,
                          .meta_ttl_ms = 2 * s->script.ttl_ms };
}

void scene_note(struct scene *s, uint64_t what) {
    s->digest = (s->digest ^ what ^ (uint64_t) loop_now()) * UINT64_C(0x100000001b3);
}

void scene_say(const struct scene *s, const char *format, ...) {
    va_list args;

    if (!s->is_verbose)
        return;
    printf("%8lld ms  ", (long long) loop_now());
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- the daemon ---- */

static void heal(struct scene *s) {
    sim_disk_fail(s->disk, SIM_ANY, 0, 0, EIO);
    redis_heal(s);
}

struct scene_node *scene_some_node(struct scene *s) {
    unsigned from = (unsigned) loop_random_below(s->script.nodes);
    for (unsigned i = 0; i < s->script.nodes; i++) {
        struct scene_node *n = &s->nodes[(from + i) % s->script.nodes];
        if (n->is_up)
            return n;
    }
    return NULL;
}

/* What is kept becomes more or as much as before. */
static int reload(struct scene *s) {
    struct config *c;
    uint32_t size = s->script.history_size * (1 + (uint32_t) loop_random_below(2));
    int r = 0;

    if (scene_config(s, size, &c) < 0) {
        ledger_fault(&s->ledger, "the configuration is refused");
        return 0;
    }
    for (unsigned i = 0; i < s->script.nodes && r == 0; i++)
        if (s->nodes[i].is_up)
            r = daemon_reload(s->nodes[i].daemon, c, NULL);
    config_unref(c);
    s->reloads++;
    scene_say(s, "reloaded: history %u", size);
    return r;
}

static int start(struct scene_node *n) {
    struct scene *s = n->scene;
    struct daemon_options o = { .engine_vfs = s->vfs,
                                .is_single_threaded = true,
                                .has_no_listeners = true };
    char *why = NULL;
    int r = scene_config(s, s->script.history_size, &o.config);

    if (r < 0) {
        ledger_fault(&s->ledger, "the configuration is refused");
        return r;
    }
    if (s->script.engine == ENGINE_REDIS) {
        o.open_engine = redis_open_engine;
        o.open_engine_arg = n;
    }
    n->life++;
    r = daemon_open(&o, &n->daemon, &why);
    config_unref(o.config);
    if (r < 0) {
        /* A disk that fails may keep it from starting: whoever runs it tries again. */
        scene_say(s, "node %u does not start: %s", n->index, why ? why : strerror(-r));
        free(why);
        return r;
    }
    n->engine = n->daemon->engine;
    r = recorder_open(n, &n->recorder);
    if (r < 0) {
        scene_say(s, "node %u has no recorder: %s", n->index, strerror(-r));
        n->daemon = daemon_close(n->daemon);
        n->engine = NULL;
        return r;
    }
    n->is_up = true;
    event_set(&s->changed);
    return 0;
}

static void stop(struct scene_node *n) {
    n->is_up = false;
    n->recorder = recorder_close(n->recorder);
    n->daemon = daemon_close(n->daemon);
    n->engine = NULL;
}

static void cut_peers(struct scene_node *n) {
    struct scene *s = n->scene;
    for (unsigned i = 0; i < SCENE_PUBLISHERS_MAX; i++)
        if (s->publishers[i].stream && s->publishers[i].node == n)
            stream_pair_cut(s->publishers[i].stream);
    for (unsigned i = 0; i < SCENE_SUBSCRIBERS_MAX; i++)
        if (s->subscribers[i].stream && s->subscribers[i].node == n)
            stream_pair_cut(s->subscribers[i].stream);
}

static int start_again(struct scene_node *n) {
    for (unsigned i = 0; i < 100; i++) {
        int r = start(n);
        if (r == 0 || r == -ECANCELED)
            return r;
        if (i == 20)
            heal(n->scene);
        if (task_sleep(10 + (int64_t) loop_random_below(100)) < 0)
            return -ECANCELED;
    }
    ledger_fault(&n->scene->ledger, "node %u does not start again", n->index);
    return -EIO;
}

/* The whole machine goes: what was not synced is lost, what was on the wire as well. */
static int crash(struct scene_node *n) {
    struct scene *s = n->scene;

    scene_say(s, "crash of node %u", n->index);
    s->crashes++;
    s->ledger.refused_may_return |= s->faults > 0;
    n->is_up = false;
    if (s->script.engine == ENGINE_MEMORY) { /* it forgets; but first everybody hears of it */
        cut_peers(n);
        if (task_sleep(1000) < 0)
            return -ECANCELED;
    }
    if (s->script.engine == ENGINE_REDIS)
        redis_cut_off(n, true);
    else
        sim_disk_cut(s->disk); /* what is open fails from here on */
    cut_peers(n);
    stop(n);
    if (task_sleep((int64_t) loop_random_below(500)) < 0)
        return -ECANCELED;
    redis_cut_off(n, false);
    return start_again(n);
}

/* ---- the play ---- */

/* It has seen its stream to the end; or it has what the map holds. */
static bool is_there(const struct scene *s, const struct peer *p) {
    struct ledger_view v = peer_view(p);

    if (!p->is_subscribed)
        return false;
    if (!channel_is_map(s->script.modes[p->channel]))
        return ledger_is_there(&s->ledger, &v);
    return memcmp(p->map->ids, s->map_keys[p->channel], sizeof p->map->ids) == 0 &&
           (s->script.modes[p->channel] == CHANNEL_LIVE_MAP ||
            p->offset == s->map_tops[p->channel]);
}

static bool everybody_is_there(const struct scene *s) {
    for (unsigned i = 0; i < s->script.subscribers; i++)
        if (!is_there(s, &s->subscribers[i]))
            return false;
    return true;
}

/* Redis may just be coming back. */
static int read_map(struct scene *s, uint32_t channel) {
    for (;;) {
        int r = map_read_all(scene_some_node(s), channel, s->map_keys[channel],
                             &s->map_tops[channel]);
        if (r == 0 || s->script.engine != ENGINE_REDIS || r == -ECANCELED)
            return r;
        r = task_sleep(READ_AGAIN_MS);
        if (r < 0)
            return r;
    }
}

static int read_maps(struct scene *s) {
    int r = 0;
    for (uint32_t i = 0; i < s->script.channels && r == 0; i++)
        if (channel_is_map(s->script.modes[i]))
            r = read_map(s, i);
    return r;
}

/* What was acknowledged is there, unless something later is. */
static void check_maps(struct scene *s) {
    for (uint32_t i = 0; i < s->script.channels; i++) {
        bool forgets = s->script.ttl_ms || s->script.has_losses;
        if (s->script.engine != ENGINE_REDIS)
            forgets |= s->crashes && (s->script.engine == ENGINE_MEMORY ||
                                      s->script.modes[i] == CHANNEL_LIVE_MAP);
        for (uint32_t k = 0; k < s->script.keys && channel_is_map(s->script.modes[i]); k++)
            if (!forgets && s->maps[i].pending[k] == 0 && s->map_keys[i][k] != s->maps[i].acked[k])
                ledger_fault(&s->ledger, "channel %u: key %u holds %u, and %u was acknowledged", i,
                             k, s->map_keys[i][k], s->maps[i].acked[k]);
    }
}

static int disturb(struct scene *s) {
    int64_t until = loop_now() + s->script.duration_ms;

    while (loop_now() < until) {
        if (task_sleep(50 + (int64_t) loop_random_below(1500)) < 0)
            return -ECANCELED;
        if (s->script.has_disk_faults && loop_random_below(3) == 0) {
            sim_disk_fail(s->disk, SIM_ANY, loop_random_below(40), 1 + loop_random_below(5),
                          loop_random_below(2) ? EIO : ENOSPC);
            s->faults++;
        }
        if (s->script.has_reloads && loop_random_below(3) == 0) {
            int r = reload(s);
            if (r < 0)
                return r;
        }
        if (s->script.engine == ENGINE_REDIS)
            redis_disturb(s);
        if (s->crashes < s->script.crashes && loop_random_below(3) == 0) {
            int r = crash(&s->nodes[loop_random_below(s->script.nodes)]);
            if (r < 0)
                return r;
        }
    }
    /* What is missed at the end, nothing later tells. */
    if (s->script.engine == ENGINE_REDIS && redis_disturb_last(s) &&
        task_sleep((int64_t) loop_random_below(80)) < 0)
        return -ECANCELED;
    heal(s);
    return 0;
}

static void blame(struct scene *s) {
    for (unsigned i = 0; i < s->script.subscribers; i++) {
        const struct peer *p = &s->subscribers[i];
        if (!is_there(s, p))
            ledger_fault(&s->ledger, "subscriber %u of channel %u is %s at %llu of %llu", i,
                         p->channel, p->is_subscribed ? "stuck" : "not subscribed",
                         (unsigned long long) p->offset,
                         (unsigned long long) (channel_is_map(s->script.modes[p->channel])
                                                       ? s->map_tops[p->channel]
                                                       : ledger_top(&s->ledger, p->channel)));
    }
}

static int settle(struct scene *s) {
    DEADLINE(quiet, QUIET_MS);
    int r;

    while ((r = read_maps(s)) == 0 && !everybody_is_there(s)) {
        event_clear(&s->changed);
        r = event_wait(&s->changed);
        if (r < 0)
            break;
    }
    if (r == -ETIMEDOUT && deadline_passed(&quiet)) {
        blame(s);
        return 0;
    }
    if (r == 0)
        check_maps(s);
    return r;
}

/* How many of a channel are present, how many should be. */
static int count_present(struct scene *s, uint32_t channel, size_t *ret_clients,
                         size_t *ret_wanted) {
    char name[16];
    size_t users = 0;

    scene_channel_name(s, channel, name);
    *ret_clients = *ret_wanted = 0;
    for (unsigned k = 0; k < s->script.subscribers; k++)
        *ret_wanted += s->subscribers[k].channel == channel;
    if (channel_is_map(s->script.modes[channel]))
        *ret_wanted = 0;
    return engine_presence_stats(scene_some_node(s)->engine, str_of(name), ret_clients, &users);
}

/* Who is present is who is subscribed. A client that was cut off just now may be there for as long
 * as its last command and its goodbye take; that is much less than an entry lives by itself. */
static int check_presence(struct scene *s) {
    /* Of a node that is gone nobody says goodbye. */
    int64_t until = loop_now() + (s->script.engine == ENGINE_REDIS ? PRESENCE_MS : GOODBYE_MS);

    for (uint32_t i = 0; i < s->script.channels;) {
        size_t clients, wanted;
        int r = count_present(s, i, &clients, &wanted);
        bool is_temporary = s->script.engine == ENGINE_REDIS && r != -ECANCELED;
        if (r < 0 && !(is_temporary && loop_now() < until))
            return r;
        clients = r < 0 ? SIZE_MAX : clients;
        if (clients != wanted && loop_now() < until) {
            r = task_sleep(10);
            if (r < 0)
                return r;
            continue;
        }
        if (clients != wanted)
            ledger_fault(&s->ledger, "channel %u: %zu are present, %zu are subscribed", i, clients,
                         wanted);
        i++;
    }
    return 0;
}

/* What every node says that there is. */
static int catch_up(struct scene *s) {
    int r = 0;
    for (unsigned i = 0; i < s->script.nodes && r == 0; i++) {
        int64_t until = loop_now() + HANG_MS;
        while ((r = recorder_catch_up(&s->nodes[i])) < 0 && r != -ECANCELED &&
               s->script.engine == ENGINE_REDIS && loop_now() < until)
            if (task_sleep(100) < 0)
                return -ECANCELED;
        if (r < 0)
            ledger_fault(&s->ledger, "node %u does not answer: %s", i, strerror(-r));
    }
    return r;
}

static int start_all(struct scene *s) {
    int r = s->script.engine == ENGINE_REDIS ? redis_begin(s) : 0;
    for (unsigned i = 0; i < s->script.nodes && r == 0; i++) {
        s->nodes[i] = (struct scene_node){ .scene = s, .index = i };
        /* Lines may break from the beginning. */
        r = s->script.engine == ENGINE_REDIS ? start_again(&s->nodes[i]) : start(&s->nodes[i]);
    }
    return r;
}

static int play(void *arg) {
    struct scene *s = arg;

    s->ledger.epochs_may_change = s->script.ttl_ms || s->script.engine == ENGINE_MEMORY ||
                                  (s->script.engine == ENGINE_REDIS && !s->script.keeps_epochs);
    s->ledger.refused_may_return = s->script.engine == ENGINE_REDIS;
    s->ledger.forgets_unseen = s->script.engine == ENGINE_REDIS && s->script.ttl_ms;
    s->ledger.epochs_continue = s->script.engine == ENGINE_REDIS;
    int r = start_all(s);

    GROUP(publishers);
    GROUP(subscribers);
    for (unsigned i = 0; i < s->script.publishers && r == 0; i++) {
        s->publishers[i] = (struct peer){ .scene = s, .index = i };
        cast(s, &s->publishers[i], i);
        r = group_spawn(&publishers, "publisher", publisher_run, &s->publishers[i]);
    }
    for (unsigned i = 0; i < s->script.subscribers && r == 0; i++) {
        s->subscribers[i] =
                (struct peer){ .scene = s, .index = i, .channel = i % s->script.channels };
        cast(s, &s->subscribers[i], 100 + i);
        r = group_spawn(&subscribers, "subscriber", subscriber_run, &s->subscribers[i]);
    }
    if (r == 0)
        r = disturb(s);
    s->is_publishing_over = true;
    if (r == 0)
        r = group_wait(&publishers);
    if (r == 0)
        r = catch_up(s);
    scene_say(s, "publishing is over");
    if (r == 0)
        r = settle(s);
    if (r == 0 && !s->ledger.fault[0])
        r = check_presence(s);
    s->is_over = true;
    group_finish(&subscribers);
    group_finish(&publishers);
    for (unsigned i = 0; i < s->script.nodes; i++)
        if (s->nodes[i].daemon)
            stop(&s->nodes[i]);
    redis_end(s);
    for (unsigned i = 0; i < s->script.subscribers; i++)
        free(s->subscribers[i].map);
    ledger_close(&s->ledger);
    return r;
}

static void hear_warning(void *arg, const char *text) {
    struct scene *s = arg;

    /* Left-over tasks are a leak of the daemon's. */
    ledger_fault(&s->ledger, "the runtime warns: %s", text);
}

int scene_run(struct scene *s) {
    struct loop_options o = { .name = "simulation",
                              .is_simulated = true,
                              .seed = s->script.seed,
                              .shuffle_ready = s->script.seed % 2,
                              .on_warning = hear_warning,
                              .on_warning_arg = s };
    (void) snprintf(s->vfs, sizeof s->vfs, "sim-%llx-%u", (unsigned long long) s->script.seed,
                    s->run);
    s->disk = sim_disk_new(s->vfs, s->script.seed);
    int r = loop_run(&o, play, s);
    s->disk = sim_disk_free(s->disk);
    return r;
}
