#include "storage/sqlite/queue.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include "storage/clock.h"

enum { SPIN_MAX_NS = 50000 }; /* about what waking a thread takes */

void publish_queue_init(struct publish_queue *q, size_t max, size_t max_bytes) {
    *q = (struct publish_queue){ .max = max, .max_bytes = max_bytes };
    pthread_mutex_init(&q->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&q->enough, &attributes);
    pthread_condattr_destroy(&attributes);
    q->last = &q->first;
}

void publish_queue_finish(struct publish_queue *q) {
    pthread_cond_destroy(&q->enough);
    pthread_mutex_destroy(&q->mutex);
}

static size_t size_of(const struct publish_request *request) {
    if (publish_is_rejected(request))
        return 0;
    return request->publication->data.len +
           (request->map.stream ? request->map.stream->data.len : 0);
}

bool publish_queue_put(struct publish_queue *q, struct publish_request *request) {
    struct publication *dropped = NULL;
    bool is_enough = false;
    size_t size = size_of(request);
    request->next = NULL;
    atomic_fetch_add(&q->lines[publish_queue_line(request->hash)], 1);

    pthread_mutex_lock(&q->mutex);
    bool was_empty = !q->first;
    if (q->n >= q->max || (q->n > 0 && size > q->max_bytes - q->bytes)) {
        dropped = TAKE(request->publication);
        q->rejected++;
    } else {
        q->n++;
        q->bytes += size;
        is_enough = q->n == q->wanted;
    }
    *q->last = request;
    q->last = &request->next;
    pthread_mutex_unlock(&q->mutex);

    if (is_enough)
        pthread_cond_signal(&q->enough);
    publication_unref(dropped);
    return was_empty;
}

struct publish_request *publish_queue_take(struct publish_queue *q, size_t max, size_t max_bytes,
                                           struct publish_run *run) {
    size_t n = run->n, bytes = run->bytes;
    pthread_mutex_lock(&q->mutex);
    struct publish_request *first = q->first, **last = &q->first;
    while (*last && n < max) {
        size_t size = size_of(*last);
        if (n > 0 && bytes + size > max_bytes)
            break;
        bytes += size;
        n += !publish_is_rejected(*last);
        last = &(*last)->next;
    }
    if (last == &q->first) {
        first = NULL;
    } else {
        q->first = *last;
        *last = NULL;
        if (!q->first)
            q->last = &q->first;
        q->n -= n - run->n;
        q->bytes -= bytes - run->bytes;
    }
    pthread_mutex_unlock(&q->mutex);

    if (!first)
        return NULL;
    if (run->first)
        *run->last = first;
    else
        run->first = first;
    run->last = last;
    run->n = n;
    run->bytes = bytes;
    return first;
}

/* ---- waiting ---- */

static bool spin(struct publish_queue *q, size_t n, uint64_t until_ns) {
    while (atomic_load_explicit(&q->n, memory_order_relaxed) < n) {
        if (clock_ticks_ns() >= until_ns)
            return false;
        (void) sched_yield();
    }
    return true;
}

bool publish_queue_watch(struct publish_queue *q, uint64_t at_most_ns) {
    return spin(q, 1, clock_ticks_ns() + at_most_ns);
}

bool publish_queue_await(struct publish_queue *q, size_t n, uint64_t at_most_ns) {
    uint64_t now_ns = clock_ticks_ns(), until_ns = now_ns + at_most_ns;
    if (spin(q, n, at_most_ns < SPIN_MAX_NS ? until_ns : now_ns + SPIN_MAX_NS))
        return true;
    struct timespec until = { .tv_sec = (time_t) (until_ns / 1000000000u),
                              .tv_nsec = (long) (until_ns % 1000000000u) };
    pthread_mutex_lock(&q->mutex);
    q->wanted = n;
    while (q->n < n && pthread_cond_timedwait(&q->enough, &q->mutex, &until) == 0)
        ;
    q->wanted = 0;
    bool is_any = q->n > 0;
    pthread_mutex_unlock(&q->mutex);
    return is_any;
}

void publish_queue_answered(struct publish_queue *q, size_t line) {
    atomic_fetch_sub(&q->lines[line], 1);
}

bool publish_queue_has(struct publish_queue *q, uint64_t hash) {
    return atomic_load(&q->lines[publish_queue_line(hash)]) > 0;
}

void publish_queue_stats(struct publish_queue *q, uint64_t *ret_n, uint64_t *ret_rejected) {
    pthread_mutex_lock(&q->mutex);
    *ret_n = q->n;
    *ret_rejected = q->rejected;
    pthread_mutex_unlock(&q->mutex);
}
