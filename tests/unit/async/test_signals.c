#include "async/signals.h"

#include <pthread.h>
#include <unistd.h>

#include "expect.h"

static sigset_t set_of(int a, int b) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, a);
    sigaddset(&set, b);
    return set;
}

static bool is_blocked(int n) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, n) == 1;
}

static void signals_closep(struct signals **s) {
    *s = signals_close(*s);
}

static int next(void *arg) {
    return signals_next(arg);
}

static int take_some(void *arg) {
    (void) arg;
    struct signals *s CLEANUP(signals_closep) = NULL;
    sigset_t set = set_of(SIGUSR1, SIGUSR2);
    EXPECT_EQUAL(signals_open(&set, &s), 0);
    EXPECT(is_blocked(SIGUSR1));
    EXPECT_EQUAL(kill(getpid(), SIGUSR1), 0);
    EXPECT_EQUAL(kill(getpid(), SIGUSR1), 0); /* counts once */
    EXPECT_EQUAL(signals_next(s), SIGUSR1);

    struct task *waiting;
    int result;
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "waiting", next, s, &waiting), 0);
    EXPECT_EQUAL(task_yield(), 0);
    EXPECT_EQUAL(kill(getpid(), SIGUSR2), 0);
    EXPECT_EQUAL(task_join(waiting, &result), 0);
    EXPECT_EQUAL(result, SIGUSR2);
    {
        DEADLINE(d, 2);
        EXPECT_EQUAL(signals_next(s), -ETIMEDOUT);
    }

    EXPECT_EQUAL(task_spawn(&g, "waiting", next, s, &waiting), 0);
    EXPECT_EQUAL(task_yield(), 0);
    s = signals_close(s);
    EXPECT_EQUAL(task_join(waiting, &result), 0);
    EXPECT_EQUAL(result, -EBADF);
    return 0;
}

static void signals_arrive_as_an_iterator(void **state) {
    (void) state;
    assert_int_equal(run_real(take_some, NULL), 0);
}

static void the_mask_is_put_back_as_it_was(void **state) {
    (void) state;
    sigset_t before = set_of(SIGUSR2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &before, NULL); /* somebody else's, to be left alone */
    assert_int_equal(run_real(take_some, NULL), 0);
    assert_false(is_blocked(SIGUSR1));
    assert_true(is_blocked(SIGUSR2));
    pthread_sigmask(SIG_UNBLOCK, &before, NULL);
}

static int cancelled_with_a_signal_pending(void *arg) {
    (void) arg;
    struct signals *s CLEANUP(signals_closep) = NULL;
    sigset_t set = set_of(SIGUSR1, SIGUSR2);
    EXPECT_EQUAL(signals_open(&set, &s), 0);
    struct task *t;
    int result;
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "waiting", next, s, &t), 0);
    EXPECT_EQUAL(task_yield(), 0);
    EXPECT_EQUAL(kill(getpid(), SIGUSR1), 0);
    task_cancel(t);
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT_EQUAL(result, -ECANCELED);
    EXPECT_EQUAL(signals_next(s), SIGUSR1); /* not lost */
    return 0;
}

static void a_cancelled_wait_takes_no_signal(void **state) {
    (void) state;
    assert_int_equal(run_real(cancelled_with_a_signal_pending, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_arrive_as_an_iterator),
        cmocka_unit_test(the_mask_is_put_back_as_it_was),
        cmocka_unit_test(a_cancelled_wait_takes_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
