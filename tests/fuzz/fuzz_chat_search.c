/* Any bytes as what is searched for, up to the first newline, and a message: FTS5 takes it, and
 * finds the message exactly when the snippet has all of it. */
#include <assert.h>
#include <errno.h>

#include "protocol/utf8.h"
#include "storage/chat/search_words.h"
#include "storage/sqlite/database.h"
#include "tests/fuzz/fuzz.h"

static sqlite3 *db;
static struct chat_cutter cutter;
static sqlite3_stmt *insert, *search, *clear;

static void prepare(const char *sql, sqlite3_stmt **ret) {
    int rc = sqlite3_prepare_v2(db, sql, -1, ret, NULL);
    assert(rc == SQLITE_OK);
}

static void open_once(void) {
    if (db)
        return;
    int r = database_open(":memory:", NULL, DATABASE_WRITER, &db);
    assert(r == 0 && chat_tokenizer_register(db) == 0 && chat_cutter_open(db, &cutter) == 0);
    r = database_run(db, "CREATE VIRTUAL TABLE t USING fts5(body, tag, tokenize = 'parley')");
    assert(r == 0);
    prepare("INSERT INTO t VALUES (?1, 'r1 u2')", &insert);
    prepare("SELECT count(*) FROM t WHERE t MATCH ?1", &search);
    prepare("DELETE FROM t", &clear);
}

static bool finds(const struct chat_search_words *words) {
    struct buffer expression = BUFFER_INIT;
    buffer_append_str(&expression, STR("tag : (\"r1\") AND body : ("));
    chat_search_words_expression(words, false, &expression);
    buffer_append_str(&expression, STR(")"));
    statement_bind_text(search, 1, (struct str){ (const char *) expression.data, expression.len });
    int rc = sqlite3_step(search);
    assert(rc == SQLITE_ROW);
    bool found = sqlite3_column_int(search, 0) > 0;
    sqlite3_reset(search);
    buffer_finish(&expression);
    return found;
}

static void check_snippet(struct str text, const struct chat_snippet_part *parts, size_t n) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        assert(parts[i].text.len > 0 && utf8_is_valid(str_bytes(parts[i].text)));
        total += parts[i].text.len;
    }
    assert(total <= CHAT_SNIPPET_BYTES + 6 && (total > 0) == (text.len > 0));
}

int fuzz_one(const uint8_t *data, size_t size) {
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t q_len = newline ? (size_t) (newline - data) : size;
    struct str q = { (const char *) data, q_len };
    struct str text = { newline ? (const char *) newline + 1 : "", newline ? size - q_len - 1 : 0 };
    /* As JSON gives them. What FTS5 reads as a C string ends at a zero; messages may have one. */
    if (!utf8_is_valid(str_bytes(q)) || !utf8_is_valid(str_bytes(text)))
        return 0;
    open_once();
    struct arena arena = ARENA_INIT;
    struct chat_search_words words;
    int r = chat_search_words_parse(&cutter, q, &arena, &words);
    assert(r == 0 || (r == -EMSGSIZE && q.len > CHAT_SEARCH_TERMS_MAX));
    if (r == 0) {
        struct chat_snippet_part *parts;
        size_t n;
        bool is_hit;
        r = chat_search_snippet(&cutter, &words, text, &arena, &parts, &n, &is_hit);
        assert(r == 0);
        check_snippet(text, parts, n);
        statement_bind_text(insert, 1, text);
        r = statement_run(insert);
        assert(r == 0);
        if (words.n > 0)
            assert(finds(&words) == is_hit);
        r = statement_run(clear);
        assert(r == 0);
    }
    arena_finish(&arena);
    return 0;
}
