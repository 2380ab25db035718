#include "async/event.h"

#include "async/waiters.h"

void event_init(struct event *e) {
    *e = (struct event){ 0 };
}

void event_set(struct event *e) {
    e->is_set = true;
    waiters_wake_all(&e->waiters, 0);
}

void event_clear(struct event *e) {
    e->is_set = false;
}

int event_wait(struct event *e) {
    int r = task_check();
    if (r < 0 || e->is_set)
        return r;
    return waiters_wait(&e->waiters, WAIT_EVENT, e);
}
