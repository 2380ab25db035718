/* At most so many at once. Permits go to waiters in the order of asking; nobody overtakes. */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct semaphore {
    size_t permits; /* free ones; private, all */
    struct list waiters;
};

void semaphore_init(struct semaphore *s, size_t permits);
SUSPENDS MUST_CHECK int semaphore_acquire(
        struct semaphore *s); /* 0: got one; -ECANCELED, -ETIMEDOUT: not */
MUST_CHECK bool semaphore_try_acquire(struct semaphore *s);
void semaphore_release(struct semaphore *s); /* any task, or none. Never suspends */
size_t semaphore_free(const struct semaphore *s);

/* For scopes: `CLEANUP(semaphore_releasep) struct semaphore *held = &s;` once acquired. Takes NULL
 * in it. */
void semaphore_releasep(struct semaphore **s);
