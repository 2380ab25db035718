#include "async/deadline.h"

#include <assert.h>
#include <errno.h>

#include "async/task_impl.h"

static struct deadline *enter(struct deadline *d, int64_t in_ms, bool is_shield) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    assert(t); /* scopes belong to tasks */
    int64_t at_ms;
    if (__builtin_add_overflow(l->now_ms, in_ms, &at_ms))
        at_ms = in_ms > 0 ? INT64_MAX : INT64_MIN;
    *d = (struct deadline){ .outer = t->on.run->scope, .at_ms = at_ms, .is_shield = is_shield };
    t->on.run->scope = d;
    return d;
}

struct deadline *deadline_enter(struct deadline *d, int64_t in_ms) {
    return enter(d, in_ms, false);
}

struct deadline *shield_enter(struct deadline *d, int64_t at_most_ms) {
    return enter(d, at_most_ms, true);
}

void deadline_leave(struct deadline *d) {
    struct run *run = task_self()->on.run;
    assert(run->scope == d); /* inside out, and in the task that entered */
    run->scope = d->outer;
}

bool deadline_passed(const struct deadline *d) {
    return d->has_passed;
}

/* A task without a stack is in no scope. */
static struct deadline *scope_of(const struct task *t) {
    return t->state != TASK_DORMANT && t->on.run ? t->on.run->scope : NULL;
}

int64_t deadline_next(struct task *t, int64_t now_ms, int *ret_error) {
    int64_t next = INT64_MAX;
    struct deadline *passed = NULL; /* the one to blame: the soonest, of equals the innermost */
    *ret_error = 0;
    for (struct deadline *d = scope_of(t); d; d = d->outer) {
        if (d->at_ms <= now_ms) {
            if (!passed || d->at_ms < passed->at_ms)
                passed = d;
            continue; /* also past a spent shield: what waited outside comes in */
        }
        if (d->at_ms < next)
            next = d->at_ms;
        if (d->is_shield) {
            if (!passed)
                return next;
            goto timed_out;
        }
    }
    if (t->is_cancelled) {
        *ret_error = -ECANCELED;
        return next;
    }
    if (!passed)
        return next;
timed_out:
    passed->has_passed = true;
    *ret_error = -ETIMEDOUT;
    return next;
}
