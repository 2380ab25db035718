/*
 * Publishes waiting for the writer: from any thread, first in first out, bounded in number and
 * bytes.
 *
 * One that finds it full waits in line as well, without its payload, so that answers keep their
 * order.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/engine.h"

enum { QUEUE_LINES = 1024 };

struct publish_queue {
    pthread_mutex_t mutex;
    pthread_cond_t enough;
    size_t wanted; /* enough is signalled when n gets there; 0: nobody waits */
    struct publish_request *first, **last;
    _Atomic size_t n; /* that will be tried; written with the mutex */
    size_t bytes;
    size_t max, max_bytes;
    uint64_t rejected;
    _Atomic uint32_t lines[QUEUE_LINES]; /* not answered yet, by hash of the channel */
};

/* What was taken, linked by next. */
struct publish_run {
    struct publish_request *first, **last;
    size_t n, bytes; /* that will be tried */
};

void publish_queue_init(struct publish_queue *q, size_t max, size_t max_bytes);
void publish_queue_finish(struct publish_queue *q);

/* request->hash is set. true: it was empty, the writer is to be woken. */
bool publish_queue_put(struct publish_queue *q, struct publish_request *request);

/* Adds the first ones to a run, which has at most max of them then and, but for its first,
 * max_bytes. The first that was added; NULL: none. */
struct publish_request *publish_queue_take(struct publish_queue *q, size_t max, size_t max_bytes,
                                           struct publish_run *run);

/* Waits without sleeping, so that nobody has to be woken: is anything there before the time is
 * over? Others may have the core meanwhile. */
bool publish_queue_watch(struct publish_queue *q, uint64_t at_most_ns);

/* Waits, blocking, until n are there or the time is over. Is anything there? */
bool publish_queue_await(struct publish_queue *q, size_t n, uint64_t at_most_ns);

static inline size_t publish_queue_line(uint64_t hash) {
    return hash % QUEUE_LINES;
}

/* One of this line was answered / is anyone of this hash's not answered? */
void publish_queue_answered(struct publish_queue *q, size_t line);
bool publish_queue_has(struct publish_queue *q, uint64_t hash);

void publish_queue_stats(struct publish_queue *q, uint64_t *ret_n, uint64_t *ret_rejected);

/* The queue was full when it came. */
static inline bool publish_is_rejected(const struct publish_request *request) {
    return !request->publication;
}
