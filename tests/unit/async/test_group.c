#include "async/group.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

/* A child sleeps, then returns; it notes how it ended. */
struct child {
    int64_t ms;
    int returns;
    int ended; /* what its sleep said; 1: has not ended */
};

static int child_run(void *arg) {
    struct child *c = arg;
    c->ended = task_sleep(c->ms);
    return c->ended < 0 ? c->ended : c->returns;
}

struct story {
    struct child children[4];
    size_t count;
    int result, second;
    int64_t took;
    size_t left;
};

static int spawn_children(struct group *g, struct story *s) {
    for (size_t i = 0; i < s->count; i++) {
        s->children[i].ended = 1;
        int r = group_spawn(g, "child", child_run, &s->children[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- */

static int waits(void *arg) {
    struct story *s = arg;
    int64_t began = loop_now();
    GROUP(g);
    int r = spawn_children(&g, s);
    if (r < 0)
        return r;
    s->result = group_wait(&g);
    s->took = loop_now() - began;
    s->left = group_size(&g);
    return 0;
}

static void waiting_for_a_group_takes_until_its_last_task_ends(void **state) {
    (void) state;
    struct story s = { .children = { { 10, 0 }, { 30, 5 }, { 20, 0 } }, .count = 3 };
    assert_int_equal(loop_run(&virtual_clock, waits, &s), 0);
    assert_int_equal(s.result, 0);
    assert_int_equal(s.took, 30);
    assert_int_equal(s.left, 0);
}

static void the_first_error_cancels_the_siblings_and_is_returned(void **state) {
    (void) state;
    struct story s = { .children = { { 1000, 0 }, { 10, -EIO }, { 1000, 0 } }, .count = 3 };
    assert_int_equal(loop_run(&virtual_clock, waits, &s), 0);
    assert_int_equal(s.result, -EIO);
    assert_int_equal(s.took, 10);
    assert_int_equal(s.children[0].ended, -ECANCELED);
    assert_int_equal(s.children[2].ended, -ECANCELED);
    assert_int_equal(s.left, 0);
}

static void an_empty_group_is_waited_for_in_no_time(void **state) {
    (void) state;
    struct story s = { .count = 0 };
    assert_int_equal(loop_run(&virtual_clock, waits, &s), 0);
    assert_int_equal(s.result, 0);
}

static int waits_after_the_error(void *arg) {
    struct story *s = arg;
    GROUP(g);
    int r = spawn_children(&g, s);
    if (r < 0)
        return r;
    (void) task_sleep(50); /* the error is 40 ms old */
    int64_t began = loop_now();
    s->result = group_wait(&g);
    s->took = loop_now() - began;
    s->second = group_spawn(&g, "late", child_run, &s->children[0]);
    return 0;
}

static void an_error_before_the_wait_counts_as_well(void **state) {
    (void) state;
    struct story s = { .children = { { 1000, 0 }, { 10, -EIO } }, .count = 2 };
    assert_int_equal(loop_run(&virtual_clock, waits_after_the_error, &s), 0);
    assert_int_equal(s.result, -EIO);
    assert_int_equal(s.took, 0);
    assert_int_equal(s.second, -ECANCELED); /* and nothing starts in it any more */
}

static int gathers(void *arg) {
    struct story *s = arg;
    int64_t began = loop_now();
    GROUP(g);
    int r = spawn_children(&g, s);
    if (r < 0)
        return r;
    s->result = group_wait_all(&g);
    s->took = loop_now() - began;
    return 0;
}

static void waiting_for_all_lets_the_siblings_of_an_error_end_by_themselves(void **state) {
    (void) state;
    struct story s = { .children = { { 30, 0 }, { 10, -EIO } }, .count = 2 };
    assert_int_equal(loop_run(&virtual_clock, gathers, &s), 0);
    assert_int_equal(s.result, 0);
    assert_int_equal(s.took, 30);
    assert_int_equal(s.children[0].ended, 0);
}

static int races(void *arg) {
    struct story *s = arg;
    int64_t began = loop_now();
    GROUP(g);
    int r = spawn_children(&g, s);
    if (r < 0)
        return r;
    s->second = group_wait_any(&g, &s->result);
    s->took = loop_now() - began;
    s->left = group_size(&g);
    return 0;
}

static void the_first_result_wins_and_the_others_are_cancelled(void **state) {
    (void) state;
    struct story s = { .children = { { 30, 1 }, { 10, 2 }, { 20, 3 } }, .count = 3 };
    assert_int_equal(loop_run(&virtual_clock, races, &s), 0);
    assert_int_equal(s.second, 0);
    assert_int_equal(s.result, 2);
    assert_int_equal(s.took, 10);
    assert_int_equal(s.left, 0);
    assert_int_equal(s.children[0].ended, -ECANCELED);

    struct story none = { .count = 0 };
    assert_int_equal(loop_run(&virtual_clock, races, &none), 0);
    assert_int_equal(none.second, -ECHILD);
}

static int leaves_at_once(void *arg) {
    struct story *s = arg;
    int64_t began = loop_now();
    {
        GROUP(g);
        int r = spawn_children(&g, s);
        if (r < 0)
            return r;
        (void) task_sleep(5);
    }
    s->took = loop_now() - began;
    return 0;
}

static void leaving_the_scope_cancels_and_waits(void **state) {
    (void) state;
    struct story s = { .children = { { 1000, 0 }, { 1000, 0 } }, .count = 2 };
    assert_int_equal(loop_run(&virtual_clock, leaves_at_once, &s), 0);
    assert_int_equal(s.took, 5);
    assert_int_equal(s.children[0].ended, -ECANCELED);
    assert_int_equal(s.children[1].ended, -ECANCELED);
}

static int stubborn(void *arg) {
    struct child *c = arg;
    SHIELD(INT64_MAX);
    c->ended = task_sleep(c->ms);
    return 0;
}

static int has_a_stubborn_child(void *arg) {
    struct story *s = arg;
    GROUP(g);
    int r = group_spawn(&g, "stubborn", stubborn, &s->children[0]);
    return r < 0 ? r : task_sleep(100000);
}

static int cancels_the_parent(void *arg) {
    struct story *s = arg;
    int64_t began = loop_now();
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "parent", has_a_stubborn_child, s, &t);
    if (r < 0)
        return r;
    (void) task_sleep(10);
    task_cancel(t);
    r = task_join(t, &s->result);
    s->took = loop_now() - began;
    return r;
}

static void a_cancelled_parent_does_not_end_before_its_children(void **state) {
    (void) state;
    struct story s = { .children = { { .ms = 50 } } };
    assert_int_equal(loop_run(&virtual_clock, cancels_the_parent, &s), 0);
    assert_int_equal(s.result, -ECANCELED);
    assert_int_equal(s.took, 50);
    assert_int_equal(s.children[0].ended, 0);
}

static int waits_with_little_time(void *arg) {
    struct story *s = arg;
    GROUP(g);
    int r = spawn_children(&g, s);
    if (r < 0)
        return r;
    {
        DEADLINE(d, 5);
        s->result = group_wait(&g);
    }
    s->left = group_size(&g);
    s->second = group_wait(&g);
    return 0;
}

static void a_wait_cut_short_leaves_the_group_as_it_was(void **state) {
    (void) state;
    struct story s = { .children = { { 10, 0 } }, .count = 1 };
    assert_int_equal(loop_run(&virtual_clock, waits_with_little_time, &s), 0);
    assert_int_equal(s.result, -ETIMEDOUT);
    assert_int_equal(s.left, 1);
    assert_int_equal(s.second, 0);
    assert_int_equal(s.children[0].ended, 0);
}

static int a_joined_error_is_not_the_groups(void *arg) {
    struct story *s = arg;
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "failing", child_run, &s->children[1], &t);
    if (r == 0)
        r = group_spawn(&g, "child", child_run, &s->children[0]);
    if (r < 0)
        return r;
    s->result = group_wait(&g);
    return task_join(t, &s->second);
}

static void the_error_of_a_task_with_a_handle_is_its_joiners(void **state) {
    (void) state;
    struct story s = { .children = { { 30, 0 }, { 10, -EIO } } };
    assert_int_equal(loop_run(&virtual_clock, a_joined_error_is_not_the_groups, &s), 0);
    assert_int_equal(s.result, 0);
    assert_int_equal(s.second, -EIO);
    assert_int_equal(s.children[0].ended, 0);
}

/* ---- a group in a struct, started by one task, ended by another ---- */

static int starts_in(void *arg) {
    static struct child c = { .ms = 1000 };
    return group_spawn(arg, "child", child_run, &c);
}

static int outlives_its_starter(void *arg) {
    struct group *g = arg;
    group_init(g);
    {
        GROUP(starters);
        int r = group_spawn(&starters, "starter", starts_in, g);
        if (r == 0)
            r = group_wait(&starters);
        if (r < 0)
            return r;
    }
    size_t size = group_size(g);
    group_finish(g);
    return size == 1 && group_size(g) == 0 ? 0 : -EINVAL;
}

static void a_group_may_outlive_the_task_that_filled_it(void **state) {
    (void) state;
    struct group g;
    assert_int_equal(loop_run(&virtual_clock, outlives_its_starter, &g), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_a_group_takes_until_its_last_task_ends),
        cmocka_unit_test(the_first_error_cancels_the_siblings_and_is_returned),
        cmocka_unit_test(an_empty_group_is_waited_for_in_no_time),
        cmocka_unit_test(an_error_before_the_wait_counts_as_well),
        cmocka_unit_test(waiting_for_all_lets_the_siblings_of_an_error_end_by_themselves),
        cmocka_unit_test(the_first_result_wins_and_the_others_are_cancelled),
        cmocka_unit_test(leaving_the_scope_cancels_and_waits),
        cmocka_unit_test(a_cancelled_parent_does_not_end_before_its_children),
        cmocka_unit_test(a_wait_cut_short_leaves_the_group_as_it_was),
        cmocka_unit_test(the_error_of_a_task_with_a_handle_is_its_joiners),
        cmocka_unit_test(a_group_may_outlive_the_task_that_filled_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
