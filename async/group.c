#include "async/group.h"

#include <assert.h>

#include "async/task_impl.h"

static struct task *task_of(struct link *k) {
    return CONTAINER_OF(k, struct task, sibling);
}

void group_init(struct group *g) {
    *g = (struct group){ 0 };
}

/* A group is known to the loop, and to its owner, only while tasks run in it: then it must be
 * alive. */
static void activate(struct loop *l, struct group *g) {
    list_append(&l->groups, &g->link);
    g->owner = l->current;
    if (g->owner && g->owner->active_groups != ACTIVE_GROUPS_MANY)
        g->owner->active_groups++;
}

static void deactivate(struct group *g) {
    list_remove(&g->link);
    if (g->owner && g->owner->active_groups != ACTIVE_GROUPS_MANY)
        g->owner->active_groups--; /* of many, the count is lost */
    g->owner = NULL;
}

void group_forget_owner(struct loop *l, struct task *t) {
    LIST_FOREACH (&l->groups, k) {
        struct group *g = CONTAINER_OF(k, struct group, link);
        if (g->owner == t)
            g->owner = NULL;
    }
}

static void enter(struct loop *l, struct group *g, struct task *t) {
    if (g->running++ == 0)
        activate(l, g);
    t->group = g;
    list_append(&g->tasks, &t->sibling);
    task_begin(l, t);
}

int group_add(struct group *g, const char *name, task_fn *fn, void *arg, struct task **ret) {
    if (g->is_cancelled)
        return -ECANCELED;
    struct loop *l = loop_of_thread;
    struct task *t = task_new(l, name, fn, arg);
    if (!t)
        return -ENOMEM;
    enter(l, g, t);
    *ret = t;
    return 0;
}

int group_spawn(struct group *g, const char *name, task_fn *fn, void *arg) {
    struct task *t;
    return group_add(g, name, fn, arg, &t);
}

int group_spawn_with(struct group *g, const char *name, task_fn *fn, size_t bytes,
                     void **ret_data) {
    if (g->is_cancelled)
        return -ECANCELED;
    struct loop *l = loop_of_thread;
    struct task *t = task_new_with(l, name, fn, bytes);
    if (!t)
        return -ENOMEM;
    enter(l, g, t);
    *ret_data = t + 1;
    return 0;
}

void group_task_ended(struct loop *l, struct group *g, struct task *t) {
    g->running--;
    if (!g->has_result) {
        g->has_result = true;
        g->first_result = t->result;
    }
    /* A joined task's error is its joiner's. That cancelled tasks end so is no error of theirs. */
    bool is_error = t->result < 0 && !t->is_joinable &&
                    !(t->result == -ECANCELED && (g->is_cancelled || t->is_cancelled));
    if (is_error && g->first_error == 0)
        g->first_error = t->result;
    if ((g->waiting_for_first > 0 || (g->waiting_for_error > 0 && g->first_error < 0)) &&
        !g->is_cancelled)
        group_cancel(g);
    if (g->running > 0)
        return;
    deactivate(g);
    struct link *k;
    while ((k = list_pop(&g->waiters)) != NULL)
        (void) task_ready(CONTAINER_OF(k, struct waiter, link)->task, 0);
}

void group_cancel(struct group *g) {
    g->is_cancelled = true;
    LIST_FOREACH (&g->tasks, k) {
        task_cancel(task_of(k));
    }
}

size_t group_size(const struct group *g) {
    return g->running;
}

/* Until nothing runs in it. *count: raised while waiting; may be NULL. */
static int await(struct group *g, unsigned *count) {
    int r = task_check();
    if (r < 0 || g->running == 0)
        return r;
    assert(task_self()->group != g); /* would wait for itself */
    struct waiter w = { .task = task_self() };
    list_append(&g->waiters, &w.link);
    if (count)
        ++*count;
    r = task_suspend(WAIT_GROUP, g);
    if (count)
        --*count;
    list_remove(&w.link);
    return r;
}

int group_wait(struct group *g) {
    if (g->first_error < 0 && !g->is_cancelled)
        group_cancel(g);
    int r = await(g, &g->waiting_for_error);
    return r < 0 ? r : g->first_error;
}

int group_wait_all(struct group *g) {
    return await(g, NULL);
}

int group_wait_any(struct group *g, int *ret_result) {
    if (g->running == 0 && !g->has_result)
        return -ECHILD;
    if (g->has_result && !g->is_cancelled)
        group_cancel(g);
    int r = await(g, &g->waiting_for_first);
    if (r == 0 && ret_result)
        *ret_result = g->first_result;
    return r;
}

/* Tasks that ended in it and that nobody will join any more. */
static void drop_ended(struct loop *l, struct group *g) {
    LIST_FOREACH_SAFE (&l->ended, k, after) {
        struct task *t = task_of(k);
        if (t->group != g)
            continue;
        if (!t->is_cancelled)
            debug_never_joined(l, t);
        list_remove(k);
        task_free(l, t);
    }
}

void group_finish(struct group *g) {
    group_cancel(g);
    if (g->running > 0) {
        SHIELD(INT64_MAX);
        int r = await(g, NULL);
        assert(r == 0);
        (void) r;
    }
    drop_ended(loop_of_thread, g);
}
