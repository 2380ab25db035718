/* What the writer takes, piece by piece, to commit it together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "storage/sqlite/queue.h"
#include "tests/unit/storage/world.h"

enum { REQUESTS = 8, DATA = 10 };

static const uint64_t MILLISECOND_NS = 1000000;

struct line {
    struct publish_queue queue;
    struct publish_request requests[REQUESTS];
};

static int line_open(void **state) {
    static struct line l;
    memset(&l, 0, sizeof l);
    publish_queue_init(&l.queue, REQUESTS, (size_t) DATA * REQUESTS);
    *state = &l;
    return 0;
}

static int line_close(void **state) {
    struct line *l = *state;
    for (int i = 0; i < REQUESTS; i++)
        publication_unref(l->requests[i].publication);
    publish_queue_finish(&l->queue);
    return 0;
}

static bool put(struct line *l, int i) {
    l->requests[i] = (struct publish_request){ .publication = a_publication(STR("a"), "0123456789"),
                                               .hash = (uint64_t) i };
    return publish_queue_put(&l->queue, &l->requests[i]);
}

static void put_all(struct line *l) {
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(put(l, i), i == 0);
}

/* The requests of the line from its first one on, in order, and no others. */
static void expect_run(const struct line *l, const struct publish_run *run, int n) {
    const struct publish_request *q = run->first;
    for (int i = 0; i < n; i++, q = q->next)
        assert_ptr_equal(q, &l->requests[i]);
    assert_null(q);
    assert_int_equal(run->n, n);
    assert_int_equal(run->bytes, n * DATA);
}

static void expect_queued(struct line *l, uint64_t n) {
    uint64_t queued, rejected;
    publish_queue_stats(&l->queue, &queued, &rejected);
    assert_int_equal(queued, n);
    assert_int_equal(rejected, 0);
}

static void a_run_grows_with_each_taking_until_it_has_as_many_as_it_may(void **state) {
    struct line *l = *state;
    struct publish_run run = { 0 };
    put_all(l);
    assert_ptr_equal(publish_queue_take(&l->queue, 2, SIZE_MAX, &run), &l->requests[0]);
    expect_run(l, &run, 2);
    assert_ptr_equal(publish_queue_take(&l->queue, 5, SIZE_MAX, &run), &l->requests[2]);
    expect_run(l, &run, 5);
    assert_null(publish_queue_take(&l->queue, 5, SIZE_MAX, &run));
    expect_run(l, &run, 5);
    expect_queued(l, REQUESTS - 5);

    struct publish_run rest = { 0 };
    assert_ptr_equal(publish_queue_take(&l->queue, REQUESTS, SIZE_MAX, &rest), &l->requests[5]);
    assert_int_equal(rest.n, REQUESTS - 5);
    assert_null(publish_queue_take(&l->queue, REQUESTS, SIZE_MAX, &rest));
    expect_queued(l, 0);
}

static void a_run_takes_its_first_whatever_its_size_and_no_more_bytes_than_it_may(void **state) {
    struct line *l = *state;
    struct publish_run run = { 0 };
    put_all(l);
    assert_non_null(publish_queue_take(&l->queue, REQUESTS, 1, &run));
    expect_run(l, &run, 1);
    assert_null(publish_queue_take(&l->queue, REQUESTS, 2 * DATA - 1, &run));
    assert_non_null(publish_queue_take(&l->queue, REQUESTS, 3 * DATA, &run));
    expect_run(l, &run, 3);
    (void) publish_queue_take(&l->queue, REQUESTS, SIZE_MAX, &run);
    expect_run(l, &run, REQUESTS);
}

static void one_that_found_it_full_keeps_its_place_and_counts_for_nothing(void **state) {
    struct line *l = *state;
    struct publish_run run = { 0 };
    l->queue.max = 2;
    for (int i = 0; i < 3; i++)
        (void) put(l, i);
    assert_true(publish_is_rejected(&l->requests[2]));
    assert_non_null(publish_queue_take(&l->queue, 1, SIZE_MAX, &run));
    assert_non_null(publish_queue_take(&l->queue, 3, SIZE_MAX, &run));
    assert_int_equal(run.n, 2);
    assert_ptr_equal(run.first->next->next, &l->requests[2]);
    assert_null(l->queue.first);
}

static void waiting_ends_with_what_is_there_or_with_its_time(void **state) {
    struct line *l = *state;
    struct publish_run run = { 0 };
    assert_false(publish_queue_watch(&l->queue, MILLISECOND_NS));
    assert_false(publish_queue_await(&l->queue, 2, MILLISECOND_NS));
    (void) put(l, 0);
    assert_true(publish_queue_watch(&l->queue, 60000 * MILLISECOND_NS));
    assert_true(publish_queue_await(&l->queue, 2, MILLISECOND_NS)); /* not all, but one */
    (void) put(l, 1);
    assert_true(publish_queue_await(&l->queue, 2, 60000 * MILLISECOND_NS));
    (void) publish_queue_take(&l->queue, 2, SIZE_MAX, &run);
    expect_run(l, &run, 2);
}

#define LINE_TEST(name) cmocka_unit_test_setup_teardown(name, line_open, line_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        LINE_TEST(a_run_grows_with_each_taking_until_it_has_as_many_as_it_may),
        LINE_TEST(a_run_takes_its_first_whatever_its_size_and_no_more_bytes_than_it_may),
        LINE_TEST(one_that_found_it_full_keeps_its_place_and_counts_for_nothing),
        LINE_TEST(waiting_ends_with_what_is_there_or_with_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
