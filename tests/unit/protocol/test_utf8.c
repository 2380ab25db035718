#include "protocol/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    const char *why;
    struct str text;
    size_t bad_at; /* the byte at which it is known to be bad; GOOD or CUT otherwise */
};

enum { GOOD = 1000, CUT = 1001 };

static const struct row rows[] = {
    { "nothing", STR(""), GOOD },
    { "ASCII, longer than a word", STR("the quick brown fox jumps over the lazy dog"), GOOD },
    { "a zero byte is a character", STR("a\0b"), GOOD },
    { "two bytes", STR("\xc2\x80\xdf\xbf"), GOOD },
    { "three bytes", STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"), GOOD },
    { "four bytes", STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), GOOD },
    { "mixed", STR("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 kosme \xf0\x9f\x98\x80"), GOOD },
    { "16 of ASCII, then a character over the border", STR("0123456789abcde\xc3\xa9"), GOOD },
    { "a continuation alone", STR("\x80"), 0 },
    { "a continuation too many", STR("a\xc3\xa9\xa9"), 3 },
    { "overlong in two", STR("\xc0\xaf"), 0 },
    { "overlong in two, the last", STR("\xc1\xbf"), 0 },
    { "overlong in three", STR("\xe0\x80\xaf"), 1 },
    { "overlong in three, the last", STR("\xe0\x9f\xbf"), 1 },
    { "overlong in four", STR("\xf0\x8f\xbf\xbf"), 1 },
    { "the first surrogate", STR("\xed\xa0\x80"), 1 },
    { "the last surrogate", STR("\xed\xbf\xbf"), 1 },
    { "above U+10FFFF", STR("\xf4\x90\x80\x80"), 1 },
    { "five bytes", STR("\xf8\x88\x80\x80\x80"), 0 },
    { "six bytes", STR("\xfc\x84\x80\x80\x80\x80"), 0 },
    { "fe", STR("\xfe"), 0 },
    { "ff behind a word of ASCII", STR("0123456789abcdefghi\xff"), 19 },
    { "interrupted by ASCII",
      STR("\xe2\x82"
          "a"),
      2 },
    { "cut in two", STR("\xc3"), CUT },
    { "cut in three", STR("\xe2\x82"), CUT },
    { "cut in four", STR("abc\xf0\x9f\x98"), CUT },
};

static void every_rule_of_rfc_3629_is_kept(void **state) {
    assert_true(utf8_is_valid((struct bytes){ 0 }));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (utf8_is_valid(str_bytes(rows[i].text)) != (rows[i].bad_at == GOOD))
            fail_msg("%s", rows[i].why);
    }
}

static void a_bad_byte_is_reported_when_it_comes(void **state) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct utf8 u = { 0 };
        size_t at = 0;
        while (at < rows[i].text.len && utf8_feed(&u, bytes_of(rows[i].text.data + at, 1)))
            at++;
        size_t expected = rows[i].bad_at >= GOOD ? rows[i].text.len : rows[i].bad_at;
        if (at != expected)
            fail_msg("%s: bad at %zu, expected at %zu", rows[i].why, at, expected);
        if (rows[i].bad_at >= GOOD && utf8_is_complete(&u) != (rows[i].bad_at == GOOD))
            fail_msg("%s: end", rows[i].why);
    }
}

static void no_split_changes_the_answer(void **state) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str t = rows[i].text;
        for (size_t cut = 0; cut <= t.len; cut++) {
            struct utf8 u = { 0 };
            bool is_valid = utf8_feed(&u, bytes_of(t.data, cut)) &&
                            utf8_feed(&u, bytes_of(t.data + cut, t.len - cut)) &&
                            utf8_is_complete(&u);
            if (is_valid != (rows[i].bad_at == GOOD))
                fail_msg("%s: split at %zu", rows[i].why, cut);
        }
    }
}

static void every_code_point_passes_and_every_surrogate_fails(void **state) {
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t b[4];
        size_t n;
        if (c < 0x80) {
            b[0] = (uint8_t) c, n = 1;
        } else if (c < 0x800) {
            b[0] = (uint8_t) (0xc0 | c >> 6), b[1] = (uint8_t) (0x80 | (c & 63)), n = 2;
        } else if (c < 0x10000) {
            b[0] = (uint8_t) (0xe0 | c >> 12), b[1] = (uint8_t) (0x80 | (c >> 6 & 63));
            b[2] = (uint8_t) (0x80 | (c & 63)), n = 3;
        } else {
            b[0] = (uint8_t) (0xf0 | c >> 18), b[1] = (uint8_t) (0x80 | (c >> 12 & 63));
            b[2] = (uint8_t) (0x80 | (c >> 6 & 63)), b[3] = (uint8_t) (0x80 | (c & 63)), n = 4;
        }
        if (utf8_is_valid(bytes_of(b, n)) != (c < 0xd800 || c > 0xdfff))
            fail_msg("U+%04X", c);
    }
}

static void truncating_cuts_no_character(void **state) {
    struct str s = STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    const size_t expected[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };

    for (size_t max = 0; max < sizeof expected / sizeof *expected; max++)
        assert_int_equal(utf8_truncate(s, max).len, expected[max]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_rfc_3629_is_kept),
        cmocka_unit_test(a_bad_byte_is_reported_when_it_comes),
        cmocka_unit_test(no_split_changes_the_answer),
        cmocka_unit_test(every_code_point_passes_and_every_surrogate_fails),
        cmocka_unit_test(truncating_cuts_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
