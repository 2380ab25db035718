#include "async/condition.h"

#include <assert.h>

#include "async/deadline.h"
#include "async/waiters.h"

void condition_init(struct condition *c) {
    *c = (struct condition){ 0 };
}

int condition_wait(struct condition *c, struct mutex *m) {
    int r = task_check();
    if (r < 0)
        return r;
    mutex_unlock(m);
    r = waiters_wait(&c->waiters, WAIT_CONDITION, c);
    SHIELD(INT64_MAX);
    int locked = mutex_lock(m);
    assert(locked == 0);
    (void) locked;
    return r;
}

void condition_notify(struct condition *c, size_t n) {
    while (n-- > 0 && waiters_wake_one(&c->waiters, 0))
        ;
}

void condition_notify_all(struct condition *c) {
    waiters_wake_all(&c->waiters, 0);
}
