#include "storage/chat/search_words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/sqlite/database.h"

static sqlite3 *db;
static struct chat_cutter cutter;

static int open_database(void **state) {
    int r = database_open(":memory:", NULL, DATABASE_WRITER, &db);
    if (r == 0)
        r = chat_tokenizer_register(db);
    return r < 0 ? r : chat_cutter_open(db, &cutter);
}

static int close_database(void **state) {
    chat_cutter_close(&cutter);
    db = database_close(db);
    return 0;
}

static void expect(const char *q, bool is_cut, const char *expression) {
    struct arena arena = ARENA_INIT;
    struct buffer out = BUFFER_INIT;
    struct chat_search_words words;
    assert_int_equal(chat_search_words_parse(&cutter, str_of(q), &arena, &words), 0);
    chat_search_words_expression(&words, is_cut, &out);
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *) out.data, expression);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void expect_expression(const char *q, const char *expression) {
    expect(q, false, expression);
}

static void words_phrases_and_beginnings_are_told_apart(void **state) {
    expect_expression("two words", "\"two\" AND \"words\" *");
    expect_expression("  two  words  ", "\"two\" AND \"words\" *");
    expect_expression("\"a phrase\"", "\"a\" + \"phrase\"");
    expect_expression("\"a phrase\"*", "\"a\" + \"phrase\" *");
    expect_expression("\"a phrase\" end", "\"a\" + \"phrase\" AND \"end\" *");
    expect_expression("\"not closed", "\"not\" + \"closed\" *");
    expect_expression("beg* end", "\"beg\" * AND \"end\" *");
    expect_expression("a\"b c\"d", "\"a\" AND \"b\" + \"c\" AND \"d\"");
    expect_expression("one l*", "\"one\" AND \"l\""); /* a letter is a word */
    expect_expression("", "");
    expect_expression("  ", "");
}

static void one_character_of_a_pair_is_in_the_index_itself(void **state) {
    expect_expression("\"海\" x", "\"海\" AND \"x\"");
    expect_expression("\"上海\" x", "\"上海\" AND \"x\"");
    expect_expression("\"a海\" x", "\"a\" + \"海\" AND \"x\"");
}

static void long_beginnings_are_cut_to_what_the_index_has(void **state) {
    expect("words", true, "\"wo\" *");
    expect("wo", true, "\"wo\" *");
    expect("\"words\"", true, "\"words\"");
    expect("words end", true, "\"words\" AND \"en\" *");
    expect("Éclairs", true, "\"ec\" *");
    expect("жизнь", true, "\"жи\" *");
    expect("上海是", true, "\"上海\" + \"海是\"");
}

static void what_a_cut_beginning_stands_for_is_looked_for_in_the_text(void **state) {
    static const struct {
        const char *q, *text;
        bool is_in;
    } cases[] = {
        { "banana", "a BANANA", true },      { "banana", "a band", false },
        { "banana", "abananas", false },     { "banana", "two bananas", true },
        { "banana x", "x bananas", false },   { "x banana", "bananas x", true },
        { "éclair", "an eclair", true },     { "eclair", "an Éclair", true },
        { "eclair", "a clair é", false },    { "жизнь", "all ascii", false },
        { "ban 上", "上海 bank ban", true }, { "ban 上", "bank 上海", false },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct arena arena = ARENA_INIT;
        struct chat_search_words words;
        bool is_in = !cases[i].is_in;
        assert_int_equal(chat_search_words_parse(&cutter, str_of(cases[i].q), &arena, &words), 0);
        assert_int_equal(chat_search_words_are_in(&cutter, &words, str_of(cases[i].text), &is_in),
                         0);
        if (is_in != cases[i].is_in)
            fail_msg("%s in %s", cases[i].q, cases[i].text);
        arena_finish(&arena);
    }
}

static void what_says_nothing_is_left_out(void **state) {
    expect_expression("! hello ?", "\"hello\"");
    expect_expression("!?", "");
    expect_expression("\"\" \"\"", "");
}

static void syntax_of_fts5_is_words(void **state) {
    expect_expression("a OR tag:r7 NEAR(b)",
                      "\"a\" AND \"or\" AND \"tag\" + \"r7\" AND \"near\" + \"b\"");
    expect_expression("{tag}:r7 ^x -y", "\"tag\" + \"r7\" AND \"x\" AND \"y\"");
}

static void a_zero_ends_no_expression(void **state) {
    struct arena arena = ARENA_INIT;
    struct buffer out = BUFFER_INIT;
    struct chat_search_words words;
    assert_int_equal(chat_search_words_parse(&cutter, STR("a\0b \"c\0d\""), &arena, &words), 0);
    chat_search_words_expression(&words, false, &out);
    assert_null(memchr(out.data, 0, out.len));
    buffer_finish(&out);
    arena_finish(&arena);
}

static void too_much_is_refused(void **state) {
    struct arena arena = ARENA_INIT;
    struct chat_search_words words;
    char text[CHAT_SEARCH_BYTES_MAX + 2];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(chat_search_words_parse(&cutter, str_of(text), &arena, &words), -EMSGSIZE);
    text[CHAT_SEARCH_BYTES_MAX] = 0;
    assert_int_equal(chat_search_words_parse(&cutter, str_of(text), &arena, &words), 0);

    for (size_t i = 1; i < CHAT_SEARCH_TERMS_MAX * 2; i += 2)
        text[i] = ' ';
    text[CHAT_SEARCH_TERMS_MAX * 2] = 0;
    assert_int_equal(chat_search_words_parse(&cutter, str_of(text), &arena, &words), 0);
    assert_int_equal(words.n, CHAT_SEARCH_TERMS_MAX);
    memcpy(text + CHAT_SEARCH_TERMS_MAX * 2, "a", 2);
    assert_int_equal(chat_search_words_parse(&cutter, str_of(text), &arena, &words), -EMSGSIZE);
    arena_finish(&arena);
}

/* hits in [] */
static void expect_snippet(const char *q, const char *text, const char *expected) {
    struct arena arena = ARENA_INIT;
    struct buffer out = BUFFER_INIT;
    struct chat_search_words words;
    struct chat_snippet_part *parts;
    size_t n;
    assert_int_equal(chat_search_words_parse(&cutter, str_of(q), &arena, &words), 0);
    assert_int_equal(chat_search_snippet(&cutter, &words, str_of(text), &arena, &parts, &n, NULL),
                     0);
    for (size_t i = 0; i < n; i++)
        buffer_printf(&out, parts[i].is_hit ? "[%.*s]" : "%.*s", (int) parts[i].text.len,
                      parts[i].text.data);
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *) out.data, expected);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void hits_are_marked_as_they_are_written(void **state) {
    expect_snippet("gruss", "Liebe Grüße, und GRUSS", "Liebe Grüße, und [GRUSS]");
    expect_snippet("elan", "Mit Élan voran", "Mit [Élan] voran");
    expect_snippet("\"quick fox\" do", "a quick, fox dodged dogs.",
                   "a [quick, fox] [dodged] [dogs].");
    expect_snippet("x", "nothing", "nothing");
    expect_snippet("", "all of it", "all of it");
}

static void pairs_that_run_together_are_one_hit(void **state) {
    expect_snippet("上海见", "明天在上海见面", "明天在[上海见]面");
    expect_snippet("海", "明天在上海见面", "明天在上[海]见面");
    expect_snippet("面", "明天在上海见面", "明天在上海见[面]");
    expect_snippet("在 上", "明天在上海见面", "明天[在上]海见面");
}

static void a_long_text_is_shown_around_its_first_hit(void **state) {
    struct buffer text = BUFFER_INIT, expected = BUFFER_INIT;
    for (int i = 0; i < 100; i++)
        buffer_append_str(&text, STR("before "));
    buffer_append_str(&text, STR("needle "));
    for (int i = 0; i < 100; i++)
        buffer_append_str(&text, STR("after "));
    buffer_append_byte(&text, 0);
    buffer_append_str(&expected, STR("…"));
    for (int i = 0; i < 8; i++)
        buffer_append_str(&expected, STR("before "));
    buffer_append_str(&expected, STR("[needle] "));
    for (int i = 0; i < 29; i++)
        buffer_append_str(&expected, STR("after "));
    buffer_append_str(&expected, STR("aft…"));
    buffer_append_byte(&expected, 0);
    expect_snippet("needle", (const char *) text.data, (const char *) expected.data);
    buffer_finish(&text);
    buffer_finish(&expected);
}

static void a_snippet_cuts_no_character(void **state) {
    struct buffer text = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct chat_search_words words;
    struct chat_snippet_part *parts;
    size_t n;
    for (int i = 0; i < 200; i++)
        buffer_append_str(&text, STR("あ"));
    buffer_append_str(&text, STR("い"));
    for (int i = 0; i < 200; i++)
        buffer_append_str(&text, STR("う"));
    {
        struct str body = { (const char *) text.data, text.len };
        assert_int_equal(chat_search_words_parse(&cutter, STR("い"), &arena, &words), 0);
        assert_int_equal(chat_search_snippet(&cutter, &words, body, &arena, &parts, &n, NULL), 0);
        assert_int_equal(n, 5);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(parts[i].text.len % 3, 0);
            assert_int_equal(parts[i].is_hit, i == 2);
        }
    }
    arena_finish(&arena);
    buffer_finish(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_phrases_and_beginnings_are_told_apart),
        cmocka_unit_test(one_character_of_a_pair_is_in_the_index_itself),
        cmocka_unit_test(long_beginnings_are_cut_to_what_the_index_has),
        cmocka_unit_test(what_a_cut_beginning_stands_for_is_looked_for_in_the_text),
        cmocka_unit_test(what_says_nothing_is_left_out),
        cmocka_unit_test(syntax_of_fts5_is_words),
        cmocka_unit_test(a_zero_ends_no_expression),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(hits_are_marked_as_they_are_written),
        cmocka_unit_test(pairs_that_run_together_are_one_hit),
        cmocka_unit_test(a_long_text_is_shown_around_its_first_hit),
        cmocka_unit_test(a_snippet_cuts_no_character),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
