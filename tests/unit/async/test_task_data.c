/* Tasks whose argument is memory of their own: group_spawn_with(), task_of_data(). */
#include <stddef.h>

#include "async/debug.h"
#include "async/stream.h"
#include "expect.h"

static void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}
#define STREAM CLEANUP(stream_closep) = NULL

/* What a task has, and what becomes of it. */
struct data {
    int entered, was_cancelled;
    int64_t wake_at_ms; /* it goes dormant until then, INT64_MAX: until woken; 0: it ends */
    int64_t entered_ms; /* the last time */
    struct stream *stream;
    struct data *after; /* where it leaves how it was at its end, which goes with the task */
    bool is_own;        /* the argument was this, and the task the one of it */
};

static int ends(struct data *d, int result) {
    if (d->after)
        *d->after = *d;
    return result;
}

static int enters(void *arg) {
    struct data *d = arg;
    d->is_own = (d->entered == 0 || d->is_own) && task_of_data(d) == task_current();
    d->entered++;
    d->entered_ms = loop_now();
    if (task_cancelled()) {
        d->was_cancelled++;
        return ends(d, task_yield()); /* which fails at once */
    }
    int64_t at_ms = d->wake_at_ms;
    d->wake_at_ms = 0;
    return at_ms ? task_dormant(d->stream, at_ms, enters, d) : ends(d, 0);
}

static size_t dormant(void) {
    struct async_stats stats;
    async_stats(&stats);
    return stats.dormant;
}

/* ---- memory ---- */

enum { SIZES = 300 };

static int nothing(void *arg) {
    (void) arg;
    return 0;
}

static bool is_blank(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static int every_size(void *arg) {
    (void) arg;
    for (int round = 0; round < 2; round++) { /* the second time from memory that was written to */
        GROUP(g);
        for (size_t bytes = 0; bytes < SIZES; bytes++) {
            void *data = NULL;
            EXPECT_EQUAL(group_spawn_with(&g, "sized", nothing, bytes, &data), 0);
            EXPECT_EQUAL((uintptr_t) data % _Alignof(max_align_t), 0);
            EXPECT(is_blank(data, bytes));
            memset(data, 0xff, bytes);
        }
        EXPECT_EQUAL(group_size(&g), SIZES);
        EXPECT_EQUAL(group_wait(&g), 0);
    }
    return 0;
}

static void the_memory_is_zeroed_and_aligned_whatever_its_size(void **state) {
    (void) state;
    assert_int_equal(run_virtual(every_size, NULL), 0);
}

/* ---- beginning ---- */

static int one_task(void *arg) {
    (void) arg;
    struct data after = { 0 };
    void *data;
    GROUP(g);
    EXPECT_EQUAL(group_spawn_with(&g, "one", enters, sizeof after, &data), 0);
    ((struct data *) data)->after = &after;
    EXPECT(strcmp(task_name(task_of_data(data)), "one") == 0);
    EXPECT_EQUAL(((struct data *) data)->entered, 0); /* in the next turn */
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(after.entered, 1);
    EXPECT(after.is_own);
    return 0;
}

static void the_argument_is_the_memory_and_the_task_is_found_by_it(void **state) {
    (void) state;
    assert_int_equal(run_virtual(one_task, NULL), 0);
}

static int cancelled_early(void *arg) {
    (void) arg;
    struct data after = { 0 };
    void *data, *none = &after;
    GROUP(g);
    EXPECT_EQUAL(group_spawn_with(&g, "early", enters, sizeof after, &data), 0);
    ((struct data *) data)->after = &after;
    ((struct data *) data)->wake_at_ms = INT64_MAX;
    task_wake(task_of_data(data)); /* it has not begun: nothing */
    task_cancel(task_of_data(data));
    EXPECT_EQUAL(group_wait(&g), 0); /* that a cancelled task ends so is no error */
    EXPECT_EQUAL(after.entered, 1);
    EXPECT_EQUAL(after.was_cancelled, 1);
    group_cancel(&g);
    EXPECT_EQUAL(group_spawn_with(&g, "late", enters, sizeof after, &none), -ECANCELED);
    EXPECT(none == &after);
    return 0;
}

static void one_that_is_cancelled_before_it_begins_begins_and_is_told(void **state) {
    (void) state;
    assert_int_equal(run_virtual(cancelled_early, NULL), 0);
}

/* ---- dormant ---- */

static int woken(void *arg) {
    (void) arg;
    struct data after = { 0 };
    void *data;
    GROUP(g);
    EXPECT_EQUAL(group_spawn_with(&g, "dozing", enters, sizeof after, &data), 0);
    struct data *d = data;
    d->after = &after;
    d->wake_at_ms = INT64_MAX;
    EXPECT_EQUAL(task_sleep(10), 0);
    EXPECT_EQUAL(dormant(), 1);
    EXPECT_EQUAL(d->entered, 1);
    d->wake_at_ms = INT64_MAX;
    task_wake(task_of_data(d));
    task_wake(task_of_data(d)); /* once for both */
    EXPECT_EQUAL(dormant(), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    EXPECT_EQUAL(d->entered, 2);
    EXPECT_EQUAL(dormant(), 1);
    task_wake(task_of_data(d));
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(after.entered, 3);
    EXPECT(after.is_own);
    return 0;
}

static void a_dormant_one_is_woken_by_its_memory_and_keeps_it(void **state) {
    (void) state;
    assert_int_equal(run_virtual(woken, NULL), 0);
}

enum waking { BY_MOMENT, BY_HAND, BY_BYTES, BY_CANCEL };

/* Dormant for a second, on a stream as well; woken after half of it, if not by the moment. Then
 * dormant for good, and neither the moment nor the stream wakes it any more. */
static int until_a_moment(enum waking how) {
    struct data after = { 0 };
    struct stream *ours STREAM, *theirs STREAM;
    void *data;
    int64_t begun_ms = loop_now();
    EXPECT_EQUAL(stream_pair(64, &ours, &theirs), 0);
    GROUP(g);
    EXPECT_EQUAL(group_spawn_with(&g, "until", enters, sizeof after, &data), 0);
    struct data *d = data;
    *d = (struct data){ .after = &after, .wake_at_ms = begun_ms + 1000, .stream = ours };
    EXPECT_EQUAL(task_sleep(500), 0);
    EXPECT_EQUAL(dormant(), 1);
    EXPECT_EQUAL(d->entered, 1);
    d->stream = NULL;
    d->wake_at_ms = INT64_MAX;
    if (how == BY_HAND)
        task_wake(task_of_data(d));
    else if (how == BY_BYTES)
        EXPECT_EQUAL(stream_try_send(theirs, "x", 1), 1);
    else if (how == BY_CANCEL)
        task_cancel(task_of_data(d));
    EXPECT_EQUAL(task_sleep(2000), 0);
    if (how != BY_CANCEL) {
        EXPECT_EQUAL(d->entered, 2);
        EXPECT_EQUAL(d->entered_ms - begun_ms, how == BY_MOMENT ? 1000 : 500);
        EXPECT_EQUAL(stream_try_send(theirs, "y", 1), 1);
        EXPECT_EQUAL(task_sleep(10), 0);
        EXPECT_EQUAL(dormant(), 1);
        task_wake(task_of_data(d));
    }
    EXPECT_EQUAL(group_wait(&g), 0);
    EXPECT_EQUAL(after.entered, how == BY_CANCEL ? 2 : 3);
    EXPECT_EQUAL(after.was_cancelled, how == BY_CANCEL);
    if (how == BY_CANCEL)
        EXPECT_EQUAL(after.entered_ms - begun_ms, 500);
    struct async_stats stats;
    async_stats(&stats);
    EXPECT_EQUAL(stats.timers, 0);
    return 0;
}

static int every_waking(void *arg) {
    (void) arg;
    for (int how = BY_MOMENT; how <= BY_CANCEL; how++) {
        int r = until_a_moment((enum waking) how);
        if (r < 0)
            return r;
    }
    return 0;
}

static void a_moment_wakes_one_unless_something_else_came_before(void **state) {
    (void) state;
    assert_int_equal(run_virtual(every_waking, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_memory_is_zeroed_and_aligned_whatever_its_size),
        cmocka_unit_test(the_argument_is_the_memory_and_the_task_is_found_by_it),
        cmocka_unit_test(one_that_is_cancelled_before_it_begins_begins_and_is_told),
        cmocka_unit_test(a_dormant_one_is_woken_by_its_memory_and_keeps_it),
        cmocka_unit_test(a_moment_wakes_one_unless_something_else_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
