#include "async/task.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/group.h"
#include "async/loop.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

static int run(task_fn *fn, void *arg) {
    return loop_run(&virtual_clock, fn, arg);
}

/* ---- */

static int return_seven(void *arg) {
    (void) arg;
    return 7;
}

static void the_loop_returns_what_its_root_task_returned(void **state) {
    (void) state;
    assert_int_equal(loop_run(NULL, return_seven, NULL), 7);
    assert_int_equal(run(return_seven, NULL), 7);
    assert_null(loop_current());
}

struct order {
    char text[64];
    size_t len;
};

static void note(struct order *o, char c) {
    if (o->len + 1 < sizeof o->text)
        o->text[o->len++] = c;
}

static int note_a(void *arg) {
    note(arg, 'a');
    int r = task_yield();
    note(arg, 'A');
    return r;
}

static int note_b(void *arg) {
    note(arg, 'b');
    int r = task_yield();
    note(arg, 'B');
    return r;
}

static int two_that_yield(void *arg) {
    GROUP(g);
    int r = group_spawn(&g, "a", note_a, arg);
    if (r == 0)
        r = group_spawn(&g, "b", note_b, arg);
    note(arg, '-'); /* neither has begun: spawning does not run */
    return r < 0 ? r : group_wait(&g);
}

static void tasks_take_turns_in_the_order_they_became_ready(void **state) {
    (void) state;
    struct order o = { 0 };
    assert_int_equal(run(two_that_yield, &o), 0);
    assert_string_equal(o.text, "-abAB");
}

/* ---- join ---- */

static int fail_after(void *arg) {
    int r = task_sleep(*(int *) arg);
    return r < 0 ? r : -EIO;
}

static int joins_a_failing_task(void *arg) {
    int ms = 20, *results = arg;
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "failing", fail_after, &ms, &t);
    if (r < 0)
        return r;
    int64_t began = loop_now();
    r = task_join(t, &results[0]);
    results[1] = (int) (loop_now() - began);
    return r;
}

static void a_tasks_error_is_carried_to_who_joins_it(void **state) {
    (void) state;
    int results[2] = { 0 };
    assert_int_equal(run(joins_a_failing_task, results), 0);
    assert_int_equal(results[0], -EIO);
    assert_int_equal(results[1], 20);
}

static int joins_with_little_time(void *arg) {
    int ms = 20, *results = arg;
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "failing", fail_after, &ms, &t);
    if (r < 0)
        return r;
    {
        DEADLINE(d, 5);
        results[0] = task_join(t, &results[1]);
        results[2] = deadline_passed(&d);
    }
    results[3] = task_join(t, &results[1]);
    return 0;
}

static void a_join_cut_short_leaves_the_task_to_be_joined_again(void **state) {
    (void) state;
    int results[4] = { 0 };
    assert_int_equal(run(joins_with_little_time, results), 0);
    assert_int_equal(results[0], -ETIMEDOUT);
    assert_true(results[2]);
    assert_int_equal(results[3], 0);
    assert_int_equal(results[1], -EIO);
}

/* ---- cancellation ---- */

struct victim {
    int first, second, third;
    bool saw_flag;
    struct task *task;
};

static int is_cancelled_and_goes_on(void *arg) {
    struct victim *v = arg;
    v->first = task_sleep(1000);
    v->saw_flag = task_cancelled();
    v->second = task_yield();
    v->third = task_sleep(1);
    return v->first;
}

static int cancels(void *arg) {
    struct victim *v = arg;
    GROUP(g);
    int r = task_spawn(&g, "victim", is_cancelled_and_goes_on, v, &v->task);
    if (r < 0)
        return r;
    (void) task_sleep(10);
    int64_t began = loop_now();
    task_cancel(v->task);
    int result;
    r = task_join(v->task, &result);
    return r < 0 ? r : result == -ECANCELED && loop_now() == began ? 0 : -EINVAL;
}

static void cancellation_is_a_level_and_every_wait_fails_from_then_on(void **state) {
    (void) state;
    struct victim v = { 0 };
    assert_int_equal(run(cancels, &v), 0);
    assert_int_equal(v.first, -ECANCELED);
    assert_int_equal(v.second, -ECANCELED);
    assert_int_equal(v.third, -ECANCELED);
    assert_true(v.saw_flag);
}

static int cancels_before_it_began(void *arg) {
    struct victim *v = arg;
    GROUP(g);
    int r = task_spawn(&g, "victim", is_cancelled_and_goes_on, v, &v->task);
    if (r < 0)
        return r;
    task_cancel(v->task);
    return task_join(v->task, NULL);
}

static void a_task_cancelled_before_it_began_still_runs_to_free_what_it_owns(void **state) {
    (void) state;
    struct victim v = { 0 };
    assert_int_equal(run(cancels_before_it_began, &v), 0);
    assert_int_equal(v.first, -ECANCELED);
}

/* ---- dormancy ---- */

struct sleeper {
    int entered;
    int64_t at[8];
    struct task *task;
    int wakes_at_most;
};

static int sleeper_resume(void *arg) {
    struct sleeper *s = arg;
    if (s->entered < 8)
        s->at[s->entered] = loop_now();
    s->entered++;
    if (task_cancelled() || s->entered > s->wakes_at_most)
        return 42;
    return task_dormant(NULL, loop_now() + 100, sleeper_resume, s);
}

static int three_wakes(void *arg) {
    struct sleeper *s = arg;
    GROUP(g);
    int r = task_spawn(&g, "sleeper", sleeper_resume, s, &s->task);
    if (r < 0)
        return r;
    (void) task_sleep(30);
    task_wake(s->task); /* enters at 30; then by its own time at 130 */
    (void) task_sleep(150);
    task_cancel(s->task); /* enters at 180 */
    int result;
    r = task_join(s->task, &result);
    return r < 0 ? r : result;
}

static void a_dormant_task_is_entered_when_woken_when_its_time_comes_and_when_cancelled(
        void **state) {
    (void) state;
    struct sleeper s = { .wakes_at_most = 100 };
    assert_int_equal(run(three_wakes, &s), 42);
    assert_int_equal(s.entered, 4);
    assert_int_equal(s.at[1] - s.at[0], 30);
    assert_int_equal(s.at[2] - s.at[0], 130);
    assert_int_equal(s.at[3] - s.at[0], 180);
}

/* It stays through being cancelled, before and after it lies down, and goes when its time is over.
 */
static int lingerer_resume(void *arg) {
    struct sleeper *s = arg;
    s->at[s->entered++] = loop_now();
    return task_sleep(1) == -ECANCELED ? 42 : -EILSEQ;
}

static int lingerer(void *arg) {
    struct sleeper *s = arg;
    s->at[s->entered++] = loop_now();
    if (task_sleep(INT64_MAX) != -ECANCELED)
        return -EILSEQ;
    return task_linger(NULL, loop_now() + 100, lingerer_resume, s);
}

static int two_cancellations(void *arg) {
    struct sleeper *s = arg;
    GROUP(g);
    int r = task_spawn(&g, "lingerer", lingerer, s, &s->task);
    if (r < 0)
        return r;
    (void) task_sleep(30);
    task_cancel(s->task); /* lies down at 30 */
    (void) task_sleep(30);
    task_cancel(s->task);
    int result;
    r = task_join(s->task, &result);
    return r < 0 ? r : result;
}

static void a_lingering_task_is_not_woken_by_cancellation_but_by_its_time(void **state) {
    (void) state;
    struct sleeper s = { 0 };
    assert_int_equal(run(two_cancellations, &s), 42);
    assert_int_equal(s.entered, 2);
    assert_int_equal(s.at[1] - s.at[0], 130);
}

static int wakes_itself(void *arg) {
    struct sleeper *s = arg;
    if (s->entered++ == 2)
        return 0;
    task_wake(task_current());
    return task_dormant(NULL, INT64_MAX, wakes_itself, s);
}

static void a_task_woken_while_it_runs_does_not_stay_dormant(void **state) {
    (void) state;
    struct sleeper s = { 0 };
    assert_int_equal(run(wakes_itself, &s), 0);
    assert_int_equal(s.entered, 3);
}

/* ---- many ---- */

static int deep(void *arg) {
    char page[3000];
    memset(page, 'x', sizeof page);
    int r = task_sleep(1 + (int) ((uintptr_t) arg % 7));
    for (size_t i = 0; i < sizeof page; i++)
        if (page[i] != 'x')
            return -EILSEQ;
    return r;
}

static int spawns_many(void *arg) {
    GROUP(g);
    for (int i = 0; i < *(int *) arg; i++) {
        int r = group_spawn(&g, "deep", deep, (void *) (uintptr_t) i);
        if (r < 0)
            return r;
    }
    return group_wait(&g);
}

static void a_thousand_tasks_keep_their_stacks_apart(void **state) {
    (void) state;
    int n = 1000;
    assert_int_equal(run(spawns_many, &n), 0);
    const struct loop_options shuffled = { .seed = 5, .shuffle_ready = true };
    assert_int_equal(loop_run(&shuffled, spawns_many, &n), 0);
}

/* ---- warnings ---- */

struct warnings {
    int count;
    char last[4096];
};

static void on_warning(void *arg, const char *text) {
    struct warnings *w = arg;
    w->count++;
    (void) snprintf(w->last, sizeof w->last, "%s", text);
}

static int waits_for_nothing(void *arg) {
    struct future never;
    future_init(&never);
    *(int *) arg = future_wait(&never);
    return 0;
}

static void tasks_that_nothing_can_wake_are_told_so_and_cancelled(void **state) {
    (void) state;
    for (int simulated = 0; simulated < 2; simulated++) {
        struct warnings w = { 0 };
        struct loop_options o = { .is_simulated = simulated,
                                  .on_warning = on_warning,
                                  .on_warning_arg = &w };
        int result = 0;
        assert_int_equal(loop_run(&o, waits_for_nothing, &result), -EDEADLK);
        assert_int_equal(result, -ECANCELED);
        assert_int_equal(w.count, 1);
        assert_non_null(strstr(w.last, "root: waits for future"));
    }
}

static int waits_for_nothing_shielded(void *arg) {
    SHIELD(INT64_MAX);
    return waits_for_nothing(arg);
}

static int has_children_like_that(void *arg) {
    GROUP(g);
    for (int i = 0; i < 3; i++) {
        int r = group_spawn(&g, "shielded", waits_for_nothing_shielded, arg);
        if (r < 0)
            return r;
    }
    return group_wait(&g);
}

static void tasks_that_cannot_even_be_cancelled_are_dropped(void **state) {
    (void) state;
    struct warnings w = { 0 };
    struct loop_options o = { .is_simulated = true,
                              .on_warning = on_warning,
                              .on_warning_arg = &w };
    int result = 0;
    assert_int_equal(loop_run(&o, waits_for_nothing_shielded, &result), -EDEADLK);
    assert_int_equal(w.count, 2);
    assert_int_equal(loop_run(&o, has_children_like_that, &result), -EDEADLK);
    assert_int_equal(w.count, 4);
}

static int never_joins(void *arg) {
    (void) arg;
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "forgotten", return_seven, NULL, &t);
    if (r < 0)
        return r;
    return task_sleep(1);
}

static void a_task_that_nobody_joined_is_named(void **state) {
    (void) state;
    struct warnings w = { 0 };
    struct loop_options o = { .is_simulated = true,
                              .on_warning = on_warning,
                              .on_warning_arg = &w };
    assert_int_equal(loop_run(&o, never_joins, NULL), 0);
    assert_int_equal(w.count, 1);
    assert_string_equal(w.last, "task \"forgotten\" ended with 7 and was never joined");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_returns_what_its_root_task_returned),
        cmocka_unit_test(tasks_take_turns_in_the_order_they_became_ready),
        cmocka_unit_test(a_tasks_error_is_carried_to_who_joins_it),
        cmocka_unit_test(a_join_cut_short_leaves_the_task_to_be_joined_again),
        cmocka_unit_test(cancellation_is_a_level_and_every_wait_fails_from_then_on),
        cmocka_unit_test(a_task_cancelled_before_it_began_still_runs_to_free_what_it_owns),
        cmocka_unit_test(
                a_dormant_task_is_entered_when_woken_when_its_time_comes_and_when_cancelled),
        cmocka_unit_test(a_lingering_task_is_not_woken_by_cancellation_but_by_its_time),
        cmocka_unit_test(a_task_woken_while_it_runs_does_not_stay_dormant),
        cmocka_unit_test(a_thousand_tasks_keep_their_stacks_apart),
        cmocka_unit_test(tasks_that_nothing_can_wake_are_told_so_and_cancelled),
        cmocka_unit_test(tasks_that_cannot_even_be_cancelled_are_dropped),
        cmocka_unit_test(a_task_that_nobody_joined_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
