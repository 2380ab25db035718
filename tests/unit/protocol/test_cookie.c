#include "protocol/cookie.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What is found of "me" in a request with these headers; NULL: nothing. */
static const char *found(const char *headers) {
    static char text[256];
    const struct http_limits limits = { 8192, 16384, 64 };
    struct http_request *r = malloc(sizeof *r);
    struct str value;

    (void) snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
    http_request_init(r);
    assert_int_equal(http_request_parse(r, &limits, str_bytes(str_of(text))), 1);
    bool is = cookie_find(&r->head, STR("me"), &value) == 1;
    free(r);
    if (!is)
        return NULL;
    static char copy[256];
    (void) snprintf(copy, sizeof copy, "%.*s", (int) value.len, value.len ? value.data : "");
    return copy;
}

static void one_is_found_among_many(void **state) {
    assert_string_equal(found("Cookie: me=1\r\n"), "1");
    assert_string_equal(found("cookie: a=b; me=plt_x-_; c=d\r\n"), "plt_x-_");
    assert_string_equal(found("Cookie: a=b\r\nCookie: me=2\r\n"), "2");
    assert_string_equal(found("Cookie: me = 3 ;x\r\n"), "3");
    assert_string_equal(found("Cookie: flag; me=a=b\r\n"), "a=b");
    assert_string_equal(found("Cookie: me=\"q\"\r\n"), "q");
    assert_string_equal(found("Cookie: me=\r\n"), "");
    assert_string_equal(found("Cookie: me=first; me=second\r\n"), "first");
}

static void others_are_not_taken_for_it(void **state) {
    assert_null(found(""));
    assert_null(found("Cookie:\r\n"));
    assert_null(found("Cookie: ME=1; some=me; me2=1; xme=1\r\n"));
    assert_null(found("Cookie: a=me=1\r\n"));
    assert_null(found("Cookie: me\r\n"));
    assert_null(found("Set-Cookie: me=1\r\n"));
}

static void what_is_set_is_for_this_site_alone(void **state) {
    struct buffer out = BUFFER_INIT;
    struct cookie c = { .name = STR("me"), .value = STR("plt_A-z_0"), .max_age_s = 3600 };
    assert_int_equal(cookie_write(&c, &out), 0);
    buffer_append_byte(&out, 0);
    assert_string_equal((char *) out.data,
                        "me=plt_A-z_0; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600");

    buffer_reset(&out);
    c = (struct cookie){ .name = STR("me"), .max_age_s = 0, .is_secure = true };
    assert_int_equal(cookie_write(&c, &out), 0);
    buffer_append_byte(&out, 0);
    assert_string_equal((char *) out.data,
                        "me=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure");
    buffer_finish(&out);
}

static void what_cannot_be_a_cookie_is_refused(void **state) {
    const char *values[] = { "a b", "a;b", "a,b", "a\"b", "a\\b", "a\r\nb", "\x7f", "\xc3\xa9" };
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct cookie c = { .name = STR("me"), .value = str_of(values[i]) };
        assert_int_equal(cookie_write(&c, &out), -EINVAL);
    }
    assert_int_equal(cookie_write(&(struct cookie){ .name = STR("a=b") }, &out), -EINVAL);
    assert_int_equal(out.len, 0);
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_found_among_many),
        cmocka_unit_test(others_are_not_taken_for_it),
        cmocka_unit_test(what_is_set_is_for_this_site_alone),
        cmocka_unit_test(what_cannot_be_a_cookie_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
