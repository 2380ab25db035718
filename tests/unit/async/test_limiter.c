#include "async/limiter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

static int takes_what_there_is(struct limiter *l) {
    int n = 0;
    while (limiter_try_take(l, 1))
        n++;
    return n;
}

static int bursts(void *arg) {
    int *n = arg;
    struct limiter l;
    limiter_init(&l, 10, 1000, 5); /* 10 a second, 5 at once */
    n[0] = takes_what_there_is(&l);
    n[1] = (int) limiter_wait_ms(&l, 1);
    (void) task_sleep(99);
    n[2] = takes_what_there_is(&l);
    (void) task_sleep(1);
    n[3] = takes_what_there_is(&l);
    (void) task_sleep(3600 * 1000);
    n[4] = takes_what_there_is(&l);
    n[5] = limiter_try_take(&l, 6);
    return 0;
}

static void a_bucket_starts_full_refills_steadily_and_never_overflows(void **state) {
    (void) state;
    int n[6] = { 0 };
    assert_int_equal(loop_run(&virtual_clock, bursts, n), 0);
    assert_int_equal(n[0], 5);
    assert_int_equal(n[1], 100);
    assert_int_equal(n[2], 0);
    assert_int_equal(n[3], 1);
    assert_int_equal(n[4], 5);
    assert_int_equal(n[5], 0);
}

static int odd_rate(void *arg) {
    int *n = arg;
    struct limiter l;
    limiter_init(&l, 7, 1000, 1);
    *n = takes_what_there_is(&l);
    for (int ms = 0; ms < 100000; ms++) {
        (void) task_sleep(1);
        *n += takes_what_there_is(&l);
    }
    return 0;
}

static void an_uneven_rate_is_kept_exactly_however_often_it_is_asked(void **state) {
    (void) state;
    int n = 0;
    assert_int_equal(loop_run(&virtual_clock, odd_rate, &n), 0);
    assert_in_range(n, 690, 701); /* a burst of 1 may lose part of a token to each late look */
}

struct queue_at_limiter {
    struct limiter limiter;
    int64_t began;
    int64_t at[4];
    int results[4];
};

struct taker {
    struct queue_at_limiter *all;
    int index;
    uint32_t n;
};

static int takes(void *arg) {
    struct taker *t = arg;
    t->all->results[t->index] = limiter_take(&t->all->limiter, t->n);
    t->all->at[t->index] = loop_now() - t->all->began;
    return 0;
}

static int four_take(void *arg) {
    struct queue_at_limiter *q = arg;
    q->began = loop_now();
    limiter_init(&q->limiter, 1, 10, 4); /* one every 10 ms */
    struct taker takers[4] = { { q, 0, 4 }, { q, 1, 3 }, { q, 2, 1 }, { q, 3, 5 } };
    GROUP(g);
    for (int i = 0; i < 4; i++)
        if (group_spawn(&g, "taker", takes, &takers[i]) < 0)
            return -ENOMEM;
    (void) task_sleep(20);
    bool barged = limiter_try_take(&q->limiter, 1);
    int r = group_wait(&g);
    return r < 0 ? r : barged;
}

static void takers_wait_in_the_order_of_asking(void **state) {
    (void) state;
    struct queue_at_limiter q = { 0 };
    assert_int_equal(loop_run(&virtual_clock, four_take, &q), 0);
    assert_int_equal(q.at[0], 0);
    assert_int_equal(q.at[1], 30);
    assert_int_equal(q.at[2], 40);
    assert_int_equal(q.results[3], -EMSGSIZE);
}

static int gives_up(void *arg) {
    int *results = arg;
    struct limiter l;
    limiter_init(&l, 1, 10, 4);
    results[0] = limiter_take(&l, 4);
    {
        DEADLINE(d, 5);
        results[1] = limiter_take(&l, 4);
    }
    (void) task_sleep(35); /* 40 ms in all: the bucket is full again */
    results[2] = limiter_try_take(&l, 4);
    return 0;
}

static void who_gives_up_returns_his_tokens(void **state) {
    (void) state;
    int results[3] = { 1, 1, 1 };
    assert_int_equal(loop_run(&virtual_clock, gives_up, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], -ETIMEDOUT);
    assert_int_equal(results[2], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_starts_full_refills_steadily_and_never_overflows),
        cmocka_unit_test(an_uneven_rate_is_kept_exactly_however_often_it_is_asked),
        cmocka_unit_test(takers_wait_in_the_order_of_asking),
        cmocka_unit_test(who_gives_up_returns_his_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
