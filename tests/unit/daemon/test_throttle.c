/* So many guesses and no more, whoever else guesses. */
#include "daemon/chat/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct throttle_limit TEN = { .attempts = 10, .window_ms = 900000 };

static int open_one(void **state) {
    return throttle_open((struct throttle **) state);
}

static int close_one(void **state) {
    throttle_close(*state);
    return 0;
}

static void the_eleventh_waits_until_one_has_come_back(void **state) {
    struct throttle *t = *state;
    int64_t now = 5000;

    for (int i = 0; i < 10; i++)
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now), 0);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now), 90000);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now + 89999), 1);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now + 90000), 0);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now + 90000), 90000);
    /* In the end it is as if nothing had been. */
    now += 90000 + 900000;
    for (int i = 0; i < 10; i++)
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now), 0);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, now), 90000);
}

static void others_have_their_own(void **state) {
    struct throttle *t = *state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0), 0);
    assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("bob"), &TEN, 0), 0);
    assert_int_equal(throttle_take(t, THROTTLE_ADDRESS, STR("ada"), &TEN, 0), 0);
    assert_true(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0) > 0);
}

static void what_succeeds_does_not_count(void **state) {
    struct throttle *t = *state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0), 0);
        throttle_give_back(t, THROTTLE_LOGIN, STR("ada"), &TEN);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0), 0);
    assert_true(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0) > 0);
}

/* Whoever floods it with names neither frees the one he is after, nor keeps out the others. */
static void a_flood_of_names_changes_little(void **state) {
    struct throttle *t = *state;
    char name[32];
    unsigned kept_out = 0;

    for (int i = 0; i < 10; i++)
        assert_int_equal(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0), 0);
    for (int i = 0; i < 20000; i++) {
        (void) snprintf(name, sizeof name, "name-%d", i);
        assert_in_range(throttle_take(t, THROTTLE_LOGIN, str_of(name), &TEN, 0), 0, 900000);
    }
    assert_true(throttle_take(t, THROTTLE_LOGIN, STR("ada"), &TEN, 0) > 0);
    for (int i = 0; i < 1000; i++) {
        (void) snprintf(name, sizeof name, "stranger-%d", i);
        kept_out += throttle_take(t, THROTTLE_LOGIN, str_of(name), &TEN, 0) > 0;
    }
    assert_in_range(kept_out, 0, 5);
}

static void an_address_is_what_one_owner_has(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "192.0.2.1:4711", "192.0.2.1" },
        { "192.0.2.1", "192.0.2.1" },
        { "[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::" },
        { "2001:db8:1:2:ffff::9", "2001:db8:1:2::" },
        { "[::ffff:192.0.2.1]:80", "192.0.2.1" },
        { "[::1]:80", "::" },
        { "unix", "unix" },
        { "", "" },
    };
    char buf[THROTTLE_ADDRESS_MAX], longer[200];

    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct str out = throttle_address(str_of(cases[i].in), buf);
        assert_true(str_equal(out, str_of(cases[i].out)));
    }
    memset(longer, 'x', sizeof longer);
    assert_int_equal(throttle_address((struct str){ longer, sizeof longer }, buf).len,
                     THROTTLE_ADDRESS_MAX);
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)
    const struct CMUnitTest tests[] = {
        STORY(the_eleventh_waits_until_one_has_come_back),
        STORY(others_have_their_own),
        STORY(what_succeeds_does_not_count),
        STORY(a_flood_of_names_changes_little),
        cmocka_unit_test(an_address_is_what_one_owner_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
