/* Lists of those who wait, as events, mutexes and semaphores have them. For the files of async/
 * only. */
#pragma once

#include "async/task_impl.h"

/* Waits in the list until someone wakes the current task; out of the list in any case. */
SUSPENDS MUST_CHECK static inline int waiters_wait(struct list *waiters, enum wait_kind kind,
                                                   const void *what) {
    struct waiter w = { .task = task_self() };
    list_append(waiters, &w.link);
    int r = task_suspend(kind, what);
    list_remove(&w.link);
    return r;
}

/* Wakes the first who is really still waiting. NULL: nobody is. */
static inline struct task *waiters_wake_one(struct list *waiters, int result) {
    struct link *k;
    while ((k = list_pop(waiters)) != NULL) {
        struct task *t = CONTAINER_OF(k, struct waiter, link)->task;
        if (task_ready(t, result))
            return t;
    }
    return NULL;
}

static inline void waiters_wake_all(struct list *waiters, int result) {
    while (waiters_wake_one(waiters, result))
        ;
}
