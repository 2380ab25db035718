#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clients/cli/histogram.h"

static void nothing_measured_is_zero(void **state) {
    struct histogram *h = calloc(1, sizeof *h);

    assert_non_null(h);
    assert_true(histogram_quantile(h, 0.5) == 0);
    free(h);
}

static void one_value_is_every_quantile(void **state) {
    static const uint64_t values[] = { 0,  1,    31,   32,     33,         63,
                                       64, 1000, 4095, 100000, 1234567890, UINT64_MAX };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct histogram *h = calloc(1, sizeof *h);
        assert_non_null(h);
        histogram_add(h, values[i]);
        assert_true(histogram_quantile(h, 0) == values[i]);
        assert_true(histogram_quantile(h, 0.5) == values[i]);
        assert_true(histogram_quantile(h, 1) == values[i]);
        free(h);
    }
}

static void quantiles_are_within_three_percent(void **state) {
    enum { N = 100000 };
    struct histogram *h = calloc(1, sizeof *h);

    assert_non_null(h);
    for (uint64_t us = 1; us <= N; us++)
        histogram_add(h, us);
    for (unsigned percent = 1; percent < 100; percent++) {
        uint64_t exact = (uint64_t) N * percent / 100;
        uint64_t said = histogram_quantile(h, percent / 100.0);
        assert_true(said >= exact - exact / 32 - 1 && said <= exact + exact / 32 + 1);
    }
    assert_true(h->max_us == N);
    free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_measured_is_zero),
        cmocka_unit_test(one_value_is_every_quantile),
        cmocka_unit_test(quantiles_are_within_three_percent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
