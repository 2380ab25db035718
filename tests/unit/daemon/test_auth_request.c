/* What may be asked of /auth/, and what people may be called. */
#include "daemon/chat/auth_request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int decode(const char *text, struct arena *a, struct auth_request *ret,
                  const char **ret_field) {
    return auth_request_decode(str_bytes(str_of(text)), a, ret, ret_field);
}

static void members_are_taken_and_others_passed(void **state) {
    struct arena a = ARENA_INIT;
    struct auth_request q;
    const char *field;

    assert_int_equal(
            decode("{\"login\":\"ada\",\"password\":\"a\\u0062c\",\"x\":[{}],\"token\":true,"
                   "\"name\":null,\"old\":\"o\",\"new\":\"n\",\"guest\":false}",
                   &a, &q, &field),
            0);
    assert_true(str_equal(q.login, STR("ada")));
    assert_true(str_equal(q.password, STR("abc")));
    assert_true(str_equal(q.old_password, STR("o")));
    assert_true(str_equal(q.new_password, STR("n")));
    assert_int_equal(q.name.len, 0);
    assert_true(q.token && !q.guest && !q.others);
    assert_int_equal(decode("{\"login\":\"Ada.X\"}", &a, &q, &field), 0);
    assert_true(str_equal(q.login, STR("ada.x")));
    assert_int_equal(decode("", &a, &q, &field), 0);
    assert_int_equal(q.login.len, 0);
    assert_int_equal(decode(" {} ", &a, &q, &field), 0);
    arena_finish(&a);
}

static void what_is_no_object_is_refused(void **state) {
    static const char *const bad[] = { " ",     "[]",    "null",        "1",
                                       "\"x\"", "{",     "{\"a\":}",    "{} {}",
                                       "{}x",   "{a:1}", "{\"login\":", "{\"login\":\"\xff\"}" };
    struct arena a = ARENA_INIT;
    struct auth_request q;
    const char *field;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(decode(bad[i], &a, &q, &field), -EBADMSG);
        assert_null(field);
    }
    arena_finish(&a);
}

static void a_member_of_another_type_is_named(void **state) {
    static const struct {
        const char *text, *field;
    } bad[] = {
        { "{\"login\":7}", "login" },       { "{\"password\":[]}", "password" },
        { "{\"name\":{}}", "name" },        { "{\"token\":\"true\"}", "token" },
        { "{\"others\":1}", "others" },     { "{\"code\":true}", "code" },
        { "{\"old\":1,\"new\":2}", "old" },
    };
    struct arena a = ARENA_INIT;
    struct auth_request q;
    const char *field;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(decode(bad[i].text, &a, &q, &field), -EBADMSG);
        assert_string_equal(field, bad[i].field);
    }
    arena_finish(&a);
}

static void some_texts_are_logins(void **state) {
    static const char *const good[] = {
        "ab", "a1", "1a", "ada.lovelace", "a_b-c", "Ada", "abcdefghijklmnopqrstuvwxyz012345"
    };
    static const char *const bad[] = { "",
                                       "a",
                                       "-ab",
                                       ".ab",
                                       "_ab",
                                       "a b",
                                       "a@b",
                                       "\xc3\xa4z",
                                       "abcdefghijklmnopqrstuvwxyz0123456" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(auth_login_problem(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(auth_login_problem(str_of(bad[i])));
}

static void passwords_are_measured_in_bytes_names_in_characters(void **state) {
    char text[1026];
    memset(text, 'x', sizeof text);
    assert_non_null(auth_password_problem((struct str){ text, 7 }));
    assert_null(auth_password_problem((struct str){ text, 8 }));
    assert_null(auth_password_problem((struct str){ text, 1024 }));
    assert_non_null(auth_password_problem((struct str){ text, 1025 }));

    assert_non_null(auth_name_problem((struct str){ text, 0 }));
    assert_null(auth_name_problem((struct str){ text, 64 }));
    assert_non_null(auth_name_problem((struct str){ text, 65 }));
    for (int i = 0; i < 64; i++)
        memcpy(text + 2 * i, "\xc3\xa4", 2);
    assert_null(auth_name_problem((struct str){ text, 128 }));
    assert_non_null(auth_name_problem(STR("a\nb")));
    assert_non_null(auth_name_problem(STR("  \xc2\xa0")));
    assert_non_null(auth_name_problem(STR("\xe2\x80\xae nib")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_taken_and_others_passed),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_member_of_another_type_is_named),
        cmocka_unit_test(some_texts_are_logins),
        cmocka_unit_test(passwords_are_measured_in_bytes_names_in_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
