/* Event, mutex, condition, semaphore, future: what is not in the table of races. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "async/condition.h"
#include "async/deadline.h"
#include "async/event.h"
#include "async/future.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/mutex.h"
#include "async/semaphore.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

/* ---- event ---- */

struct parade {
    struct event event;
    int passed;
};

static int waits_for_event(void *arg) {
    struct parade *p = arg;
    int r = event_wait(&p->event);
    if (r == 0)
        p->passed++;
    return r;
}

static int sets_once(void *arg) {
    struct parade *p = arg;
    GROUP(g);
    for (int i = 0; i < 3; i++)
        if (group_spawn(&g, "waiter", waits_for_event, p) < 0)
            return -ENOMEM;
    (void) task_sleep(1);
    int before = p->passed;
    event_set(&p->event);
    event_clear(&p->event); /* those who waited go all the same */
    int r = group_wait(&g);
    return r < 0 ? r : before;
}

static void an_event_lets_all_pass_who_waited(void **state) {
    (void) state;
    struct parade p = { 0 };
    event_init(&p.event);
    assert_int_equal(loop_run(&virtual_clock, sets_once, &p), 0);
    assert_int_equal(p.passed, 3);
}

/* ---- mutex ---- */

struct account {
    struct mutex mutex;
    int inside, most_inside, done;
    char order[16];
};

struct customer {
    struct account *account;
    char name;
};

static int visits(void *arg) {
    struct customer *c = arg;
    struct account *a = c->account;
    int r = mutex_lock(&a->mutex);
    if (r < 0)
        return r;
    CLEANUP(mutex_unlockp) struct mutex *held = &a->mutex;
    a->order[a->done++] = c->name;
    if (++a->inside > a->most_inside)
        a->most_inside = a->inside;
    r = task_sleep(5);
    a->inside--;
    return r;
}

static int five_visit(void *arg) {
    struct account *a = arg;
    struct customer customers[5];
    GROUP(g);
    for (int i = 0; i < 5; i++) {
        customers[i] = (struct customer){ a, (char) ('a' + i) };
        if (group_spawn(&g, "customer", visits, &customers[i]) < 0)
            return -ENOMEM;
    }
    int r = group_wait(&g);
    return r < 0 ? r : mutex_is_locked(&a->mutex);
}

static void a_mutex_lets_one_in_at_a_time_in_the_order_of_asking(void **state) {
    (void) state;
    struct account a = { 0 };
    mutex_init(&a.mutex);
    assert_int_equal(loop_run(&virtual_clock, five_visit, &a), 0);
    assert_int_equal(a.most_inside, 1);
    assert_string_equal(a.order, "abcde");
}

/* ---- condition ---- */

struct stock {
    struct mutex mutex;
    struct condition changed;
    int items, sold;
    bool was_unlocked;
};

static int buys(void *arg) {
    struct stock *s = arg;
    int r = mutex_lock(&s->mutex);
    if (r < 0)
        return r;
    CLEANUP(mutex_unlockp) struct mutex *held = &s->mutex;
    while (s->items == 0) {
        r = condition_wait(&s->changed, &s->mutex);
        if (r < 0) {
            s->was_unlocked |= !mutex_is_locked(&s->mutex);
            return r;
        }
    }
    s->items--;
    s->sold++;
    return 0;
}

static int sells_two(void *arg) {
    struct stock *s = arg;
    GROUP(g);
    for (int i = 0; i < 3; i++)
        if (group_spawn(&g, "buyer", buys, s) < 0)
            return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        (void) task_sleep(5);
        int r = mutex_lock(&s->mutex);
        if (r < 0)
            return r;
        s->items++;
        condition_notify(&s->changed, 1);
        mutex_unlock(&s->mutex);
    }
    (void) task_sleep(5);
    size_t left = group_size(&g);
    group_cancel(&g);
    int r = group_wait_all(&g);
    return r < 0 ? r : (int) left;
}

static void a_condition_wakes_as_many_as_asked_and_gives_the_mutex_back(void **state) {
    (void) state;
    struct stock s = { 0 };
    mutex_init(&s.mutex);
    condition_init(&s.changed);
    assert_int_equal(loop_run(&virtual_clock, sells_two, &s), 1);
    assert_int_equal(s.sold, 2);
    assert_int_equal(s.items, 0);
    assert_false(s.was_unlocked); /* also when cancelled */
    assert_false(mutex_is_locked(&s.mutex));
}

/* ---- semaphore ---- */

struct room {
    struct semaphore seats;
    int inside, most_inside;
};

static int sits(void *arg) {
    struct room *room = arg;
    int r = semaphore_acquire(&room->seats);
    if (r < 0)
        return r;
    CLEANUP(semaphore_releasep) struct semaphore *held = &room->seats;
    if (++room->inside > room->most_inside)
        room->most_inside = room->inside;
    r = task_sleep(5);
    room->inside--;
    return r;
}

static int ten_sit(void *arg) {
    struct room *room = arg;
    int64_t began = loop_now();
    GROUP(g);
    for (int i = 0; i < 10; i++)
        if (group_spawn(&g, "guest", sits, room) < 0)
            return -ENOMEM;
    int r = group_wait(&g);
    return r < 0 ? r : (int) (loop_now() - began);
}

static void a_semaphore_lets_so_many_in_at_once(void **state) {
    (void) state;
    struct room room = { 0 };
    semaphore_init(&room.seats, 3);
    assert_int_equal(loop_run(&virtual_clock, ten_sit, &room), 20);
    assert_int_equal(room.most_inside, 3);
    assert_int_equal(semaphore_free(&room.seats), 3);
}

/* ---- future ---- */

static int resolves_later(void *arg) {
    struct future *f = arg;
    int r = task_sleep(10);
    (void) future_resolve(f, 7);
    return r;
}

static int waits_for_futures(void *arg) {
    int *results = arg;
    struct future fs[3];
    for (int i = 0; i < 3; i++)
        future_init(&fs[i]);
    GROUP(g);
    int r = group_spawn(&g, "resolver", resolves_later, &fs[2]);
    if (r < 0)
        return r;
    struct future *all[] = { &fs[0], &fs[1], &fs[2] };
    {
        DEADLINE(d, 5);
        results[0] = future_wait_any(all, 3);
    }
    results[1] = future_wait_any(all, 3);
    results[2] = future_wait_any(all, 3); /* resolved already: at once */
    results[3] = fs[2].result;
    results[4] = future_resolve(&fs[2], 8);
    results[5] = fs[2].result;
    results[6] = future_wait(&fs[2]);
    /* Nothing of the waits is left behind in those that were not resolved. */
    results[7] = list_is_empty(&fs[0].waiters) && list_is_empty(&fs[1].waiters);
    return 0;
}

static void a_future_is_resolved_once_and_any_of_several_can_be_waited_for(void **state) {
    (void) state;
    int results[8] = { 0 };
    assert_int_equal(loop_run(&virtual_clock, waits_for_futures, results), 0);
    assert_int_equal(results[0], -ETIMEDOUT);
    assert_int_equal(results[1], 2);
    assert_int_equal(results[2], 2);
    assert_int_equal(results[3], 7);
    assert_int_equal(results[4], 0);
    assert_int_equal(results[5], 7);
    assert_int_equal(results[6], 0);
    assert_int_equal(results[7], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_lets_all_pass_who_waited),
        cmocka_unit_test(a_mutex_lets_one_in_at_a_time_in_the_order_of_asking),
        cmocka_unit_test(a_condition_wakes_as_many_as_asked_and_gives_the_mutex_back),
        cmocka_unit_test(a_semaphore_lets_so_many_in_at_once),
        cmocka_unit_test(a_future_is_resolved_once_and_any_of_several_can_be_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
