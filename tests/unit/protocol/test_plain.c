#include "protocol/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    const char *why;
    struct str text;
    bool is_line, has_ink;
};

static const struct row rows[] = {
    { "nothing", STR(""), true, false },
    { "a name", STR("Ada Lovelace"), true, true },
    { "of any writing", STR("Жанна 山田　太郎 שלום محمد"), true, true },
    { "with joiners, as Persian has them", STR("می\xe2\x80\x8cخواهم"), true, true },
    { "with a mark of direction", STR("שלום\xe2\x80\x8f!"), true, true },
    { "a family, by joiners", STR("👩\xe2\x80\x8d👧"), true, true },
    { "a heart, by a variation", STR("❤\xef\xb8\x8f"), true, true },
    { "the flag of Wales, by tags",
      STR("\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xa2\xf3\xa0\x81\xb7\xf3\xa0\x81\xac"
          "\xf3\xa0\x81\xb3\xf3\xa0\x81\xbf"),
      true, true },
    { "spaces alone", STR("  \xc2\xa0\xe3\x80\x80"), true, false },
    { "joiners alone", STR("\xe2\x80\x8c\xe2\x80\x8d"), true, false },
    { "Braille without dots", STR("\xe2\xa0\x80"), true, false },
    { "a line feed", STR("a\nb"), false, true },
    { "an escape", STR("\x1b[2J"), false, true },
    { "a zero byte", STR("a\0b"), false, true },
    { "DEL", STR("a\x7f"), false, true },
    { "CSI in one character",
      STR("\xc2\x9b"
          "2J"),
      false, true },
    { "a next line", STR("a\xc2\x85"), false, true },
    { "a soft hyphen",
      STR("ad\xc2\xad"
          "a"),
      false, true },
    { "a space without width",
      STR("ad\xe2\x80\x8b"
          "a"),
      false, true },
    { "a line separator", STR("a\xe2\x80\xa8"), false, true },
    { "an override",
      STR("invoice\xe2\x80\xae"
          "fdp.exe"),
      false, true },
    { "an isolate",
      STR("\xe2\x81\xa7"
          "a"),
      false, true },
    { "a byte order mark",
      STR("\xef\xbb\xbf"
          "a"),
      false, true },
    { "a filler", STR("\xe3\x85\xa4"), false, true },
    { "a noncharacter", STR("\xf0\x9f\xbf\xbe"), false, true },
    { "no UTF-8", STR("a\xff"), false, true },
    { "a surrogate", STR("\xed\xa0\x80"), false, true },
};

static void a_line_is_what_is_seen_of_it(void **state) {
    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (plain_is_line(rows[i].text) != rows[i].is_line)
            fail_msg("%s: is it a line?", rows[i].why);
        if (rows[i].is_line && plain_has_ink(rows[i].text) != rows[i].has_ink)
            fail_msg("%s: is there anything to be seen?", rows[i].why);
    }
}

static void characters_are_told_apart(void **state) {
    (void) state;
    size_t at = 0;
    struct str text = STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_int_equal(plain_next(text, &at), 'a');
    assert_int_equal(plain_next(text, &at), 0xe9);
    assert_int_equal(plain_next(text, &at), 0x20ac);
    assert_int_equal(plain_next(text, &at), 0x1f600);
    assert_int_equal(at, text.len);
    assert_false(plain_is_character(0x110000));
    assert_true(plain_is_character(0x10fffd));
    assert_false(plain_is_character(0x10ffff));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_what_is_seen_of_it),
        cmocka_unit_test(characters_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
