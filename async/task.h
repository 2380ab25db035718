/*
 * Tasks: functions with a stack of their own that give way only inside calls marked SUSPENDS.
 *
 * Cancellation is a level, not an edge: from task_cancel() on, every suspending call of the task
 * fails at once with -ECANCELED (unless shielded, see deadline.h).
 */
#pragma once

#include "async/base.h"

struct task;
struct group;
struct stream;

/* Spawned tasks begin in the next turn. name is copied (at most 23 bytes are kept).
 * -ENOMEM; -ECANCELED: the group has ended or is being cancelled. fn then never runs. */
MUST_CHECK int task_spawn(struct group *g, const char *name, task_fn *fn, void *arg,
                          struct task **ret);

/* Waits for the task's end, gives its result, and frees it: t is gone when this returns 0. Once per
 * task, from any task of the same loop. A wait cut short (-ECANCELED, -ETIMEDOUT) leaves t to be
 * joined again. */
SUSPENDS MUST_CHECK int task_join(struct task *t, int *ret_result);

void task_cancel(struct task *t); /* never suspends; an ended task takes no notice */
bool task_cancelled(void); /* has the current task been cancelled (shields do not hide it)? */
SUSPENDS int task_sleep(int64_t ms); /* 0, -ECANCELED, -ETIMEDOUT */
SUSPENDS int task_yield(void);       /* to the end of the ready queue: 0, -ECANCELED, -ETIMEDOUT */
struct task *task_current(void);     /* NULL outside tasks */
const char *task_name(const struct task *t); /* on its loop */
void task_rename(const char *name);          /* the current one */
/* A loop keeps each different name for as long as it lives, and 4095 of them; tasks with further
 * ones are called "task". So a name says what a task does, not to whom. */

/*
 * Goes dormant: `return task_dormant(s, wake_at_ms, resume, arg);` as the last thing of a task
 * function. The stack goes back to the pool; name, group, cancellation stay. resume(arg) is entered
 * on a fresh stack when
 *   - s (may be NULL) is readable, at its end, or broken: or
 *   - task_wake(t) was called: or
 *   - the task is cancelled: or
 *   - loop_now() reaches wake_at_ms (INT64_MAX: never).
 * Shields and deadlines of scopes are over by then, as their scopes are.
 * 0; -ENOMEM, with a moment only: it does not go dormant, returning that is its end. arg: of a task
 * of group_spawn_with() its data, nothing else.
 */
MUST_CHECK int task_dormant(struct stream *s, int64_t wake_at_ms, task_fn *resume, void *arg);
/* The same as the last thing of a task that may have been cancelled, as behind a shield:
 * cancellation neither wakes it nor keeps it from going dormant. For at most so long: wake_at_ms is
 * a moment. When it is resumed suspending calls fail as they did before. */
MUST_CHECK int task_linger(struct stream *s, int64_t wake_at_ms, task_fn *resume, void *arg);
void task_wake(struct task *t); /* wakes a dormant task; one that is not dormant will not stay so:
                                   its next task_dormant() resumes at once. Never suspends. */
