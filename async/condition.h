/* "Tell me when it may have changed": waiting for a claim about state that a mutex guards. */
#pragma once

#include "async/base.h"
#include "async/list.h"
#include "async/mutex.h"

struct condition {
    struct list waiters; /* private */
};

void condition_init(struct condition *c);

/*
 * Unlocks m, waits to be notified, and locks m again. m is held when it returns, whatever it
 * returns: getting it back is shielded. 0: notified; look whether the claim holds now. -ECANCELED,
 * -ETIMEDOUT: was not notified.
 */
SUSPENDS MUST_CHECK int condition_wait(struct condition *c, struct mutex *m);

void condition_notify(struct condition *c,
                      size_t n); /* at most n of those who wait, the oldest first */
void condition_notify_all(struct condition *c);
