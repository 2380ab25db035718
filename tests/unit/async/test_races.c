/* Every suspending call of tasks, groups, futures, queues and locks; see race.h. */
#include "race.h"

#include "async/condition.h"
#include "async/future.h"
#include "async/mutex.h"
#include "async/queue.h"
#include "async/semaphore.h"

static int nothing(struct race_world *w) {
    (void) w;
    return 0;
}

/* ---- event ---- */

static int event_call(struct race_world *w) {
    return event_wait(w->own);
}

static void event_complete(struct race_world *w) {
    struct event *e = w->own;
    event_set(e);
    event_clear(e);
}

/* ---- mutex: the root task holds it first ---- */

static int mutex_set_up(struct race_world *w) {
    return mutex_lock(w->own);
}

static int mutex_call(struct race_world *w) {
    return mutex_lock(w->own);
}

static void mutex_release(struct race_world *w) {
    mutex_unlock(w->own);
}

static int mutex_left(struct race_world *w) {
    return mutex_is_locked(w->own) ? 0 : 1;
}

/* ---- condition ---- */

struct condition_own {
    struct mutex mutex;
    struct condition condition;
};

static int condition_call(struct race_world *w) {
    struct condition_own *own = w->own;
    {
        SHIELD(INT64_MAX);
        (void) !mutex_lock(&own->mutex);
    }
    int r = condition_wait(&own->condition, &own->mutex);
    mutex_unlock(&own->mutex);
    return r;
}

static void condition_complete(struct race_world *w) {
    condition_notify(&((struct condition_own *) w->own)->condition, 1);
}

static void condition_complete_all(struct race_world *w) {
    condition_notify_all(&((struct condition_own *) w->own)->condition);
}

/* ---- semaphore ---- */

static int semaphore_call(struct race_world *w) {
    return semaphore_acquire(w->own);
}

static void semaphore_complete(struct race_world *w) {
    semaphore_release(w->own);
}

static int semaphore_left(struct race_world *w) {
    return (int) semaphore_free(w->own);
}

/* ---- queue ---- */

static int queue_set_up(struct race_world *w) {
    queue_init(w->own, 1, SIZE_MAX, QUEUE_WAIT, NULL, NULL);
    return 0;
}

static int queue_get_call(struct race_world *w) {
    void *item = NULL;
    int r = queue_get(w->own, &item);
    return r > 0 && item != w ? -EILSEQ : r;
}

static void queue_get_complete(struct race_world *w) {
    (void) !queue_try_put(w->own, w, 1);
}

static int queue_get_left(struct race_world *w) {
    return (int) queue_count(w->own);
}

static void queue_tear_down(struct race_world *w) {
    queue_finish(w->own);
}

static int full_queue_set_up(struct race_world *w) {
    (void) queue_set_up(w);
    return queue_try_put(w->own, w, 1);
}

static int queue_put_call(struct race_world *w) {
    return queue_put(w->own, w, 1);
}

static void queue_put_complete(struct race_world *w) {
    void *item;
    (void) !queue_try_get(w->own, &item);
}

static int queue_put_left(struct race_world *w) {
    return 1 - (int) queue_count(w->own);
}

static int queue_drained_call(struct race_world *w) {
    return queue_wait_drained(w->own);
}

static void queue_close_complete(struct race_world *w) {
    queue_close(w->own);
}

/* ---- future ---- */

static int future_call(struct race_world *w) {
    return future_wait(w->own);
}

static void future_complete(struct race_world *w) {
    (void) future_resolve(w->own, 5);
}

static int future_any_call(struct race_world *w) {
    struct future *fs = w->own;
    int r = future_wait_any((struct future *[]){ &fs[0], &fs[1], &fs[2] }, 3);
    return r >= 0 && r != 1 ? -EILSEQ : r;
}

static void future_any_complete(struct race_world *w) {
    struct future *fs = w->own;
    (void) future_resolve(&fs[1], 5);
    (void) future_resolve(&fs[2], 6);
}

/* ---- tasks and groups: a child that ends when it is told to ---- */

struct child {
    struct event go;
    struct task *task;
};

static int child_run(void *arg) {
    struct child *c = arg;
    SHIELD(INT64_MAX);
    return event_wait(&c->go);
}

static int child_spawn(struct race_world *w) {
    struct child *c = w->own;
    return group_spawn(&w->children, "child", child_run, c);
}

/* It runs, and so ends, before we go on in the same turn. */
static void child_complete(struct race_world *w) {
    event_set(&((struct child *) w->own)->go);
    (void) task_yield();
}

static void child_tear_down(struct race_world *w) {
    event_set(&((struct child *) w->own)->go);
}

static int group_wait_call(struct race_world *w) {
    return group_wait(&w->children);
}

static int group_wait_all_call(struct race_world *w) {
    return group_wait_all(&w->children);
}

static int group_wait_any_call(struct race_world *w) {
    return group_wait_any(&w->children, NULL);
}

static int joinable_spawn(struct race_world *w) {
    struct child *c = w->own;
    return task_spawn(&w->children, "child", child_run, c, &c->task);
}

static int join_call(struct race_world *w) {
    struct child *c = w->own;
    int r = task_join(c->task, NULL);
    if (r == 0)
        c->task = NULL;
    return r;
}

/* Whoever failed to join it left it to be joined. */
static int join_left(struct race_world *w) {
    struct child *c = w->own;
    if (!c->task)
        return 0;
    event_set(&c->go);
    bool was_complete = group_size(&w->children) == 0;
    return task_join(c->task, NULL) == 0 && was_complete ? 1 : 0;
}

static const struct race races[] = {
    { .name = "event_wait",
      .bytes = sizeof(struct event),
      .set_up = nothing,
      .call = event_call,
      .complete = event_complete,
      .wakes_all = true },
    { .name = "mutex_lock",
      .bytes = sizeof(struct mutex),
      .set_up = mutex_set_up,
      .call = mutex_call,
      .release = mutex_release,
      .complete = mutex_release,
      .left = mutex_left,
      .needs_task = true },
    { .name = "condition_wait",
      .bytes = sizeof(struct condition_own),
      .set_up = nothing,
      .call = condition_call,
      .complete = condition_complete },
    { .name = "condition_wait, notify all",
      .bytes = sizeof(struct condition_own),
      .set_up = nothing,
      .call = condition_call,
      .complete = condition_complete_all,
      .wakes_all = true },
    { .name = "semaphore_acquire",
      .bytes = sizeof(struct semaphore),
      .set_up = nothing,
      .call = semaphore_call,
      .complete = semaphore_complete,
      .left = semaphore_left },
    { .name = "queue_get",
      .bytes = sizeof(struct queue),
      .set_up = queue_set_up,
      .call = queue_get_call,
      .complete = queue_get_complete,
      .left = queue_get_left,
      .tear_down = queue_tear_down },
    { .name = "queue_get, closed",
      .bytes = sizeof(struct queue),
      .set_up = queue_set_up,
      .call = queue_get_call,
      .complete = queue_close_complete,
      .tear_down = queue_tear_down,
      .wakes_all = true },
    { .name = "queue_put",
      .bytes = sizeof(struct queue),
      .set_up = full_queue_set_up,
      .call = queue_put_call,
      .complete = queue_put_complete,
      .left = queue_put_left,
      .tear_down = queue_tear_down },
    { .name = "queue_wait_drained",
      .bytes = sizeof(struct queue),
      .set_up = full_queue_set_up,
      .call = queue_drained_call,
      .complete = queue_put_complete,
      .tear_down = queue_tear_down,
      .wakes_all = true },
    { .name = "future_wait",
      .bytes = sizeof(struct future),
      .set_up = nothing,
      .call = future_call,
      .complete = future_complete,
      .wakes_all = true },
    { .name = "future_wait_any",
      .bytes = 3 * sizeof(struct future),
      .set_up = nothing,
      .call = future_any_call,
      .complete = future_any_complete,
      .wakes_all = true },
    { .name = "group_wait",
      .bytes = sizeof(struct child),
      .set_up = child_spawn,
      .call = group_wait_call,
      .complete = child_complete,
      .tear_down = child_tear_down,
      .wakes_all = true,
      .needs_task = true },
    { .name = "group_wait_all",
      .bytes = sizeof(struct child),
      .set_up = child_spawn,
      .call = group_wait_all_call,
      .complete = child_complete,
      .tear_down = child_tear_down,
      .wakes_all = true,
      .needs_task = true },
    { .name = "group_wait_any",
      .bytes = sizeof(struct child),
      .set_up = child_spawn,
      .call = group_wait_any_call,
      .complete = child_complete,
      .tear_down = child_tear_down,
      .wakes_all = true,
      .needs_task = true },
    { .name = "task_join",
      .bytes = sizeof(struct child),
      .set_up = joinable_spawn,
      .call = join_call,
      .complete = child_complete,
      .left = join_left,
      .is_alone = true,
      .needs_task = true },
};

static void nothing_is_lost_however_a_wait_ends(void **state) {
    (void) state;
    race_all(races, ELEMENTS_OF(races));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_however_a_wait_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
