#include "daemon/backend/webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/task.h"
#include "daemon/backend/webhook_impl.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/session/session.h"
#include "storage/clock.h"

enum { RETRY_MS = 1000, CLOSE_STEP_MS = 1 };

struct pending_event {
    struct pending_event *next;
    struct event_item item;
    char text[]; /* queue, subject, payload, end */
};

/* ---- into the line: any thread ---- */

static char *put(char *at, const void *data, size_t len) {
    if (len)
        memcpy(at, data, len);
    return at + len;
}

static struct pending_event *pending_new(struct str queue, enum event_effect effect,
                                         const struct happening *h) {
    struct bytes payload = buffer_bytes(&h->payload), end = buffer_bytes(&h->end);
    struct pending_event *p =
            malloc(sizeof *p + queue.len + h->subject.len + payload.len + end.len);
    if (!p)
        return NULL;
    char *at = p->text;
    *p = (struct pending_event){ .item = { .effect = effect,
                                           .time_ms = h->time_ms ? h->time_ms : clock_wall_ms() } };
    p->item.queue = (struct str){ at, queue.len };
    at = put(at, queue.data, queue.len);
    p->item.subject = (struct str){ at, h->subject.len };
    at = put(at, h->subject.data, h->subject.len);
    p->item.payload = bytes_of(at, payload.len);
    at = put(at, payload.data, payload.len);
    p->item.end = bytes_of(at, end.len);
    (void) put(at, end.data, end.len);
    return p;
}

/* Ends come in whatever there is: there are no more of them than there were beginnings. (Of several
 * endpoints each gets them; the engine drops those whose beginning was dropped.) false: dropped. */
static bool enqueue(struct webhooks *w, struct str queue, enum event_effect effect,
                    const struct happening *h) {
    bool is_full = effect != EVENT_ENDS && w->n_pending >= w->config->webhooks.queue_max;
    bool is_whole = buffer_error(&h->payload) == 0 && buffer_error(&h->end) == 0;
    struct pending_event *p = is_full || !is_whole ? NULL : pending_new(queue, effect, h);
    atomic_fetch_add(&w->events, effect != EVENT_STANDS);
    if (!p) {
        atomic_fetch_add(&w->dropped, 1);
        return false;
    }
    *w->last = p;
    w->last = &p->next;
    w->n_taken++;
    atomic_store(&w->waiting, ++w->n_pending);
    return true;
}

/* What it is to one endpoint. false: nothing. Each event is followed in the enumeration by its end.
 */
static bool effect_on(const struct config_webhook *hook, const struct happening *h,
                      enum event_effect *ret) {
    if (h->is_of_cluster) {
        *ret = EVENT_ONLY;
        return webhook_wants(hook, h->event);
    }
    bool begins = !h->is_end && webhook_wants(hook, h->event);
    bool ends = webhook_wants(hook, h->is_end ? h->event : h->event + 1);
    if (h->is_end)
        *ret = EVENT_ENDS;
    else
        *ret = begins && ends ? EVENT_BEGINS : begins ? EVENT_ONLY : EVENT_STANDS;
    return begins || ends;
}

bool webhook_happen(struct webhooks *w, const struct happening *h) {
    bool is_told = false;
    pthread_mutex_lock(&w->mutex);
    bool has_channel = h->channel.len > 0;
    const struct namespace *ns = has_channel ? config_namespace_of(w->config, h->channel) : NULL;
    for (size_t i = 0; i < w->config->webhooks.n; i++) {
        const struct config_webhook *hook = &w->config->webhooks.items[i];
        enum event_effect effect;
        if (effect_on(hook, h, &effect) && (!has_channel || webhook_wants_namespace(hook, ns)))
            is_told |= enqueue(w, hook->name, effect, h);
    }
    if (w->first && !w->is_posted) {
        w->is_posted = true;
        inbox_post(w->daemon->inbox, &w->post);
    }
    pthread_mutex_unlock(&w->mutex);
    return is_told;
}

static bool is_wanted(const struct webhooks *w, enum webhook_event e) {
    return w && atomic_load_explicit(&w->wanted, memory_order_relaxed) & 1u << e;
}

static void make_id(struct webhooks *w, char id[static WEBHOOK_ID_MAX]) {
    (void) snprintf(id, WEBHOOK_ID_MAX, "%s-%" PRIx64, w->run_id,
                    atomic_fetch_add(&w->last_id, 1) + 1);
}

void happening_finish(struct happening *h) {
    buffer_finish(&h->payload);
    buffer_finish(&h->end);
}

static bool happen_to_client(struct webhooks *w, enum webhook_event e, const struct session *s) {
    char id[WEBHOOK_ID_MAX], subject[8 + CLIENT_ID_LEN];
    make_id(w, id);
    memcpy(subject, "client:", 7);
    struct client_text client;
    memcpy(subject + 7, session_client(s, &client).data, CLIENT_ID_LEN);
    CLEANUP(happening_finish)
    struct happening h = { .event = e,
                           .is_end = e == WEBHOOK_DISCONNECT,
                           .subject = { subject, 7 + CLIENT_ID_LEN } };
    webhook_write_client(&h.payload, id, e, s);
    if (!h.is_end)
        webhook_write_lost(&h.end, id, s);
    return webhook_happen(w, &h);
}

/* Who hears of ends only hears of each, and therefore of those that nobody saw. */
bool webhooks_connected(struct webhooks *w, const struct session *s) {
    return (is_wanted(w, WEBHOOK_CONNECT) || is_wanted(w, WEBHOOK_DISCONNECT)) &&
           happen_to_client(w, WEBHOOK_CONNECT, s);
}

void webhooks_disconnected(struct webhooks *w, const struct session *s) {
    if (is_wanted(w, WEBHOOK_DISCONNECT))
        (void) happen_to_client(w, WEBHOOK_DISCONNECT, s);
}

/* ---- channels ---- */

bool webhook_happen_to_channel(struct webhooks *w, struct happening *h, const char *id,
                               uint64_t number) {
    CLEANUP(buffer_finish) struct buffer subject = BUFFER_INIT;
    buffer_append_str(&subject, STR("channel:"));
    buffer_append_str(&subject, h->channel);
    if (buffer_error(&subject) < 0) {
        atomic_fetch_add(&w->dropped, 1);
        return false;
    }
    h->subject = (struct str){ (const char *) subject.data, subject.len };
    webhook_write_channel(&h->payload, id, h->event, h->channel, number);
    if (!h->is_end)
        webhook_write_channel(&h->end, id, WEBHOOK_VACATED, h->channel, number);
    return webhook_happen(w, h);
}

static bool channel_changed(void *arg, struct str channel, bool is_occupied) {
    struct webhooks *w = arg;
    if (w->cluster)
        return webhook_cluster_changed(w, channel, is_occupied);
    CLEANUP(happening_finish)
    struct happening h = { .event = is_occupied ? WEBHOOK_OCCUPIED : WEBHOOK_VACATED,
                           .is_end = !is_occupied,
                           .channel = channel };
    char id[WEBHOOK_ID_MAX];
    make_id(w, id);
    return webhook_happen_to_channel(w, &h, id, 0);
}

int webhooks_entered(struct webhooks *w, struct str channel) {
    return occupancy_enter(w->occupancy, channel);
}

void webhook_post(struct webhooks *w) {
    pthread_mutex_lock(&w->mutex);
    if (!w->is_posted) {
        w->is_posted = true;
        inbox_post(w->daemon->inbox, &w->post);
    }
    pthread_mutex_unlock(&w->mutex);
}

void webhooks_left(struct webhooks *w, struct str channel) {
    int64_t delay_ms = atomic_load(&w->vacated_delay_ms);
    if (occupancy_leave(w->occupancy, channel, clock_wall_ms(), delay_ms))
        webhook_post(w);
}

/* On the main loop. Without memory for the timer whatever happens next makes up for it. */
static void vacate(struct webhooks *w) {
    int64_t now_ms = clock_wall_ms(), next_ms = occupancy_sweep(w->occupancy, now_ms);
    int64_t in_ms = next_ms > now_ms ? next_ms - now_ms : 1;
    if (next_ms != INT64_MAX && timer_set(&w->vacating, in_ms) < 0)
        atomic_fetch_add(&w->store_errors, 1);
}

static void on_vacating(struct timer *t) {
    vacate(CONTAINER_OF(t, struct webhooks, vacating));
}

/* ---- into the engine: main loop ---- */

static void submit(struct webhooks *w);

static void drop_flying(struct webhooks *w) {
    size_t n = w->request.n;
    while (w->flying) {
        struct pending_event *p = w->flying;
        w->flying = p->next;
        free(p);
    }
    pthread_mutex_lock(&w->mutex);
    w->n_pending -= n;
    w->n_stored += n;
    atomic_store(&w->waiting, w->n_pending);
    pthread_mutex_unlock(&w->mutex);
}

static void on_retry(struct timer *t) {
    struct webhooks *w = CONTAINER_OF(t, struct webhooks, retry);
    w->is_flying = true;
    engine_event_append(w->daemon->engine, &w->request);
}

static void submitted(struct event_request *request) {
    struct webhooks *w = CONTAINER_OF(request, struct webhooks, request);
    w->is_flying = false;
    if (request->result < 0) {
        atomic_fetch_add(&w->store_errors, 1);
        LOG_WARNING(w->daemon->log, "webhooks' events cannot be stored for the moment",
                    LOG_UINT("events", request->n), LOG_RESULT(request->result));
        if (!w->is_closing && timer_set(&w->retry, RETRY_MS) < 0)
            on_retry(&w->retry);
        return;
    }
    if (request->dropped > 0)
        LOG_WARNING(w->daemon->log, "webhooks' queue is full: events are dropped",
                    LOG_UINT("events", request->dropped));
    atomic_fetch_add(&w->dropped, request->dropped);
    drop_flying(w);
    for (size_t i = 0; i < w->n_endpoints; i++)
        endpoint_wake(w->endpoints[i]);
    if (w->cluster)
        webhook_cluster_stored(w);
    submit(w);
}

/* The next ones in their order; while they are under way, or refused, the others wait. */
static void submit(struct webhooks *w) {
    if (w->flying)
        return;
    size_t n = 0;
    pthread_mutex_lock(&w->mutex);
    w->flying = w->first;
    struct pending_event **last = &w->flying;
    for (; *last && n < WEBHOOK_GROUP_MAX; last = &(*last)->next)
        w->items[n++] = (*last)->item;
    w->first = *last;
    *last = NULL;
    if (!w->first)
        w->last = &w->first;
    pthread_mutex_unlock(&w->mutex);
    if (n == 0)
        return;
    w->request = (struct event_request){
        .items = w->items, .n = n, .inbox = w->daemon->inbox, .done = submitted
    };
    w->is_flying = true;
    engine_event_append(w->daemon->engine, &w->request);
}

static void on_post(struct post *post) {
    struct webhooks *w = CONTAINER_OF(post, struct webhooks, post);
    pthread_mutex_lock(&w->mutex);
    w->is_posted = false;
    pthread_mutex_unlock(&w->mutex);
    vacate(w);
    if (w->cluster)
        webhook_cluster_stored(w);
    submit(w);
}

/* ---- configuration ---- */

bool webhooks_want_channels(const struct config *c) {
    for (size_t i = 0; i < c->webhooks.n; i++)
        if (webhook_wants(&c->webhooks.items[i], WEBHOOK_OCCUPIED) ||
            webhook_wants(&c->webhooks.items[i], WEBHOOK_VACATED))
            return true;
    return false;
}

static uint32_t wanted_of(const struct config *c) {
    uint32_t wanted = 0;
    for (size_t i = 0; i < c->webhooks.n; i++)
        for (enum webhook_event e = 0; e < WEBHOOK_EVENTS; e++)
            wanted |= webhook_wants(&c->webhooks.items[i], e) ? 1u << e : 0;
    return wanted;
}

static struct endpoint **close_endpoints(struct endpoint **all, size_t n) {
    for (size_t i = 0; all && i < n; i++)
        endpoint_close(all[i]);
    free(all);
    return NULL;
}

/* Not begun yet. */
static int make_endpoints(struct webhooks *w, struct config *c, struct endpoint ***ret) {
    struct endpoint **all = calloc(c->webhooks.n + 1, sizeof *all);
    int r = all ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < c->webhooks.n; i++)
        r = endpoint_new(w, c, &c->webhooks.items[i], &all[i]);
    if (r < 0) {
        close_endpoints(all, c->webhooks.n);
        return r;
    }
    *ret = all;
    return 0;
}

/* Queues of endpoints that are gone, with what is in them. */
static int drop_others(struct webhooks *w, const struct config *c) {
    struct engine_stats stats;
    engine_stats(w->daemon->engine, &stats);
    if (c->webhooks.n == 0 && stats.events == 0)
        return 0;
    struct str queues[CONFIG_WEBHOOKS_MAX];
    for (size_t i = 0; i < c->webhooks.n; i++)
        queues[i] = c->webhooks.items[i].name;
    uint64_t n = 0;
    int r = engine_events_keep_queues(w->daemon->engine, queues, c->webhooks.n, &n);
    if (r == 0 && n > 0)
        LOG_WARNING(w->daemon->log, "events for webhooks that are configured no more are dropped",
                    LOG_UINT("events", n));
    return r;
}

int webhooks_configure(struct webhooks *w, struct config *c) {
    struct endpoint **all;
    int r = make_endpoints(w, c, &all);
    if (r < 0)
        return r;
    r = drop_others(w, c);
    if (r < 0) {
        close_endpoints(all, c->webhooks.n);
        return r;
    }
    pthread_mutex_lock(&w->mutex);
    struct config *old = w->config;
    w->config = config_ref(c);
    pthread_mutex_unlock(&w->mutex);
    atomic_store(&w->wanted, wanted_of(c));
    atomic_store(&w->vacated_delay_ms, c->webhooks.vacated_delay_ms);
    config_unref(old);

    /* The old ones first: of each queue only one delivers. */
    close_endpoints(w->endpoints, w->n_endpoints);
    w->endpoints = all;
    w->n_endpoints = c->webhooks.n;
    for (size_t i = 0; r == 0 && i < w->n_endpoints; i++)
        r = endpoint_begin(w->endpoints[i]);
    return r < 0 ? r : webhook_cluster_configure(w, c);
}

/* ---- life ---- */

static struct webhooks *webhooks_new(struct daemon *d) {
    struct webhooks *w = calloc(1, sizeof *w);
    struct table_seed seed;
    uint64_t run;
    if (!w)
        return NULL;
    loop_random(&seed, sizeof seed);
    loop_random(&run, sizeof run);
    w->daemon = d;
    (void) snprintf(w->run_id, sizeof w->run_id, "%016" PRIx64, run);
    w->last = &w->first;
    w->post.run = on_post;
    w->retry.run = on_retry;
    w->vacating.run = on_vacating;
    pthread_mutex_init(&w->mutex, NULL);
    outbound_init(&w->outbound, d->http);
    w->occupancy = occupancy_new(&seed, channel_changed, w);
    if (!w->occupancy) {
        pthread_mutex_destroy(&w->mutex);
        free(w);
        return NULL;
    }
    return w;
}

int webhooks_open(struct daemon *d, struct webhooks **ret) {
    struct webhooks *w = webhooks_new(d);
    if (!w)
        return -ENOMEM;
    /* Before anything else begins. */
    int r = d->config->webhooks.n > 0 ? engine_events_end_standing(d->engine) : 0;
    if (r == 0)
        r = webhooks_configure(w, d->config);
    if (r < 0) {
        webhooks_close(w);
        return r;
    }
    *ret = w;
    return 0;
}

static bool has_pending(struct webhooks *w) {
    pthread_mutex_lock(&w->mutex);
    bool has = w->n_pending > 0;
    pthread_mutex_unlock(&w->mutex);
    return has;
}

/* A post may be on its way as well: until it has come all of w must stay. */
static bool is_posted(struct webhooks *w) {
    pthread_mutex_lock(&w->mutex);
    bool is = w->is_posted;
    pthread_mutex_unlock(&w->mutex);
    return is;
}

static void flush(struct webhooks *w) {
    SHIELD(INT64_MAX / 2); /* the engine answers */
    if (w->cluster)
        webhook_cluster_close(w);
    else
        (void) occupancy_sweep(w->occupancy, INT64_MAX);
    w->is_closing = true;
    if (w->flying && !w->is_flying)
        on_retry(&w->retry); /* once more */
    timer_clear(&w->retry);
    submit(w);
    while (w->is_flying || is_posted(w) || (has_pending(w) && !w->flying))
        (void) task_sleep(CLOSE_STEP_MS);
    if (has_pending(w))
        LOG_ERROR(w->daemon->log, "webhooks' events could not be stored and are lost",
                  LOG_UINT("events", w->n_pending));
}

struct webhooks *webhooks_close(struct webhooks *w) {
    if (!w)
        return NULL;
    w->endpoints = close_endpoints(w->endpoints, w->n_endpoints);
    w->n_endpoints = 0;
    if (w->config)
        flush(w);
    timer_clear(&w->vacating);
    for (struct pending_event *p; (p = w->flying ? w->flying : w->first);) {
        *(w->flying ? &w->flying : &w->first) = p->next;
        free(p);
    }
    outbound_finish(&w->outbound);
    w->occupancy = occupancy_free(w->occupancy);
    free(w->cluster);
    config_unref(w->config);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return NULL;
}

void webhooks_stats(const struct webhooks *w, struct webhook_stats *ret) {
    *ret = (struct webhook_stats){
        .events = atomic_load(&w->events),
        .dropped = atomic_load(&w->dropped) + webhook_cluster_dropped(w),
        .delivered = atomic_load(&w->delivered),
        .requests = atomic_load(&w->requests),
        .failed = atomic_load(&w->failed),
        .store_errors = atomic_load(&w->store_errors),
        .waiting = atomic_load(&w->waiting),
    };
}
