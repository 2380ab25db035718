#include "daemon/metrics.h"

#include <errno.h>
#include <string.h>

#include "daemon/backend/webhook.h"
#include "daemon/chat/lease.h"
#include "daemon/chat/pump.h"
#include "daemon/node/desk.h"
#include "storage/chat/store.h"
#include "storage/engine.h"
#include "storage/redis/stats.h"

enum { OTHER_CODE = 0 }; /* index of codes that are in no table */

struct about {
    const char *name;
    const char *help;
};

#define AS_ABOUT(id, name, help) [id] = { name, help },
#define AS_NAME(id, name)        [id] = name,
#define AS_CODE(id, code, ...)   code,

static const struct about COUNTERS[] = { METRICS_COUNTERS(AS_ABOUT) };
static const struct about GAUGES[] = { METRICS_GAUGES(AS_ABOUT) };
static const struct about PEAKS[] = { METRICS_PEAKS(AS_ABOUT) };
static const struct about HISTOGRAMS[] = { METRICS_HISTOGRAMS(AS_ABOUT) };
static const char *const METHODS[] = { METRICS_METHODS(AS_NAME) };
static const char *const PROXIES[] = { METRICS_PROXIES(AS_NAME) };
static const char *const TRANSPORTS[] = { METRICS_TRANSPORTS(AS_NAME) };

/* The codes that have a number of their own, at their index; 0 stands for all others. */
static const uint32_t DISCONNECTS[] = { OTHER_CODE, 1000, 1001, 1002, 1003,
                                        1007,       1008, 1009, 1011, DISCONNECT_TABLE(AS_CODE) };
static const uint32_t ERRORS[] = { OTHER_CODE, ERROR_TABLE(AS_CODE) };
static const uint32_t UNSUBSCRIBES[] = { OTHER_CODE, UNSUBSCRIBE_TABLE(AS_CODE) };

_Static_assert(ELEMENTS_OF(DISCONNECTS) <= METRICS_DISCONNECTS_N, "room for every code");
_Static_assert(ELEMENTS_OF(ERRORS) <= METRICS_ERRORS_N, "room for every code");
_Static_assert(ELEMENTS_OF(UNSUBSCRIBES) <= METRICS_ERRORS_N, "room for every code");

static uint64_t load(const _Atomic uint64_t *n) {
    return atomic_load_explicit(n, memory_order_relaxed);
}

/* Only the owner writes, so that no locked instruction is needed. */
static void bump(_Atomic uint64_t *n, uint64_t by) {
    atomic_store_explicit(n, load(n) + by, memory_order_relaxed);
}

uint64_t metrics_counter_of(const struct metrics *m, enum metrics_counter id) {
    return load(&m->counters[id]);
}

int64_t metrics_gauge_of(const struct metrics *m, enum metrics_gauge id) {
    return atomic_load_explicit(&m->gauges[id], memory_order_relaxed);
}

void metrics_observe(struct metrics *m, enum metrics_histogram id, uint64_t duration_us) {
    uint64_t bound = 1;
    size_t i = 0;
    while (i < METRICS_BUCKETS && duration_us > bound) {
        bound *= 3;
        i++;
    }
    bump(&m->times[id].buckets[i], 1);
    bump(&m->times[id].sum_us, duration_us);
}

void metrics_put_stalls(struct metrics *m, const struct loop_stalls *s) {
    for (size_t i = 0; i <= LOOP_STALL_BOUNDS; i++)
        atomic_store_explicit(&m->stalls[i], s->counts[i], memory_order_relaxed);
    atomic_store_explicit(&m->stalls_us, s->total_us, memory_order_relaxed);
}

void metrics_count_command(struct metrics *m, enum metrics_method method) {
    bump(&m->commands[method], 1);
}

void metrics_count_api(struct metrics *m, enum api_method_id method) {
    bump(&m->api_commands[method], 1);
}

void metrics_client(struct metrics *m, struct str transport, bool is_here) {
    for (size_t i = 0; i < METRICS_TRANSPORTS_N; i++)
        if (str_equal(transport, str_of(TRANSPORTS[i])))
            bump(&m->clients[i], is_here ? 1 : UINT64_MAX);
}

void metrics_count_proxy(struct metrics *m, enum metrics_proxy what, bool has_failed) {
    bump(has_failed ? &m->proxy_errors[what] : &m->proxy_requests[what], 1);
}

static void count_code(_Atomic uint64_t *counts, const uint32_t *codes, size_t n, uint32_t code) {
    size_t i = n - 1;
    while (i > 0 && codes[i] != code)
        i--;
    bump(&counts[i], 1);
}

void metrics_count_disconnect(struct metrics *m, uint32_t code) {
    count_code(m->disconnects, DISCONNECTS, ELEMENTS_OF(DISCONNECTS), code);
}

void metrics_count_error(struct metrics *m, uint32_t code) {
    count_code(m->errors, ERRORS, ELEMENTS_OF(ERRORS), code);
}

void metrics_count_api_error(struct metrics *m, uint32_t code) {
    count_code(m->api_errors, ERRORS, ELEMENTS_OF(ERRORS), code);
}

void metrics_count_unsubscribe(struct metrics *m, uint32_t code) {
    count_code(m->unsubscribes, UNSUBSCRIBES, ELEMENTS_OF(UNSUBSCRIBES), code);
}

/* ---- as text: the Prometheus exposition format, version 0.0.4 ---- */

static void write_about(const char *name, const char *help, const char *type, struct buffer *out) {
    buffer_printf(out, "# HELP parley_%s %s\n# TYPE parley_%s %s\n", name, help, name, type);
}

static void write_number(const char *name, const char *help, const char *type, uint64_t value,
                         struct buffer *out) {
    write_about(name, help, type, out);
    buffer_printf(out, "parley_%s %llu\n", name, (unsigned long long) value);
}

/* Microseconds as seconds, without floating point: no locale, no rounding. */
static void write_seconds(uint64_t us, struct buffer *out) {
    buffer_printf(out, "%llu.%06llu", (unsigned long long) (us / 1000000),
                  (unsigned long long) (us % 1000000));
}

static void write_time(const char *name, const char *help, const char *type, uint64_t us,
                       struct buffer *out) {
    write_about(name, help, type, out);
    buffer_printf(out, "parley_%s ", name);
    write_seconds(us, out);
    buffer_append_byte(out, '\n');
}

static void write_histogram(const struct metrics *const *workers, size_t n, size_t id,
                            struct buffer *out) {
    const struct about *about = &HISTOGRAMS[id];
    uint64_t total = 0, sum_us = 0, bound_us = 1;

    write_about(about->name, about->help, "histogram", out);
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        for (size_t w = 0; w < n; w++)
            total += load(&workers[w]->times[id].buckets[i]);
        buffer_printf(out, "parley_%s_bucket{le=\"", about->name);
        if (i < METRICS_BUCKETS)
            write_seconds(bound_us, out);
        else
            buffer_append_str(out, STR("+Inf"));
        buffer_printf(out, "\"} %llu\n", (unsigned long long) total);
        bound_us *= 3;
    }
    for (size_t w = 0; w < n; w++)
        sum_us += load(&workers[w]->times[id].sum_us);
    buffer_printf(out, "parley_%s_sum ", about->name);
    write_seconds(sum_us, out);
    buffer_printf(out, "\nparley_%s_count %llu\n", about->name, (unsigned long long) total);
}

static void write_stalls(const struct metrics *const *workers, size_t n, struct buffer *out) {
    static const char name[] = METRICS_STALLS_NAME;
    write_about(name, METRICS_STALLS_HELP, "histogram", out);
    for (size_t w = 0; w < n; w++) {
        uint64_t total = 0;
        for (size_t i = 0; i <= LOOP_STALL_BOUNDS; i++) {
            total += load(&workers[w]->stalls[i]);
            buffer_printf(out, "parley_%s_bucket{worker=\"%zu\",le=\"", name, w);
            if (i < LOOP_STALL_BOUNDS)
                write_seconds(loop_stall_bounds_us[i], out);
            else
                buffer_append_str(out, STR("+Inf"));
            buffer_printf(out, "\"} %llu\n", (unsigned long long) total);
        }
        buffer_printf(out, "parley_%s_sum{worker=\"%zu\"} ", name, w);
        write_seconds(load(&workers[w]->stalls_us), out);
        buffer_printf(out, "\nparley_%s_count{worker=\"%zu\"} %llu\n", name, w,
                      (unsigned long long) total);
    }
}

/* One of the arrays of struct metrics that are indexed by a table of codes. */
struct family {
    const char *name;
    const char *help;
    size_t offset;
    const uint32_t *codes;
    size_t n;
};

static const struct family FAMILIES[] = {
    { "client_num_server_disconnects_total", "Connections closed by the server, by code.",
      offsetof(struct metrics, disconnects), DISCONNECTS, ELEMENTS_OF(DISCONNECTS) },
    { "client_num_reply_errors_total", "Error replies, by code.", offsetof(struct metrics, errors),
      ERRORS, ELEMENTS_OF(ERRORS) },
    { "client_num_server_unsubscribes_total", "Subscriptions ended by the server, by code.",
      offsetof(struct metrics, unsubscribes), UNSUBSCRIBES, ELEMENTS_OF(UNSUBSCRIBES) },
    { "api_command_errors_total", "Commands of the server API answered with an error, by code.",
      offsetof(struct metrics, api_errors), ERRORS, ELEMENTS_OF(ERRORS) },
};

static void write_family(const struct metrics *const *workers, size_t n, const struct family *f,
                         struct buffer *out) {
    write_about(f->name, f->help, "counter", out);
    for (size_t i = 0; i < f->n; i++) {
        uint64_t total = 0;
        for (size_t w = 0; w < n; w++)
            total += load((const _Atomic uint64_t *) (const void *) ((const char *) workers[w] +
                                                                     f->offset) +
                          i);
        if (f->codes[i] == OTHER_CODE)
            buffer_printf(out, "parley_%s{code=\"other\"} ", f->name);
        else
            buffer_printf(out, "parley_%s{code=\"%u\"} ", f->name, f->codes[i]);
        buffer_printf(out, "%llu\n", (unsigned long long) total);
    }
}

/* One of the arrays of struct metrics whose indexes have names. */
static void write_labelled(const struct metrics *const *workers, size_t n, const char *name,
                           const char *help, const char *type, size_t offset, const char *label,
                           const char *const *values, size_t n_values, struct buffer *out) {
    write_about(name, help, type, out);
    for (size_t i = 0; i < n_values; i++) {
        uint64_t total = 0;
        for (size_t w = 0; w < n; w++)
            total += load(
                    (const _Atomic uint64_t *) (const void *) ((const char *) workers[w] + offset) +
                    i);
        buffer_printf(out, "parley_%s{%s=\"%s\"} %llu\n", name, label, values[i],
                      (unsigned long long) total);
    }
}

/* Without a sum and a count, which the caller has. What has been in no bucket does not count. */
static void write_buckets(const char *name, const uint64_t *counts, const uint32_t *bounds,
                          size_t n_bounds, bool is_us, struct buffer *out) {
    uint64_t total = 0;
    for (size_t i = 0; i <= n_bounds; i++) {
        total += counts[i];
        buffer_printf(out, "parley_%s_bucket{le=\"", name);
        if (i == n_bounds)
            buffer_append_str(out, STR("+Inf"));
        else if (is_us)
            write_seconds(bounds[i], out);
        else
            buffer_printf(out, "%u", bounds[i]);
        buffer_printf(out, "\"} %llu\n", (unsigned long long) total);
    }
    buffer_printf(out, "parley_%s_count %llu\nparley_%s_sum ", name, (unsigned long long) total,
                  name);
}

/* Groups, commits, and the log that they go to. */
static void write_commits(const struct engine_stats *s, struct buffer *out) {
    write_about("engine_group_size", "Publications in one commit.", "histogram", out);
    write_buckets("engine_group_size", s->group_sizes, engine_group_bounds, ENGINE_GROUP_BOUNDS,
                  false, out);
    buffer_printf(out, "%llu\n", (unsigned long long) s->publishes);
    write_about("engine_commit_duration_seconds", "Time of one commit.", "histogram", out);
    write_buckets("engine_commit_duration_seconds", s->commit_times, engine_commit_bounds_us,
                  ENGINE_COMMIT_BOUNDS, true, out);
    write_seconds(s->commit_ns / 1000, out);
    buffer_append_byte(out, '\n');

    write_number("engine_wal_bytes", "Length of the database's log.", "gauge", s->wal_bytes, out);
    write_number("engine_wal_bytes_largest", "Most it has been since the start.", "gauge",
                 s->wal_bytes_largest, out);
    write_number("engine_checkpoints_total",
                 "Times that the log was copied into the database, to begin anew.", "counter",
                 s->checkpoints, out);
    write_number("engine_checkpoints_kept_total",
                 "Of them, after which readers still needed the log: it went on growing.",
                 "counter", s->checkpoints_kept, out);
    write_number("engine_checkpoints_failed_total", "Of them, that failed.", "counter",
                 s->checkpoints_failed, out);
    write_time("engine_checkpoint_seconds_total", "Time spent on them.", "counter",
               s->checkpoint_ns / 1000, out);
    write_time("engine_checkpoint_longest_seconds", "Longest that one held up commits.", "gauge",
               s->checkpoint_longest_ns / 1000, out);
}

static void write_engine(const struct engine_stats *s, const char *kind, struct buffer *out) {
    write_number("engine_writable", "1, or 0 while the last commit failed.", "gauge", s->writable,
                 out);
    write_number("engine_publishes_total", "Publications kept.", "counter", s->publishes, out);
    write_number("engine_commits_total", "Groups committed.", "counter", s->commits, out);
    write_number("engine_commit_errors_total", "Commits that failed.", "counter", s->commit_errors,
                 out);
    write_number("engine_group_largest", "Most publications in one commit.", "gauge",
                 s->group_largest, out);
    write_time("engine_commit_seconds_total", "Time spent committing.", "counter",
               s->commit_ns / 1000, out);
    write_commits(s, out);
    write_number("engine_queued", "Publications that wait for the writer.", "gauge", s->queued,
                 out);
    write_number("engine_rejected_total", "Publications refused: the queue was full.", "counter",
                 s->rejected, out);
    write_number("engine_reads_total", "History reads.", "counter", s->reads, out);
    write_number("engine_channels", "Channels with a position in memory.", "gauge", s->channels,
                 out);
    write_number("engine_trimmed_total", "Publications deleted by size or age.", "counter",
                 s->trimmed, out);
    write_number("engine_duplicates_total", "Publishes answered by their idempotency key.",
                 "counter", s->duplicates, out);
    write_number("engine_stale_total", "Publishes of a version that was not newer.", "counter",
                 s->stale, out);
    write_number("engine_suppressed_total", "Changes of maps that did nothing.", "counter",
                 s->suppressed, out);
    write_number("engine_map_keys_expired_total", "Keys of maps removed when their time was over.",
                 "counter", s->map_keys_expired, out);
    write_number("engine_idempotency_refused_total",
                 "Publications refused: engine.idempotency_keys_max.", "counter",
                 s->idempotency_refused, out);
    write_number("engine_map_keys_refused_total", "Keys refused: the map's limit.", "counter",
                 s->map_keys_refused, out);
    write_number("engine_memory_refused_total", "Publications refused: engine.memory_max_size.",
                 "counter", s->memory_refused, out);
    write_number("engine_denials_refused_total",
                 "Blocks and revocations refused: engine.denials_max.", "counter",
                 s->denials_refused, out);
    write_number("engine_messages_refused_total",
                 "Messages in Redis that were not to be read, or found no memory.", "counter",
                 s->messages_refused, out);
    write_number("engine_events", "Events that wait for webhooks' endpoints.", "gauge", s->events,
                 out);
    write_number("engine_events_rejected_total", "Events refused: webhooks.queue_max.", "counter",
                 s->events_rejected, out);
    write_about("engine_info", "The engine.", "gauge", out);
    buffer_printf(out, "parley_engine_info{type=\"%s\"} 1\n", kind ? kind : "");
}

static void write_webhooks(const struct webhook_stats *s, struct buffer *out) {
    write_number("webhook_events_total", "Events for webhooks, counted for each endpoint.",
                 "counter", s->events, out);
    write_number("webhook_events_dropped_total", "Of them, dropped: a queue was full.", "counter",
                 s->dropped, out);
    write_number("webhook_events_delivered_total", "Of them, taken by their endpoint.", "counter",
                 s->delivered, out);
    write_number("webhook_events_waiting", "Events in memory that are not stored yet.", "gauge",
                 s->waiting, out);
    write_number("webhook_requests_total", "Requests to webhooks' endpoints.", "counter",
                 s->requests, out);
    write_number("webhook_requests_failed_total", "Of them, not answered with success.", "counter",
                 s->failed, out);
    write_number("webhook_store_errors_total", "Times that events could not be stored or read.",
                 "counter", s->store_errors, out);
}

#define AT(member) offsetof(struct redis_shard_stats, server.member)
static const struct redis_number {
    const char *name, *help, *type;
    size_t offset;
} REDIS_COUNTERS[] = {
    { "redis_commands_total", "Commands to this Redis.", "counter", AT(commands) },
    { "redis_errors_total", "Of them, that ended without an answer.", "counter", AT(errors) },
    { "redis_refused_total", "Commands that were not sent: no line, or a full queue.", "counter",
      AT(refused) },
    { "redis_waiting", "Commands without an answer yet.", "gauge", AT(waiting) },
    { "redis_waiting_bytes", "Bytes of them.", "gauge", AT(waiting_bytes) },
    { "redis_connects_total", "Lines that were made: one for commands, one for subscriptions.",
      "counter", AT(connects) },
    { "redis_connect_errors_total", "Attempts that failed.", "counter", AT(connect_errors) },
    { "redis_breaks_total", "Lines that were up and ended.", "counter", AT(breaks) },
    { "redis_messages_total", "Publications and messages of other nodes that came.", "counter",
      AT(messages) },
    { "redis_channels", "Subscriptions in this Redis.", "gauge", AT(channels) },
};
#undef AT

static void write_redis(const struct redis_shard_stats *all, size_t n, struct buffer *out) {
    write_about("redis_up", "1, or 0 while one of the two lines to this Redis is down.", "gauge",
                out);
    for (size_t i = 0; i < n; i++)
        buffer_printf(out, "parley_redis_up{redis=\"%s\"} %d\n", all[i].name,
                      all[i].server.is_up && all[i].server.is_subscribed);
    for (size_t k = 0; k < ELEMENTS_OF(REDIS_COUNTERS); k++) {
        const struct redis_number *c = &REDIS_COUNTERS[k];
        write_about(c->name, c->help, c->type, out);
        for (size_t i = 0; i < n; i++)
            buffer_printf(
                    out, "parley_%s{redis=\"%s\"} %llu\n", c->name, all[i].name,
                    (unsigned long long) *(
                            const uint64_t *) (const void *) ((const char *) &all[i] + c->offset));
    }
    write_about("redis_reply_seconds", "From the newest answered command to its answer.", "gauge",
                out);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(out, "parley_redis_reply_seconds{redis=\"%s\"} ", all[i].name);
        write_seconds((uint64_t) all[i].server.reply_us, out);
        buffer_append_byte(out, '\n');
    }
}

static void write_archive(const struct archive_stats *s, struct buffer *out) {
    write_number("archive_written_total", "Publications of durable namespaces in archive.db.",
                 "counter", s->written, out);
    write_number("archive_waiting", "Publications that are not in it yet.", "gauge", s->waiting,
                 out);
    write_time("archive_lag_seconds", "For which the oldest of them has waited.", "gauge",
               (uint64_t) s->lag_ms * 1000, out);
    write_number("archive_dropped_total",
                 "Publications left out: engine.redis.archive_queue_size was full, or no memory.",
                 "counter", s->dropped, out);
    write_number("archive_commits_total", "Times that archive.db was written.", "counter",
                 s->commits, out);
    write_number("archive_errors_total", "Times that it could not be; each is tried again.",
                 "counter", s->errors, out);
}

static void write_lease(const struct chat_lease_stats *s, struct buffer *out) {
    write_number("chat_here", "1: this node keeps the chat.", "gauge", s->state == CHAT_LEASE_HERE,
                 out);
    write_number(
            "chat_lease_waits",
            "1: it has the lease, and waits for the lock on chat.db, which another process has.",
            "gauge", s->state == CHAT_LEASE_WAITS, out);
    write_number("chat_lease_is_refused",
                 "1: its chat.db is another one than the nodes had last, or an old copy.", "gauge",
                 s->state == CHAT_LEASE_REFUSED, out);
    write_number("chat_generation", "Of chat.db, where it is kept: grows with each taking over.",
                 "gauge", s->generation, out);
    write_number("chat_leases_taken_total", "Times that this node began to keep the chat.",
                 "counter", s->taken, out);
    write_number("chat_leases_lost_total", "Times that it had to end it before its own end.",
                 "counter", s->lost, out);
    write_number("chat_leases_refused_total", "Times that its chat.db was the wrong one.",
                 "counter", s->refused, out);
    write_number("chat_lease_errors_total", "Times that Redis did not answer about the lease.",
                 "counter", s->errors, out);
}

static void write_chat(const struct chat_store_stats *s, const struct chat_pump_stats *p,
                       struct buffer *out) {
    write_number("chat_writes_total", "Changes that chat.db was asked for.", "counter", s->works,
                 out);
    write_number("chat_commits_total", "Commits of chat.db.", "counter", s->commits, out);
    write_number("chat_commit_errors_total", "Of them, that failed.", "counter", s->commit_errors,
                 out);
    write_time("chat_commit_seconds_total", "Time spent in them.", "counter", s->commit_ns / 1000,
               out);
    write_number("chat_commit_group_largest", "Most changes in one commit.", "gauge",
                 s->group_largest, out);
    write_number("chat_reads_total", "Reads of chat.db.", "counter", s->reads, out);
    write_number("chat_writes_waiting", "Changes that wait to be written.", "gauge", s->queued,
                 out);
    write_number("chat_queue_limit_total", "Calls refused: chat.queue_max waited already.",
                 "counter", s->rejected, out);
    write_number("chat_outbox", "Events in chat.db that are not published yet.", "gauge", s->outbox,
                 out);
    write_number("chat_wal_bytes", "Size of chat.db's log.", "gauge", s->wal_bytes, out);
    write_number("chat_retained_total", "Messages removed when their time was over.", "counter",
                 s->retained, out);
    write_number("chat_events_published_total", "Events of rooms that were published.", "counter",
                 p->published, out);
    write_number("chat_events_repeated_total",
                 "Of them, published before, or too late for their place.", "counter", p->repeated,
                 out);
    write_number("chat_events_failed_total",
                 "Tries to publish one that the engine did not take; each is made again.",
                 "counter", p->failed, out);
    write_number("chat_events_waiting", "Events that wait to be tried again.", "gauge", p->waiting,
                 out);
    write_number("chat_events_told_total", "Live events, to users and to who is in a room.",
                 "counter", p->told, out);
}

static void write_others(const struct node_stats *s, struct buffer *out) {
    write_number("node_others", "Other nodes of the cluster, heard of lately.", "gauge", s->others,
                 out);
    write_number("node_signals_sent_total", "Messages to other nodes.", "counter", s->sent, out);
    write_number("node_signals_unsent_total", "Of them, that Redis did not take.", "counter",
                 s->unsent, out);
    write_number("node_signals_received_total", "Messages from other nodes.", "counter",
                 s->received, out);
    write_number("node_signals_damaged_total",
                 "Of them, not to be read: no messages of nodes, or of a later version.", "counter",
                 s->damaged, out);
    write_number("node_signals_unknown_total", "Of them, of a kind this version does not know.",
                 "counter", s->unknown, out);
    write_number("node_signals_dropped_total",
                 "Of them, dropped: 4096 waited already, or no memory.", "counter", s->dropped,
                 out);
    write_number("node_answers_late_total", "Answers nobody waited for any more.", "counter",
                 s->late, out);
    write_number("node_questions_total", "Questions, counted for each node that was asked.",
                 "counter", s->questions, out);
    write_number("node_unanswered_total", "Of them, not answered within node.survey_timeout.",
                 "counter", s->unanswered, out);
    write_number("node_serving", "What other nodes asked for and is being done.", "gauge",
                 s->serving, out);
    write_number("node_waiting", "What they asked for and waits its turn.", "gauge", s->waiting,
                 out);
    write_number("node_missed_total",
                 "Times that a line to Redis was broken: messages may have been missed.", "counter",
                 s->missed, out);
}

/* Where one worker's share of the work is to be compared with another's. */
static void write_shares(const struct metrics *const *workers, size_t n, struct buffer *out) {
    write_about("worker_connections", "Sockets open, by worker.", "gauge", out);
    for (size_t w = 0; w < n; w++)
        buffer_printf(out, "parley_worker_connections{worker=\"%zu\"} %lld\n", w,
                      (long long) metrics_gauge_of(workers[w], GAUGE_CONNECTIONS));
    write_about("worker_publications_delivered_total",
                "Publications handed to subscribers, by worker.", "counter", out);
    for (size_t w = 0; w < n; w++)
        buffer_printf(out, "parley_worker_publications_delivered_total{worker=\"%zu\"} %llu\n", w,
                      (unsigned long long) load(&workers[w]->counters[COUNT_DELIVERED]));
}

static void write_node(const struct metrics_node *node, struct buffer *out) {
    write_about("node_build", "The version that runs.", "gauge", out);
    buffer_printf(out, "parley_node_build{version=\"%s\"} 1\n", node->version ? node->version : "");
    write_time("node_uptime_seconds", "Time since the start.", "gauge",
               (uint64_t) node->uptime_ms * 1000, out);
    write_number("node_workers", "Loop threads.", "gauge", node->workers, out);
    write_number("node_workers_alive", "Loop threads that turned lately.", "gauge",
                 node->workers_alive, out);
    if (node->engine_stats)
        write_engine(node->engine_stats, node->engine, out);
    if (node->webhook_stats)
        write_webhooks(node->webhook_stats, out);
    if (node->node_stats)
        write_others(node->node_stats, out);
    if (node->n_redis > 0)
        write_redis(node->redis, node->n_redis, out);
    if (node->archive)
        write_archive(node->archive, out);
    if (node->chat_store && node->chat_pump)
        write_chat(node->chat_store, node->chat_pump, out);
    if (node->chat_lease)
        write_lease(node->chat_lease, out);
}

void metrics_write(const struct metrics *const *workers, size_t n, const struct metrics_node *node,
                   struct buffer *out) {
    if (node)
        write_node(node, out);

    for (size_t i = 0; i < METRICS_COUNTERS_N; i++) {
        uint64_t total = 0;
        for (size_t w = 0; w < n; w++)
            total += load(&workers[w]->counters[i]);
        write_number(COUNTERS[i].name, COUNTERS[i].help, "counter", total, out);
    }
    for (size_t i = 0; i < METRICS_GAUGES_N; i++) {
        int64_t total = 0;
        for (size_t w = 0; w < n; w++)
            total += metrics_gauge_of(workers[w], i);
        write_about(GAUGES[i].name, GAUGES[i].help, "gauge", out);
        buffer_printf(out, "parley_%s %lld\n", GAUGES[i].name, (long long) total);
    }

    for (size_t i = 0; i < METRICS_PEAKS_N; i++) {
        int64_t most_us = 0;
        for (size_t w = 0; w < n; w++) {
            int64_t us = atomic_load_explicit(&workers[w]->peaks_us[i], memory_order_relaxed);
            most_us = us > most_us ? us : most_us;
        }
        write_about(PEAKS[i].name, PEAKS[i].help, "gauge", out);
        buffer_printf(out, "parley_%s ", PEAKS[i].name);
        write_seconds((uint64_t) most_us, out);
        buffer_append_byte(out, '\n');
    }

    write_shares(workers, n, out);
    write_labelled(workers, n, "client_connections_inflight", "Sessions connected, by transport.",
                   "gauge", offsetof(struct metrics, clients), "transport", TRANSPORTS,
                   METRICS_TRANSPORTS_N, out);
    write_labelled(workers, n, "client_commands_total", "Commands of clients, by method.",
                   "counter", offsetof(struct metrics, commands), "method", METHODS,
                   METRICS_METHODS_N, out);
    write_labelled(workers, n, "proxy_requests_total", "Requests to backends, by what was asked.",
                   "counter", offsetof(struct metrics, proxy_requests), "type", PROXIES,
                   METRICS_PROXIES_N, out);
    write_labelled(workers, n, "proxy_errors_total", "Of them, without a usable answer.", "counter",
                   offsetof(struct metrics, proxy_errors), "type", PROXIES, METRICS_PROXIES_N, out);
    write_about("api_commands_total", "Commands of the server API, by method.", "counter", out);
    for (size_t i = 0; i < API_METHODS_N; i++) {
        uint64_t total = 0;
        for (size_t w = 0; w < n; w++)
            total += load(&workers[w]->api_commands[i]);
        buffer_printf(out, "parley_api_commands_total{method=\"%s\"} %llu\n", api_methods()[i].name,
                      (unsigned long long) total);
    }
    for (size_t i = 0; i < ELEMENTS_OF(FAMILIES); i++)
        write_family(workers, n, &FAMILIES[i], out);
    for (size_t i = 0; i < METRICS_HISTOGRAMS_N; i++)
        write_histogram(workers, n, i, out);
    write_stalls(workers, n, out);
}

/* ---- the reference page ---- */

static const char INTRODUCTION[] =
        "# Metrics\n"
        "\n"
        "<!-- Written by `parleyd --document-metrics`; a test compares. -->\n"
        "\n"
        "`GET /metrics` answers in Prometheus' text format: to this machine, to whoever reaches "
        "the internal\n"
        "listener (`http_server.internal_port`), and to everybody with "
        "`http_server.external_monitoring`.\n"
        "What is counted per worker is summed, but for what has a label `worker`. Every limit has "
        "a counter of what ran into it.\n"
        "\n"
        "| Name | Type | |\n"
        "|---|---|---|\n";

/* Made from what a scrape says, so that nothing is left out. */
void metrics_document(struct buffer *out) {
    struct engine_stats stats = { 0 };
    struct webhook_stats webhooks = { 0 };
    struct node_stats nodes = { 0 };
    struct redis_shard_stats redis = { 0 };
    struct archive_stats archive = { 0 };
    struct chat_store_stats chat_store = { 0 };
    struct chat_pump_stats chat_pump = { 0 };
    struct chat_lease_stats chat_lease = { 0 };
    struct buffer text = BUFFER_INIT;
    metrics_write(NULL, 0,
                  &(struct metrics_node){ .engine_stats = &stats,
                                          .webhook_stats = &webhooks,
                                          .node_stats = &nodes,
                                          .redis = &redis,
                                          .n_redis = 1,
                                          .archive = &archive,
                                          .chat_store = &chat_store,
                                          .chat_pump = &chat_pump,
                                          .chat_lease = &chat_lease },
                  &text);
    buffer_append_byte(&text, '\0');

    buffer_append_str(out, str_of(INTRODUCTION));
    if (buffer_error(&text)) {
        buffer_finish(&text);
        out->error = -ENOMEM;
        return;
    }
    for (const char *line = (const char *) text.data; line; line = strstr(line, "# HELP ")) {
        line += strlen("# HELP ");
        int name = (int) strcspn(line, " "), rest = (int) strcspn(line, "\n");
        const char *type = strstr(line, "\n# TYPE ") + strlen("\n# TYPE ") + name + 1;
        buffer_printf(out, "| `%.*s` | %.*s | %.*s |\n", name, line, (int) strcspn(type, "\n"),
                      type, rest - name - 1, line + name + 1);
    }
    buffer_finish(&text);
}
