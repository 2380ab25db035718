#include "daemon/probe.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"
#include "storage/node.h"

enum { LOOK_MIN_MS = 1, LOOK_MAX_MS = 32 };

/* It is no UTF-8. */
static const char CHANNEL[] = "\xffhealth";

static struct str channel_of(const struct worker *w) {
    return (struct str){ w->probe.channel, w->probe.channel_len };
}

static const struct keep KEEP = { .history_size = 1,
                                  .history_ttl_ms = 60 * 1000,
                                  .meta_ttl_ms = 3600 * 1000 };

/* What is published: whose, and which one. */
struct payload {
    uint64_t worker;
    uint64_t number;
};

/* Where other nodes see what is published here each has one of its own. */
static void name_channel(struct worker *w) {
    struct daemon *d = w->daemon;
    int len = snprintf(w->probe.channel, sizeof w->probe.channel, "%s%s", CHANNEL,
                       engine_is_shared(d->engine) ? d->node_id : "");
    w->probe.channel_len = (uint8_t) len;
}

int probe_open(struct worker *w) {
    name_channel(w);
    event_init(&w->probe.ended);
    future_init(&w->probe.published);
    int r = engine_attach(w->daemon->engine, &w->sink, channel_of(w));
    w->probe.is_attached = r == 0;
    return r;
}

void probe_close(struct worker *w) {
    if (w->probe.is_attached)
        engine_detach(w->daemon->engine, &w->sink, channel_of(w));
    w->probe.is_attached = false;
}

bool probe_take(struct worker *w, const struct publication *p) {
    struct payload payload;

    if (!str_equal(p->channel, channel_of(w)))
        return false;
    if (p->data.len != sizeof payload) /* kept by another version, perhaps */
        return true;
    memcpy(&payload, p->data.data, sizeof payload);
    if (payload.worker < CONFIG_WORKERS_MAX)
        atomic_store_explicit(&w->probe.seen[payload.worker], payload.number, memory_order_relaxed);
    return true;
}

/* ---- a probe ---- */

static void on_published(struct publish_request *request) {
    struct probe *p = CONTAINER_OF(request, struct probe, request);
    struct worker *w = CONTAINER_OF(p, struct worker, probe);
    p->is_publishing = false;
    w->publishes_running--;
    future_resolve(&p->published, request->result);
}

static int publish(struct worker *w) {
    struct probe *p = &w->probe;
    const struct payload payload = { w->index, ++p->number };
    struct publication *publication = publication_new(
            &(struct publication_parts){ .kind = PUBLICATION_DATA,
                                         .channel = channel_of(w),
                                         .data = bytes_of(&payload, sizeof payload) });
    if (!publication)
        return -ENOMEM;
    future_init(&p->published);
    p->request = (struct publish_request){
        .publication = publication, .keep = KEEP, .inbox = w->inbox, .done = on_published
    };
    p->is_publishing = true;
    w->publishes_running++;
    engine_publish(w->daemon->engine, &p->request);
    return 0;
}

static size_t count_missing(const struct worker *w) {
    const struct daemon *d = w->daemon;
    size_t n = 0;
    for (size_t i = 0; i < d->n_workers; i++)
        n += atomic_load_explicit(&d->threads[i].worker.probe.seen[w->index],
                                  memory_order_relaxed) < w->probe.number;
    return n;
}

/* The other workers only note it, so that none of them can be kept from its work by being asked:
 * who asks looks. */
static int run(struct worker *w) {
    struct probe *p = &w->probe;
    DEADLINE(patience, PROBE_TIMEOUT_MS);

    /* The one before may not have come back yet: then this one finds out no more than that. */
    int r = p->is_publishing ? 0 : publish(w);
    if (r == 0)
        r = future_wait(&p->published);
    if (r == 0)
        r = p->published.result;
    for (int64_t ms = LOOK_MIN_MS; r == 0 && count_missing(w) > 0;) {
        r = task_sleep(ms);
        ms = ms < LOOK_MAX_MS ? 2 * ms : ms;
    }
    return r;
}

static int probe_task(void *arg) {
    struct worker *w = arg;
    struct probe *p = &w->probe;
    int64_t from_us = loop_now_us();

    int r = run(w);
    p->result = (struct probe_result){ .error = r,
                                       .missing = count_missing(w),
                                       .took_us = loop_now_us() - from_us };
    p->has_result = r != -ECANCELED;
    p->ended_ms = loop_now();
    p->is_running = false;
    event_set(&p->ended);
    event_clear(&p->ended);
    return 0;
}

int probe_ask(struct worker *w, struct probe_result *ret) {
    struct probe *p = &w->probe;

    bool is_fresh = p->has_result && loop_now() - p->ended_ms < PROBE_FRESH_MS;
    if (!is_fresh) {
        int r = 0;
        if (!p->is_running) {
            r = group_spawn(&w->tasks, "probe", probe_task, w);
            p->is_running = r == 0;
        }
        if (r == 0)
            r = event_wait(&p->ended);
        if (r < 0)
            return r;
    }
    *ret = p->result;
    return p->has_result ? 0 : -ECANCELED;
}
