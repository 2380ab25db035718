/*
 * Bounded queues between tasks of one loop: first in, first out, over items and over who waits.
 * Whoever makes one chooses what "full" means.
 */
#pragma once

#include "async/base.h"
#include "async/list.h"

enum queue_policy {
    QUEUE_WAIT,        /* queue_put() waits for room */
    QUEUE_REJECT,      /* -ENOBUFS */
    QUEUE_DROP_OLDEST, /* what waited longest makes room */
    QUEUE_DROP_NEWEST, /* what is put is dropped */
};

/* What becomes of an item that nobody will get. Must not suspend, nor touch the queue. */
typedef void queue_drop_fn(void *arg, void *item);

struct queue_item {
    void *item;
    size_t bytes;
};

struct queue {
    struct queue_item *ring; /* private, all */
    size_t capacity, first, count, bytes;
    size_t max_items, max_bytes;
    enum queue_policy policy;
    bool is_closed;
    uint64_t dropped;
    queue_drop_fn *drop;
    void *drop_arg;
    struct list getters, putters, drainers;
};

/* max_items, max_bytes: > 0, SIZE_MAX for no bound; memory grows with what is in it. drop may be
 * NULL. */
void queue_init(struct queue *q, size_t max_items, size_t max_bytes, enum queue_policy policy,
                queue_drop_fn *drop, void *drop_arg);

/* Drops what is left. Nobody may be waiting. */
void queue_finish(struct queue *q);

/*
 * 0: the queue has taken the item (or, by its policy, dropped it). Otherwise it is still the
 * caller's: -ENOBUFS (full: QUEUE_REJECT), -EMSGSIZE (bytes alone is over the bound), -EPIPE
 * (closed), -ENOMEM, -ECANCELED, -ETIMEDOUT. bytes: what it counts for.
 */
SUSPENDS MUST_CHECK int queue_put(struct queue *q, void *item, size_t bytes);
MUST_CHECK int queue_try_put(struct queue *q, void *item,
                             size_t bytes); /* QUEUE_WAIT: -ENOBUFS when full */

SUSPENDS MUST_CHECK int queue_get(struct queue *q,
                                  void **ret); /* iterator: 1 item; 0 closed and drained; -errno */
MUST_CHECK int queue_try_get(struct queue *q, void **ret); /* the same, and -EAGAIN: empty */

/* No more puts; who waits to put gets -EPIPE. What is in it can still be got. */
void queue_close(struct queue *q);

/* Until all that was put has been got: 0, -ECANCELED, -ETIMEDOUT. */
SUSPENDS MUST_CHECK int queue_wait_drained(struct queue *q);

size_t queue_count(const struct queue *q);
size_t queue_bytes(const struct queue *q);
uint64_t queue_dropped(const struct queue *q); /* by its policy, since the beginning */
