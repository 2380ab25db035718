#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/task.h"
#include "daemon/wheel.h"

enum { ENTRIES = 500, LONGEST_MS = 3 * WHEEL_SLOTS * WHEEL_TICK_MS };

struct sample {
    struct wheel_entry entry;
    int64_t wanted_ms, came_ms; /* loop time; 0: did not come */
    int times;
    struct sample *clears; /* when it comes */
    int64_t again_ms;      /* when it comes it is set again, once */
};

struct ride {
    struct wheel wheel;
    struct sample all[ENTRIES];
    int64_t start_ms;
    size_t come;
};

static struct wheel_entry *entry_of(struct wheel *w, uint32_t number) {
    return &CONTAINER_OF(w, struct ride, wheel)->all[number - 1].entry;
}

static uint32_t number_of(const struct ride *r, const struct sample *s) {
    return (uint32_t) (s - r->all) + 1;
}

static void expired(struct wheel *w, uint32_t number) {
    struct ride *r = CONTAINER_OF(w, struct ride, wheel);
    struct sample *s = &r->all[number - 1];

    s->came_ms = loop_now();
    s->times++;
    r->come++;
    if (s->clears)
        wheel_clear(w, number_of(r, s->clears));
    if (s->again_ms) {
        s->wanted_ms = loop_now() + s->again_ms;
        wheel_set(w, number, wheel_tick_in(w, s->again_ms));
        s->again_ms = 0;
    }
}

static void set_in(struct ride *r, struct sample *s, int64_t ms) {
    s->wanted_ms = loop_now() + ms;
    wheel_set(&r->wheel, number_of(r, s), wheel_tick_in(&r->wheel, ms));
}

static int many(void *arg) {
    struct ride *r = arg;

    wheel_init(&r->wheel, entry_of, expired);
    for (size_t i = 0; i < ENTRIES; i++) {
        set_in(r, &r->all[i], (int64_t) loop_random_below(LONGEST_MS));
        if (i % 7 == 0 && task_sleep((int64_t) loop_random_below(50)) < 0)
            return -1;
    }
    int e = task_sleep(LONGEST_MS + 10000);
    wheel_finish(&r->wheel);
    return e;
}

static int run(task_fn *fn, struct ride *r, uint64_t seed) {
    memset(r, 0, sizeof *r);
    struct loop_options o = { .is_simulated = true, .seed = seed };
    return loop_run(&o, fn, r);
}

static void every_entry_comes_once_not_early_and_a_tick_late_at_most(void **state) {
    struct ride *r = *state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_int_equal(run(many, r, seed), 0);
        for (size_t i = 0; i < ENTRIES; i++) {
            assert_int_equal(r->all[i].times, 1);
            assert_true(r->all[i].came_ms >= r->all[i].wanted_ms);
            assert_true(r->all[i].came_ms <= r->all[i].wanted_ms + 2 * WHEEL_TICK_MS);
        }
        assert_int_equal(r->wheel.entries, 0);
    }
}

static int moved_and_cleared(void *arg) {
    struct ride *r = arg;
    struct sample *s = r->all;

    wheel_init(&r->wheel, entry_of, expired);
    set_in(r, &s[0], 1000);
    set_in(r, &s[0], 5000); /* moved */
    set_in(r, &s[1], 1000);
    wheel_clear(&r->wheel, number_of(r, &s[1]));
    wheel_clear(&r->wheel, number_of(r, &s[1]));
    set_in(r, &s[2], 2000);
    set_in(r, &s[3], 2000);
    s[2].clears = &s[3]; /* of the same tick */
    set_in(r, &s[4], 3000);
    s[4].again_ms = 4000;
    wheel_set(&r->wheel, number_of(r, &s[5]), 0); /* in the past */
    s[5].wanted_ms = loop_now();
    int e = task_sleep(20000);
    wheel_finish(&r->wheel);
    return e;
}

static void entries_are_moved_cleared_and_set_again(void **state) {
    struct ride *r = *state;

    assert_int_equal(run(moved_and_cleared, r, 0), 0);
    const int times[] = { 1, 0, 1, 0, 2, 1 };
    for (size_t i = 0; i < ELEMENTS_OF(times); i++) {
        assert_int_equal(r->all[i].times, times[i]);
        if (times[i]) {
            assert_true(r->all[i].came_ms >= r->all[i].wanted_ms);
            assert_true(r->all[i].came_ms <= r->all[i].wanted_ms + 2 * WHEEL_TICK_MS);
        }
    }
}

static int left_alone(void *arg) {
    struct ride *r = arg;
    wheel_init(&r->wheel, entry_of, expired);
    int e = task_sleep(1000000); /* nothing is set for long: time passes in one step */
    if (e == 0) {
        set_in(r, &r->all[0], 300);
        e = task_sleep(1000);
    }
    wheel_finish(&r->wheel);
    return e;
}

static void a_long_rest_delays_nothing(void **state) {
    struct ride *r = *state;
    assert_int_equal(run(left_alone, r, 0), 0);
    assert_int_equal(r->all[0].times, 1);
    assert_true(r->all[0].came_ms <= r->all[0].wanted_ms + 2 * WHEEL_TICK_MS);
}

static int make(void **state) {
    *state = calloc(1, sizeof(struct ride));
    return *state ? 0 : -1;
}

static int unmake(void **state) {
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_comes_once_not_early_and_a_tick_late_at_most),
        cmocka_unit_test(entries_are_moved_cleared_and_set_again),
        cmocka_unit_test(a_long_rest_delays_nothing),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
