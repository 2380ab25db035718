#include "daemon/occupancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct told {
    char text[256];
};

static bool changed(void *arg, struct str channel, bool is_occupied) {
    struct told *t = arg;
    size_t at = strlen(t->text);
    (void) snprintf(t->text + at, sizeof t->text - at, "%s%c%.*s", at ? " " : "",
                    is_occupied ? '+' : '-', (int) channel.len, channel.data);
    return !str_equal(channel, STR("untold"));
}

static struct occupancy *begin(struct told *t) {
    struct occupancy *o = occupancy_new(&(struct table_seed){ { 1, 2 } }, changed, t);
    assert_non_null(o);
    return o;
}

static void a_channel_is_occupied_with_its_first_and_vacated_with_its_last(void **state) {
    struct told t = { "" };
    struct occupancy *o = begin(&t);
    assert_int_equal(occupancy_enter(o, STR("a")), 0);
    assert_int_equal(occupancy_enter(o, STR("b")), 0);
    assert_int_equal(occupancy_enter(o, STR("a")), 0); /* another worker's */
    assert_false(occupancy_leave(o, STR("a"), 0, 0));
    assert_string_equal(t.text, "+a +b");
    assert_false(occupancy_leave(o, STR("a"), 0, 0));
    assert_int_equal(occupancy_enter(o, STR("a")), 0);
    assert_string_equal(t.text, "+a +b -a +a");
    assert_int_equal(occupancy_enter(o, STR("untold")), 0);
    assert_false(occupancy_leave(o, STR("untold"), 0, 0));
    assert_string_equal(t.text, "+a +b -a +a +untold");
    occupancy_free(o);
}

static void a_channel_must_stay_empty_to_be_vacated(void **state) {
    struct told t = { "" };
    struct occupancy *o = begin(&t);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(occupancy_enter(o, STR("a")), 0);
        assert_true(occupancy_leave(o, STR("a"), 100 * i, 50 + 100)); /* somebody is to look */
        assert_int_equal(occupancy_sweep(o, 100 * i), 100 * i + 150);
    }
    assert_int_equal(occupancy_enter(o, STR("b")), 0);
    assert_false(occupancy_leave(o, STR("b"), 410, 150)); /* somebody looks already */
    assert_int_equal(occupancy_sweep(o, 549), 550);
    assert_string_equal(t.text, "+a +b");
    assert_int_equal(occupancy_sweep(o, 550), 560);
    assert_string_equal(t.text, "+a +b -a");
    assert_int_equal(occupancy_sweep(o, 560), INT64_MAX);
    assert_string_equal(t.text, "+a +b -a -b");
    assert_int_equal(occupancy_enter(o, STR("a")), 0);
    assert_true(occupancy_leave(o, STR("a"), 1000, 150));
    assert_string_equal(t.text, "+a +b -a -b +a");
    occupancy_free(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_is_occupied_with_its_first_and_vacated_with_its_last),
        cmocka_unit_test(a_channel_must_stay_empty_to_be_vacated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
