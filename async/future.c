#include "async/future.h"

#include <assert.h>

#include "async/task_impl.h"

struct future_waiter {
    struct waiter waiter;
    int index; /* of the future among those waited for */
};

void future_init(struct future *f) {
    *f = (struct future){ 0 };
}

bool future_resolve(struct future *f, int result) {
    if (f->is_resolved)
        return false;
    f->is_resolved = true;
    f->result = result;
    struct link *k;
    while ((k = list_pop(&f->waiters)) != NULL) {
        struct future_waiter *w = CONTAINER_OF(k, struct future_waiter, waiter.link);
        (void) task_ready(w->waiter.task, w->index);
    }
    return true;
}

int future_wait(struct future *f) {
    int r = task_check();
    if (r < 0 || f->is_resolved)
        return r;
    struct future_waiter w = { .waiter.task = task_self() };
    list_append(&f->waiters, &w.waiter.link);
    r = task_suspend(WAIT_FUTURE, f);
    list_remove(&w.waiter.link);
    return r;
}

int future_wait_any(struct future *const fs[], size_t n) {
    assert(n <= FUTURE_WAIT_ANY_MAX);
    int r = task_check();
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (fs[i]->is_resolved)
            return (int) i;
    struct future_waiter w[FUTURE_WAIT_ANY_MAX];
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct future_waiter){ .waiter.task = task_self(), .index = (int) i };
        list_append(&fs[i]->waiters, &w[i].waiter.link);
    }
    r = task_suspend(WAIT_FUTURE, n ? fs[0] : NULL);
    for (size_t i = 0; i < n; i++)
        list_remove(&w[i].waiter.link);
    return r;
}
