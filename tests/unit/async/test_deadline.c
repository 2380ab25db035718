#include "async/deadline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "async/event.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

struct seen {
    int results[8];
    int64_t at[8]; /* ms since the beginning */
    bool outer, inner;
    int64_t began;
    struct task *task;
};

static void see(struct seen *s, size_t i, int r) {
    s->results[i] = r;
    s->at[i] = loop_now() - s->began;
}

/* ---- */

static int past_its_deadline(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    {
        DEADLINE(d, 50);
        see(s, 0, task_sleep(20));
        see(s, 1, task_sleep(1000));
        see(s, 2, task_sleep(1000)); /* a level: at once */
        s->inner = deadline_passed(&d);
    }
    see(s, 3, task_sleep(10)); /* over with its scope */
    return 0;
}

static void a_passed_deadline_fails_every_wait_of_its_scope_and_none_after(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, past_its_deadline, &s), 0);
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.results[1], -ETIMEDOUT);
    assert_int_equal(s.at[1], 50);
    assert_int_equal(s.results[2], -ETIMEDOUT);
    assert_int_equal(s.at[2], 50);
    assert_true(s.inner);
    assert_int_equal(s.results[3], 0);
    assert_int_equal(s.at[3], 60);
}

static int nested(struct seen *s, int outer_ms, int inner_ms) {
    s->began = loop_now();
    DEADLINE(outer, outer_ms);
    {
        DEADLINE(inner, inner_ms);
        see(s, 0, task_sleep(1000));
        s->inner = deadline_passed(&inner);
        s->outer = deadline_passed(&outer);
    }
    see(s, 1, task_sleep(15));
    return 0;
}

static int outer_is_nearer(void *arg) {
    return nested(arg, 20, 50);
}

static int inner_is_nearer(void *arg) {
    return nested(arg, 50, 20);
}

static void the_nearest_of_nested_deadlines_wins_and_says_so(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, outer_is_nearer, &s), 0);
    assert_int_equal(s.at[0], 20);
    assert_true(s.outer);
    assert_false(s.inner);
    assert_int_equal(s.results[1], -ETIMEDOUT);

    memset(&s, 0, sizeof s);
    assert_int_equal(loop_run(&virtual_clock, inner_is_nearer, &s), 0);
    assert_int_equal(s.at[0], 20);
    assert_true(s.inner);
    assert_false(s.outer);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(s.at[1], 35);
}

static int in_the_past(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    struct event set = { .is_set = true };
    {
        DEADLINE(d, 0);
        see(s, 0, event_wait(&set)); /* even what could be had at once */
    }
    {
        DEADLINE(d, -5);
        see(s, 1, task_yield());
    }
    {
        DEADLINE(d, INT64_MAX);
        see(s, 2, task_sleep(1));
    }
    return 0;
}

static void a_deadline_of_nothing_has_passed_at_once(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, in_the_past, &s), 0);
    assert_int_equal(s.results[0], -ETIMEDOUT);
    assert_int_equal(s.results[1], -ETIMEDOUT);
    assert_int_equal(s.results[2], 0);
}

/* ---- shields ---- */

static int says_goodbye(void *arg) {
    struct seen *s = arg;
    see(s, 0, task_sleep(1000));
    {
        SHIELD(100);
        see(s, 1, task_sleep(30));  /* at 40 */
        see(s, 2, task_sleep(500)); /* the shield is spent at 110: what waited comes in */
        see(s, 3, task_yield());
    }
    see(s, 4, task_yield());
    return 0;
}

static int cancels_at_10(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    GROUP(g);
    int r = task_spawn(&g, "goodbye", says_goodbye, s, &s->task);
    if (r < 0)
        return r;
    (void) task_sleep(10);
    task_cancel(s->task);
    return task_join(s->task, NULL);
}

static void a_shield_holds_cancellation_off_for_its_time(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, cancels_at_10, &s), 0);
    assert_int_equal(s.results[0], -ECANCELED);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(s.at[1], 40);
    assert_int_equal(s.results[2], -ECANCELED);
    assert_int_equal(s.at[2], 110);
    assert_int_equal(s.results[3], -ECANCELED);
    assert_int_equal(s.results[4], -ECANCELED);
}

static int shielded_before_it_comes(void *arg) {
    struct seen *s = arg;
    {
        SHIELD(1000);
        see(s, 0, task_sleep(50)); /* cancelled at 10, and not disturbed */
    }
    see(s, 1, task_sleep(50));
    return 0;
}

static int cancels_the_shielded(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    GROUP(g);
    int r = task_spawn(&g, "shielded", shielded_before_it_comes, s, &s->task);
    if (r < 0)
        return r;
    (void) task_sleep(10);
    task_cancel(s->task);
    return task_join(s->task, NULL);
}

static void cancellation_waits_outside_a_shield(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, cancels_the_shielded, &s), 0);
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.at[0], 50);
    assert_int_equal(s.results[1], -ECANCELED);
    assert_int_equal(s.at[1], 50);
}

static int shield_in_deadline(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    DEADLINE(d, 10);
    {
        SHIELD(100);
        see(s, 0, task_sleep(50)); /* the deadline waits outside */
        {
            DEADLINE(inner, 20); /* one inside counts */
            see(s, 1, task_sleep(50));
            s->inner = deadline_passed(&inner);
        }
        see(s, 2, task_sleep(500));
    }
    see(s, 3, task_sleep(1));
    s->outer = deadline_passed(&d);
    return 0;
}

static void a_shield_holds_outer_deadlines_off_but_not_inner_ones(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, shield_in_deadline, &s), 0);
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.results[1], -ETIMEDOUT);
    assert_int_equal(s.at[1], 70);
    assert_true(s.inner);
    assert_int_equal(s.results[2], -ETIMEDOUT);
    assert_int_equal(s.at[2], 100);
    assert_int_equal(s.results[3], -ETIMEDOUT);
    assert_true(s.outer);
}

/* ---- one lazy timer ---- */

static int many_short_scopes(void *arg) {
    struct seen *s = arg;
    s->began = loop_now();
    for (int i = 0; i < 100; i++) {
        DEADLINE(d, 1000);
        if (task_sleep(1) < 0)
            return -EINVAL;
    }
    see(s, 0, task_sleep(5000)); /* the timers left over at 1001 ... do not end this */
    {
        DEADLINE(d, 7);
        see(s, 1, task_sleep(5000));
    }
    return 0;
}

static void timers_left_over_from_earlier_scopes_end_no_later_wait(void **state) {
    (void) state;
    struct seen s = { 0 };
    assert_int_equal(loop_run(&virtual_clock, many_short_scopes, &s), 0);
    assert_int_equal(s.results[0], 0);
    assert_int_equal(s.at[0], 5100);
    assert_int_equal(s.results[1], -ETIMEDOUT);
    assert_int_equal(s.at[1], 5107);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_passed_deadline_fails_every_wait_of_its_scope_and_none_after),
        cmocka_unit_test(the_nearest_of_nested_deadlines_wins_and_says_so),
        cmocka_unit_test(a_deadline_of_nothing_has_passed_at_once),
        cmocka_unit_test(a_shield_holds_cancellation_off_for_its_time),
        cmocka_unit_test(cancellation_waits_outside_a_shield),
        cmocka_unit_test(a_shield_holds_outer_deadlines_off_but_not_inner_ones),
        cmocka_unit_test(timers_left_over_from_earlier_scopes_end_no_later_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
