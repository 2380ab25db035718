#include "async/task.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/context.h"
#include "async/stack.h"
#include "async/task_impl.h"

/* Sanitizers and Valgrind see a task touched after its end only if it was really freed. */
#if defined(PARLEY_SANITIZED) || defined(PARLEY_VALGRIND)
enum { SPARE_MAX = 0 };
#else
enum { SPARE_MAX = 512 };
#endif

/* ---- switching ---- */

/* From the current task to the loop; returns when the task is run again. */
static void leave(struct loop *l, struct task *t) {
    if (l->no_suspend) {
        (void) fprintf(stderr, "async: task \"%s\" suspends inside NO_SUSPEND\n", t->name);
        abort();
    }
    annotate_leave_task(&l->thread, t->stack, false);
    context_switch(&t->context, l->context);
    annotate_back_in_task(&l->thread, t->stack);
}

/* The outermost frame of every stack. */
static void task_main(void) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    annotate_back_in_task(&l->thread, t->stack);
    t->result = t->fn(t->arg);
    assert(!t->scope);
    t->has_returned = true;
    annotate_leave_task(&l->thread, t->stack, true);
    context_switch(&t->context, l->context);
    abort(); /* nobody goes on with a stack that was given back */
}

static void settle(struct loop *l, struct task *t);

/* What a task needs to run and a dormant one does without: a stack, and room for its timer. */
static bool equip(struct loop *l, struct task *t) {
    if (!t->has_timer_slot) {
        if (timers_reserve(l) < 0)
            return false;
        t->has_timer_slot = true;
    }
    t->stack = stack_take(l->stacks);
    if (!t->stack)
        return false;
    t->context = context_make(t->stack->low, t->stack->bytes, task_main);
    t->has_returned = false;
    return true;
}

static void drop_timer(struct loop *l, struct task *t) {
    if (!t->has_timer_slot)
        return;
    timer_clear_reserved(l, &t->timer);
    l->timers.reserved--;
    t->has_timer_slot = false;
}

void task_run(struct loop *l, struct task *t) {
    if (!t->stack && !equip(l, t)) {
        /* Others may give theirs back: it waits its turn. */
        l->starved++;
        task_queue(l, t);
        return;
    }
    t->state = TASK_READY;
    t->wait_kind = WAIT_NOTHING;
    l->current = t;
    l->switches++;

    annotate_enter_task(&l->thread, t->stack);
    context_switch(&l->context, t->context);
    annotate_back_in_thread(&l->thread);

    l->current = NULL;
    debug_was_slow(l, t->name);
    if (t->has_returned) {
        stack_give(l->stacks, t->stack);
        if (t->stack->used)
            debug_mark_stack(l, t, t->stack->used);
        t->stack = NULL;
        settle(l, t);
    }
}

/* ---- beginning and ending ---- */

static void set_name(struct task *t, const char *name) {
    size_t i = 0;
    for (; i < TASK_NAME_SIZE - 1 && name[i]; i++)
        t->name[i] = name[i];
    t->name[i] = '\0';
}

static struct task *take_spare(struct loop *l) {
    struct task *t = l->spare;
    if (!t)
        return malloc(sizeof *t);
    l->spare = t->ready_next;
    l->spare_count--;
    return t;
}

struct task *task_new(struct loop *l, const char *name, task_fn *fn, void *arg) {
    struct task *t = take_spare(l);
    if (!t)
        return NULL;
    /* One by one: as a whole it would be `rep stos`, which takes longer than all the rest of
     * spawning. */
    t->context = NULL;
    t->stack = NULL;
    t->sibling = (struct link){ 0 };
    t->group = NULL;
    t->fn = fn;
    t->arg = arg;
    t->scope = NULL;
    t->timer = (struct timer){ .run = task_timer_run };
    t->waits_on = NULL;
    t->wake_at_ms = INT64_MAX;
    t->joiner = NULL;
    t->result = 0;
    t->wait_kind = WAIT_NOTHING;
    t->is_cancelled = t->is_joinable = t->is_woken = t->goes_dormant = t->has_returned = false;
    t->has_timer_slot = false;
    t->active_groups = 0;
    set_name(t, name);
    return t;
}

void task_begin(struct loop *l, struct task *t) {
    t->state = TASK_NEW;
    t->since_ms = l->now_ms;
    l->tasks++;
    l->spawned++;
    task_queue(l, t);
}

void task_free(struct loop *l, struct task *t) {
    assert(t->timer.index == 0);
    if (l->spare_count >= SPARE_MAX) {
        free(t);
        return;
    }
    t->ready_next = l->spare;
    l->spare = t;
    l->spare_count++;
}

static void end(struct loop *l, struct task *t) {
    t->state = TASK_ENDED;
    drop_timer(l, t);
    if (t->active_groups)
        group_forget_owner(l, t);
    l->tasks--;
    if (t == l->root) {
        l->root_result = t->result;
        l->root = NULL;
        if (l->tasks > 0)
            debug_left_over(l);
        task_free(l, t);
        return;
    }
    list_remove(&t->sibling);
    group_task_ended(l, t->group, t);
    if (!t->is_joinable) {
        task_free(l, t);
        return;
    }
    list_append(&l->ended, &t->sibling);
    if (t->joiner)
        (void) task_ready(t->joiner, 0);
}

int task_spawn(struct group *g, const char *name, task_fn *fn, void *arg, struct task **ret) {
    struct task *t;
    int r = group_add(g, name, fn, arg, &t);
    if (r < 0)
        return r;
    t->is_joinable = true;
    *ret = t;
    return 0;
}

int task_join(struct task *t, int *ret_result) {
    int r = task_check();
    if (r < 0)
        return r;
    struct loop *l = loop_of_thread;
    assert(t != l->current && t->is_joinable && !t->joiner);
    if (t->state != TASK_ENDED) {
        t->joiner = l->current;
        r = task_suspend(WAIT_JOIN, t);
        if (r < 0) {
            t->joiner = NULL;
            return r;
        }
    }
    if (ret_result)
        *ret_result = t->result;
    list_remove(&t->sibling);
    task_free(l, t);
    return 0;
}

void task_abandon(struct loop *l, struct task *t) {
    drop_timer(l, t);
    if (t->stack) {
        annotate_abandoned(t->stack);
        stack_give(l->stacks, t->stack);
    }
    list_remove(&t->sibling);
    l->tasks--;
    task_free(l, t);
}

/* ---- waiting and waking ---- */

void task_queue(struct loop *l, struct task *t) {
    t->ready_next = NULL;
    *l->ready_last = t;
    l->ready_last = &t->ready_next;
    l->ready_count++;
}

bool task_ready(struct task *t, int result) {
    struct loop *l = loop_of_thread;
    if (t->state == TASK_DORMANT)
        l->dormant--;
    else if (t->state != TASK_WAITING)
        return false;
    t->state = TASK_READY;
    t->result = result;
    task_queue(l, t);
    return true;
}

/* Wakes for another reason than the one waited for. */
static void rouse(struct task *t, int result) {
    if (t->state == TASK_DORMANT && t->waits_on)
        stream_disarm((struct stream *) (uintptr_t) t->waits_on, t);
    (void) task_ready(t, result);
}

/* The timer may be early, but never late. */
static void wake_by(struct loop *l, struct task *t, int64_t at_ms) {
    if (at_ms != INT64_MAX && (t->timer.index == 0 || t->timer.at_ms > at_ms))
        timer_set_reserved(l, &t->timer, at_ms);
}

void task_timer_run(struct timer *timer) {
    struct loop *l = loop_of_thread;
    struct task *t = CONTAINER_OF(timer, struct task, timer);
    if (t->state != TASK_WAITING && t->state != TASK_DORMANT)
        return; /* left over from a wait that is done */
    int error;
    int64_t next = deadline_next(t, l->now_ms, &error);
    if (error < 0)
        rouse(t, error);
    else if (t->wake_at_ms <= l->now_ms)
        rouse(t, 0);
    else
        wake_by(l, t, t->wake_at_ms < next ? t->wake_at_ms : next);
}

int task_check(void) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    assert(t); /* only tasks can wait */
    if (!t->scope)
        return t->is_cancelled ? -ECANCELED : 0;
    int error;
    (void) deadline_next(t, l->now_ms, &error);
    return error;
}

int task_suspend_until(enum wait_kind kind, const void *what, int64_t at_ms) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    assert(t);
    int64_t next = INT64_MAX;
    if (t->scope || t->is_cancelled) {
        int error;
        next = deadline_next(t, l->now_ms, &error);
        if (error < 0)
            return error;
    }
    t->wake_at_ms = at_ms;
    wake_by(l, t, at_ms < next ? at_ms : next);
    t->state = TASK_WAITING;
    t->wait_kind = (uint8_t) kind;
    t->waits_on = what;
    t->since_ms = l->now_ms;
    leave(l, t);
    return t->result;
}

int task_suspend(enum wait_kind kind, const void *what) {
    return task_suspend_until(kind, what, INT64_MAX);
}

int task_sleep(int64_t ms) {
    if (ms <= 0)
        return task_yield();
    int64_t at_ms;
    if (__builtin_add_overflow(loop_of_thread->now_ms, ms, &at_ms))
        at_ms = INT64_MAX;
    return task_suspend_until(WAIT_SLEEP, NULL, at_ms);
}

int task_yield(void) {
    int r = task_check();
    if (r < 0)
        return r;
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    t->wait_kind = WAIT_TURN;
    t->since_ms = l->now_ms;
    task_queue(l, t);
    leave(l, t);
    return task_check();
}

void task_cancel(struct task *t) {
    t->is_cancelled = true;
    if (t->state != TASK_WAITING && t->state != TASK_DORMANT)
        return;
    int error;
    (void) deadline_next(t, loop_of_thread->now_ms, &error);
    if (error < 0)
        rouse(t, error);
}

bool task_cancelled(void) {
    return task_self()->is_cancelled;
}

/* ---- dormancy ---- */

int task_dormant(struct stream *s, int64_t wake_at_ms, task_fn *resume, void *arg) {
    struct task *t = task_self();
    t->fn = resume;
    t->arg = arg;
    t->waits_on = s;
    t->wake_at_ms = wake_at_ms;
    t->goes_dormant = true;
    return 0;
}

/* The task's function has returned, its stack is given back. */
static void settle(struct loop *l, struct task *t) {
    if (!t->goes_dormant) {
        end(l, t);
        return;
    }
    t->goes_dormant = false;
    struct stream *s = (struct stream *) (uintptr_t) t->waits_on;
    t->since_ms = l->now_ms;
    t->wait_kind = s ? WAIT_READABLE : WAIT_WOKEN;
    if (t->is_woken || t->is_cancelled || t->wake_at_ms <= l->now_ms || (s && stream_arm(s, t))) {
        t->is_woken = false;
        t->state = TASK_READY;
        task_queue(l, t);
        return;
    }
    t->state = TASK_DORMANT;
    l->dormant++;
    /* Exact, not lazy: thousands of sleepers with stale timers would be woken in vain. */
    timer_clear_reserved(l, &t->timer);
    if (t->wake_at_ms == INT64_MAX)
        drop_timer(l, t);
    else
        wake_by(l, t, t->wake_at_ms);
}

void task_wake(struct task *t) {
    if (t->state == TASK_DORMANT)
        rouse(t, 0);
    else if (t->stack)
        t->is_woken = true; /* one that is queued to be entered will see what there is */
}

/* ---- names ---- */

struct task *task_current(void) {
    return loop_of_thread ? loop_of_thread->current : NULL;
}

const char *task_name(const struct task *t) {
    return t->name;
}

void task_rename(const char *name) {
    set_name(task_self(), name);
}
