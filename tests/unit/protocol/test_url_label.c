#include "protocol/url_label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "async/base.h"

static void a_label_has_no_secrets(void **state) {
    static const struct {
        const char *url, *label, *user;
    } cases[] = {
        { "http://host/path", "http://host/path", "" },
        { "http://host", "http://host", "" },
        { "https://u:p@host:1/path?token=x", "https://host:1/path", "u:p" },
        { "https://u:p@ss@host/", "https://host/", "u:p@ss" },
        { "https://@host/", "https://host/", "" },
        { "https://u@", "https://", "u" },
        { "https://host/a@b#c@d", "https://host/a@b", "" },
        { "https://host?u@h", "https://host", "" },
        { "unix:/a@b", "unix:/a@b", "" },
        { "", "", "" },
    };
    char buf[URL_LABEL_MAX], long_url[1024];

    (void) state;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct str url = str_of(cases[i].url), label = url_label(url, buf),
                   user = url_user_info(url);
        assert_true(str_equal(label, str_of(cases[i].label)));
        assert_true(str_equal(user, str_of(cases[i].user)));
    }
    int len = snprintf(long_url, sizeof long_url, "http://u:p@%0900u", 1U);
    assert_int_equal(url_label((struct str){ long_url, (size_t) len }, buf).len, URL_LABEL_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_has_no_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
