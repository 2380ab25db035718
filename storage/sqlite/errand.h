/*
 * Work for one of SQLite's threads that a task waits for. Bounded in number; one whose wait is cut
 * short is taken back if it has not begun, and otherwise waited out: the errand may live in the
 * task's frame.
 */
#pragma once

#include <pthread.h>

#include "async/future.h"
#include "async/inbox.h"
#include "async/list.h"

struct errand {
    void (*run)(struct errand *self,
                void *where); /* on the thread; where: what errand_run_next() was given */
    /* private */
    struct link link;
    struct post post;
    struct inbox *inbox;
    struct future future;
    int result;
};

struct errands {
    pthread_mutex_t mutex;
    struct list waiting;
    size_t n, max;
    uint64_t rejected;
};

void errands_init(struct errands *q, size_t max);
void errands_finish(struct errands *q);

/* Any loop. kick(arg) wakes a thread to run it. 0: it has run. -ENOBUFS, -ENOMEM, -ECANCELED,
 * -ETIMEDOUT: it has not run; after the latter two it may have, and the caller undoes what it did.
 */
SUSPENDS MUST_CHECK int errand_send(struct errands *q, struct errand *e, void (*kick)(void *arg),
                                    void *arg);

bool errand_run_next(struct errands *q, void *where); /* on the thread. false: none was waiting */

/* The same in two steps, for one who answers later than it runs: takes the first one that waits
 * (NULL: none), and says that it has run. Then it is its owner's again. */
struct errand *errand_take(struct errands *q);
void errand_answer(struct errand *e);
void errands_stats(struct errands *q, uint64_t *ret_n, uint64_t *ret_rejected);
