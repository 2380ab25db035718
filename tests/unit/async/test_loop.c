#include "async/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "async/event.h"
#include "async/group.h"
#include "async/loop_impl.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

/* ---- timers ---- */

enum { TIMERS = 500 };

struct noting_timer {
    struct timer timer;
    struct timers *all;
    int64_t due_ms;
    bool fired;
};

struct timers {
    struct noting_timer t[TIMERS];
    int64_t last_ms;
    size_t fired;
    bool was_late, was_disordered;
};

static void on_timer(struct timer *t) {
    struct noting_timer *n = CONTAINER_OF(t, struct noting_timer, timer);
    n->all->fired++;
    n->fired = true;
    if (loop_now() != n->due_ms)
        n->all->was_late = true;
    if (n->due_ms < n->all->last_ms)
        n->all->was_disordered = true;
    n->all->last_ms = n->due_ms;
}

static int sets_moves_and_clears(void *arg) {
    struct timers *all = arg;
    size_t expected = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        struct noting_timer *n = &all->t[i];
        *n = (struct noting_timer){ .timer.run = on_timer, .all = all };
        int64_t ms = (int64_t) loop_random_below(1000);
        n->due_ms = loop_now() + ms;
        if (timer_set(&n->timer, ms) < 0)
            return -ENOMEM;
    }
    for (size_t i = 0; i < TIMERS; i += 3) {
        struct noting_timer *n = &all->t[i];
        int64_t ms = (int64_t) loop_random_below(1000);
        n->due_ms = loop_now() + ms;
        if (timer_set(&n->timer, ms) < 0)
            return -ENOMEM;
    }
    for (size_t i = 0; i < TIMERS; i += 5)
        timer_clear(&all->t[i].timer);
    for (size_t i = 0; i < TIMERS; i++)
        expected += all->t[i].timer.index != 0;
    int r = task_sleep(2000);
    for (size_t i = 0; i < TIMERS; i++)
        if (all->t[i].fired == (i % 5 == 0))
            return -EINVAL;
    return r < 0 ? r : all->fired == expected ? 0 : -ERANGE;
}

static void timers_fire_in_order_at_their_moments_and_not_when_cleared(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct timers *all = calloc(1, sizeof *all);
        const struct loop_options o = { .is_simulated = true, .seed = seed };
        assert_int_equal(loop_run(&o, sets_moves_and_clears, all), 0);
        assert_false(all->was_late);
        assert_false(all->was_disordered);
        free(all);
    }
}

struct again {
    struct timer timer;
    int left;
    int64_t began;
};

static void set_again(struct timer *t) {
    struct again *a = CONTAINER_OF(t, struct again, timer);
    if (--a->left > 0)
        (void) !timer_set(t, 0);
}

static int starves_nobody(void *arg) {
    struct again *a = arg;
    a->timer.run = set_again;
    if (timer_set(&a->timer, 0) < 0)
        return -ENOMEM;
    int r = task_sleep(1);
    int left = a->left;
    timer_clear(&a->timer);
    return r < 0 ? r : left;
}

static void a_timer_set_again_for_now_waits_for_the_next_turn(void **state) {
    (void) state;
    struct again a = { .left = 1000000000 };
    const struct loop_options real = { 0 };
    assert_true(loop_run(&real, starves_nobody, &a) > 0);
}

/* ---- time ---- */

static int real_sleep(void *arg) {
    int64_t *times = arg;
    times[0] = loop_now();
    int r = task_sleep(20);
    times[1] = loop_now();
    times[2] = loop_now_us();
    return r;
}

static void real_time_passes_for_real_loops(void **state) {
    (void) state;
    int64_t times[3];
    assert_int_equal(loop_run(NULL, real_sleep, times), 0);
    assert_true(times[1] >= times[0] + 20);
    assert_true(times[2] >= times[1] * 1000);
}

static int sleeps_a_year(void *arg) {
    int64_t *walls = arg;
    walls[0] = loop_wall_ms();
    int r = task_sleep(INT64_C(365) * 24 * 3600 * 1000);
    walls[1] = loop_wall_ms();
    return r;
}

static void virtual_time_jumps(void **state) {
    (void) state;
    int64_t walls[2];
    const struct loop_options o = { .is_simulated = true, .simulated_epoch_ms = 1000000000000 };
    assert_int_equal(loop_run(&o, sleeps_a_year, walls), 0);
    assert_true(walls[0] == 1000000000000);
    assert_true(walls[1] - walls[0] == INT64_C(365) * 24 * 3600 * 1000);
}

/* ---- hooks ---- */

struct hooked {
    struct turn_hook hook;
    struct hooks *all;
    char name;
    int again;
};

struct hooks {
    struct hooked a, b, c;
    char text[32];
    size_t len;
};

static void on_hook(struct turn_hook *h) {
    struct hooked *k = CONTAINER_OF(h, struct hooked, hook);
    k->all->text[k->all->len++] = k->name;
    if (k->again-- > 0)
        loop_at_turn_end(h);
}

static int hooks_things(void *arg) {
    struct hooks *all = arg;
    all->a = (struct hooked){ .hook.run = on_hook, .all = all, .name = 'a', .again = 2 };
    all->b = (struct hooked){ .hook.run = on_hook, .all = all, .name = 'b' };
    all->c = (struct hooked){ .hook.run = on_hook, .all = all, .name = 'c' };
    loop_at_turn_end(&all->a.hook);
    loop_at_turn_end(&all->c.hook);
    loop_at_turn_end(&all->b.hook);
    loop_at_turn_end(&all->a.hook); /* once is enough */
    loop_forget_hook(&all->c.hook);
    loop_forget_hook(&all->c.hook);
    all->text[all->len++] = '-';
    int r = task_yield();
    all->text[all->len++] = '+';
    return r;
}

static void hooks_run_at_the_turns_end_in_order_and_again_if_asked(void **state) {
    (void) state;
    struct hooks all = { 0 };
    assert_int_equal(loop_run(&virtual_clock, hooks_things, &all), 0);
    assert_string_equal(all.text, "-abaa+");
}

/* ---- randomness ---- */

static int draws(void *arg) {
    uint8_t *bytes = arg;
    loop_random(bytes, 1000);
    for (int i = 0; i < 1000; i++)
        if (loop_random_below(7) >= 7)
            return -EINVAL;
    return 0;
}

static void a_seed_decides_all_randomness_of_a_simulated_loop_and_only_of_it(void **state) {
    (void) state;
    static uint8_t first[1000], second[1000];
    struct loop_options o = { .is_simulated = true, .seed = 42 };
    assert_int_equal(loop_run(&o, draws, first), 0);
    assert_int_equal(loop_run(&o, draws, second), 0);
    assert_memory_equal(first, second, sizeof first);
    o.seed = 43;
    assert_int_equal(loop_run(&o, draws, second), 0);
    assert_memory_not_equal(first, second, sizeof first);

    o = (struct loop_options){ .seed = 42 };
    assert_int_equal(loop_run(&o, draws, first), 0);
    assert_int_equal(loop_run(&o, draws, second), 0);
    assert_memory_not_equal(first, second, sizeof first);
}

static int draws_small(void *arg) {
    unsigned *counts = arg;
    for (int i = 0; i < 20000; i++) {
        uint8_t b;
        loop_random(&b, 1);
        counts[b]++;
    }
    return 0;
}

static void bytes_bought_in_bulk_are_still_random(void **state) {
    (void) state;
    unsigned counts[256] = { 0 };
    assert_int_equal(loop_run(NULL, draws_small, counts), 0);
    for (int i = 0; i < 256; i++) /* 78 expected; outside about 9 standard deviations */
        assert_in_range(counts[i], 5, 160);
}

static void clocks_and_randomness_answer_without_a_loop(void **state) {
    (void) state;
    uint8_t a[16] = { 0 }, b[16] = { 0 };
    loop_random(a, sizeof a);
    loop_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(loop_wall_ms() > 1600000000000);
    int64_t now_ms = loop_now();
    assert_true(now_ms > 0 && loop_now_us() >= now_ms * 1000);
}

/* ---- shuffling ---- */

struct shuffle {
    char text[16];
    size_t len;
    struct member {
        struct shuffle *all;
        char name;
    } members[8];
};

static int says_its_name(void *arg) {
    struct member *m = arg;
    m->all->text[m->all->len++] = m->name;
    return 0;
}

static int shuffles(void *arg) {
    struct shuffle *s = arg;
    GROUP(g);
    for (int i = 0; i < 8; i++) {
        s->members[i] = (struct member){ s, (char) ('a' + i) };
        int r = group_spawn(&g, "member", says_its_name, &s->members[i]);
        if (r < 0)
            return r;
    }
    return group_wait(&g);
}

static void a_seed_shuffles_what_is_ready_and_the_same_seed_in_the_same_way(void **state) {
    (void) state;
    struct loop_options o = { .seed = 7, .shuffle_ready = true };
    struct shuffle first = { 0 }, second = { 0 }, other = { 0 };
    assert_int_equal(loop_run(&o, shuffles, &first), 0);
    assert_int_equal(loop_run(&o, shuffles, &second), 0);
    o.seed = 8;
    assert_int_equal(loop_run(&o, shuffles, &other), 0);
    assert_int_equal(strlen(first.text), 8);
    assert_string_not_equal(first.text, "abcdefgh");
    assert_string_equal(first.text, second.text);
    assert_string_not_equal(first.text, other.text);
}

/* ---- descriptors ---- */

struct watched {
    struct watch watch;
    int fd, fired;
    struct event event;
};

static void on_readable(struct watch *w, unsigned ready) {
    struct watched *a = CONTAINER_OF(w, struct watched, watch);
    uint64_t n;
    if (ready == WATCH_READ && read(a->fd, &n, sizeof n) == (ssize_t) sizeof n)
        a->fired++;
    event_set(&a->event);
}

static int writes_later(void *arg) {
    struct watched *a = arg;
    int r = task_sleep(5);
    uint64_t one = 1;
    return r < 0 ? r : write(a->fd, &one, sizeof one) == (ssize_t) sizeof one ? 0 : -errno;
}

static int watches(void *arg) {
    struct watched *a = arg;
    a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->fd < 0)
        return -errno;
    watch_init(&a->watch, a->fd, on_readable);
    int r = 0;
    {
        GROUP(g);
        for (int i = 0; i < 3 && r >= 0; i++) {
            event_clear(&a->event);
            watch_want(&a->watch, WATCH_READ);
            r = group_spawn(&g, "writer", writes_later, a);
            if (r == 0)
                r = event_wait(&a->event);
            watch_want(&a->watch, 0);
        }
    }
    (void) close(a->fd);
    return r;
}

static void a_watched_descriptor_wakes_real_and_simulated_loops(void **state) {
    (void) state;
    for (int simulated = 0; simulated < 2; simulated++) {
        struct watched a = { 0 };
        const struct loop_options o = { .is_simulated = simulated };
        assert_int_equal(loop_run(&o, watches, &a), 0);
        assert_int_equal(a.fired, 3);
    }
}

/* ---- input is not starved ---- */

static int yields_until(void *arg) {
    struct watched *a = arg;
    int r = 0;
    while (a->fired == 0 && r == 0)
        r = task_yield();
    return r;
}

static int busy_with_input(void *arg) {
    struct watched *a = arg;
    a->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->fd < 0)
        return -errno;
    watch_init(&a->watch, a->fd, on_readable);
    watch_want(&a->watch, WATCH_READ);
    int r = yields_until(a);
    watch_want(&a->watch, 0);
    (void) close(a->fd);
    return r;
}

static void tasks_that_are_always_ready_do_not_starve_input(void **state) {
    (void) state;
    struct watched a = { 0 };
    assert_int_equal(loop_run(NULL, busy_with_input, &a), 0);
    assert_int_equal(a.fired, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_at_their_moments_and_not_when_cleared),
        cmocka_unit_test(a_timer_set_again_for_now_waits_for_the_next_turn),
        cmocka_unit_test(real_time_passes_for_real_loops),
        cmocka_unit_test(virtual_time_jumps),
        cmocka_unit_test(hooks_run_at_the_turns_end_in_order_and_again_if_asked),
        cmocka_unit_test(a_seed_decides_all_randomness_of_a_simulated_loop_and_only_of_it),
        cmocka_unit_test(clocks_and_randomness_answer_without_a_loop),
        cmocka_unit_test(bytes_bought_in_bulk_are_still_random),
        cmocka_unit_test(a_seed_shuffles_what_is_ready_and_the_same_seed_in_the_same_way),
        cmocka_unit_test(a_watched_descriptor_wakes_real_and_simulated_loops),
        cmocka_unit_test(tasks_that_are_always_ready_do_not_starve_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
