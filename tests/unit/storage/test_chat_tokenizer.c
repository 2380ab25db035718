#include "storage/chat/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/buffer.h"
#include "storage/sqlite/database.h"

static sqlite3 *db;
static struct chat_cutter cutter;

static int open_database(void **state) {
    int r = database_open(":memory:", NULL, DATABASE_WRITER, &db);
    if (r == 0)
        r = chat_tokenizer_register(db);
    if (r == 0)
        r = chat_cutter_open(db, &cutter);
    return r < 0 ? r
                 : database_run(db, "CREATE VIRTUAL TABLE t USING fts5(body, tokenize = 'parley')");
}

static int close_database(void **state) {
    chat_cutter_close(&cutter);
    db = database_close(db);
    return 0;
}

static int note(void *arg, struct str token, size_t start, size_t end) {
    struct buffer *out = arg;
    assert_true(start < end);
    buffer_printf(out, "%s%.*s@%zu-%zu", out->len > 0 ? " " : "", (int) token.len, token.data,
                  start, end);
    return 0;
}

enum { TEXT, QUERY };

static void expect(bool is_query, const char *text, const char *tokens) {
    struct buffer out = BUFFER_INIT;
    assert_int_equal(chat_cutter_cut(&cutter, str_of(text), is_query, note, &out), 0);
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *) out.data, tokens);
    buffer_finish(&out);
}

static void words_lose_case_and_diacritics(void **state) {
    expect(TEXT, "Grüße, ÉLAN: x2", "gruße@0-7 elan@9-14 x2@16-18");
    expect(TEXT, "", "");
    expect(TEXT, " \t!?", "");
    expect(TEXT, "привет МИР", "привет@0-12 мир@13-19");
}

static void runs_without_spaces_become_pairs(void **state) {
    expect(TEXT, "我爱上海", "我爱@0-6 爱上@3-9 上海@6-12 海@9-12");
    expect(QUERY, "我爱上海", "我爱@0-6 爱上@3-9 上海@6-12");
    expect(TEXT, "海", "海@0-3");
    expect(QUERY, "海", "海@0-3");
    expect(TEXT, "カタ", "カタ@0-6 タ@3-6");
    expect(TEXT, "한국 말", "한국@0-6 국@3-6 말@7-10");
    expect(TEXT, "𠀀𠀁", "𠀀𠀁@0-8 𠀁@4-8");
}

static void a_run_in_a_query_ends_where_something_follows(void **state) {
    expect(TEXT, "a上海b", "a@0-1 上海@1-7 海@4-7 b@7-8");
    expect(QUERY, "a上海b", "a@0-1 上海@1-7 海@4-7 b@7-8");
    expect(QUERY, "上海。", "上海@0-6");
    expect(QUERY, "上海。北京", "上海@0-6 海@3-6 北京@9-15");
}

/* What unicode61 makes of such bytes is its own; what stands beside them is found. */
static void bytes_that_are_no_text_hide_nothing(void **state) {
    expect(TEXT, "\xff\xfe ok", "ok@3-5");
    expect(TEXT, "\x80 \xe4\xb8\xe6\xb5\xb7\xff", "ĸ@2-4 海@4-7");
    expect(TEXT, "\xe4\xb8\x8a\xf0\x84\xb8\x8a", "上@0-3 上@3-7");
}

/* ---- what it is for: parts are found ---- */

static int64_t hits(const char *query) {
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t WHERE t MATCH ?", -1, &s, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(s, 1, query, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void parts_of_a_sentence_are_found(void **state) {
    assert_int_equal(database_run(db, "INSERT INTO t VALUES ('我们明天在上海见面，buy 3 tickets'),"
                                      "('東京タワーへ行きました'), ('the quick fox')"),
                     0);
    assert_int_equal(hits("\"上海\""), 1);
    assert_int_equal(hits("\"明天在上\""), 1);
    assert_int_equal(hits("\"海上\""), 0);
    assert_int_equal(hits("\"见\" *"), 1);
    assert_int_equal(hits("\"面\" *"), 1); /* the last of its run */
    assert_int_equal(hits("\"見面，buy\""), 0);
    assert_int_equal(hits("\"见面，buy\""), 1);
    assert_int_equal(hits("\"タワー\""), 1);
    assert_int_equal(hits("\"QUI\" *"), 1);
    assert_int_equal(hits("\"quick zz\""), 0);
}

static void it_takes_no_options(void **state) {
    assert_true(database_run(db, "CREATE VIRTUAL TABLE u USING fts5(b, tokenize = 'parley x')") <
                0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_lose_case_and_diacritics),
        cmocka_unit_test(runs_without_spaces_become_pairs),
        cmocka_unit_test(a_run_in_a_query_ends_where_something_follows),
        cmocka_unit_test(bytes_that_are_no_text_hide_nothing),
        cmocka_unit_test(parts_of_a_sentence_are_found),
        cmocka_unit_test(it_takes_no_options),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
