/*
 * A nursery: the tasks started in it end before it does. It lives in the frame or struct that owns them.
 */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct task;

struct group {
    struct list tasks;          /* all below are private */
    struct list waiters;
    size_t running;
    int first_error;
    int first_result;
    bool is_cancelled;
    bool has_result;
    struct task *owner;
};

void group_init(struct group *g); /* owner: the current task, for the task tree */

/* A task that is freed when it ends; its error goes to whoever waits for the group.
 * -ENOMEM, -ECANCELED: as task_spawn(). */
MUST_CHECK int group_spawn(struct group *g, const char *name, task_fn *fn, void *arg);

SUSPENDS MUST_CHECK int group_wait(struct group *g); /* all ended; the first error (< 0) cancels the siblings
                                                        and is returned, after all have ended */
SUSPENDS MUST_CHECK int group_wait_all(struct group *g); /* as gather(return_exceptions): all ended by
                                                            themselves; 0, or the wait's own error */
SUSPENDS MUST_CHECK int group_wait_any(struct group *g, int *ret_result); /* first to end wins; the rest are
                                                            cancelled and waited for */
void group_cancel(struct group *g);             /* never suspends; ask, then wait */
SUSPENDS void group_finish(struct group *g);    /* cancel, join, shielded; cannot fail */
size_t group_size(const struct group *g);       /* tasks not ended */

#define GROUP(g)                                                                                   \
    struct group g CLEANUP(group_finish);                                                          \
    group_init(&g)
