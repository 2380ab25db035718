#include "async/mutex.h"

#include <assert.h>

#include "async/waiters.h"

void mutex_init(struct mutex *m) {
    *m = (struct mutex){ 0 };
}

bool mutex_try_lock(struct mutex *m) {
    if (m->holder)
        return false;
    m->holder = task_self();
    return true;
}

int mutex_lock(struct mutex *m) {
    int r = task_check();
    if (r < 0 || mutex_try_lock(m))
        return r;
    assert(m->holder != task_self());
    return waiters_wait(&m->waiters, WAIT_MUTEX, m); /* 0: unlock made us the holder */
}

void mutex_unlock(struct mutex *m) {
    assert(m->holder && m->holder == task_self());
    m->holder = waiters_wake_one(&m->waiters, 0);
}

void mutex_unlockp(struct mutex **m) {
    if (*m)
        mutex_unlock(*m);
}

bool mutex_is_locked(const struct mutex *m) {
    return m->holder != NULL;
}
