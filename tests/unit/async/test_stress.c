/* Many tasks doing everything at once, cancelled and out of time at random: what must hold, holds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/condition.h"
#include "async/deadline.h"
#include "async/debug.h"
#include "async/event.h"
#include "async/future.h"
#include "async/group.h"
#include "async/limiter.h"
#include "async/loop.h"
#include "async/mutex.h"
#include "async/queue.h"
#include "async/semaphore.h"
#include "async/task.h"

enum { SEEDS = 150, PERMITS = 3, QUEUE_ITEMS = 4, ACTORS = 12, STEPS = 40, NESTING_MAX = 3 };

struct world {
    struct semaphore semaphore;
    struct mutex mutex;
    struct condition changed;
    struct event event;
    struct queue queue;
    struct limiter limiter;
    struct future future;
    int holders, critical;
    long put, got;
    const char *wrong;
};

static void expect(struct world *w, bool claim, const char *text) {
    if (!claim && !w->wrong)
        w->wrong = text;
}

static bool chance(unsigned percent) {
    return loop_random_below(100) < percent;
}

static int64_t some_ms(void) {
    return (int64_t) loop_random_below(20);
}

static int hold_permit(struct world *w) {
    int r = semaphore_acquire(&w->semaphore);
    if (r < 0)
        return r;
    expect(w, ++w->holders <= PERMITS, "more holders than permits");
    r = task_sleep(some_ms());
    w->holders--;
    semaphore_release(&w->semaphore);
    return r;
}

static int hold_mutex(struct world *w) {
    int r = mutex_lock(&w->mutex);
    if (r < 0)
        return r;
    CLEANUP(mutex_unlockp) struct mutex *held = &w->mutex;
    expect(w, ++w->critical == 1, "two in the critical section");
    if (chance(50)) {
        w->critical--;
        r = condition_wait(&w->changed, &w->mutex);
        expect(w, w->critical++ == 0, "the mutex was not given back");
    } else {
        condition_notify(&w->changed, loop_random_below(3));
        r = task_sleep(some_ms());
    }
    w->critical--;
    return r;
}

static int put_one(struct world *w) {
    int r = queue_put(&w->queue, w, 1 + loop_random_below(3));
    if (r == 0)
        w->put++;
    return r;
}

static int get_one(struct world *w) {
    void *item;
    int r = queue_get(&w->queue, &item);
    if (r == 1) {
        expect(w, item == w, "another item than was put");
        w->got++;
    }
    return r;
}

static int signal_all(struct world *w) {
    event_set(&w->event);
    event_clear(&w->event);
    (void) future_resolve(&w->future, 1);
    condition_notify_all(&w->changed);
    return task_yield();
}

static int naps(void *arg) {
    int r = task_sleep(some_ms());
    return r < 0 ? r : *(int *) arg;
}

/* A group inside a task: joined, raced, or left behind to be cancelled. */
static int has_children(struct world *w) {
    int results[3];
    GROUP(g);
    for (int i = 0; i < 3; i++) {
        results[i] = chance(20) ? -EIO : i;
        int r = group_spawn(&g, "child", naps, &results[i]);
        if (r < 0)
            return r;
    }
    struct task *joined = NULL;
    if (chance(50) && task_spawn(&g, "joined", naps, &results[0], &joined) == 0) {
        if (chance(30))
            task_cancel(joined);
        int result, r = task_join(joined, &result);
        expect(w, r < 0 || result == results[0] || result == -ECANCELED, "a wrong result");
        if (r < 0)
            return r;
    }
    int first;
    switch (loop_random_below(4)) {
    case 0:
        return group_wait(&g) == -ECANCELED ? -ECANCELED : 0;
    case 1:
        return group_wait_all(&g);
    case 2:
        return group_wait_any(&g, &first);
    default:
        return 0;
    }
}

static int sleeper_resume(void *arg) {
    if (task_cancelled() || chance(30))
        return *(int *) arg;
    return task_dormant(NULL, loop_now() + 1 + some_ms(), sleeper_resume, arg);
}

static int has_a_sleeper(struct world *w) {
    int result = 0;
    (void) w;
    GROUP(g);
    int r = group_spawn(&g, "sleeper", sleeper_resume, &result);
    return r < 0 ? r : group_wait(&g);
}

static int act(struct world *w, int nesting);

static int within_a_scope(struct world *w, int nesting) {
    if (nesting == NESTING_MAX)
        return 0;
    if (chance(30)) {
        SHIELD(some_ms());
        int r = act(w, nesting + 1);
        return r == -ETIMEDOUT ? 0 : r; /* the shield is spent */
    }
    DEADLINE(d, some_ms());
    int r = act(w, nesting + 1);
    expect(w, r != -ETIMEDOUT || nesting > 0 || deadline_passed(&d), "a deadline of nobody's");
    return r == -ETIMEDOUT && deadline_passed(&d) ? 0 : r;
}

static int act(struct world *w, int nesting) {
    struct future never;
    future_init(&never);
    switch (loop_random_below(13)) {
    case 0:
        return task_sleep(some_ms());
    case 1:
        return task_yield();
    case 2:
        return hold_permit(w);
    case 3:
        return hold_mutex(w);
    case 4:
    case 5:
        return put_one(w);
    case 6:
    case 7:
        return get_one(w);
    case 8:
        return event_wait(&w->event);
    case 9:
        return chance(50) ? signal_all(w) : limiter_take(&w->limiter, 1);
    case 10:
        return has_children(w);
    case 11:
        return chance(50) ? has_a_sleeper(w)
                          : future_wait_any((struct future *[]){ &never, &w->future }, 2);
    default:
        return within_a_scope(w, nesting);
    }
}

static int actor(void *arg) {
    int r = 0;
    for (int i = 0; i < STEPS && r >= 0; i++)
        r = act(arg, 0);
    return r;
}

/* Keeps everyone moving who waits for a sign. */
static int heart(void *arg) {
    struct world *w = arg;
    int r = 0;
    while (r == 0) {
        r = task_sleep(5);
        event_set(&w->event);
        event_clear(&w->event);
        condition_notify_all(&w->changed);
        if (chance(5))
            (void) future_resolve(&w->future, 1);
        void *item;
        if (chance(30) && queue_try_get(&w->queue, &item) == 1)
            w->got++;
        if (chance(30) && queue_try_put(&w->queue, w, 1) == 0)
            w->put++;
    }
    return r;
}

static int live(void *arg) {
    struct world *w = arg;
    semaphore_init(&w->semaphore, PERMITS);
    mutex_init(&w->mutex);
    condition_init(&w->changed);
    event_init(&w->event);
    queue_init(&w->queue, QUEUE_ITEMS, 6, QUEUE_WAIT, NULL, NULL);
    limiter_init(&w->limiter, 1, 2, 3);
    future_init(&w->future);
    {
        GROUP(background);
        int r = group_spawn(&background, "heart", heart, w);
        if (r < 0)
            return r;
        GROUP(g);
        struct task *actors[ACTORS];
        for (int i = 0; i < ACTORS; i++)
            if (task_spawn(&g, "actor", actor, w, &actors[i]) < 0)
                return -ENOMEM;
        for (int i = 0; i < ACTORS; i++) {
            if (chance(40)) {
                (void) task_sleep(some_ms() * 10);
                task_cancel(actors[loop_random_below((uint64_t) (ACTORS - i)) + (uint64_t) i]);
            }
            int result;
            r = task_join(actors[i], &result);
            if (r < 0)
                return r;
            expect(w, result >= 0 || result == -ECANCELED, "an actor failed");
        }
    }
    struct async_stats stats;
    async_stats(&stats);
    expect(w, stats.tasks == 1 && stats.dormant == 0, "tasks are left");
    expect(w, w->holders == 0 && semaphore_free(&w->semaphore) == PERMITS, "a permit was lost");
    expect(w, !mutex_is_locked(&w->mutex) && w->critical == 0, "the mutex is still held");
    expect(w, w->put == w->got + (long) queue_count(&w->queue), "an item was lost or doubled");
    expect(w,
           list_is_empty(&w->event.waiters) && list_is_empty(&w->changed.waiters) &&
                   list_is_empty(&w->mutex.waiters) && list_is_empty(&w->semaphore.waiters) &&
                   list_is_empty(&w->future.waiters),
           "a waiter was left in a list");
    queue_finish(&w->queue);
    return 0;
}

/* Tasks that nobody got to join are expected here. */
static void ignore(void *arg, const char *text) {
    (void) arg;
    (void) text;
}

static void whatever_ends_the_waits_everything_is_conserved(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w = { 0 };
        const struct loop_options o = {
            .is_simulated = true, .seed = seed, .shuffle_ready = true, .on_warning = ignore
        };
        int r = loop_run(&o, live, &w);
        if (r != 0 || w.wrong)
            fail_msg("seed %llu: %d, %s", (unsigned long long) seed, r, w.wrong ? w.wrong : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_ends_the_waits_everything_is_conserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
