/* Delivers one endpoint's events: a task reads them from the engine and deals them out, by subject,
 * to lanes; each lane is a task that delivers its own in order, many in a request, until they are
 * taken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/event.h"
#include "async/group.h"
#include "async/http_client.h"
#include "async/task.h"
#include "daemon/backend/webhook_impl.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/forwarded.h"
#include "protocol/arena.h"
#include "protocol/url_label.h"

enum {
    FETCH_MAX = 256, /* events at once from the engine */
    FETCH_MAX_BYTES = 1 << 20,
    LANE_MIN = 256,           /* events that a lane may hold; at least a full request */
    RESPONSE_MAX = 64 * 1024, /* nothing of it is of interest */
    STORE_RETRY_MS = 1000,
    OWN_FIELDS = 2, /* beside those of the configuration */
};

/* An event in memory. */
struct parcel {
    struct parcel *next;
    uint64_t id;
    int64_t time_ms;
    size_t len;
    uint8_t members[];
};

struct webhook_lane {
    struct endpoint *endpoint;
    struct parcel *first, **last;
    size_t n;
    struct event fresh;
};

struct endpoint {
    struct webhooks *all;
    struct config *config; /* a reference: hook's */
    const struct config_webhook *hook;
    struct table_seed seed;
    struct group tasks;
    struct http_limit limit;
    struct event fresh; /* in the engine */
    struct event room;  /* in some lane */
    size_t lane_max, n_lanes;
    struct webhook_lane lanes[];
};

/* ---- lanes ---- */

static void lane_add(struct webhook_lane *l, struct parcel *p) {
    *l->last = p;
    l->last = &p->next;
    l->n++;
    event_set(&l->fresh);
}

static void lane_drop(struct webhook_lane *l, size_t n) {
    for (; n > 0; n--) {
        struct parcel *p = l->first;
        l->first = p->next;
        if (!l->first)
            l->last = &l->first;
        l->n--;
        free(p);
    }
    event_set(&l->endpoint->room);
}

/* ---- requests ---- */

/* One body on its way, on the heap: tasks' stacks are small. */
struct request {
    struct webhook_lane *lane;
    size_t n;
    struct buffer body;
    struct arena arena;
    struct http_result result;
    char signature[WEBHOOK_SIGNATURE_MAX], attempt_text[24];
    unsigned attempt; /* from 1 */
};

static void request_freep(struct request **q) {
    if (!*q)
        return;
    buffer_finish(&(*q)->body);
    arena_finish(&(*q)->arena);
    http_result_finish(&(*q)->result);
    free(*q);
}

static int write_body(struct request *q) {
    const struct endpoint *e = q->lane->endpoint;
    struct webhook_item *items = calloc(q->n, sizeof *items);
    if (!items)
        return -ENOMEM;
    const struct parcel *p = q->lane->first;
    for (size_t i = 0; i < q->n; i++, p = p->next)
        items[i] = (struct webhook_item){ .time_ms = p->time_ms,
                                          .members = bytes_of(p->members, p->len) };
    webhook_write_body(&q->body, e->hook->name, items, q->n);
    free(items);
    return buffer_error(&q->body);
}

static int request_new(struct webhook_lane *l, struct request **ret) {
    size_t batch_max = l->endpoint->hook->batch_max;
    struct request *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->lane = l;
    q->n = l->n < batch_max ? l->n : batch_max;
    int r = write_body(q);
    if (r < 0) {
        request_freep(&q);
        return r;
    }
    *ret = q;
    return 0;
}

/* The signature is of the time of the attempt, so that old ones cannot be played again. */
static int make_fields(struct request *q, struct http_field **ret, size_t *ret_n) {
    const struct config_webhook *hook = q->lane->endpoint->hook;
    arena_finish(&q->arena);
    q->arena = (struct arena){ 0 };
    int r = forwarded_fields(NULL, &hook->to, &q->arena, ret, ret_n);
    if (r < 0)
        return r;
    if (*ret_n > HTTP_FIELDS_MAX - OWN_FIELDS)
        *ret_n = HTTP_FIELDS_MAX - OWN_FIELDS;
    (void) snprintf(q->attempt_text, sizeof q->attempt_text, "%u", q->attempt);
    (*ret)[(*ret_n)++] = (struct http_field){ "X-Parley-Attempt", q->attempt_text };
    if (hook->secret.len == 0)
        return 0;
    r = webhook_sign(hook->secret, loop_wall_ms() / 1000, buffer_bytes(&q->body), q->signature);
    if (r == 0)
        (*ret)[(*ret_n)++] = (struct http_field){ "X-Parley-Signature", q->signature };
    return r;
}

/* 0: it has answered, with whatever status. */
static int call(struct request *q) {
    struct endpoint *e = q->lane->endpoint;
    const struct config_proxy *to = &e->hook->to;
    struct http_client *client;
    struct http_field *fields;
    size_t n_fields;
    char *why = NULL;
    int r = outbound_client(&e->all->outbound, to->ca_file, to->insecure_skip_verify, &client,
                            &why);
    if (r < 0) {
        (void) snprintf(q->result.why, sizeof q->result.why, "%s", why ? why : "");
        free(why);
        return r;
    }
    r = make_fields(q, &fields, &n_fields);
    if (r < 0)
        return r;
    const struct http_call http = {
        .url = to->endpoint.data,
        .fields = fields,
        .n_fields = n_fields,
        .body = q->body.data,
        .body_len = q->body.len,
        .timeout_ms = to->timeout_ms,
        .response_max = RESPONSE_MAX,
        .limit = &e->limit,
    };
    return http_client_call(client, &http, &q->result);
}

static bool is_taken(const struct request *q, int r) {
    return r == 0 && q->result.status >= 200 && q->result.status < 300;
}

/* ---- again ---- */

/* Twice as long each time, and somewhere in the upper half of it: services that come back are not
 * met by everybody at once. Longer if the service asks for it. */
static int64_t pause_ms(const struct request *q) {
    const struct config_webhooks *c = &q->lane->endpoint->config->webhooks;
    int64_t ms = c->retry_min_ms;
    for (unsigned i = 1; i < q->attempt && ms < c->retry_max_ms; i++)
        ms *= 2;
    ms = ms < c->retry_max_ms ? ms : c->retry_max_ms;
    ms -= (int64_t) loop_random_below((uint64_t) ms / 2 + 1);

    char text[16];
    if (!q->result.head || !http_result_field(&q->result, "Retry-After", text, sizeof text))
        return ms;
    int64_t asked_ms = strtoll(text, NULL, 10) * 1000; /* a date counts as nothing */
    asked_ms = asked_ms < c->retry_max_ms ? asked_ms : c->retry_max_ms;
    return asked_ms > ms ? asked_ms : ms;
}

static bool is_worth_telling(unsigned attempt) {
    return (attempt & (attempt - 1)) == 0 || attempt % 64 == 0;
}

static void failed(const struct request *q, int r) {
    const struct endpoint *e = q->lane->endpoint;
    char why[HTTP_WHY_MAX + 32], label[URL_LABEL_MAX];
    atomic_fetch_add(&e->all->failed, 1);
    if (r == 0)
        (void) snprintf(why, sizeof why, "HTTP status %d", q->result.status);
    else
        (void) snprintf(why, sizeof why, "%s", q->result.why);
    if (is_worth_telling(q->attempt))
        LOG_WARNING(e->all->daemon->log, "a webhook's endpoint did not take its events",
                    LOG_STR("name", e->hook->name),
                    LOG_STR("endpoint", url_label(e->hook->to.endpoint, label)),
                    LOG_UINT("attempt", q->attempt), LOG_UINT("events", q->n), LOG_TEXT("why", why),
                    LOG_RESULT(r));
}

/* Until it is taken. < 0: the task is to end. */
static int deliver(struct request *q) {
    struct webhooks *all = q->lane->endpoint->all;
    for (;;) {
        q->attempt++;
        atomic_fetch_add(&all->requests, 1);
        int r = call(q);
        if (is_taken(q, r))
            return 0;
        if (task_cancelled())
            return -ECANCELED;
        failed(q, r);
        int64_t ms = pause_ms(q);
        http_result_finish(&q->result);
        q->result = (struct http_result){ 0 };
        r = task_sleep(ms);
        if (r < 0)
            return r;
    }
}

/* Until the engine has forgotten them. */
static int forget(struct request *q) {
    struct webhooks *all = q->lane->endpoint->all;
    uint64_t *ids = arena_alloc(&q->arena, q->n * sizeof *ids);
    if (!ids)
        return -ENOMEM;
    const struct parcel *p = q->lane->first;
    for (size_t i = 0; i < q->n; i++, p = p->next)
        ids[i] = p->id;
    int r;
    while ((r = engine_events_done(all->daemon->engine, ids, q->n)) < 0) {
        if (task_cancelled())
            return -ECANCELED;
        atomic_fetch_add(&all->store_errors, 1);
        r = task_sleep(STORE_RETRY_MS);
        if (r < 0)
            return r;
    }
    atomic_fetch_add(&all->delivered, q->n);
    lane_drop(q->lane, q->n);
    return 0;
}

static int serve(struct webhook_lane *l) {
    CLEANUP(request_freep) struct request *q = NULL;
    int r = request_new(l, &q);
    if (r == 0)
        r = deliver(q);
    if (r == 0)
        r = forget(q);
    return r;
}

static int run_lane(void *arg) {
    struct webhook_lane *l = arg;
    for (;;) {
        while (!l->first) {
            event_clear(&l->fresh);
            int r = event_wait(&l->fresh);
            if (r < 0)
                return r;
        }
        int r = serve(l);
        if (r == -ENOMEM)
            r = task_sleep(STORE_RETRY_MS); /* what was delivered may be delivered again */
        if (r < 0)
            return r;
    }
}

/* ---- dealing out ---- */

static int wait_for_room(struct endpoint *e, const struct webhook_lane *l) {
    int r = 0;
    while (r == 0 && l->n >= e->lane_max) {
        event_clear(&e->room);
        r = event_wait(&e->room);
    }
    return r;
}

static int deal(struct endpoint *e, const struct queued_event *event) {
    uint64_t hash = table_hash(&e->seed, str_bytes(event->subject));
    struct webhook_lane *l = &e->lanes[hash % e->n_lanes];
    int r = wait_for_room(e, l);
    if (r < 0)
        return r;
    struct parcel *p = malloc(sizeof *p + event->payload.len);
    if (!p)
        return -ENOMEM;
    *p = (struct parcel){ .id = event->id, .time_ms = event->time_ms, .len = event->payload.len };
    memcpy(p->members, event->payload.data, event->payload.len);
    lane_add(l, p);
    return 0;
}

/* Moves *after past those that were dealt out. */
static int fetch(struct endpoint *e, uint64_t *after, bool *ret_any) {
    CLEANUP(events_finish) struct events events = { 0 };
    int r = engine_events_next(e->all->daemon->engine, e->hook->name, *after, FETCH_MAX,
                               FETCH_MAX_BYTES, &events);
    *ret_any = r == 0 && events.n > 0;
    for (size_t i = 0; r == 0 && i < events.n; i++) {
        r = deal(e, &events.items[i]);
        if (r == 0)
            *after = events.items[i].id;
    }
    return r;
}

static int run_fetching(void *arg) {
    struct endpoint *e = arg;
    uint64_t after = 0;
    for (;;) {
        bool any;
        event_clear(&e->fresh); /* what comes from now on sets it again */
        int r = fetch(e, &after, &any);
        if (r < 0 && task_cancelled())
            return -ECANCELED;
        if (r < 0) {
            atomic_fetch_add(&e->all->store_errors, 1);
            r = task_sleep(STORE_RETRY_MS);
        } else if (!any) {
            r = event_wait(&e->fresh);
        }
        if (r < 0)
            return r;
    }
}

/* ---- life ---- */

int endpoint_new(struct webhooks *w, struct config *c, const struct config_webhook *hook,
                 struct endpoint **ret) {
    size_t n = hook->to.concurrency ? hook->to.concurrency : 1;
    struct endpoint *e = calloc(1, sizeof *e + n * sizeof *e->lanes);
    if (!e)
        return -ENOMEM;
    e->all = w;
    e->config = config_ref(c);
    e->hook = hook;
    e->n_lanes = n;
    e->lane_max = hook->batch_max > LANE_MIN ? hook->batch_max : LANE_MIN;
    loop_random(&e->seed, sizeof e->seed);
    group_init(&e->tasks);
    http_limit_init(&e->limit, n, 0);
    event_init(&e->fresh);
    event_init(&e->room);
    for (size_t i = 0; i < n; i++) {
        struct webhook_lane *l = &e->lanes[i];
        *l = (struct webhook_lane){ .endpoint = e };
        l->last = &l->first;
        event_init(&l->fresh);
    }
    *ret = e;
    return 0;
}

int endpoint_begin(struct endpoint *e) {
    int r = group_spawn(&e->tasks, "webhook", run_fetching, e);
    for (size_t i = 0; r == 0 && i < e->n_lanes; i++)
        r = group_spawn(&e->tasks, "webhook-lane", run_lane, &e->lanes[i]);
    return r;
}

struct endpoint *endpoint_close(struct endpoint *e) {
    if (!e)
        return NULL;
    group_finish(&e->tasks);
    for (size_t i = 0; i < e->n_lanes; i++)
        lane_drop(&e->lanes[i], e->lanes[i].n);
    config_unref(e->config);
    free(e);
    return NULL;
}

void endpoint_wake(struct endpoint *e) {
    event_set(&e->fresh);
}
