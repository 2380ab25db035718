#include "daemon/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/debug.h"
#include "async/offload.h"
#include "async/stream.h"
#include "async/task.h"
#include "async/tls.h"
#include "daemon/backend/proxy.h"
#include "daemon/backend/webhook.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/files.h"
#include "daemon/chat/online.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/keeper.h"
#include "daemon/keys/denial.h"
#include "daemon/keys/jwks.h"
#include "daemon/keys/keys.h"
#include "daemon/keys/rate.h"
#include "daemon/log.h"
#include "daemon/survey.h"
#include "daemon/transport/connection.h"

enum {
    OVER_LIMIT_MAX =
            64, /* connections past the limit that are told so; the next ones are just closed */
    DRAIN_STEP_MS = 50,
    STALL_WINDOW_MS = 30000,
};

/* ---- callbacks ---- */

static void on_turn_end(struct turn_hook *h) {
    struct worker *w = CONTAINER_OF(h, struct worker, flush);
    struct outbox_set *o = &w->outboxes;

    outbox_set_share(o, OUTBOX_SHARE_LEFT);
    if (w->turn_ends++ % 2) { /* either may be more than the share */
        channels_flush_left(&w->channels);
        outbox_set_flush_left(o);
    } else {
        outbox_set_flush_left(o);
        channels_flush_left(&w->channels);
    }
    outbox_set_share(o, OUTBOX_SHARE_DIRECT);
    if (channels_flush(&w->channels))
        loop_at_turn_end(h);
    outbox_set_share(o, OUTBOX_SHARE_ALL);
    outbox_set_flush(o);
}

static void on_delivery(struct engine_sink *sink, struct publication *p) {
    struct worker *w = CONTAINER_OF(sink, struct worker, sink);
    if (probe_take(w, p))
        return;
    if (sink->is_handed_over)
        metrics_count(&w->metrics, COUNT_HANDED_OVER);
    channels_deliver(&w->channels, p);
    loop_at_turn_end(&w->flush);
}

static struct wheel_entry *entry_of(struct wheel *wheel, uint32_t number) {
    struct worker *w = CONTAINER_OF(wheel, struct worker, wheel);
    return &hub_at(&w->hub, number)->tick;
}

static void on_tick(struct wheel *wheel, uint32_t number) {
    struct worker *w = CONTAINER_OF(wheel, struct worker, wheel);
    session_tick(hub_at(&w->hub, number));
}

static void on_check(struct timer *t) {
    keeper_check(CONTAINER_OF(t, struct worker, check));
}

static void on_broken(struct outbox *o, int why) {
    struct session *s = CONTAINER_OF(o, struct session, outbox);
    struct metrics *m = &s->worker->metrics;

    if (why == -ENOBUFS) {
        metrics_count(m, COUNT_QUEUE_LIMIT);
        session_disconnect(s, DISCONNECT_SLOW);
    } else if (why == -ENOMEM) {
        metrics_count(m, COUNT_OUT_OF_MEMORY);
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
    } else {
        if (why == -ETIMEDOUT)
            metrics_count(m, COUNT_WRITE_TIMEOUTS);
        session_disconnect(s, DISCONNECT_WRITE_ERROR);
    }
}

static bool on_occupied(struct channels *all, struct channel *c) {
    struct worker *w = CONTAINER_OF(all, struct worker, channels);
    return webhooks_entered(w->daemon->webhooks, channel_name(c)) == 0;
}

static void on_vacated(struct channels *all, struct channel *c) {
    struct worker *w = CONTAINER_OF(all, struct worker, channels);
    webhooks_left(w->daemon->webhooks, channel_name(c));
}

/* ---- life ---- */

size_t worker_share(const struct worker *w, size_t total) {
    size_t n = w->daemon->n_workers, share = total / n + (w->index < total % n);
    return share ? share : 1;
}

int worker_configure(struct worker *w, struct config *c, const struct tls *tls) {
    struct keys *keys = NULL;
    struct proxies *proxies = NULL;
    struct tls *own_tls = NULL;

    int r = keys_new(c, &keys);
    if (r < 0)
        return r;
    r = proxies_new(w, c, &proxies);
    if (r < 0) {
        keys_unref(keys);
        return r;
    }
    if (tls) {
        r = tls_share(tls, &own_tls);
        if (r < 0) {
            keys_unref(keys);
            proxies_unref(proxies);
            return r;
        }
        tls_free(w->tls);
        w->tls = own_tls;
    }
    keys_unref(w->keys);
    w->keys = keys;
    proxies_unref(w->proxies);
    w->proxies = proxies;
    config_unref(w->config);
    w->config = config_ref(c);
    if (c->client.user_connection_limit)
        hub_count_users(w);
    if (w->daemon->webhooks && !w->channels.occupied && webhooks_want_channels(c))
        channels_watch(&w->channels, on_occupied, on_vacated);

    w->frame_limits = (struct frame_limits){ .max_message = c->websocket.message_size_limit,
                                             .max_inflated = c->websocket.inflated_size_limit };
    w->uni_frame_limits = (struct frame_limits){
        .max_message = c->uni_websocket.message_size_limit,
        .max_inflated = c->uni_websocket.inflated_size_limit,
    };
    w->outboxes.limits =
            (struct outbox_limits){ .max_bytes = c->client.queue_max_bytes,
                                    .write_timeout_ms = c->websocket.write_timeout_ms };
    return 0;
}

int worker_open(struct worker *w, struct daemon *d, unsigned index) {
    struct table_seed seed;

    memset(w, 0, sizeof *w);
    w->daemon = d;
    w->index = index;
    loop_random(&seed, sizeof seed);
    list_init(&w->keeper_jobs);
    group_init(&w->connections);
    group_init(&w->tasks);
    outbox_set_init(&w->outboxes, &(struct outbox_limits){ 0 }, &w->flush, on_broken);
    channels_init(&w->channels, d->engine, &w->sink, &w->wire, session_lost);
    w->outboxes.batches = w->channels.batches = &w->batches;
    hub_init(&w->hub, &seed);
    wheel_init(&w->wheel, entry_of, on_tick);
    w->check.run = on_check;
    w->flush.run = on_turn_end;
    outbound_init(&w->outbound, d->http);

    semaphore_init(&w->poll_slots, worker_share(w, d->config->poll.concurrency));

    int r = worker_configure(w, d->config, d->tls);
    if (r == 0)
        r = wire_init(&w->wire);
    if (r == 0 && !(w->inbox = inbox_open(loop_current())))
        r = -ENOMEM;
    if (r == 0) {
        w->sink = (struct engine_sink){ .inbox = w->inbox, .deliver = on_delivery };
        r = engine_add_sink(d->engine, &w->sink);
        w->has_sink = r == 0;
    }
    if (r == 0)
        r = probe_open(w);
    if (r < 0)
        worker_close(w);
    else
        survey_enter(w);
    return r;
}

void worker_close(struct worker *w) {
    if (!w->daemon)
        return;
    survey_leave(w);
    group_finish(&w->connections);
    group_finish(&w->tasks);
    outbox_set_finish(&w->outboxes);
    /* Publishes whose connection has gone still answer into the inbox. */
    while (w->publishes_running > 0) {
        SHIELD(INT64_MAX / 2);
        (void) task_sleep(1);
    }
    outbound_finish(&w->outbound);
    loop_forget_hook(&w->flush);
    keeper_finish(w);
    channels_finish(&w->channels);
    hub_finish(&w->hub);
    probe_close(w);
    if (w->has_sink)
        engine_remove_sink(w->daemon->engine, &w->sink);
    w->inbox = inbox_close(w->inbox);
    wheel_finish(&w->wheel);
    wire_finish(&w->wire);
    batch_pool_finish(&w->batches);
    publish_ops_finish(w);
    buffer_finish(&w->scratch);
    w->keys = keys_unref(w->keys);
    w->jwks = jwks_close(w->jwks);
    w->checkers = pool_close(w->checkers);
    w->chat_files = chat_files_free(w->chat_files);
    w->hashers = pool_close(w->hashers);
    w->tls = tls_free(w->tls);
    connection_http_finish(w);
    while (w->inputs) {
        struct input *i = w->inputs;
        w->inputs = i->next;
        free(i);
    }
    w->proxies = proxies_unref(w->proxies);
    w->config = config_unref(w->config);
    w->daemon = NULL;
}

/* ---- connections ---- */

int worker_accept(struct worker *w, struct stream *s, unsigned accept_flags) {
    /* Whoever operates the daemon can look at a crowded one, too. */
    bool is_internal = accept_flags & ACCEPT_INTERNAL;
    uint32_t limit = is_internal ? 0 : w->config->client.connection_limit;
    /* Counted first: of two workers only one sees the last place free. */
    uint32_t now = atomic_fetch_add_explicit(&w->daemon->connections, 1, memory_order_relaxed);

    int r = limit && now >= limit + OVER_LIMIT_MAX ? -EBUSY : 0;
    void *data;
    if (r < 0)
        metrics_count(&w->metrics, COUNT_REFUSED_LIMIT);
    else
        r = group_spawn_with(&w->connections, "connection", connection_serve,
                             sizeof(struct connection), &data);
    if (r < 0) {
        atomic_fetch_sub_explicit(&w->daemon->connections, 1, memory_order_relaxed);
        return r;
    }
    struct connection *conn = data;
    conn->session.worker = w;
    conn->session.outbox.stream = s;
    conn->session.is_tls = accept_flags & ACCEPT_TLS;
    conn->session.is_internal = is_internal;
    conn->session.is_over_limit = limit && now >= limit;

    w->n_connections++;
    metrics_count(&w->metrics, COUNT_ACCEPTED);
    metrics_gauge_add(&w->metrics, GAUGE_CONNECTIONS, 1);
    return 0;
}

void worker_connection_ended(struct worker *w) {
    atomic_fetch_sub_explicit(&w->daemon->connections, 1, memory_order_relaxed);
    w->n_connections--;
    metrics_gauge_add(&w->metrics, GAUGE_CONNECTIONS, -1);
}

struct input *worker_lend_input(struct worker *w) {
    struct input *i = w->inputs;
    if (!i)
        return malloc(sizeof *i);
    w->inputs = i->next;
    w->n_inputs--;
    return i;
}

void worker_return_input(struct worker *w, struct input *i) {
    if (!i || w->n_inputs == INPUTS_KEPT) {
        free(i);
        return;
    }
    i->next = w->inputs;
    w->inputs = i;
    w->n_inputs++;
}

/* One that was long ago is forgotten. */
static void collect_stall(struct worker *w) {
    struct worker_stall *s = &w->stall;
    int64_t us = loop_stall_us();

    if (loop_now() - s->since_ms >= STALL_WINDOW_MS) {
        s->before_us = s->now_us;
        s->now_us = 0;
        s->since_ms = loop_now();
    }
    s->now_us = us > s->now_us ? us : s->now_us;
    metrics_peak_set(&w->metrics, PEAK_STALL, s->now_us > s->before_us ? s->now_us : s->before_us);
}

/* Of this worker's loop. */
static void collect_async(struct metrics *m) {
    struct async_stats s;
    struct loop_stalls stalls;
    async_stats(&s);
    loop_stalls(&stalls);
    metrics_put_stalls(m, &stalls);
    metrics_gauge_set(m, GAUGE_TASKS, (int64_t) s.tasks);
    metrics_gauge_set(m, GAUGE_TASKS_DORMANT, (int64_t) s.dormant);
    metrics_gauge_set(m, GAUGE_TIMERS, (int64_t) s.timers);
    metrics_gauge_set(m, GAUGE_STACKS_USED, (int64_t) s.stacks_in_use);
    metrics_gauge_set(m, GAUGE_STACKS_IDLE, (int64_t) s.stacks_idle);
    metrics_put(m, COUNT_TASKS_SPAWNED, s.spawned);
    metrics_put(m, COUNT_SWITCHES, s.switches);
    metrics_put(m, COUNT_TURNS, s.turns);
    metrics_put(m, COUNT_WOKEN, s.woken);
    metrics_put(m, COUNT_STACKS_STARVED, s.starved);
}

void worker_collect(struct worker *w) {
    struct metrics *m = &w->metrics;

    /* Every second: nothing here may look at each session. */
    metrics_gauge_set(m, GAUGE_OUTBOX_BYTES, (int64_t) w->outboxes.waiting);
    metrics_gauge_set(m, GAUGE_USERS, (int64_t) hub_users(w));
    metrics_gauge_set(m, GAUGE_CHANNELS, (int64_t) table_size(&w->channels.table));
    size_t running, waiting;
    proxies_count(w->proxies, &running, &waiting);
    metrics_gauge_set(m, GAUGE_PROXY_RUNNING, (int64_t) running);
    metrics_gauge_set(m, GAUGE_PROXY_WAITING, (int64_t) waiting);
    if (w->index == 0) { /* the daemon's */
        if (w->daemon->chat)
            metrics_gauge_set(m, GAUGE_CHAT_ONLINE,
                              (int64_t) chat_online_count(w->daemon->chat->online));
        metrics_gauge_set(m, GAUGE_DENIALS, (int64_t) denial_count(w->daemon));
        metrics_gauge_set(m, GAUGE_RATE_BUCKETS, (int64_t) rates_count(w->daemon->rates));
    }
    metrics_put(m, COUNT_DELIVERED, w->channels.delivered);
    metrics_put(m, COUNT_SENDS, w->outboxes.sends);
    metrics_put(m, COUNT_BYTES_OUT, w->outboxes.bytes_sent);
    metrics_put(m, COUNT_BACKED_UP, w->outboxes.backed_up);
    metrics_put(m, COUNT_PUT_OFF, w->outboxes.put_off);
    collect_async(m);
    collect_stall(w);
}

/* ---- drain ---- */

/* The next n that have not been told yet, from where the walk stands: each is looked at about once,
 * not at every step. Those who came in behind it are found when it begins anew. Is anyone left? */
static bool dismiss(struct worker *w, struct hub_walk *walk, size_t n) {
    for (int rounds = 0; rounds < 2; rounds++) {
        while (hub_walk_next(&w->hub, walk)) {
            if (walk->session->state == SESSION_CLOSING)
                continue;
            if (n == 0) {
                walk->place--; /* the next time */
                return true;
            }
            session_disconnect(walk->session, DISCONNECT_SHUTDOWN);
            n--;
        }
        *walk = (struct hub_walk){ 0 };
    }
    return false;
}

int worker_drain(struct worker *w, int64_t spread_ms) {
    struct hub_walk walk = { 0 };
    int r = 0;

    w->is_draining = true;
    size_t n = w->hub.n_taken, told = 0;
    bool is_anyone_left = n > 0;
    int64_t from = loop_now();
    while (r == 0 && is_anyone_left) {
        int64_t passed = loop_now() - from + DRAIN_STEP_MS;
        size_t due = passed < spread_ms ? (size_t) ((int64_t) n * passed / spread_ms) : n;
        /* In the end everybody, those who came in the meantime included. */
        is_anyone_left = dismiss(w, &walk, passed < spread_ms ? due - told : SIZE_MAX);
        told = due;
        r = task_sleep(DRAIN_STEP_MS);
    }
    /* What was asked is answered; those that are between HTTP requests have nothing to be told. */
    while (r == 0 && w->n_exchanges > 0)
        r = task_sleep(DRAIN_STEP_MS);
    group_cancel(&w->connections);
    while (r == 0 && w->n_connections > 0)
        r = task_sleep(DRAIN_STEP_MS);
    return r;
}
