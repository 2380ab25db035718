#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/codes.h"

/* A close frame's reason (RFC 6455 §5.5: 125 bytes, two of them the code). */
enum { REASON_MAX = 123 };

#define CHECK_ERROR(name, number, text, temporary)                                                 \
    assert_int_equal(name, number);                                                                \
    assert_true(str_equal(error_message(number), STR(text)));                                      \
    assert_int_equal(error_is_temporary(number), temporary);                                       \
    assert_true(number >= 100 && number < 400);

#define CHECK_DISCONNECT(name, number, text)                                                       \
    assert_int_equal(name, number);                                                                \
    assert_true(str_equal(disconnect_reason(number), STR(text)));                                  \
    assert_true(sizeof(text) - 1 <= REASON_MAX);                                                   \
    assert_int_equal(disconnect_reconnects(number), number < 3500);

#define CHECK_UNSUBSCRIBE(name, number, text)                                                      \
    assert_int_equal(name, number);                                                                \
    assert_true(str_equal(unsubscribe_reason(number), STR(text)));

static void every_code_has_its_words(void **state) {
    ERROR_TABLE(CHECK_ERROR)
    DISCONNECT_TABLE(CHECK_DISCONNECT)
    UNSUBSCRIBE_TABLE(CHECK_UNSUBSCRIBE)
}

static void an_unknown_code_has_none(void **state) {
    assert_int_equal(error_message(0).len, 0);
    assert_int_equal(error_message(400).len, 0);
    assert_int_equal(disconnect_reason(1000).len, 0);
    assert_int_equal(disconnect_reason(3002).len, 0);
    assert_int_equal(unsubscribe_reason(0).len, 0);
    assert_false(error_is_temporary(1999));
}

static void clients_return_by_the_ranges_of_the_protocol(void **state) {
    static const struct {
        uint32_t code;
        bool reconnects;
    } table[] = {
        { 1000, true },  { 1006, true },  { 3000, true }, { 3499, true },
        { 3500, false }, { 3999, false }, { 4000, true }, { 4499, true },
        { 4500, false }, { 4999, false }, { 5000, true },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(disconnect_reconnects(table[i].code), table[i].reconnects);

    assert_false(unsubscribe_resubscribes(UNSUBSCRIBE_SERVER));
    assert_false(unsubscribe_resubscribes(2499));
    assert_true(unsubscribe_resubscribes(UNSUBSCRIBE_INSUFFICIENT_STATE));
    assert_true(unsubscribe_resubscribes(UNSUBSCRIBE_EXPIRED));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_words),
        cmocka_unit_test(an_unknown_code_has_none),
        cmocka_unit_test(clients_return_by_the_ranges_of_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
