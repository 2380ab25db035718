/* Lanes and the pool: work on other threads, and the same in simulated loops. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/lane.h"
#include "async/loop.h"
#include "async/offload.h"
#include "async/task.h"

struct world {
    struct pool *pool;
    struct lane *lane;
    _Atomic int runs, jobs, side_by_side;
    pthread_mutex_t gate; /* a job waits for it */
    int results[64];
    int result;
    bool was_other_thread;
    pthread_t loop_thread;
};

static int run_simulated(task_fn *fn, struct world *w, uint64_t seed) {
    return loop_run(&(struct loop_options){ .is_simulated = true, .seed = seed }, fn, w);
}

/* ---- offload ---- */

static int add_one(void *arg) {
    return ++*(int *) arg;
}

static int where_am_i(void *arg) {
    struct world *w = arg;

    w->was_other_thread = !pthread_equal(pthread_self(), w->loop_thread);
    return -EDOM;
}

static int offload_two(void *arg) {
    struct world *w = arg;
    int n = 41;

    w->loop_thread = pthread_self();
    int r = pool_open(NULL, &w->pool);
    if (r < 0)
        return r;
    w->results[0] = offload(w->pool, add_one, &n);
    w->results[1] = offload(w->pool, where_am_i, w);
    w->pool = pool_close(w->pool);
    return n;
}

static void work_is_done_on_another_thread_and_its_result_comes_back(void **state) {
    struct world w = { 0 };

    assert_int_equal(loop_run(NULL, offload_two, &w), 42);
    assert_int_equal(w.results[0], 42);
    assert_int_equal(w.results[1], -EDOM);
    assert_true(w.was_other_thread);
}

static void in_a_simulated_loop_there_is_no_other_thread(void **state) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w = { 0 };
        assert_int_equal(run_simulated(offload_two, &w, seed), 42);
        assert_int_equal(w.results[1], -EDOM);
        assert_false(w.was_other_thread);
    }
}

static int pass_gate(void *arg) {
    struct world *w = arg;

    pthread_mutex_lock(&w->gate);
    w->jobs++;
    pthread_mutex_unlock(&w->gate);
    return 7;
}

static int wait_at_gate(void *arg) {
    struct world *w = arg;

    return w->result = offload(w->pool, pass_gate, w);
}

static int second_waits(void *arg) {
    struct world *w = arg;

    return w->results[0] = offload(w->pool, pass_gate, w);
}

/* One thread, held at the gate; a second job queued behind it. Both waits are cancelled. */
static int cancel_both(void *arg) {
    struct world *w = arg;
    GROUP(g);
    int r = pool_open(&(struct pool_options){ .threads = 1, .queue_max = 1 }, &w->pool);

    if (r < 0)
        return r;
    pthread_mutex_lock(&w->gate);
    r = group_spawn(&g, "first", wait_at_gate, w);
    while (r == 0 && pool_waiting(w->pool) > 0)
        r = task_yield();
    for (int i = 0; i < 100 && r == 0; i++) /* until the thread has taken the first */
        r = task_sleep(1);
    if (r == 0)
        r = group_spawn(&g, "second", second_waits, w);
    if (r == 0)
        r = task_yield();
    if (r == 0)
        r = task_yield();
    w->results[1] = offload(w->pool, pass_gate, w); /* a third is one too many */
    group_cancel(&g);
    if (r == 0)
        r = task_yield();
    pthread_mutex_unlock(&w->gate);
    group_finish(&g);
    w->pool = pool_close(w->pool);
    return r;
}

static void a_cancelled_wait_takes_back_what_has_not_begun_and_waits_for_what_has(void **state) {
    struct world w = { .gate = PTHREAD_MUTEX_INITIALIZER };

    assert_int_equal(loop_run(NULL, cancel_both, &w), 0);
    assert_int_equal(w.result, 7);              /* it had begun */
    assert_int_equal(w.results[0], -ECANCELED); /* it had not */
    assert_int_equal(w.results[1], -ENOBUFS);
    assert_int_equal(w.jobs, 1);
}

static int one_of_many(void *arg) {
    struct world *w = arg;
    int n = 0;

    if (offload(w->pool, add_one, &n) == 1 && n == 1)
        w->jobs++;
    return 0;
}

static int offload_many(void *arg) {
    struct world *w = arg;
    GROUP(g);
    int r = pool_open(&(struct pool_options){ .threads = 4 }, &w->pool);

    for (int i = 0; i < 500 && r == 0; i++)
        r = group_spawn(&g, "job", one_of_many, w);
    if (r == 0)
        r = group_wait(&g);
    w->pool = pool_close(w->pool);
    return r;
}

static void many_jobs_over_few_threads_all_come_back(void **state) {
    struct world w = { 0 };

    assert_int_equal(loop_run(NULL, offload_many, &w), 0);
    assert_int_equal(w.jobs, 500);
}

/* In virtual time: a deadline that passes before the job's moment takes it back. */
static int time_out(void *arg) {
    struct world *w = arg;
    int n = 0, r = pool_open(NULL, &w->pool);

    if (r < 0)
        return r;
    {
        DEADLINE(none, 0);
        w->results[0] = offload(w->pool, add_one, &n);
    }
    w->results[1] = offload(w->pool, add_one, &n);
    w->pool = pool_close(w->pool);
    return n;
}

static void a_wait_without_time_left_does_not_begin(void **state) {
    struct world w = { 0 };

    assert_int_equal(run_simulated(time_out, &w, 3), 1);
    assert_int_equal(w.results[0], -ETIMEDOUT);
    assert_int_equal(w.results[1], 1);
}

/* ---- lanes ---- */

static void count_run(void *arg) {
    struct world *w = arg;

    if (atomic_fetch_add(&w->side_by_side, 1) != 0)
        w->result = -EBUSY;
    w->runs++;
    if (w->runs == 1)
        lane_kick(w->lane); /* from inside: once more */
    atomic_fetch_sub(&w->side_by_side, 1);
}

static int kick_and_close(void *arg) {
    struct world *w = arg;
    int r = lane_open("test", count_run, w, &w->lane);

    if (r < 0)
        return r;
    lane_kick(w->lane);
    struct lane *l = w->lane;
    lane_close(l);
    return 0;
}

static void a_lane_has_run_for_its_last_kick_when_it_is_closed(void **state) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w = { 0 };
        assert_int_equal(run_simulated(kick_and_close, &w, seed), 0);
        assert_int_equal(w.runs, 2);
    }
    struct world w = { 0 };
    assert_int_equal(loop_run(NULL, kick_and_close, &w), 0);
    assert_int_equal(w.runs, 2);
}

static void *kick_often(void *arg) {
    struct world *w = arg;

    for (int i = 0; i < 2000; i++)
        lane_kick(w->lane);
    return NULL;
}

static int kick_from_threads(void *arg) {
    struct world *w = arg;
    pthread_t threads[4];
    int r = lane_open("test", count_run, w, &w->lane);

    for (int i = 0; i < 4 && r == 0; i++)
        r = -pthread_create(&threads[i], NULL, kick_often, w);
    for (int i = 0; i < 4 && r == 0; i++)
        r = -pthread_join(threads[i], NULL);
    lane_close(w->lane);
    return r;
}

static void kicks_from_many_threads_never_run_it_side_by_side(void **state) {
    struct world w = { 0 };

    assert_int_equal(loop_run(NULL, kick_from_threads, &w), 0);
    assert_int_equal(w.result, 0);
    assert_true(w.runs >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_on_another_thread_and_its_result_comes_back),
        cmocka_unit_test(in_a_simulated_loop_there_is_no_other_thread),
        cmocka_unit_test(a_cancelled_wait_takes_back_what_has_not_begun_and_waits_for_what_has),
        cmocka_unit_test(many_jobs_over_few_threads_all_come_back),
        cmocka_unit_test(a_wait_without_time_left_does_not_begin),
        cmocka_unit_test(a_lane_has_run_for_its_last_kick_when_it_is_closed),
        cmocka_unit_test(kicks_from_many_threads_never_run_it_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
