#include "storage/sqlite/errand.h"

#include <errno.h>

#include "async/deadline.h"
#include "async/loop.h"

enum { PATIENCE_MS = 60000 };

void errands_init(struct errands *q, size_t max) {
    pthread_mutex_init(&q->mutex, NULL);
    list_init(&q->waiting);
    q->n = 0;
    q->rejected = 0;
    q->max = max;
}

void errands_finish(struct errands *q) {
    pthread_mutex_destroy(&q->mutex);
}

static void resolve(struct post *post) {
    struct errand *e = CONTAINER_OF(post, struct errand, post);
    (void) future_resolve(&e->future, 0);
}

static bool enter(struct errands *q, struct errand *e) {
    pthread_mutex_lock(&q->mutex);
    bool has_room = q->n < q->max;
    if (has_room) {
        list_append(&q->waiting, &e->link);
        q->n++;
    } else {
        q->rejected++;
    }
    pthread_mutex_unlock(&q->mutex);
    return has_room;
}

static bool take_back(struct errands *q, struct errand *e) {
    pthread_mutex_lock(&q->mutex);
    bool is_waiting = link_is_linked(&e->link);
    if (is_waiting) {
        list_remove(&e->link);
        q->n--;
    }
    pthread_mutex_unlock(&q->mutex);
    return is_waiting;
}

static void wait_out(struct errand *e) {
    while (!e->future.is_resolved) {
        SHIELD(PATIENCE_MS);
        if (future_wait(&e->future) == 0)
            return;
    }
}

int errand_send(struct errands *q, struct errand *e, void (*kick)(void *arg), void *arg) {
    e->inbox = inbox_open(loop_current());
    if (!e->inbox)
        return -ENOMEM;
    e->post = (struct post){ .run = resolve };
    future_init(&e->future);

    int r = -ENOBUFS;
    if (enter(q, e)) {
        kick(arg);
        r = future_wait(&e->future);
        if (r < 0 && !take_back(q, e))
            wait_out(e);
    }
    inbox_close(e->inbox);
    return r;
}

struct errand *errand_take(struct errands *q) {
    pthread_mutex_lock(&q->mutex);
    struct link *k = list_pop(&q->waiting);
    if (k)
        q->n--;
    pthread_mutex_unlock(&q->mutex);
    return k ? CONTAINER_OF(k, struct errand, link) : NULL;
}

void errand_answer(struct errand *e) {
    inbox_post(e->inbox, &e->post);
}

bool errand_run_next(struct errands *q, void *where) {
    struct errand *e = errand_take(q);
    if (!e)
        return false;
    e->run(e, where);
    errand_answer(e);
    return true;
}

void errands_stats(struct errands *q, uint64_t *ret_n, uint64_t *ret_rejected) {
    pthread_mutex_lock(&q->mutex);
    *ret_n = q->n;
    *ret_rejected = q->rejected;
    pthread_mutex_unlock(&q->mutex);
}
