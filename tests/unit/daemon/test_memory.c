#include "daemon/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_crowd_that_has_gone_is_noticed_once(void **state) {
    uint64_t peak = 0;

    assert_false(memory_is_due(20000, &peak));
    assert_false(memory_is_due(10000, &peak)); /* half of it is still there */
    assert_true(memory_is_due(9999, &peak));
    assert_false(memory_is_due(9999, &peak));
    assert_false(memory_is_due(5000, &peak));
    assert_true(memory_is_due(0, &peak));
    assert_false(memory_is_due(0, &peak));
}

static void the_next_crowd_counts_anew(void **state) {
    uint64_t peak = 0;

    assert_false(memory_is_due(5000, &peak));
    assert_true(memory_is_due(10, &peak));
    assert_false(memory_is_due(3000, &peak));
    assert_true(memory_is_due(10, &peak));
}

static void a_few_who_go_are_not_worth_it(void **state) {
    uint64_t peak = 0;

    assert_false(memory_is_due(999, &peak));
    assert_false(memory_is_due(0, &peak));
    assert_false(memory_is_due(1000, &peak));
    assert_true(memory_is_due(0, &peak));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_that_has_gone_is_noticed_once),
        cmocka_unit_test(the_next_crowd_counts_anew),
        cmocka_unit_test(a_few_who_go_are_not_worth_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
