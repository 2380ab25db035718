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
    size_t n, bytes; /* that will be tried */
    size_t max, max_bytes;
    uint64_t rejected;
    _Atomic uint32_t lines[QUEUE_LINES]; /* not answered yet, by hash of the channel */
};

void publish_queue_init(struct publish_queue *q, size_t max, size_t max_bytes);
void publish_queue_finish(struct publish_queue *q);

/* request->hash is set. true: it was empty, the writer is to be woken. */
bool publish_queue_put(struct publish_queue *q, struct publish_request *request);

/* The first ones, at most max of them and, after the first, max_bytes; linked by next. NULL: none.
 */
struct publish_request *publish_queue_take(struct publish_queue *q, size_t max, size_t max_bytes,
                                           size_t *ret_n);

bool publish_queue_is_empty(struct publish_queue *q);

/* Waits, blocking, until n are there or the time is over. */
void publish_queue_await(struct publish_queue *q, size_t n, uint64_t at_most_ns);

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
