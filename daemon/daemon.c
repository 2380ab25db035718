#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/debug.h"
#include "async/inbox.h"
#include "async/loop.h"
#include "async/task.h"
#include "async/tls.h"
#include "daemon/backend/webhook.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/lease.h"
#include "daemon/chat/own.h"
#include "daemon/chat/pump.h"
#include "daemon/config/redis.h"
#include "daemon/cpus.h"
#include "daemon/health.h"
#include "daemon/keys/denial.h"
#include "daemon/keys/rate.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/map/poll.h"
#include "daemon/metrics.h"
#include "daemon/node/desk.h"
#include "daemon/session/hub.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"
#include "storage/engine.h"
#include "storage/node.h"
#include "storage/redis/stats.h"

enum { ALIVE_MS = 10000 };

/* ---- opening ---- */

static const char *text_or_null(struct str s) {
    return s.len ? s.data : NULL;
}

static int make_redis_tls(const struct config_redis_tls *t, struct tls **ret, char **ret_why) {
    if (*ret)
        return 0;
    return tls_client_new(&(struct tls_client_options){ .ca_file = text_or_null(t->ca_file),
                                                        .cert_file = text_or_null(t->cert_file),
                                                        .key_file = text_or_null(t->key_file),
                                                        .server_name = text_or_null(t->server_name),
                                                        .trusts_anyone = t->insecure_skip_verify,
                                                        .is_not_http = true },
                          ret, ret_why);
}

/* As the configuration's, with contexts for TLS. The caller's to free. */
static int make_shards(struct daemon *d, struct redis_shard_options **ret, char **ret_why) {
    const struct config_redis *c = &d->config->redis;
    struct redis_shard_options *all = calloc(c->n_shards ? c->n_shards : 1, sizeof *all);
    int r = all ? 0 : -ENOMEM;

    for (size_t i = 0; i < c->n_shards && r == 0; i++) {
        const struct config_redis_shard *from = &c->shards[i];
        all[i] = from->it;
        if (from->is_tls)
            r = make_redis_tls(&c->tls, &d->redis_tls, ret_why);
        if (r == 0 && from->is_sentinel_tls)
            r = make_redis_tls(&c->sentinel_tls, &d->sentinel_tls, ret_why);
        all[i].tls = from->is_tls ? d->redis_tls : NULL;
        all[i].sentinel_tls = from->is_sentinel_tls ? d->sentinel_tls : NULL;
    }
    *ret = all;
    return r;
}

static void on_redis_warning(void *arg, const char *text) {
    const struct daemon *d = arg;
    LOG_WARNING(d->log, "redis", LOG_TEXT("state", text));
}

static int open_redis_engine(struct daemon *d, struct engine_options *options, char **ret_why) {
    const struct config_redis *c = &d->config->redis;
    struct redis_shard_options *shards;
    int r = make_shards(d, &shards, ret_why);
    struct redis_options redis = { .shards = shards,
                                   .n_shards = c->n_shards,
                                   .prefix = c->prefix,
                                   .node_id = str_of(d->node_id),
                                   .node_name = str_of(d->node_name),
                                   .connect_timeout_ms = c->connect_timeout_ms,
                                   .io_timeout_ms = c->io_timeout_ms,
                                   .wait_ms = c->publish_wait_ms,
                                   .node_ttl_ms = c->node_ttl_ms,
                                   .keeps_epochs = c->keeps_epochs,
                                   .archives = d->config->archives,
                                   .archive_queue_size = c->archive_queue_size,
                                   .warn = on_redis_warning,
                                   .warn_arg = d };
    options->redis = &redis;
    if (d->config->data_dir.len == 0)
        options->data_dir = NULL;
    if (r == 0)
        r = engine_open(options, &d->engine, ret_why);
    free(shards);
    return r;
}

static int open_engine(struct daemon *d, const struct daemon_options *o, char **ret_why) {
    const struct config *c = d->config;
    struct engine_options options = {
        .kind = (enum engine_kind) c->engine,
        .data_dir = c->data_dir.data,
        .vfs = o->engine_vfs,
        .readers = c->engine_readers,
        .queue_max = c->engine_queue_max,
        .queue_max_bytes = c->engine_queue_max_bytes,
        .memory_max_bytes = c->engine_memory_max_bytes,
        .idempotency_max = c->engine_idempotency_max,
        .map_keys_max = c->engine_map_keys_max,
        .events_max = c->webhooks.queue_max,
        .denials_max = c->engine_denials_max,
    };
    if (o->open_engine)
        return o->open_engine(o->open_engine_arg, d, &options, &d->engine);
    if (c->engine == ENGINE_REDIS)
        return open_redis_engine(d, &options, ret_why);
    return engine_open(&options, &d->engine, ret_why);
}

int daemon_make_tls(const struct config *c, const struct tls *previous, struct tls **ret,
                    char **ret_why) {
    *ret = NULL;
    if (!c->http.tls_enabled)
        return 0;
    return tls_server_new(&(struct tls_server_options){ .cert_file = c->http.tls_cert.data,
                                                        .key_file = c->http.tls_key.data,
                                                        .previous = previous },
                          ret, ret_why);
}

unsigned daemon_workers(const struct config *c) {
    if (c->workers)
        return c->workers;
    unsigned n = cpus_usable();
    return n < CONFIG_WORKERS_MAX ? n : CONFIG_WORKERS_MAX;
}

static int make_workers(struct daemon *d) {
    unsigned n = daemon_workers(d->config);
    d->threads = calloc(n, sizeof *d->threads);
    if (!d->threads)
        return -ENOMEM;
    d->n_workers = n;
    return survey_desk_init(&d->surveys, n);
}

static int start_workers(struct daemon *d) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < d->n_workers; i++)
        r = worker_thread_start(&d->threads[i], d, i);
    return r;
}

/* As it is called, or as the host is. */
static void name_node(struct daemon *d) {
    struct str name = d->config->node_name;
    if (name.len)
        (void) snprintf(d->node_name, sizeof d->node_name, "%s", name.data);
    else
        (void) gethostname(d->node_name, sizeof d->node_name - 1);
}

static struct daemon *daemon_new(const struct daemon_options *o) {
    struct daemon *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->config = config_ref(o->config);
    d->engine_kind = o->config->engine;
    d->log = o->log;
    d->assets = o->assets;
    d->http = o->http;
    d->is_single_threaded = o->is_single_threaded;
    d->started_ms = loop_now();
    group_init(&d->tasks);
    loop_random_hex(d->node_id, NODE_ID_LEN);
    name_node(d);
    struct table_seed seed;
    loop_random(&seed, sizeof seed);
    d->user_counts = user_counts_new();
    d->polls = polls_new(&seed);
    if (!d->user_counts || !d->polls) {
        user_counts_free(d->user_counts);
        polls_free(d->polls);
        config_unref(d->config);
        free(d);
        return NULL;
    }
    return d;
}

/* Without them somebody would be let in who is not to be: a node waits for its Redis, and whoever
 * started it tries again. */
static int open_denials(struct daemon *d, char **ret_why) {
    struct engine_stats stats;
    int r = denials_open(d->engine, &d->denials);
    if (r == 0 || !engine_is_shared(d->engine))
        return r;
    engine_stats(d->engine, &stats);
    if (asprintf(ret_why, "cannot start before Redis says who is not let in: %s",
                 stats.problem[0] ? stats.problem : strerror(-r)) < 0)
        *ret_why = NULL;
    return r;
}

int daemon_open(const struct daemon_options *o, struct daemon **ret, char **ret_why) {
    char *why = NULL;
    struct daemon *d = daemon_new(o);
    if (!d)
        return -ENOMEM;

    int r = (d->inbox = inbox_open(loop_current())) ? 0 : -ENOMEM;
    if (r == 0)
        r = make_workers(d);
    if (r == 0)
        r = rates_open(&d->rates);
    if (r == 0)
        r = daemon_make_tls(d->config, NULL, &d->tls, &why);
    if (r == 0)
        r = open_engine(d, o, &why);
    if (r == 0)
        r = node_desk_open(d, &d->nodes);
    if (r == 0)
        r = open_denials(d, &why);
    if (r == 0)
        r = webhooks_open(d, &d->webhooks);
    if (r == 0)
        r = chat_open(d, o->engine_vfs, &d->chat, &why);
    if (r == 0 && d->chat && d->config->chat.owner)
        r = auth_open(d, &d->auth);
    if (r == 0 && d->auth && d->chat->store)
        r = auth_look(d->auth);
    if (r == 0)
        r = start_workers(d);
    if (r == 0)
        r = chat_start(d->chat, &why);
    if (r == 0)
        node_desk_start(d->nodes);
    if (r == 0 && !o->has_no_listeners)
        r = daemon_listen(d, o->fds, o->n_fds, &why);
    if (r == 0)
        chat_listens(d->chat);
    if (r < 0) {
        daemon_close(d);
        if (!why && asprintf(&why, "cannot start: %s", strerror(-r)) < 0)
            why = NULL;
        if (ret_why)
            *ret_why = why;
        else
            free(why);
        return r;
    }
    *ret = d;
    return 0;
}

/* ---- all workers at once ---- */

static int ask_all(struct daemon *d, int (*run)(struct worker_thread *, void *), void *arg) {
    struct chore *all = calloc(d->n_workers, sizeof *all);
    int first = 0;

    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < d->n_workers; i++)
        chore_send(&all[i], &d->threads[i], run, arg);
    for (size_t i = 0; i < d->n_workers; i++) {
        int r = chore_wait(&all[i]);
        first = first < 0 ? first : r;
    }
    free(all);
    return first;
}

/* ---- ending ---- */

static int drain_here(struct worker_thread *t, void *arg) {
    const struct config *c = arg;
    DEADLINE(patience, c->shutdown_timeout_ms);
    return worker_drain(&t->worker, c->shutdown_spread_ms);
}

void daemon_drain(struct daemon *d) {
    SHIELD(INT64_MAX / 2); /* it has its own time limit */
    d->is_stopping = true;
    daemon_stop_listening(d);
    int r = ask_all(d, drain_here, d->config);
    if (r < 0)
        LOG_WARNING(d->log, "some clients did not leave in time", LOG_RESULT(r));
}

struct daemon *daemon_close(struct daemon *d) {
    if (!d)
        return NULL;
    d->is_stopping = true;
    daemon_stop_listening(d);
    chat_stop(d->chat);
    for (size_t i = 0; i < d->n_workers; i++)
        worker_thread_stop(&d->threads[i]);
    group_finish(&d->tasks);
    d->nodes = node_desk_close(d->nodes);
    survey_desk_finish(&d->surveys); /* while other nodes are heard, workers are looked for in it */
    d->auth = auth_close(d->auth);
    d->chat = chat_close(d->chat);
    d->denials = denials_close(d->denials);
    d->webhooks = webhooks_close(d->webhooks);
    d->engine = engine_close(d->engine);
    d->redis_tls = tls_free(d->redis_tls);
    d->sentinel_tls = tls_free(d->sentinel_tls);
    d->tls = tls_free(d->tls);
    inbox_close(d->inbox);
    config_unref(d->config);
    user_counts_free(d->user_counts);
    polls_free(d->polls);
    rates_close(d->rates);
    free(d->threads);
    free(d);
    return NULL;
}

/* ---- while it runs ---- */

struct configuring {
    struct config *config;
    const struct tls *tls;
};

static int configure_here(struct worker_thread *t, void *arg) {
    const struct configuring *c = arg;
    return worker_configure(&t->worker, c->config, c->tls);
}

int daemon_reload(struct daemon *d, struct config *c, struct tls *tls) {
    struct configuring arg = { c, tls };
    int r = webhooks_configure(d->webhooks, c);
    if (r == 0)
        r = ask_all(d, configure_here, &arg);
    if (r < 0)
        return r;
    if (tls) {
        tls_free(d->tls);
        d->tls = tls;
    }
    config_unref(d->config);
    d->config = config_ref(c);
    if (d->log)
        log_set(d->log, c->log_level, c->log_format);
    return 0;
}

int daemon_accept(struct daemon *d, unsigned worker, struct stream *s) {
    return worker_accept(&d->threads[worker].worker, s, ACCEPT_PLAIN);
}

const char *daemon_address(const struct daemon *d, size_t index, char *buf, size_t cap) {
    if (index >= d->n_addresses)
        return NULL;
    (void) snprintf(buf, cap, "%s", d->addresses[index].text);
    return buf;
}

static size_t workers_alive(struct daemon *d, int64_t within_ms) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_workers; i++) {
        int64_t turned =
                atomic_load_explicit(&d->threads[i].worker.turned_ms, memory_order_relaxed);
        n += !d->threads[i].has_thread || loop_now() - turned <= within_ms;
    }
    return n;
}

bool daemon_is_alive(struct daemon *d, int64_t within_ms) {
    return workers_alive(d, within_ms) == d->n_workers;
}

const char *daemon_engine_name(uint32_t engine_kind) {
    return engine_kind == ENGINE_MEMORY  ? "memory"
           : engine_kind == ENGINE_REDIS ? "redis"
                                         : "sqlite";
}

int daemon_write_health(struct worker *asker, struct buffer *out) {
    struct daemon *d = asker->daemon;
    struct engine_stats stats;
    struct probe_result delivery;

    int r = probe_ask(asker, &delivery);
    if (r < 0)
        return r;
    engine_stats(d->engine, &stats);
    struct chat_lease_stats lease;
    if (d->chat && d->chat->lease)
        chat_lease_stats(d->chat->lease, &lease);
    struct health h = {
        .version = PARLEY_VERSION,
        .engine = daemon_engine_name(d->engine_kind),
        .engine_stats = &stats,
        .delivery = &delivery,
        .chat = d->chat && d->chat->lease ? chat_lease_word(lease.state) : NULL,
        .workers = d->n_workers,
        .workers_alive = workers_alive(d, ALIVE_MS),
        .is_stopping = d->is_stopping,
        .uptime_ms = loop_now() - d->started_ms,
    };
    return health_write(&h, out);
}

void daemon_write_metrics(struct daemon *d, struct buffer *out) {
    struct engine_stats stats;
    const struct metrics *all[CONFIG_WORKERS_MAX];
    engine_stats(d->engine, &stats);
    struct webhook_stats webhooks;
    webhooks_stats(d->webhooks, &webhooks);
    struct node_stats nodes;
    struct redis_shard_stats *redis = calloc(REDIS_SHARDS_MAX, sizeof *redis);
    struct archive_stats archive;
    struct chat_store_stats chat_store;
    struct chat_pump_stats chat_pump;
    node_desk_stats(d, &nodes);
    struct chat_store *store = d->chat ? chat_enter(d->chat) : NULL;
    bool has_chat = store;
    struct chat_lease_stats chat_lease;
    if (d->chat && d->chat->lease)
        chat_lease_stats(d->chat->lease, &chat_lease);
    if (store) {
        chat_store_stats(store, &chat_store);
        chat_pump_stats(d->chat->pump, &chat_pump);
        chat_leave(d->chat);
    }
    for (size_t i = 0; i < d->n_workers; i++)
        all[i] = &d->threads[i].worker.metrics;
    struct metrics_node node = {
        .version = PARLEY_VERSION,
        .engine = daemon_engine_name(d->engine_kind),
        .engine_stats = &stats,
        .webhook_stats = &webhooks,
        .node_stats = &nodes,
        .redis = redis,
        .n_redis = redis ? engine_redis_stats(d->engine, redis) : 0,
        .archive = engine_archive_stats(d->engine, &archive) ? &archive : NULL,
        .chat_store = has_chat ? &chat_store : NULL,
        .chat_pump = has_chat ? &chat_pump : NULL,
        .chat_lease = d->chat && d->chat->lease ? &chat_lease : NULL,
        .workers = d->n_workers,
        .workers_alive = workers_alive(d, ALIVE_MS),
        .uptime_ms = loop_now() - d->started_ms,
    };
    metrics_write(all, d->n_workers, &node, out);
    free(redis);
}

/* Into memory first, then in one go: workers write side by side. */
static int dump_here(struct worker_thread *t, void *arg) {
    char *text = NULL;
    size_t len = 0;
    FILE *own = open_memstream(&text, &len);
    if (!own)
        return -ENOMEM;
    task_dump(own);
    (void) fclose(own);
    if (t->has_thread) /* on the caller's loop its tasks are in the caller's dump */
        (void) fwrite(text, 1, len, arg);
    free(text);
    return 0;
}

int daemon_dump(struct daemon *d, FILE *f) {
    return ask_all(d, dump_here, f);
}
