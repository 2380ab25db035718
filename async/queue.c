#include "async/queue.h"

#include <assert.h>
#include <stdlib.h>

#include "async/waiters.h"

struct getter {
    struct waiter waiter;
    void *item;
};

struct putter {
    struct waiter waiter;
    struct queue_item item;
};

enum { RING_MIN = 8 };

void queue_init(struct queue *q, size_t max_items, size_t max_bytes, enum queue_policy policy,
                queue_drop_fn *drop, void *drop_arg) {
    assert(max_items > 0 && max_bytes > 0);
    *q = (struct queue){
        .max_items = max_items,
        .max_bytes = max_bytes,
        .policy = policy,
        .drop = drop,
        .drop_arg = drop_arg,
    };
}

/* ---- the ring ---- */

static bool has_room(const struct queue *q, size_t bytes) {
    return q->count < q->max_items && bytes <= q->max_bytes - q->bytes;
}

static int ensure_slot(struct queue *q) {
    if (q->count < q->capacity)
        return 0;
    size_t capacity = q->capacity ? q->capacity * 2 : RING_MIN;
    struct queue_item *ring = malloc(capacity * sizeof *ring);
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->first + i) & (q->capacity - 1)];
    free(q->ring);
    q->ring = ring;
    q->first = 0;
    q->capacity = capacity;
    return 0;
}

static void push(struct queue *q, struct queue_item item) {
    q->ring[(q->first + q->count++) & (q->capacity - 1)] = item;
    q->bytes += item.bytes;
}

static void *pop(struct queue *q) {
    struct queue_item *item = &q->ring[q->first];
    q->first = (q->first + 1) & (q->capacity - 1);
    q->count--;
    q->bytes -= item->bytes;
    return item->item;
}

static void drop(struct queue *q, void *item) {
    if (q->drop)
        q->drop(q->drop_arg, item);
}

void queue_finish(struct queue *q) {
    assert(list_is_empty(&q->getters) && list_is_empty(&q->putters) && list_is_empty(&q->drainers));
    while (q->count > 0)
        drop(q, pop(q));
    free(q->ring);
    q->ring = NULL;
    q->capacity = 0;
}

/* ---- putting ---- */

/* Someone waits: then the queue is empty, and it need not pass through the ring. */
static bool hand_to_getter(struct queue *q, void *item) {
    struct link *k;
    while ((k = list_pop(&q->getters)) != NULL) {
        struct getter *g = CONTAINER_OF(k, struct getter, waiter.link);
        if (task_ready(g->waiter.task, 1)) {
            g->item = item;
            return true;
        }
    }
    return false;
}

/* Is someone still waiting to put? Those who gave up leave the list here. */
static struct putter *first_putter(struct queue *q) {
    struct link *k;
    while ((k = list_first(&q->putters)) != NULL) {
        struct putter *p = CONTAINER_OF(k, struct putter, waiter.link);
        if (p->waiter.task->state == TASK_WAITING)
            return p;
        list_remove(k);
    }
    return NULL;
}

/* Room was made: it goes to those who have waited for it, in their order. */
static void admit_putters(struct queue *q) {
    struct putter *p;
    while ((p = first_putter(q)) != NULL && has_room(q, p->item.bytes)) {
        int r = ensure_slot(q);
        list_remove(&p->waiter.link);
        if (task_ready(p->waiter.task, r) && r == 0)
            push(q, p->item);
    }
}

static void make_room(struct queue *q, size_t bytes) {
    while (!has_room(q, bytes)) {
        drop(q, pop(q));
        q->dropped++;
    }
}

/* -EAGAIN: would have to wait. */
static int put_now(struct queue *q, struct queue_item item) {
    if (q->is_closed)
        return -EPIPE;
    if (item.bytes > q->max_bytes)
        return -EMSGSIZE;
    if (hand_to_getter(q, item.item))
        return 0;
    if (!has_room(q, item.bytes) || first_putter(q)) {
        if (q->policy == QUEUE_WAIT)
            return -EAGAIN;
        if (q->policy == QUEUE_REJECT)
            return -ENOBUFS;
        if (q->policy == QUEUE_DROP_NEWEST) {
            drop(q, item.item);
            q->dropped++;
            return 0;
        }
    }
    int r = ensure_slot(q);
    if (r < 0)
        return r;
    make_room(q, item.bytes);
    push(q, item);
    return 0;
}

int queue_try_put(struct queue *q, void *item, size_t bytes) {
    int r = put_now(q, (struct queue_item){ item, bytes });
    return r == -EAGAIN ? -ENOBUFS : r;
}

int queue_put(struct queue *q, void *item, size_t bytes) {
    int r = task_check();
    if (r < 0)
        return r;
    r = put_now(q, (struct queue_item){ item, bytes });
    if (r != -EAGAIN)
        return r;
    struct putter p = { .waiter.task = task_self(), .item = { item, bytes } };
    list_append(&q->putters, &p.waiter.link);
    r = task_suspend(WAIT_QUEUE_ROOM, q);
    list_remove(&p.waiter.link);
    /* One that was too big to fit may have held up smaller ones behind it. */
    if (r < 0)
        admit_putters(q);
    return r;
}

/* ---- getting ---- */

int queue_try_get(struct queue *q, void **ret) {
    if (q->count == 0)
        return q->is_closed ? 0 : -EAGAIN;
    *ret = pop(q);
    admit_putters(q);
    if (q->count == 0)
        waiters_wake_all(&q->drainers, 0);
    return 1;
}

int queue_get(struct queue *q, void **ret) {
    int r = task_check();
    if (r < 0)
        return r;
    r = queue_try_get(q, ret);
    if (r != -EAGAIN)
        return r;
    struct getter g = { .waiter.task = task_self() };
    list_append(&q->getters, &g.waiter.link);
    r = task_suspend(WAIT_QUEUE_ITEM, q);
    list_remove(&g.waiter.link);
    if (r == 1)
        *ret = g.item;
    return r;
}

void queue_close(struct queue *q) {
    if (q->is_closed)
        return;
    q->is_closed = true;
    waiters_wake_all(&q->putters, -EPIPE);
    waiters_wake_all(&q->getters, 0);
}

int queue_wait_drained(struct queue *q) {
    int r = task_check();
    if (r < 0 || q->count == 0)
        return r;
    return waiters_wait(&q->drainers, WAIT_QUEUE_ROOM, q);
}

size_t queue_count(const struct queue *q) {
    return q->count;
}

size_t queue_bytes(const struct queue *q) {
    return q->bytes;
}

uint64_t queue_dropped(const struct queue *q) {
    return q->dropped;
}
