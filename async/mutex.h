/*
 * Keeps tasks out of each other's way over suspensions. (Between suspensions nobody else runs: no
 * lock is needed for that.) Handed from holder to holder in the order of asking. Not recursive.
 * Zeroed is unlocked.
 */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct task;

struct mutex {
    struct task *holder; /* private, all */
    struct list waiters;
};

void mutex_init(struct mutex *m);
SUSPENDS MUST_CHECK int mutex_lock(struct mutex *m); /* 0: held; -ECANCELED, -ETIMEDOUT: not */
MUST_CHECK bool mutex_try_lock(struct mutex *m);
void mutex_unlock(struct mutex *m); /* by its holder. Never suspends */
bool mutex_is_locked(const struct mutex *m);

/* For scopes: `CLEANUP(mutex_unlockp) struct mutex *held = &m;` once it is locked. Takes NULL in
 * it. */
void mutex_unlockp(struct mutex **m);
