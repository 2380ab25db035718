/*
 * Tasks from inside: how calls of async/ suspend and wake them. For the files of async/ only.
 *
 * A suspending call is written so:
 *
 *     int r = task_check();             first: is the task cancelled or out of time?
 *     if (r < 0)
 *         return r;
 *     if (can be done at once)
 *         return done;
 *     register who waits                a record in this frame (stacks never move), or a slot
 *     r = task_suspend(WAIT_..., what); 0 or whatever task_ready() gave; -ECANCELED; -ETIMEDOUT
 *     if (r < 0)
 *         unregister                    list_remove() takes one that is already out
 *
 * and who completes it:
 *
 *     while ((w = next record, taken out of the list))
 *         if (task_ready(w->task, 0))   false: cancelled or timed out in this very turn: give the
 * thing break;                    to the next one
 *
 * The first to wake a task decides what its call returns: a completion followed by a cancellation
 * in the same turn is a completion (the next suspending call fails); a cancellation followed by a
 * completion makes task_ready() return false, so nothing is handed to someone who won't take it.
 */
#pragma once

#include <errno.h>

#include "async/base.h"
#include "async/deadline.h"
#include "async/group.h"
#include "async/list.h"
#include "async/loop_impl.h"
#include "async/task.h"

enum { TASK_NAME_SIZE = 24, ACTIVE_GROUPS_MANY = 255 };

enum task_state {
    TASK_NEW,     /* queued, has not begun: no stack */
    TASK_READY,   /* queued, or running */
    TASK_WAITING, /* parked in task_suspend() */
    TASK_DORMANT, /* no stack; entered from the top when woken */
    TASK_ENDED,   /* to be joined, or freed */
};

/* What a dump says a task waits for. */
enum wait_kind {
    WAIT_NOTHING,
    WAIT_SLEEP,
    WAIT_TURN,
    WAIT_JOIN,
    WAIT_GROUP,
    WAIT_FUTURE,
    WAIT_EVENT,
    WAIT_MUTEX,
    WAIT_CONDITION,
    WAIT_SEMAPHORE,
    WAIT_QUEUE_ITEM,
    WAIT_QUEUE_ROOM,
    WAIT_LIMITER,
    WAIT_READABLE,
    WAIT_WRITABLE,
    WAIT_CONNECTION, /* a listener's next */
    WAIT_CONNECTED,
    WAIT_OFFLOAD,
    WAIT_LANE,
    WAIT_SIGNAL,
    WAIT_CHILD,
    WAIT_HTTP,
    WAIT_WOKEN, /* dormant without a stream */
    WAIT_KINDS
};

struct stack;

/*
 * What a task has while it has a stack: it lies at the top of it. A dormant task does without, and
 * is so much smaller: an idle daemon consists of dormant tasks.
 */
struct run {
    _Alignas(16) void *context; /* see context.h; where it goes on */
    struct stack *stack;        /* this one */
    struct deadline *scope;     /* innermost */
    struct task_timer {
        struct timer timer; /* lazy: may be set for earlier than needed */
        struct task *task;
    } timer;
    const void *waits_on; /* shown in dumps; may be NULL */
    int64_t wake_at_ms;   /* of the wait itself, besides its scopes */
    uint8_t wait_kind;    /* enum wait_kind */
    bool goes_dormant;    /* task_dormant() was called: the function's return is not the end */
    bool has_returned;
    struct stream *dormant_on;     /* task_dormant()'s, or NULL */
    struct sleeper *dormant_until; /* the same, or NULL: no moment wakes it */
};

/* What a dormant task has that is to be woken at some moment. */
struct sleeper {
    struct task_timer timer;
    struct stream *stream; /* that it waits for besides; or NULL */
    bool is_shielded;      /* task_linger(): cancellation does not wake it */
};

/* Kept small. */
struct task {
    struct task *ready_next;
    struct link sibling; /* in its group's tasks; ended: in the loop's */
    struct group *group;
    task_fn *fn; /* what to enter on a fresh stack */
    union {
        struct run *run;         /* NULL: it holds no stack (new, woken from dormancy, ended) */
        struct stream *stream;   /* TASK_DORMANT: what it waits for, or NULL */
        struct sleeper *sleeper; /* TASK_DORMANT and has_sleeper */
    } on;
    uint64_t since_ms : 48;
    uint64_t name : 16; /* in the loop's names */
    int result;         /* waiting: what the call returns; ended: what the task returned */
    uint8_t state;      /* enum task_state */
    bool is_cancelled : 1;
    bool is_joinable : 1; /* someone holds a handle */
    bool is_woken : 1;    /* task_wake() came while it was not dormant */
    bool has_sleeper : 1;
    bool has_data : 1;     /* its argument lies behind it: group_spawn_with() */
    uint8_t active_groups; /* with running tasks, that name it as owner; 255: as many or more */
};

/* One whose argument is its maker's. */
struct plain_task {
    struct task task;
    void *arg;
    struct task *joiner;
};

_Static_assert(sizeof(struct task) <= 64, "an idle task has grown");

static inline struct plain_task *plain_task_of(struct task *t) {
    return CONTAINER_OF(t, struct plain_task, task);
}

/* One who waits, in that one's frame. */
struct waiter {
    struct link link;
    struct task *task;
};

/* 0, or why every suspending call of the current task fails now: -ECANCELED, -ETIMEDOUT. */
MUST_CHECK int task_check(void);

/*
 * Parks the current task until someone calls task_ready(), it is cancelled, or its deadline passes:
 * see above. what: shown as an address in dumps; may be NULL. Checks as task_check() does, too.
 */
SUSPENDS MUST_CHECK int task_suspend(enum wait_kind kind, const void *what);

/* The same, and at the latest until a moment, then with 0. */
SUSPENDS MUST_CHECK int task_suspend_until(enum wait_kind kind, const void *what, int64_t at_ms);

/*
 * Queues a waiting or dormant task to run in the next turn; its task_suspend() returns result.
 * Never runs it, never suspends. false, and nothing done: it has been woken already, or does not
 * wait.
 */
bool task_ready(struct task *t, int result);

/* ---- what stream.c gives to dormant tasks ---- */

/*
 * Remembers t as the stream's reader, as a parked reader would be, and has it woken by
 * task_ready(t, anything) once, when the stream is readable, ended, broken or closed; the stream
 * forgets t as it wakes it. true: that is so already (bytes in TLS buffers count), and nothing is
 * remembered.
 */
bool stream_arm(struct stream *s, struct task *t);

/* Forgets t: it was woken by something else. The stream may keep watching until it next fires. */
void stream_disarm(struct stream *s, struct task *t);

/* ---- the rest is between loop.c, task.c, group.c, debug.c ---- */

static inline struct task *task_self(void) {
    return loop_of_thread->current;
}

struct task *task_new(struct loop *l, const char *name, task_fn *fn,
                      void *arg); /* NULL: no memory */
/* The same, with so many zeroed bytes behind it that are its argument. */
struct task *task_new_with(struct loop *l, const char *name, task_fn *fn, size_t bytes);
struct stream *task_dormant_on(const struct task *t); /* TASK_DORMANT; NULL: no stream */
void task_begin(struct loop *l, struct task *t);      /* counts and queues it */
void task_queue(struct loop *l, struct task *t);      /* to run in the next turn */
void task_free(struct loop *l, struct task *t);
void task_run(struct loop *l, struct task *t);     /* from the loop's own stack */
void task_abandon(struct loop *l, struct task *t); /* frees one that will never go on */

/*
 * The soonest moment at which the task's scopes end a wait; INT64_MAX: never. *ret_error: why a
 * suspending call fails right now, or 0.
 */
int64_t deadline_next(struct task *t, int64_t now_ms, int *ret_error);

/* group_spawn(), and the task; it has not begun when this returns. */
MUST_CHECK int group_add(struct group *g, const char *name, task_fn *fn, void *arg,
                         struct task **ret);
void group_task_ended(struct loop *l, struct group *g, struct task *t);
void group_forget_owner(struct loop *l, struct task *t);

/* ---- task_name.c ---- */

/* Tasks share their names' text. Without memory, or with very many names: that of "task". */
uint16_t task_name_of(struct loop *l, const char *name);
void task_names_finish(struct loop *l);

const char *wait_kind_text(enum wait_kind kind);
