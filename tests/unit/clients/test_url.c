#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/cli/url.h"

static void what_can_be_reached_is_understood(void **state) {
    static const struct {
        const char *text, *address, *host, *path;
        bool is_tls;
    } table[] = {
        { URL_DEFAULT, "127.0.0.1:8000", "127.0.0.1:8000", URL_DEFAULT_PATH, false },
        { "ws://h:1/p", "h:1", "h:1", "/p", false },
        { "ws://h:1/p?a=b", "h:1", "h:1", "/p?a=b", false },
        { "ws://h:1?a=b", "h:1", "h:1", URL_DEFAULT_PATH "?a=b", false },
        { "ws://h:1", "h:1", "h:1", URL_DEFAULT_PATH, false },
        { "ws://h:1/", "h:1", "h:1", URL_DEFAULT_PATH, false },
        { "ws://h", "h:80", "h", URL_DEFAULT_PATH, false },
        { "wss://h", "h:443", "h", URL_DEFAULT_PATH, true },
        { "https://h/x", "h:443", "h", "/x", true },
        { "http://h:7", "h:7", "h:7", URL_DEFAULT_PATH, false },
        { "h:7", "h:7", "h:7", URL_DEFAULT_PATH, false },
        { "h", "h:8000", "h", URL_DEFAULT_PATH, false },
        { "ws://[::1]:7/", "[::1]:7", "[::1]:7", URL_DEFAULT_PATH, false },
        { "ws://[::1]", "[::1]:80", "[::1]", URL_DEFAULT_PATH, false },
        { "unix:/run/parley.sock", "unix:/run/parley.sock", "localhost", URL_DEFAULT_PATH, false },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct url u;
        const char *why = NULL;
        if (url_parse(table[i].text, &u, &why) < 0)
            fail_msg("%s: %s", table[i].text, why);
        assert_string_equal(u.address.text, table[i].address);
        assert_string_equal(u.host, table[i].host);
        assert_string_equal(u.path, table[i].path);
        assert_int_equal(u.is_tls, table[i].is_tls);
    }
}

static void what_cannot_is_refused_with_a_reason(void **state) {
    static const char *const table[] = {
        "",         "ws://",        "ws:///path",    "ftp://h",      "tcp://h:1",
        "ws://u@h", "ws://u:p@h:1", "ws://h:1/p#fr", "ws://h:port/", "ws://h:99999/",
        "unix:",    "ws://h:",
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct url u = { .path = "untouched" };
        const char *why = NULL;
        if (url_parse(table[i], &u, &why) != -EINVAL)
            fail_msg("accepted: %s", table[i]);
        assert_non_null(why);
        assert_string_equal(u.path, "untouched");
    }
}

static void too_long_is_an_error_and_no_overflow(void **state) {
    char text[4096];

    for (size_t len = 1; len < sizeof text - 64; len += 37) {
        struct url u;
        const char *why = NULL;

        (void) snprintf(text, sizeof text, "ws://%0*d:1/p", (int) len, 0);
        (void) !url_parse(text, &u, &why);
        (void) snprintf(text, sizeof text, "ws://h:1/%0*d", (int) len, 0);
        assert_int_equal(url_parse(text, &u, &why), len + 2 <= URL_PATH_MAX ? 0 : -EINVAL);
        (void) snprintf(text, sizeof text, "unix:/%0*d", (int) len, 0);
        (void) !url_parse(text, &u, &why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_reached_is_understood),
        cmocka_unit_test(what_cannot_is_refused_with_a_reason),
        cmocka_unit_test(too_long_is_an_error_and_no_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
