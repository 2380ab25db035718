/*
 * A nursery: the tasks started in it end before it does. It lives in the frame or struct that owns
 * them.
 */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct task;

struct group {
    struct list tasks; /* all are private */
    struct list waiters;
    struct link link;   /* in the loop's groups that have running tasks */
    struct task *owner; /* who started the first of those that run, for the task tree */
    size_t running;
    unsigned waiting_for_error, waiting_for_first;
    int first_error;
    int first_result;
    bool is_cancelled;
    bool has_result;
};

void group_init(struct group *g);

/* A task that is freed when it ends; its error goes to whoever waits for the group. (A task with a
 * handle, from task_spawn(), gives its error to who joins it: the group does not see it.) -ENOMEM,
 * -ECANCELED: as task_spawn(). */
MUST_CHECK int group_spawn(struct group *g, const char *name, task_fn *fn, void *arg);

/* The same for a task whose argument is memory of its own: so many zeroed bytes, aligned as
 * malloc()'s, that come and go with the task. *ret_data: to be filled in before the task begins, in
 * the next turn. One allocation for what would be two: for tasks by the thousand. */
MUST_CHECK int group_spawn_with(struct group *g, const char *name, task_fn *fn, size_t bytes,
                                void **ret_data);
struct task *task_of_data(void *data); /* whose it is */

SUSPENDS MUST_CHECK int group_wait(
        struct group *g); /* all ended; the first error (< 0) cancels the siblings
                             and is returned, after all have ended */
SUSPENDS MUST_CHECK int group_wait_all(
        struct group *g); /* as gather(return_exceptions): all ended by
                             themselves; 0, or the wait's own error */
SUSPENDS MUST_CHECK int group_wait_any(struct group *g, int *ret_result); /* first to end wins; the
                                                            rest are cancelled and waited for.
                                                            -ECHILD: it never had a task */
void group_cancel(
        struct group *g); /* never suspends; ask, then wait. No task starts in it any more */
SUSPENDS void group_finish(
        struct group *g);                 /* cancel, join, shielded; cannot fail. Frees tasks that
                                             ended in it and were not joined: their handles are void */
size_t group_size(const struct group *g); /* tasks not ended */

#define GROUP(g)                                                                                   \
    struct group g CLEANUP(group_finish);                                                          \
    group_init(&g)
