/* Text for a terminal, and the line that is typed. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/base.h"
#include "clients/cli/chat/editor.h"
#include "clients/cli/chat/text.h"

static void wraps(const char *text, unsigned columns, const wchar_t *const *lines) {
    struct wrap w = { .text = str_of(text), .columns = columns };
    wchar_t *line = calloc(TEXT_LINE_MAX + 1, sizeof *line);
    int n;

    assert_non_null(line);
    while ((n = wrap_next(&w, line)) >= 0) {
        assert_non_null(*lines);
        line[n] = L'\0';
        assert_true(wcscmp(line, *lines) == 0);
        lines++;
    }
    assert_null(*lines);
    free(line);
}

#define WRAPS(text, columns, ...)                                                                  \
    wraps(text, columns, (const wchar_t *const[]){ __VA_ARGS__, NULL })

static void lines_break_at_spaces_and_long_words_anywhere(void **state) {
    WRAPS("a few words", 20, L"a few words");
    WRAPS("a few words", 6, L"a few", L"words");
    WRAPS("a few words", 5, L"a few", L"words");
    WRAPS("abcdefgh", 3, L"abc", L"def", L"gh");
    WRAPS("ab cdefgh", 4, L"ab", L"cdef", L"gh");
    WRAPS("", 5, L"");
    WRAPS("one\n\ntwo", 9, L"one", L"", L"two");
    WRAPS("one\n", 9, L"one", L"");
    WRAPS("one ", 3, L"one");
}

static void wide_characters_take_two_columns_and_combining_ones_none(void **state) {
    WRAPS("上海上海", 5, L"上海", L"上海");
    WRAPS("e\u0301e\u0301", 2, L"e\u0301e\u0301");
    WRAPS("上", 1, L"\ufffd");
}

static void a_line_for_a_terminal_or_a_pipe_is_harmless(void **state) {
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "plain 上海 👋\ttab", "plain 上海 👋\ttab" },
        { "a\x1b[2Jb\x07", "a\xef\xbf\xbd[2Jb\xef\xbf\xbd" },
        { "\xc2\x9b"
          "2J",
          "\xef\xbf\xbd"
          "2J" },
        { "over\rwritten", "over\xef\xbf\xbdwritten" },
        { "one\r\ntwo\n2026-01-01 10:00:00 Ada: I quit",
          "one\n  two\n  2026-01-01 10:00:00 Ada: I quit" },
    };

    for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
        CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
        text_append_harmless(&out, str_of(rows[i].text));
        assert_int_equal(buffer_error(&out), 0);
        buffer_append_byte(&out, 0);
        assert_string_equal((char *) out.data, rows[i].expected);
    }
}

static void nothing_in_it_is_obeyed_by_a_terminal(void **state) {
    WRAPS("a\x1b[2Jb\x07", 20, L"a\ufffd[2Jb\ufffd");
    WRAPS("\xc2\x9b"
          "2J",
          20, L"\ufffd2J"); /* C1: the same as ESC [ */
    WRAPS("\xe2\x80\xae"
          "evil",
          20,
          L"\ufffd"
          L"evil"); /* U+202E: from right to left */
    WRAPS("a\tb", 20, L"a    b");
}

static void a_cut_ends_within_its_columns(void **state) {
    wchar_t *line = calloc(TEXT_LINE_MAX + 1, sizeof *line);

    assert_int_equal(text_cut(STR("上海"), 3, line), 1);
    assert_int_equal(text_cut(STR("a\nb"), 10, line), 3);
    assert_int_equal(line[1], L' ');
    free(line);
}

/* ---- the line ---- */

static void holds(const struct editor *e, const char *expected) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;

    assert_int_equal(editor_text(e, &text), 0);
    buffer_append_byte(&text, 0);
    assert_string_equal((char *) text.data, expected);
}

static void words_are_moved_over_cut_and_put_back(void **state) {
    struct editor e = { 0 };

    assert_true(editor_set(&e, "one two  three"));
    editor_cut(&e, EDITOR_WORD_LEFT);
    holds(&e, "one two  ");
    editor_move(&e, EDITOR_HOME);
    editor_yank(&e);
    holds(&e, "threeone two  ");
    editor_move(&e, EDITOR_WORD_RIGHT);
    editor_cut(&e, EDITOR_END);
    holds(&e, "threeone");
    editor_cut(&e, EDITOR_HOME);
    holds(&e, "");
    editor_erase(&e, EDITOR_LEFT);
    editor_erase(&e, EDITOR_RIGHT);
    editor_finish(&e);
}

static void what_combines_goes_with_its_character(void **state) {
    struct editor e = { 0 };

    assert_true(editor_set(&e, "xe\u0301"));
    editor_erase(&e, EDITOR_LEFT);
    holds(&e, "x");
    editor_finish(&e);
}

static void lines_come_back_and_so_does_what_was_being_typed(void **state) {
    struct editor e = { 0 };

    editor_remember(&e, "first");
    editor_remember(&e, "second");
    assert_true(editor_set(&e, "half"));
    editor_older(&e);
    holds(&e, "second");
    editor_older(&e);
    holds(&e, "first");
    editor_older(&e);
    holds(&e, "first");
    editor_newer(&e);
    editor_newer(&e);
    holds(&e, "half");
    editor_newer(&e);
    holds(&e, "");
    editor_finish(&e);
}

static void any_text_comes_out_as_it_went_in(void **state) {
    struct editor e = { 0 };

    assert_true(editor_set(&e, "a \u00e9 \u4f60\u597d \U0001f44b"));
    holds(&e, "a \u00e9 \u4f60\u597d \U0001f44b");
    editor_finish(&e);
}

static void a_full_line_takes_no_more(void **state) {
    struct editor e = { 0 };
    size_t n = 0;

    while (n < EDITOR_MAX * 2 && editor_insert(&e, L'x'))
        n++;
    assert_true(n >= EDITOR_MAX && n < EDITOR_MAX * 2);
    editor_finish(&e);
}

static void a_word_is_replaced(void **state) {
    struct editor e = { 0 };

    assert_true(editor_set(&e, "hi @be"));
    assert_true(editor_replace(&e, 3, "@ben "));
    holds(&e, "hi @ben ");
    editor_finish(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_break_at_spaces_and_long_words_anywhere),
        cmocka_unit_test(wide_characters_take_two_columns_and_combining_ones_none),
        cmocka_unit_test(a_line_for_a_terminal_or_a_pipe_is_harmless),
        cmocka_unit_test(nothing_in_it_is_obeyed_by_a_terminal),
        cmocka_unit_test(a_cut_ends_within_its_columns),
        cmocka_unit_test(words_are_moved_over_cut_and_put_back),
        cmocka_unit_test(what_combines_goes_with_its_character),
        cmocka_unit_test(lines_come_back_and_so_does_what_was_being_typed),
        cmocka_unit_test(any_text_comes_out_as_it_went_in),
        cmocka_unit_test(a_full_line_takes_no_more),
        cmocka_unit_test(a_word_is_replaced),
    };
    (void) setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
