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
    struct run *run = t->on.run;
    if (l->no_suspend) {
        (void) fprintf(stderr, "async: task \"%s\" suspends inside NO_SUSPEND\n", task_name(t));
        abort();
    }
    annotate_leave_task(&l->thread, run->stack, false);
    context_switch(&run->context, l->context);
    annotate_back_in_task(&l->thread, run->stack);
}

/* The outermost frame of every stack. */
static void task_main(void) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    struct run *run = t->on.run;
    annotate_back_in_task(&l->thread, run->stack);
    t->result = t->fn(t->has_data ? t + 1 : plain_task_of(t)->arg);
    assert(!run->scope);
    run->has_returned = true;
    annotate_leave_task(&l->thread, run->stack, true);
    context_switch(&run->context, l->context);
    abort(); /* nobody goes on with a stack that was given back */
}

static void settle(struct loop *l, struct task *t);

/* What a task needs to run and a dormant one does without: a stack, and room for its timer. */
static bool equip(struct loop *l, struct task *t) {
    if (timers_reserve(l) < 0)
        return false;
    struct stack *stack = stack_take(l->stacks);
    if (!stack) {
        l->timers.reserved--;
        return false;
    }
    size_t below = stack->bytes - sizeof(struct run);
    struct run *run = (struct run *) (void *) (stack->low + below);
    *run = (struct run){
        .context = context_make(stack->low, below, task_main),
        .stack = stack,
        .timer = { .timer.run = task_timer_run, .task = t },
        .wake_at_ms = INT64_MAX,
    };
    t->on.run = run;
    return true;
}

static void drop_timer(struct loop *l, struct task_timer *t) {
    timer_clear_reserved(l, &t->timer);
    l->timers.reserved--;
}

/* Its stack goes to others. */
static void disarm(struct loop *l, struct task *t) {
    struct stack *stack = t->on.run->stack;
    drop_timer(l, &t->on.run->timer);
    t->on.run = NULL;
    stack_give(l->stacks, stack);
    if (stack->used)
        debug_mark_stack(l, t, stack->used);
}

void task_run(struct loop *l, struct task *t) {
    if (!t->on.run && !equip(l, t)) {
        /* Others may give theirs back: it waits its turn. */
        l->starved++;
        task_queue(l, t);
        return;
    }
    struct run *run = t->on.run;
    t->state = TASK_READY;
    run->wait_kind = WAIT_NOTHING;
    l->current = t;
    l->switches++;

    annotate_enter_task(&l->thread, run->stack);
    context_switch(&l->context, run->context);
    annotate_back_in_thread(&l->thread);

    l->current = NULL;
    debug_was_slow(l, t);
    if (run->has_returned)
        settle(l, t);
}

/* ---- beginning and ending ---- */

static struct task *take_spare(struct loop *l) {
    struct task *t = l->spare;
    if (!t)
        return malloc(sizeof(struct plain_task));
    l->spare = t->ready_next;
    l->spare_count--;
    return t;
}

static void begin_as(struct loop *l, struct task *t, const char *name, task_fn *fn) {
    /* One by one: as a whole it would be `rep stos`, which takes longer than all the rest of
     * spawning. */
    t->sibling = (struct link){ 0 };
    t->group = NULL;
    t->fn = fn;
    t->on.run = NULL;
    t->name = task_name_of(l, name);
    t->result = 0;
    t->is_cancelled = t->is_joinable = t->is_woken = t->has_sleeper = t->has_data = false;
    t->active_groups = 0;
}

struct task *task_new(struct loop *l, const char *name, task_fn *fn, void *arg) {
    struct task *t = take_spare(l);
    if (!t)
        return NULL;
    begin_as(l, t, name, fn);
    plain_task_of(t)->arg = arg;
    plain_task_of(t)->joiner = NULL;
    return t;
}

struct task *task_new_with(struct loop *l, const char *name, task_fn *fn, size_t bytes) {
    struct task *t = calloc(1, sizeof *t + bytes);
    if (!t)
        return NULL;
    begin_as(l, t, name, fn);
    t->has_data = true;
    return t;
}

struct task *task_of_data(void *data) {
    return (struct task *) data - 1;
}

void task_begin(struct loop *l, struct task *t) {
    t->state = TASK_NEW;
    t->since_ms = (uint64_t) l->now_ms;
    l->tasks++;
    l->spawned++;
    task_queue(l, t);
}

void task_free(struct loop *l, struct task *t) {
    if (t->has_data || l->spare_count >= SPARE_MAX) {
        free(t);
        return;
    }
    t->ready_next = l->spare;
    l->spare = t;
    l->spare_count++;
}

static void end(struct loop *l, struct task *t) {
    t->state = TASK_ENDED;
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
    if (plain_task_of(t)->joiner)
        (void) task_ready(plain_task_of(t)->joiner, 0);
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
    struct task **joiner = &plain_task_of(t)->joiner;
    assert(t != l->current && t->is_joinable && !*joiner);
    if (t->state != TASK_ENDED) {
        *joiner = l->current;
        r = task_suspend(WAIT_JOIN, t);
        if (r < 0) {
            *joiner = NULL;
            return r;
        }
    }
    if (ret_result)
        *ret_result = t->result;
    list_remove(&t->sibling);
    task_free(l, t);
    return 0;
}

/* What a dormant task waited for, and no longer does. */
static void awaken(struct loop *l, struct task *t) {
    if (t->has_sleeper) {
        drop_timer(l, &t->on.sleeper->timer);
        free(t->on.sleeper);
        t->has_sleeper = false;
    }
    t->on.run = NULL;
    l->dormant--;
}

void task_abandon(struct loop *l, struct task *t) {
    if (t->state == TASK_DORMANT) {
        awaken(l, t);
    } else if (t->on.run) {
        annotate_abandoned(t->on.run->stack);
        disarm(l, t);
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
        awaken(l, t);
    else if (t->state != TASK_WAITING)
        return false;
    t->state = TASK_READY;
    t->result = result;
    task_queue(l, t);
    return true;
}

/* Wakes for another reason than the one waited for. */
static void rouse(struct task *t, int result) {
    struct stream *s = t->state == TASK_DORMANT ? task_dormant_on(t) : NULL;
    if (s)
        stream_disarm(s, t);
    (void) task_ready(t, result);
}

/* The timer may be early, but never late. */
static void wake_by(struct loop *l, struct timer *t, int64_t at_ms) {
    if (at_ms != INT64_MAX && (t->index == 0 || t->at_ms > at_ms))
        timer_set_reserved(l, t, at_ms);
}

void task_timer_run(struct timer *timer) {
    struct loop *l = loop_of_thread;
    struct task *t = CONTAINER_OF(timer, struct task_timer, timer)->task;
    if (t->state == TASK_DORMANT) {
        rouse(t, 0);
        return;
    }
    if (t->state != TASK_WAITING)
        return; /* left over from a wait that is done */
    struct run *run = t->on.run;
    int error;
    int64_t next = deadline_next(t, l->now_ms, &error);
    if (error < 0)
        rouse(t, error);
    else if (run->wake_at_ms <= l->now_ms)
        rouse(t, 0);
    else
        wake_by(l, timer, run->wake_at_ms < next ? run->wake_at_ms : next);
}

int task_check(void) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    assert(t); /* only tasks can wait */
    if (!t->on.run->scope)
        return t->is_cancelled ? -ECANCELED : 0;
    int error;
    (void) deadline_next(t, l->now_ms, &error);
    return error;
}

int task_suspend_until(enum wait_kind kind, const void *what, int64_t at_ms) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    assert(t);
    struct run *run = t->on.run;
    int64_t next = INT64_MAX;
    if (run->scope || t->is_cancelled) {
        int error;
        next = deadline_next(t, l->now_ms, &error);
        if (error < 0)
            return error;
    }
    run->wake_at_ms = at_ms;
    wake_by(l, &run->timer.timer, at_ms < next ? at_ms : next);
    t->state = TASK_WAITING;
    run->wait_kind = (uint8_t) kind;
    run->waits_on = what;
    t->since_ms = (uint64_t) l->now_ms;
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
    t->on.run->wait_kind = WAIT_TURN;
    t->since_ms = (uint64_t) l->now_ms;
    task_queue(l, t);
    leave(l, t);
    return task_check();
}

static bool is_lingering(const struct task *t) {
    return t->has_sleeper && t->on.sleeper->is_shielded;
}

void task_cancel(struct task *t) {
    t->is_cancelled = true;
    if (t->state != TASK_WAITING && (t->state != TASK_DORMANT || is_lingering(t)))
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

static struct sleeper *sleeper_new(struct loop *l, struct task *t, struct stream *s,
                                   int64_t at_ms) {
    struct sleeper *sleeper = malloc(sizeof *sleeper);
    if (!sleeper || timers_reserve(l) < 0) {
        free(sleeper);
        return NULL;
    }
    *sleeper = (struct sleeper){
        .timer = { .timer = { .run = task_timer_run, .at_ms = at_ms }, .task = t },
        .stream = s,
    };
    return sleeper;
}

static void sleeper_free(struct loop *l, struct sleeper *s) {
    if (!s)
        return;
    drop_timer(l, &s->timer);
    free(s);
}

static int go_dormant(struct stream *s, int64_t wake_at_ms, bool is_shielded, task_fn *resume,
                      void *arg) {
    struct loop *l = loop_of_thread;
    struct task *t = l->current;
    struct run *run = t->on.run;
    struct sleeper *until = NULL;

    assert(!run->goes_dormant);
    if (wake_at_ms != INT64_MAX) {
        until = sleeper_new(l, t, s, wake_at_ms);
        if (!until)
            return -ENOMEM;
        until->is_shielded = is_shielded;
    }
    t->fn = resume;
    if (t->has_data)
        assert(arg == t + 1);
    else
        plain_task_of(t)->arg = arg;
    run->dormant_on = s;
    run->dormant_until = until;
    run->goes_dormant = true;
    return 0;
}

int task_dormant(struct stream *s, int64_t wake_at_ms, task_fn *resume, void *arg) {
    return go_dormant(s, wake_at_ms, false, resume, arg);
}

int task_linger(struct stream *s, int64_t wake_at_ms, task_fn *resume, void *arg) {
    assert(wake_at_ms != INT64_MAX);
    return go_dormant(s, wake_at_ms, true, resume, arg);
}

/* What it waits for may have come meanwhile. */
static bool sleep_on(struct loop *l, struct task *t, struct stream *s, struct sleeper *until) {
    bool is_shielded = until && until->is_shielded;
    if (t->is_woken || (t->is_cancelled && !is_shielded) ||
        (until && until->timer.timer.at_ms <= l->now_ms) || (s && stream_arm(s, t)))
        return false;
    t->state = TASK_DORMANT;
    l->dormant++;
    t->has_sleeper = until != NULL;
    if (until) {
        t->on.sleeper = until;
        timer_set_reserved(l, &until->timer.timer, until->timer.timer.at_ms);
    } else {
        t->on.stream = s;
    }
    return true;
}

/* The task's function has returned: its stack is given back. */
static void settle(struct loop *l, struct task *t) {
    const struct run run = *t->on.run;
    disarm(l, t);
    if (!run.goes_dormant) {
        end(l, t);
        return;
    }
    t->since_ms = (uint64_t) l->now_ms;
    if (sleep_on(l, t, run.dormant_on, run.dormant_until))
        return;
    sleeper_free(l, run.dormant_until);
    t->is_woken = false;
    t->state = TASK_READY;
    task_queue(l, t);
}

struct stream *task_dormant_on(const struct task *t) {
    return t->has_sleeper ? t->on.sleeper->stream : t->on.stream;
}

void task_wake(struct task *t) {
    if (t->state == TASK_DORMANT)
        rouse(t, 0);
    else if (t->on.run)
        t->is_woken = true; /* one that is queued to be entered will see what there is */
}

/* ---- names ---- */

struct task *task_current(void) {
    return loop_of_thread ? loop_of_thread->current : NULL;
}

void task_rename(const char *name) {
    task_self()->name = task_name_of(loop_of_thread, name);
}
