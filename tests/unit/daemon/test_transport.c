#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/base.h"
#include "daemon/transport/http_exchange.h"
#include "daemon/transport/transport.h"

static void a_parameter_is_decoded(void **state) {
    struct buffer out = BUFFER_INIT;

    assert_int_equal(
            transport_query(STR("a=1&cf_connect=%7B%22a%22%3A%20+1%7D&b"), STR("cf_connect"), &out),
            1);
    assert_true(bytes_equal(buffer_bytes(&out), str_bytes(STR("{\"a\":  1}"))));
    buffer_finish(&out);
}

static void a_parameter_may_be_missing_empty_or_wrong(void **state) {
    static const struct {
        struct str query;
        int wanted;
    } cases[] = {
        { { "", 0 }, 0 },
        { { "cf_connec=1", 11 }, 0 },
        { { "xcf_connect=1", 13 }, 0 },
        { { "cf_connect", 10 }, 1 },
        { { "cf_connect=", 11 }, 1 },
        { { "cf_connect=%", 12 }, -EINVAL },
        { { "cf_connect=%4", 13 }, -EINVAL },
        { { "cf_connect=%zz", 14 }, -EINVAL },
        { { "cf_connect=%00", 14 }, -EINVAL },
        { { "cf_connect=%c3", 14 }, -EINVAL },
        { { "cf_connect=%c3%28", 17 }, -EINVAL },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct buffer out = BUFFER_INIT;
        int r = transport_query(cases[i].query, STR("cf_connect"), &out);
        if (r != cases[i].wanted || out.len != 0)
            fail_msg("%s: %d, %zu bytes", cases[i].query.data, r, out.len);
        buffer_finish(&out);
    }
}

static bool is_binary(const char *header) {
    char text[256];
    struct http_request r;
    struct http_limits limits = { 1024, 1024, 16 };

    int n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", header);
    http_request_init(&r);
    assert_int_equal(http_request_parse(&r, &limits, bytes_of(text, (size_t) n)), 1);
    return transport_has_binary_body(&r);
}

static void the_type_of_a_body_says_which_encoding_it_has(void **state) {
    assert_true(is_binary("Content-Type: application/octet-stream"));
    assert_true(is_binary("content-type: Application/Octet-Stream"));
    assert_true(is_binary("Content-Type: application/octet-stream ; charset=x"));
    assert_false(is_binary("Content-Type: application/json"));
    assert_false(is_binary("Content-Type: application/octet-streams"));
    assert_false(is_binary("Content-Type:"));
    assert_false(is_binary("X-Content-Type: application/octet-stream"));
}

static void a_connect_request_is_an_object_or_nothing(void **state) {
    assert_int_equal(transport_check_connect(str_bytes(STR(""))), 0);
    assert_int_equal(transport_check_connect(str_bytes(STR("{}"))), 0);
    assert_int_equal(transport_check_connect(str_bytes(STR("{\"token\":\"t\",\"x\":[1]}"))), 0);
    assert_int_equal(transport_check_connect(str_bytes(STR("[]"))), -EBADMSG);
    assert_int_equal(transport_check_connect(str_bytes(STR("{\"token\":1}"))), -EBADMSG);
    assert_int_equal(transport_check_connect(str_bytes(STR("{}{}"))), -EBADMSG);
    assert_int_equal(transport_check_connect(str_bytes(STR("{"))), -EBADMSG);
}

static void assert_label(unsigned flags, struct str path, struct str expected) {
    struct http_endpoint endpoint = { .path = STR("/hooks"), .flags = HTTP_PREFIX | flags };
    struct http_request request = { .path = path };
    struct http_exchange x = { .endpoint = &endpoint, .request = &request };
    assert_true(str_equal(http_exchange_label(&x), expected));
}

static void a_path_that_lets_somebody_in_is_not_logged(void **state) {
    (void) state;
    assert_label(HTTP_SECRET, STR("/hooks/s3cret"), STR("/hooks/"));
    assert_label(HTTP_SECRET, STR("/hooks"), STR("/hooks"));
    assert_label(0, STR("/hooks/17"), STR("/hooks/17"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_lets_somebody_in_is_not_logged),
        cmocka_unit_test(a_parameter_is_decoded),
        cmocka_unit_test(a_parameter_may_be_missing_empty_or_wrong),
        cmocka_unit_test(the_type_of_a_body_says_which_encoding_it_has),
        cmocka_unit_test(a_connect_request_is_an_object_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
