#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/task.h"
#include "daemon/wheel.h"

enum { ENTRIES = 500, LONGEST_MS = 3 * WHEEL_SLOTS * WHEEL_TICK_MS };

struct ride;

struct sample {
    struct wheel_entry entry;
    int64_t wanted_ms, came_ms; /* loop time; 0: did not come */
    int times;
    struct sample *clears;                          /* when it comes */
    int64_t again_ms;                               /* when it comes it is set again, once */
    void (*does)(struct ride *r, struct sample *s); /* when it comes; or NULL */
    uint32_t wanted;                                /* tick, where that is told; 0: not set */
};

struct ride {
    struct wheel wheel;
    struct sample all[ENTRIES];
    int64_t start_ms;
    size_t come;
    size_t moves; /* that what comes may still make */
    size_t wrong; /* came in a tick that it was not wanted in */
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
    if (s->does)
        s->does(r, s);
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

/* ---- who comes changes the slot that is being turned ---- */

/* In a tick; as the header says, of the past is of the next. */
static void set_at(struct ride *r, size_t i, uint32_t tick) {
    uint32_t now = wheel_now(&r->wheel);
    r->all[i].wanted = tick > now ? tick : now + 1;
    wheel_set(&r->wheel, (uint32_t) i + 1, tick);
}

static void clear(struct ride *r, size_t i) {
    r->all[i].wanted = 0;
    wheel_clear(&r->wheel, (uint32_t) i + 1);
}

static void came(struct ride *r, struct sample *s) {
    r->wrong += s->wanted != wheel_now(&r->wheel);
    s->wanted = 0;
}

enum { THE_TICK = 50, ROUND = WHEEL_SLOTS, LAST = 11 };

/* Before it lies one of a later round, which has been put back already; behind it all the others
 * but those that have come. */
static void rearranges(struct ride *r, struct sample *s) {
    came(r, s);
    clear(r, 0); /* before it, of a later round */
    clear(r, 1); /* has come */
    clear(r, 4); /* the next behind it */
    clear(r, 5); /* then one of a later round */
    clear(r, LAST);
    set_at(r, 6, THE_TICK + ROUND);     /* was of this round, is of the next */
    set_at(r, 7, THE_TICK);             /* was of this one and is: of the next tick */
    set_at(r, 8, THE_TICK + 2 * ROUND); /* was of a later one and is of another */
    set_at(r, 1, THE_TICK + ROUND);     /* has come, and comes again */
    set_at(r, LAST + 1, THE_TICK);      /* was not set */
    set_at(r, LAST + 2, THE_TICK + ROUND);
    set_at(r, 3, THE_TICK + ROUND); /* itself */
}

static int rearranged(void *arg) {
    struct ride *r = arg;
    static const uint8_t later[LAST + 1] = { [0] = 1, [5] = 1, [8] = 1, [10] = 2 };

    wheel_init(&r->wheel, entry_of, expired);
    for (size_t i = 0; i <= LAST + 2; i++)
        r->all[i].does = i == 3 ? rearranges : came;
    for (size_t i = 0; i <= LAST; i++)
        set_at(r, i, THE_TICK + later[i] * ROUND);
    int e = task_sleep(THE_TICK * WHEEL_TICK_MS);
    r->all[3].does = came;
    if (e == 0)
        e = task_sleep((int64_t) 4 * ROUND * WHEEL_TICK_MS);
    wheel_finish(&r->wheel);
    return e;
}

static void who_comes_may_change_all_of_the_slot_that_is_being_turned(void **state) {
    struct ride *r = *state;
    static const int times[] = { 0, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1 };

    assert_int_equal(run(rearranged, r, 0), 0);
    assert_int_equal(r->wrong, 0);
    assert_int_equal(r->wheel.entries, 0);
    for (size_t i = 0; i < ELEMENTS_OF(times); i++) {
        assert_int_equal(r->all[i].times, times[i]);
        assert_int_equal(r->all[i].wanted, 0);
    }
}

enum { FEW = 12, MOVES = 100 };

static uint32_t some_tick(void) {
    static const uint32_t ahead[] = { 0, 1, 2, ROUND - 1, ROUND, ROUND + 1, 2 * ROUND };
    return THE_TICK + ahead[loop_random_below(ELEMENTS_OF(ahead))];
}

static void does_anything(struct ride *r, struct sample *s) {
    came(r, s);
    for (uint64_t n = loop_random_below(5); n > 0 && r->moves > 0; n--, r->moves--) {
        size_t i = (size_t) loop_random_below(FEW);
        if (loop_random_below(3) == 0)
            clear(r, i);
        else
            set_at(r, i, some_tick());
    }
}

static int anything(void *arg) {
    struct ride *r = arg;

    wheel_init(&r->wheel, entry_of, expired);
    r->moves = MOVES;
    for (size_t i = 0; i < FEW; i++) {
        r->all[i].does = does_anything;
        set_at(r, i, some_tick());
    }
    int e = task_sleep((int64_t) 4 * ROUND * WHEEL_TICK_MS);
    wheel_finish(&r->wheel);
    return e;
}

static void whatever_is_set_and_cleared_by_who_comes_nobody_comes_at_another_time(void **state) {
    struct ride *r = *state;

    for (uint64_t seed = 1; seed <= 500; seed++) {
        assert_int_equal(run(anything, r, seed), 0);
        assert_int_equal(r->wrong, 0);
        assert_int_equal(r->wheel.entries, 0);
        for (size_t i = 0; i < FEW; i++)
            assert_int_equal(r->all[i].wanted, 0);
    }
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
        cmocka_unit_test(who_comes_may_change_all_of_the_slot_that_is_being_turned),
        cmocka_unit_test(whatever_is_set_and_cleared_by_who_comes_nobody_comes_at_another_time),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
