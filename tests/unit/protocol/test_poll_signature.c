/* Signatures of shared poll, against those that openssl(1) made of the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/poll_signature.h"

#define TEXT(s)                                                                                    \
    { (s), sizeof(s) - 1 }

static const struct tracked_key keys[] = { { .key = TEXT("a") }, { .key = TEXT("b c") } };

/* printf '1000\0%s\0%s\0%s\0%s' 2000 42 poll:x "$(printf 'a\0b c' | sha256sum | cut -c-64)" |
 * openssl dgst -sha256 -hmac secret */
static const char good[] =
        "1000:2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb";

static int check(const char *signature, const char *secret, const char *previous, const char *user,
                 size_t n_keys, int64_t *ret_expires_s) {
    struct poll_secret secrets = { str_of(secret), str_of(previous) };
    struct poll_grant grant = {
        .user = str_of(user), .channel = STR("poll:x"), .keys = keys, .n_keys = n_keys
    };
    return poll_signature_check(str_of(signature), &secrets, &grant, ret_expires_s);
}

static void what_the_application_signed_is_good(void **state) {
    int64_t expires_s = 0;

    assert_int_equal(check(good, "secret", "", "42", 2, &expires_s), 0);
    assert_int_equal(expires_s, 2000);
    assert_int_equal(check(good, "new", "secret", "42", 2, &expires_s), 0);
}

static void anything_else_is_not(void **state) {
    static const char *const bad[] = {
        "",
        ":",
        "::",
        "1000:2000:",
        "1000:2000",
        "1000:3000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        "1001:2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        "1000:2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb0",
        ":2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        "1000::c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        "1000:-2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        "1000:2000000000000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
        " 1000:2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb",
    };
    int64_t expires_s;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (check(bad[i], "secret", "", "42", 2, &expires_s) != -EKEYREJECTED)
            fail_msg("%s is good", bad[i]);
    assert_int_equal(check(good, "other", "", "42", 2, &expires_s), -EKEYREJECTED);
    assert_int_equal(check(good, "", "", "42", 2, &expires_s), -EKEYREJECTED);
    assert_int_equal(check(good, "secret", "", "43", 2, &expires_s), -EKEYREJECTED);
    assert_int_equal(check(good, "secret", "", "42", 1, &expires_s), -EKEYREJECTED);
    assert_int_equal(check(good, "secret", "", "42", 0, &expires_s), -EKEYREJECTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_application_signed_is_good),
        cmocka_unit_test(anything_else_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
