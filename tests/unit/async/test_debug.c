#include "async/debug.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "async/event.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/stack.h"
#include "async/task.h"

/* ASan finds it first, and Valgrind would report the very thing that is wanted. */
#if !defined(PARLEY_SANITIZED) && !defined(PARLEY_VALGRIND)
#define GUARD_IS_SEEN 1
#endif

struct warnings {
    int count;
    char last[512];
};

static void on_warning(void *arg, const char *text) {
    struct warnings *w = arg;
    w->count++;
    (void) snprintf(w->last, sizeof w->last, "%s", text);
}

/* ---- stalls ---- */

static void burn(int ms) {
    int64_t until_us = loop_now_us() + ms * 1000;
    while (loop_now_us() < until_us)
        ;
}

static void burn_timer(struct timer *t) {
    (void) t;
    burn(30);
}

/* Of at least 20 ms, since the last call. */
static uint64_t long_stalls(uint64_t *before) {
    struct loop_stalls s;
    uint64_t n = 0;
    loop_stalls(&s);
    for (size_t i = 0; i <= LOOP_STALL_BOUNDS; i++)
        if (i == LOOP_STALL_BOUNDS || loop_stall_bounds_us[i] > 20000)
            n += s.counts[i];
    uint64_t since = n - *before;
    *before = n;
    return since;
}

static int count_stalls(void *arg) {
    uint64_t *n = arg, seen = 0;
    (void) task_sleep(1);
    (void) long_stalls(&seen);
    for (int i = 0; i < 3; i++) {
        burn(25);
        (void) task_sleep(1);
    }
    n[0] = long_stalls(&seen);
    struct loop_stalls s;
    loop_stalls(&s);
    n[1] = s.total_us;
    return 0;
}

static void every_stall_is_counted_by_its_length(void **state) {
    uint64_t n[2];
    (void) state;
    assert_int_equal(loop_run(NULL, count_stalls, n), 0);
    assert_in_range(n[0], 3, 6); /* a busy machine may add some */
    assert_true(n[1] >= 75000);
    for (size_t i = 1; i < LOOP_STALL_BOUNDS; i++)
        assert_true(loop_stall_bounds_us[i] > loop_stall_bounds_us[i - 1]);
}

static int stalls(void *arg) {
    int64_t *us = arg;
    struct timer timer = { .run = burn_timer };
    (void) task_sleep(1);
    us[0] = INT64_MAX;
    for (int i = 0; i < 5; i++) { /* a busy machine may take us off meanwhile, but not each time */
        (void) loop_stall_us();
        (void) task_sleep(20); /* waiting is no stall */
        int64_t waiting_us = loop_stall_us();
        us[0] = waiting_us < us[0] ? waiting_us : us[0];
    }
    burn(30); /* a task's work is one */
    (void) task_sleep(1);
    us[1] = loop_stall_us();
    if (timer_set(&timer, 1) < 0)
        return -ENOMEM;
    while (timer.index != 0) /* so is a callback's */
        (void) task_sleep(1);
    (void) task_sleep(1); /* it has looked since, even if both were due at once */
    us[2] = loop_stall_us();
    us[3] = loop_stall_us();
    return 0;
}

static void a_stall_is_how_long_the_loop_did_not_look_at_its_descriptors(void **state) {
    int64_t us[4];
    (void) state;
    assert_int_equal(loop_run(NULL, stalls, us), 0);
    assert_in_range(us[1], 30000, 1000000);
    assert_in_range(us[2], 30000, 1000000);
    assert_true(us[0] < us[1]);
    assert_int_equal(us[3], 0);
}

/* ---- the dump ---- */

struct house {
    struct event event;
    char dump[8192];
    struct async_stats stats;
};

static int grandchild(void *arg) {
    return event_wait(arg);
}

static int child(void *arg) {
    GROUP(g);
    int r = group_spawn(&g, "grandchild", grandchild, arg);
    return r < 0 ? r : group_wait(&g);
}

static int dozes(void *arg) {
    (void) arg;
    return task_cancelled() ? 0 : task_dormant(NULL, INT64_MAX, dozes, NULL);
}

static int dumps(void *arg) {
    struct house *h = arg;
    GROUP(g);
    int r = group_spawn(&g, "child", child, &h->event);
    for (int i = 0; i < 100 && r == 0; i++)
        r = group_spawn(&g, "dozing", dozes, NULL);
    if (r < 0)
        return r;
    (void) task_sleep(1500);
    FILE *f = fmemopen(h->dump, sizeof h->dump, "w");
    if (!f)
        return -errno;
    task_dump(f);
    (void) fclose(f);
    async_stats(&h->stats);
    return 0;
}

static void a_dump_shows_the_tree_and_what_each_task_waits_for_since_when(void **state) {
    (void) state;
    static struct house h;
    const struct loop_options o = { .name = "house", .is_simulated = true };
    assert_int_equal(loop_run(&o, dumps, &h), 0);
    assert_non_null(strstr(h.dump, "house: 103 tasks, 0 ready, 100 dormant\n"));
    assert_non_null(strstr(h.dump, "\nroot: running\n"));
    assert_non_null(strstr(h.dump, "\n  child: waits for group 0x"));
    assert_non_null(strstr(h.dump, "\n    grandchild: waits for event 0x"));
    assert_non_null(strstr(h.dump, ", for 1.500 s\n"));
    assert_non_null(strstr(h.dump, "\n  dozing: dormant, waits for task_wake()"));
    assert_non_null(strstr(h.dump, "\n  ... and 92 more dormant ones\n"));
    /* Each parked task with the frames it is parked in; the dormant one has none. */
    const char *below = strstr(h.dump, "grandchild:");
    int frames = 0;
    for (const char *at = below; (at = strstr(at, "        at ")) != NULL; at++)
        frames++;
    assert_in_range(frames, 3, 20);

    assert_int_equal(h.stats.tasks, 103);
    assert_int_equal(h.stats.dormant, 100);
    assert_int_equal(h.stats.stacks_in_use, 3);
}

/* ---- slow ones are named ---- */

static int hogs(void *arg) {
    (void) arg;
    struct timespec began, now;
    (void) clock_gettime(CLOCK_MONOTONIC, &began);
    do
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 < 30);
    return 0;
}

static int has_a_hog(void *arg) {
    (void) arg;
    GROUP(g);
    int r = group_spawn(&g, "hog", hogs, NULL);
    return r < 0 ? r : group_wait(&g);
}

static void a_task_that_runs_too_long_is_named(void **state) {
    (void) state;
    struct warnings w = { 0 };
    const struct loop_options o = { .slow_ms = 20, .on_warning = on_warning, .on_warning_arg = &w };
    assert_int_equal(loop_run(&o, has_a_hog, NULL), 0);
    assert_true(w.count >= 1);
    assert_non_null(strstr(w.last, "task \"hog\" ran for "));
}

/* ---- left over ---- */

static int sleeps(void *arg) {
    (void) arg;
    return task_sleep(10);
}

static int leaves_one_behind(void *arg) {
    group_init(arg);
    return group_spawn(arg, "left", sleeps, NULL);
}

static void tasks_that_outlive_the_root_are_named_and_finished(void **state) {
    (void) state;
    struct warnings w = { 0 };
    struct group g;
    const struct loop_options o = { .is_simulated = true,
                                    .on_warning = on_warning,
                                    .on_warning_arg = &w };
    assert_int_equal(loop_run(&o, leaves_one_behind, &g), 0);
    assert_int_equal(w.count, 1);
    assert_string_equal(w.last, "task \"left\" is left over: the root task ended before it");
    assert_int_equal(group_size(&g), 0);
}

/* ---- high water ---- */

static int goes_deep(void *arg) {
    (void) arg;
    volatile char deep[12000];
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = 'x';
    return deep[100] == 'x' ? task_yield() : -EIO;
}

static int stays_shallow(void *arg) {
    (void) arg;
    return task_yield();
}

static int measures(void *arg) {
    size_t *bytes = arg;
    for (int i = 0; i < 3; i++) {
        GROUP(g);
        int r = group_spawn(&g, "deep", goes_deep, NULL);
        if (r == 0)
            r = group_wait(&g);
        if (r == 0)
            r = group_spawn(&g, "shallow", stays_shallow, NULL);
        if (r == 0)
            r = group_wait(&g);
        if (r < 0)
            return r;
    }
    bytes[0] = stack_high_water("deep");
    bytes[1] = stack_high_water("shallow");
    bytes[2] = stack_high_water("unknown");
    return 0;
}

static void the_depth_of_each_kind_of_task_is_measured(void **state) {
    (void) state;
    size_t bytes[3] = { 0 };
    const struct loop_options o = { .is_simulated = true, .paint_stacks = true };
    assert_int_equal(loop_run(&o, measures, bytes), 0);
    assert_true(bytes[0] > bytes[1]); /* ASan keeps big locals elsewhere */
    assert_true(bytes[1] > 100);
    assert_int_equal(bytes[2], 0);
}

/* ---- promises that abort: each in a process of its own ---- */

static int ends_how(task_fn *fn) {
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = { 0, 0 };
        (void) setrlimit(RLIMIT_CORE, &none);
        (void) signal(SIGABRT, SIG_DFL);
        (void) signal(SIGSEGV, SIG_DFL);
        (void) close(STDERR_FILENO);
        _exit(loop_run(NULL, fn, NULL) == 0 ? 0 : 1);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int suspends_where_it_must_not(void *arg) {
    (void) arg;
    NO_SUSPEND;
    return task_yield();
}

static int suspends_after(void *arg) {
    (void) arg;
    { NO_SUSPEND; }
    return task_yield();
}

static void suspending_inside_no_suspend_aborts(void **state) {
    (void) state;
    assert_int_equal(ends_how(suspends_where_it_must_not), -SIGABRT);
    assert_int_equal(ends_how(suspends_after), 0);
}

#ifdef GUARD_IS_SEEN
static int falls(volatile char *above, int depth) {
    volatile char here[1024];
    here[0] = above ? above[0] : 'x';
    return depth == 0 ? here[0] : falls(here, depth - 1) + here[1];
}

static int recurses(void *arg) {
    (void) arg;
    return falls(NULL, 100) == 0;
}

static int in_the_lowest_slot(void *arg) {
    (void) arg;
    GROUP(g);
    int r = group_spawn(&g, "deep", recurses, NULL);
    return r < 0 ? r : group_wait(&g);
}

/* ---- no memory for stacks ---- */

static int naps(void *arg) {
    (void) arg;
    return task_sleep(1);
}

static int more_naps_than_stacks(void *arg) {
    (void) arg;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) < 0)
        return -errno;
    GROUP(g);
    int r = 0;
    for (int i = 0; i < 2000 && r == 0; i++)
        r = group_spawn(&g, "nap", naps, NULL);
    /* 2,000 stacks are 64 MB; there is room for a few chunks of 1 MB. */
    limit.rlim_cur = (rlim_t) 16 * 1024 * 1024;
    if (r == 0 && setrlimit(RLIMIT_AS, &limit) < 0)
        r = -errno;
    if (r == 0)
        r = group_wait(&g);
    struct async_stats stats;
    async_stats(&stats);
    return r < 0 ? r : stats.starved > 0 && stats.stacks_in_use == 1 ? 0 : -ERANGE;
}

static void without_memory_for_stacks_tasks_wait_for_those_of_others(void **state) {
    (void) state;
    assert_int_equal(ends_how(more_naps_than_stacks), 0);
}

static void running_over_the_end_of_a_stack_is_no_quiet_corruption(void **state) {
    (void) state;
    assert_int_equal(ends_how(in_the_lowest_slot), -SIGSEGV);
}
#endif

/* ---- the pool ---- */

/* Where no guard page can be had. */
static int overruns_a_canary(void *arg) {
    (void) arg;
    struct stack_pool *p = stack_pool_new((size_t) 32 * 1024, false);
    struct stack *s = p ? stack_take(p) : NULL;
    if (!s)
        return -ENOMEM;
    s->is_guarded = false;
    stack_give(p, s);
    s = stack_take(p);
    s->low[8] = 'x';
    stack_give(p, s);
    return 0;
}

static void an_overrun_canary_aborts(void **state) {
    (void) state;
    assert_int_equal(ends_how(overruns_a_canary), -SIGABRT);
}

static void stacks_are_used_again_last_in_first_out_and_given_back_when_idle(void **state) {
    (void) state;
    enum { MANY = 200 };
    struct stack_pool *p = stack_pool_new((size_t) 32 * 1024, false);
    assert_non_null(p);
    struct stack *taken[MANY];
    for (int i = 0; i < MANY; i++) {
        taken[i] = stack_take(p);
        assert_non_null(taken[i]);
        taken[i]->low[taken[i]->bytes - 1] = 'x';
    }
    struct stack_stats stats;
    stack_pool_stats(p, &stats);
    assert_int_equal(stats.in_use, MANY);

    stack_give(p, taken[7]);
    assert_ptr_equal(stack_take(p), taken[7]);

    for (int i = 0; i < MANY; i++)
        stack_give(p, taken[i]);
    (void) stack_pool_trim(p); /* all were needed since the last time */
    (void) stack_pool_trim(p); /* and none since */
    stack_pool_stats(p, &stats);
    assert_int_equal(stats.in_use, 0);
    assert_true(stats.given_back >= MANY - 16);

    struct stack *warm = stack_take(p);
    assert_int_equal(warm->low[warm->bytes - 1], 'x');
    stack_give(p, warm);
    stack_pool_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_shows_the_tree_and_what_each_task_waits_for_since_when),
        cmocka_unit_test(a_task_that_runs_too_long_is_named),
        cmocka_unit_test(tasks_that_outlive_the_root_are_named_and_finished),
        cmocka_unit_test(the_depth_of_each_kind_of_task_is_measured),
        cmocka_unit_test(suspending_inside_no_suspend_aborts),
#ifdef GUARD_IS_SEEN
        cmocka_unit_test(without_memory_for_stacks_tasks_wait_for_those_of_others),
        cmocka_unit_test(running_over_the_end_of_a_stack_is_no_quiet_corruption),
#endif
        cmocka_unit_test(an_overrun_canary_aborts),
        cmocka_unit_test(a_stall_is_how_long_the_loop_did_not_look_at_its_descriptors),
        cmocka_unit_test(every_stall_is_counted_by_its_length),
        cmocka_unit_test(stacks_are_used_again_last_in_first_out_and_given_back_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
