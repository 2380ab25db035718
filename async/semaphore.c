#include "async/semaphore.h"

#include "async/waiters.h"

void semaphore_init(struct semaphore *s, size_t permits) {
    *s = (struct semaphore){ .permits = permits };
}

/* A free permit means that nobody waits: releasing hands it straight to who does. */
bool semaphore_try_acquire(struct semaphore *s) {
    if (s->permits == 0)
        return false;
    s->permits--;
    return true;
}

int semaphore_acquire(struct semaphore *s) {
    int r = task_check();
    if (r < 0 || semaphore_try_acquire(s))
        return r;
    return waiters_wait(&s->waiters, WAIT_SEMAPHORE, s);
}

void semaphore_release(struct semaphore *s) {
    if (!waiters_wake_one(&s->waiters, 0))
        s->permits++;
}

void semaphore_releasep(struct semaphore **s) {
    if (*s)
        semaphore_release(*s);
}

size_t semaphore_free(const struct semaphore *s) {
    return s->permits;
}
