/*
 * The engine on Redis: what is numbered, kept and distributed is so by Redis, in scripts, for all
 * nodes alike. Webhooks' events are each node's own: an engine inside, on SQLite where there is a
 * data directory.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/task.h"
#include "storage/clock.h"
#include "storage/redis/message.h"
#include "storage/redis/redis_impl.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    IO_TIMEOUT_MS = 4000,
    OPEN_EXTRA_MS = 500,
    NODE_TTL_MS = 15000,
    BEATS_PER_TTL = 3,
    FENCE_MS = 1000, /* for a message to ourselves */
    QUEUE_MAX = 65536,
    REPLY_MAX_BYTES = 48 * 1024 * 1024, /* a line ends above 64 */
    FAILURE_MS = 10000, /* after which a failed publish alone does not make us unhealthy */
    ATTEMPT_MS = 50,    /* between looks at an attempt to connect */
};

/* ---- what is distributed ---- */

static void hear_publication(struct redis_engine *re, struct str channel, struct bytes payload) {
    struct publication *p;
    int r = message_decode(channel, payload, &p);
    if (r == 0) {
        r = distribution_send(&re->engine.distribution, engine_hash(&re->engine, channel), p);
        publication_unref(p);
    }
    if (r < 0) /* whoever follows the channel finds a hole */
        re->counts.messages_refused++;
}

static bool take_prefix(struct str *s, const char *prefix) {
    struct str p = str_of(prefix);
    if (!str_starts_with(*s, p))
        return false;
    s->data += p.len;
    s->len -= p.len;
    return true;
}

static void hear(void *arg, struct str name, struct bytes payload) {
    struct shard *s = arg;
    struct redis_engine *re = s->engine;
    uint64_t fence;
    if (!take_prefix(&name, re->pubsub_prefix))
        return;
    if (take_prefix(&name, ".c."))
        hear_publication(re, name, payload);
    else if (take_prefix(&name, ".signal"))
        node_hear(re, payload);
    else if (take_prefix(&name, ".fence.") && message_take_number(&payload, &fence) == 0)
        shard_fence_seen(s, fence);
    else if (take_prefix(&name, ".occupied"))
        occupants_hear(s, payload);
}

/* ---- the lines ---- */

/* Both lines. */
static bool is_there(const struct shard *s) {
    struct redis_server_stats stats = { 0 };
    if (s->server)
        redis_server_stats(s->server, &stats);
    return s->is_up && stats.is_subscribed;
}

/* The first server that is away. */
static void note_problem(struct redis_engine *re) {
    char text[ENGINE_PROBLEM_MAX] = "";
    unsigned down = 0;
    for (unsigned i = re->n_shards; i-- > 0;) {
        const struct shard *s = &re->shards[i];
        const char *why = s->server ? redis_server_problem(s->server) : "";
        const char *at = s->server ? redis_server_problem_at(s->server) : "";
        bool is_down = !is_there(s);
        down += is_down;
        if (is_down)
            (void) snprintf(text, sizeof text, "%s: %s%s%s", s->name, at, at[0] ? ": " : "",
                            why[0] ? why : "not there yet");
    }
    atomic_store(&re->counts.down, down);
    pthread_mutex_lock(&re->nodes_mutex);
    memcpy(re->problem, text, sizeof text);
    pthread_mutex_unlock(&re->nodes_mutex);
}

static void resubscribed(void *arg) {
    struct shard *s = arg;
    shard_release_fences(s);
    note_problem(s->engine);
    node_missed(s->engine);
}

static void came_up(void *arg) {
    struct shard *s = arg;
    s->is_up = true;
    shard_came_up(s);
    script_tell_generation(s);
    atomic_store(&s->engine->counts.last_error, 0);
    note_problem(s->engine);
    if (s->index == 0 && !s->engine->is_closing)
        node_beat(s->engine);
    occupants_came_up(s);
}

static void went_down(void *arg, int error) {
    struct shard *s = arg;
    s->is_up = false;
    atomic_store(&s->engine->counts.last_error, error);
    atomic_store(&s->engine->counts.failed_ms, loop_now());
    note_problem(s->engine);
}

static void warn(void *arg, const char *text) {
    struct shard *s = arg;
    if (s->engine->warn)
        s->engine->warn(s->engine->warn_arg, text);
}

static int open_server(struct shard *s, const struct redis_options *o) {
    const struct redis_shard_options *so = &o->shards[s->index];
    struct redis_server_options server = {
        .name = s->name,
        .addresses = so->addresses,
        .n_addresses = so->n_addresses,
        .master_name = so->master_name,
        .username = so->username,
        .password = so->password,
        .sentinel_username = so->sentinel_username,
        .sentinel_password = so->sentinel_password,
        .database = so->database,
        .tls = so->tls,
        .sentinel_tls = so->sentinel_tls,
        .connect_timeout_ms = o->connect_timeout_ms,
        .io_timeout_ms = o->io_timeout_ms,
        .queue_max = s->engine->queue_max,
        .queue_max_bytes = s->engine->queue_max_bytes,
        .wait_ms = o->wait_ms,
        .connect = o->connect,
        .connect_arg = o->connect_arg,
        .arg = s,
        .greet = script_greet,
        .came_up = came_up,
        .went_down = went_down,
        .resubscribed = resubscribed,
        .message = hear,
        .warn = warn,
    };
    return redis_server_open(&server, &s->server);
}

/* What this node must hear, for as long as it is there. */
static int listen_task(void *arg) {
    struct shard *s = arg;
    struct redis_engine *re = s->engine;
    const char *const kinds[] = { ".fence.", ".signal.", ".signal" };
    int r = 0;
    for (size_t i = 0; r == 0 && i < (s->index == 0 ? ELEMENTS_OF(kinds) : 1); i++) {
        char *name;
        if (asprintf(&name, "%s%s%s", re->pubsub_prefix, kinds[i], i < 2 ? re->node_id : "") < 0)
            return -ENOMEM;
        r = redis_server_subscribe(s->server, str_of(name));
        free(name);
    }
    return r;
}

/* Half a second more than one attempt takes. Who does not answer may yet come; what answers, but
 * not as it should, will not change by itself. */
static int wait_for(struct shard *s, int64_t until_ms, char **ret_why) {
    int error;
    do {
        DEADLINE(d, ATTEMPT_MS);
        int r = s->is_up ? task_sleep(1) : redis_server_wait_up(s->server);
        if (r < 0 && (r != -ETIMEDOUT || !deadline_passed(&d)))
            return r;
        if (is_there(s)) /* perhaps as the look at it ended */
            return 0;
        error = redis_server_error(s->server);
    } while (error != -EACCES && error != -EPROTO && loop_now() < until_ms);
    if (error != -EACCES && error != -EPROTO)
        return 0;
    if (asprintf(ret_why, "%s cannot be used: %s", s->name, redis_server_problem(s->server)) < 0)
        *ret_why = NULL;
    return error;
}

static int start(struct redis_engine *re, const struct redis_options *o, char **ret_why) {
    int r = 0;
    int64_t connect_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    int64_t until_ms = loop_now() + connect_ms + OPEN_EXTRA_MS;
    for (unsigned i = 0; r == 0 && i < re->n_shards; i++)
        r = open_server(&re->shards[i], o);
    for (unsigned i = 0; r == 0 && i < re->n_shards; i++)
        r = group_spawn(&re->tasks, "redis-listen", listen_task, &re->shards[i]);
    for (unsigned i = 0; r == 0 && i < re->n_shards; i++)
        r = wait_for(&re->shards[i], until_ms, ret_why);
    note_problem(re);
    return r;
}

/* ---- the rest ---- */

static void redis_stats(struct engine *e, struct engine_stats *ret) {
    struct redis_engine *re = redis_of(e);
    struct redis_counts *c = &re->counts;
    re->inner->class->stats(re->inner, ret); /* of events, and of nothing else */
    uint64_t events = ret->events, events_rejected = ret->events_rejected;
    struct engine_stats base = {
        .writable = ret->writable && atomic_load(&c->down) == 0 && atomic_load(&c->last_error) == 0,
        .last_error = atomic_load(&c->last_error),
        .publishes = atomic_load(&c->publishes),
        .reads = atomic_load(&c->reads),
        .queued = atomic_load(&c->queued),
        .rejected = atomic_load(&c->rejected),
        .duplicates = atomic_load(&c->duplicates),
        .stale = atomic_load(&c->stale),
        .suppressed = atomic_load(&e->ephemera.suppressed),
        .map_keys_expired = atomic_load(&e->ephemera.keys_expired),
        .map_keys_refused = atomic_load(&e->ephemera.keys_refused),
        .denials_refused = atomic_load(&e->ephemera.denials_refused),
        .messages_refused = atomic_load(&c->messages_refused),
        .events = events,
        .events_rejected = events_rejected,
    };
    pthread_mutex_lock(&re->nodes_mutex);
    memcpy(base.problem, re->problem, sizeof base.problem);
    pthread_mutex_unlock(&re->nodes_mutex);
    *ret = base;
}

static void note_stats(struct redis_engine *re) {
    pthread_mutex_lock(&re->nodes_mutex);
    for (unsigned i = 0; i < re->n_shards; i++)
        redis_server_stats(re->shards[i].server, &re->shards[i].stats);
    pthread_mutex_unlock(&re->nodes_mutex);
}

static void redis_tick(struct engine *e) {
    struct redis_engine *re = redis_of(e);
    int64_t now = loop_now();
    size_t queued = 0;
    re->inner->class->tick(re->inner);
    if (now - re->beat_at_ms >= re->node_ttl_ms / BEATS_PER_TTL)
        node_beat(re);
    for (unsigned i = 0; i < re->n_shards; i++) {
        struct shard *s = &re->shards[i];
        queued += s->n_ops;
        if (s->fence_seen < s->fence && now - s->fence_at_ms >= FENCE_MS)
            shard_release_fences(s);
        occupants_tend(s);
    }
    atomic_store(&re->counts.queued, queued);
    if (now - atomic_load(&re->counts.failed_ms) >= FAILURE_MS)
        atomic_store(&re->counts.last_error, 0);
    note_problem(re);
    note_stats(re);
    archive_care(re);
    map_expire(re);
}

/* ---- events ---- */

static void redis_event_append(struct engine *e, struct event_request *request) {
    struct engine *inner = redis_of(e)->inner;
    inner->class->event_append(inner, request);
}

static int redis_events_next(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                             size_t max_bytes, struct events *ret) {
    struct engine *inner = redis_of(e)->inner;
    return inner->class->events_next(inner, queue, after, limit, max_bytes, ret);
}

static int redis_events_done(struct engine *e, const uint64_t *ids, size_t n) {
    struct engine *inner = redis_of(e)->inner;
    return inner->class->events_done(inner, ids, n);
}

static int redis_events_end_standing(struct engine *e) {
    struct engine *inner = redis_of(e)->inner;
    return inner->class->events_end_standing(inner);
}

static int redis_events_keep_queues(struct engine *e, const struct str *queues, size_t n,
                                    uint64_t *ret_n) {
    struct engine *inner = redis_of(e)->inner;
    return inner->class->events_keep_queues(inner, queues, n, ret_n);
}

/* ---- making and ending ---- */

static void redis_free(struct redis_engine *re) {
    for (unsigned i = 0; i < re->n_shards; i++)
        occupants_free(&re->shards[i]);
    assert(table_size(&re->readings) == 0);
    publish_end(re);
    table_finish(&re->readings);
    pthread_mutex_destroy(&re->queue_mutex);
    pthread_mutex_destroy(&re->nodes_mutex);
    engine_finish(&re->engine);
    buffer_finish(&re->scratch);
    buffer_finish(&re->text);
    buffer_finish(&re->nodes);
    free(re->prefix);
    free(re->pubsub_prefix);
    free(re->node_id);
    free(re->node_name);
    free(re);
}

static bool is_busy(const struct redis_engine *re) {
    for (unsigned i = 0; i < re->n_shards; i++)
        if (re->shards[i].first)
            return true;
    return false;
}

/* What was begun is seen through, as long as Redis answers. */
static void redis_close(struct engine *e) {
    struct redis_engine *re = redis_of(e);
    SHIELD(INT64_MAX / 2);
    publish_drain(re);
    for (int64_t until_ms = loop_now() + re->patience_ms; is_busy(re) && loop_now() < until_ms;)
        if (task_sleep(1) < 0)
            break;
    re->is_closing = true;
    node_leave(re);
    for (unsigned i = 0; i < re->n_shards; i++)
        re->shards[i].server = redis_server_close(re->shards[i].server);
    group_finish(&re->tasks);
    for (unsigned i = 0; i < re->n_shards; i++)
        re->shards[i].fence_seen = UINT64_MAX;
    for (unsigned i = 0; i < re->n_shards; i++)
        if (re->shards[i].first)
            shard_post(&re->shards[i]);
    re->inbox = inbox_close(re->inbox); /* runs what is posted */
    assert(!is_busy(re));
    re->archive = archive_close(re->archive);
    if (re->inner)
        re->inner->class->close(re->inner);
    redis_free(re);
}

static const struct engine_class redis_class = {
    .publish = redis_publish,
    .history = redis_history,
    .history_remove = redis_history_remove,
    .position = redis_position,
    .stats = redis_stats,
    .map_read = redis_map_read,
    .map_count = redis_map_count,
    .map_clear = redis_map_clear,
    .event_append = redis_event_append,
    .events_next = redis_events_next,
    .events_done = redis_events_done,
    .events_end_standing = redis_events_end_standing,
    .events_keep_queues = redis_events_keep_queues,
    .denial_put = redis_denial_put,
    .denial_remove = redis_denial_remove,
    .denials = redis_denials,
    .is_behind = redis_is_behind,
    .broadcast = redis_broadcast,
    .attach = redis_attach,
    .detach = redis_detach,
    .presence_set = redis_presence_set,
    .presence_remove = redis_presence_remove,
    .presence = redis_presence,
    .presence_stats = redis_presence_stats,
    .nodes = redis_nodes,
    .signal = redis_signal,
    .listen = redis_listen,
    .unlisten = redis_unlisten,
    .lease = redis_lease,
    .occupants_open = redis_occupants_open,
    .occupants_change = redis_occupants_change,
    .occupants_told = redis_occupants_told,
    .occupants_close = redis_occupants_close,
    .tick = redis_tick,
    .close = redis_close,
};

size_t engine_redis_stats(struct engine *e, struct redis_shard_stats ret[static REDIS_SHARDS_MAX]) {
    if (e->class != &redis_class)
        return 0;
    struct redis_engine *re = redis_of(e);
    pthread_mutex_lock(&re->nodes_mutex);
    for (unsigned i = 0; i < re->n_shards; i++) {
        memcpy(ret[i].name, re->shards[i].name, sizeof ret[i].name);
        ret[i].server = re->shards[i].stats;
    }
    pthread_mutex_unlock(&re->nodes_mutex);
    return re->n_shards;
}

bool engine_archive_stats(struct engine *e, struct archive_stats *ret) {
    if (e->class != &redis_class || !redis_of(e)->archive)
        return false;
    archive_stats(redis_of(e)->archive, ret);
    return true;
}

static char *copied(struct str s) {
    return strndup(s.data ? s.data : "", s.len);
}

/* Distribution knows nothing of databases, so that its names must. */
static int name_all(struct redis_engine *re, const struct redis_options *o) {
    re->prefix = copied(o->prefix.len ? o->prefix : STR("parley"));
    re->node_id = copied(o->node_id);
    re->node_name = copied(o->node_name);
    if (!re->prefix || !re->node_id || !re->node_name)
        return -ENOMEM;
    unsigned database = o->shards[0].database;
    if (database > 0 && asprintf(&re->pubsub_prefix, "%s@%u", re->prefix, database) < 0)
        re->pubsub_prefix = NULL;
    else if (database == 0)
        re->pubsub_prefix = strdup(re->prefix);
    return re->pubsub_prefix ? 0 : -ENOMEM;
}

static int prepare(struct redis_engine *re, const struct engine_options *o, const char *epoch_base,
                   const struct table_seed *seed, char **ret_why) {
    const struct redis_options *ro = o->redis;
    int r = name_all(re, ro);
    if (r < 0)
        return r;
    re->inbox = inbox_open(loop_current());
    if (!re->inbox)
        return -ENOMEM;
    for (unsigned i = 0; i < ro->n_shards; i++) {
        struct shard *s = &re->shards[re->n_shards++];
        s->engine = re;
        s->index = i;
        s->end = &s->first;
        (void) snprintf(s->name, sizeof s->name, ro->n_shards > 1 ? "redis %u" : "redis", i + 1);
    }
    atomic_init(&re->counts.down, re->n_shards);
    r = o->data_dir ? sqlite_engine_new(o, epoch_base, seed, &re->inner, ret_why)
                    : memory_engine_new(o, epoch_base, seed, &re->inner);
    return r < 0 ? r : archive_begin(re, o, ret_why);
}

int redis_engine_new(const struct engine_options *o, const char *epoch_base,
                     const struct table_seed *seed, struct engine **ret, char **ret_why) {
    const struct redis_options *ro = o->redis;
    if (!ro || ro->n_shards == 0 || ro->n_shards > REDIS_SHARDS_MAX || ro->node_id.len == 0)
        return -EINVAL;
    struct redis_engine *re = aligned_alloc(_Alignof(struct redis_engine), sizeof *re);
    if (!re)
        return -ENOMEM;
    memset(re, 0, sizeof *re);
    engine_init(&re->engine, &redis_class, o, epoch_base, seed);
    group_init(&re->tasks);
    list_init(&re->attachings);
    pthread_mutex_init(&re->nodes_mutex, NULL);
    publish_init(re);
    read_init(re);
    int64_t connect_ms = ro->connect_timeout_ms > 0 ? ro->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    int64_t io_ms = ro->io_timeout_ms > 0 ? ro->io_timeout_ms : IO_TIMEOUT_MS;
    re->patience_ms = connect_ms + io_ms;
    re->node_ttl_ms = ro->node_ttl_ms > 0 ? ro->node_ttl_ms : NODE_TTL_MS;
    re->queue_max = o->queue_max ? o->queue_max : QUEUE_MAX;
    re->queue_max_bytes = o->queue_max_bytes;
    re->reply_max_bytes = ro->reply_max_bytes ? ro->reply_max_bytes : REPLY_MAX_BYTES;
    re->denials_max = o->denials_max ? o->denials_max : DENIALS_MAX;
    re->keeps_epochs = ro->keeps_epochs;
    re->started_ms = clock_wall_ms();
    re->warn = ro->warn;
    re->warn_arg = ro->warn_arg;

    int r = prepare(re, o, epoch_base, seed, ret_why);
    if (r == 0)
        r = start(re, ro, ret_why);
    if (r < 0) {
        redis_close(&re->engine);
        return r;
    }
    *ret = &re->engine;
    return 0;
}
