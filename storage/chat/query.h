/*
 * SQL of domain functions: statements are prepared once for each connection, and known by their
 * text's address, so that it has to be a literal. One statement is used by one loop at a time: no
 * function that it calls may run the same one. For files of storage/chat/ only.
 *
 *     struct rows rows;
 *     int r = QUERY(tx, &rows, "SELECT id, name FROM user WHERE role = ?1", NUMBER(role));
 *     while (r == 0 && (r = rows_next(&rows)) > 0)
 *         ...row_number(&rows, 0), row_text(&rows, 1)...
 *     rows_end(&rows);            // always, also after a failure
 */
#pragma once

#include <sqlite3.h>

#include "storage/chat/store.h"

struct sql_value {
    enum { SQL_NULL, SQL_NUMBER, SQL_TEXT, SQL_BLOB } kind;
    int64_t number;
    struct bytes bytes;
};

static inline struct sql_value NUMBER(int64_t n) {
    return (struct sql_value){ .kind = SQL_NUMBER, .number = n };
} static inline struct sql_value TEXT(struct str s) {
    return (struct sql_value){ .kind = SQL_TEXT, .bytes = str_bytes(s) };
} static inline struct sql_value BLOB(struct bytes b) {
    return (struct sql_value){ .kind = SQL_BLOB, .bytes = b };
}
/* NULL when 0, or empty. */
static inline struct sql_value
NUMBER_OR_NULL(int64_t n) {
    return n == 0 ? (struct sql_value){ .kind = SQL_NULL } : NUMBER(n);
} static inline struct sql_value TEXT_OR_NULL(struct str s) {
    return s.len == 0 ? (struct sql_value){ .kind = SQL_NULL } : TEXT(s);
} static inline struct sql_value BLOB_OR_NULL(struct bytes b) {
    return b.len == 0 ? (struct sql_value){ .kind = SQL_NULL } : BLOB(b);
}

struct rows {
    sqlite3_stmt *statement;
    struct chat_tx *tx;
};

#define SQL_VALUES(...)                                                                            \
    (const struct sql_value[]){ __VA_ARGS__ },                                                     \
            sizeof((const struct sql_value[]){ __VA_ARGS__ }) / sizeof(struct sql_value)

/* 0, -ENOMEM, -EIO... Values are borrowed until rows_end(). */
#define QUERY(tx, rows, sql, ...) rows_begin((tx), (rows), (sql), SQL_VALUES(__VA_ARGS__))
/* The first row is there: 1; none: 0. In both cases rows_end() ends it. */
#define QUERY_ONE(tx, rows, sql, ...) rows_first((tx), (rows), (sql), SQL_VALUES(__VA_ARGS__))
/* Runs it to its end. ret: how many rows it changed: chat_changes(tx). */
#define RUN(tx, sql, ...) chat_run((tx), (sql), SQL_VALUES(__VA_ARGS__))
/* The first column of the first row as a number; 1, 0 (none) or < 0. */
#define FETCH(tx, ret, sql, ...) chat_fetch((tx), (ret), (sql), SQL_VALUES(__VA_ARGS__))

MUST_CHECK int rows_begin(struct chat_tx *tx, struct rows *ret, const char *sql,
                          const struct sql_value *values, size_t n);
MUST_CHECK int rows_first(struct chat_tx *tx, struct rows *ret, const char *sql,
                          const struct sql_value *values, size_t n);
MUST_CHECK int rows_next(struct rows *rows); /* 1: a row. 0: no more */
void rows_end(struct rows *rows);
/* What is left of the rows as items of one size in the work's arena; at most limit, then
 * *ret_has_more is set. Ends them. r: of what began them. */
typedef int row_read_fn(const struct rows *rows, void *item);
MUST_CHECK int rows_collect(struct rows *rows, int r, size_t limit, row_read_fn *read,
                            size_t item_size, struct arena_list *ret, bool *ret_has_more);
MUST_CHECK int chat_run(struct chat_tx *tx, const char *sql, const struct sql_value *values,
                        size_t n);
MUST_CHECK int chat_fetch(struct chat_tx *tx, int64_t *ret, const char *sql,
                          const struct sql_value *values, size_t n);
int64_t chat_changes(const struct chat_tx *tx);  /* rows changed by the last RUN() */
int64_t chat_inserted(const struct chat_tx *tx); /* the key of the row last inserted */

int64_t row_number(const struct rows *rows, int column); /* NULL: 0 */
bool row_is_null(const struct rows *rows, int column);
struct str row_text(const struct rows *rows, int column); /* until the next row; NULL: empty */
struct bytes row_bytes(const struct rows *rows, int column);

/* Into the work's arena. data NULL with len > 0: no memory. */
MUST_CHECK int row_keep_text(const struct rows *rows, int column, struct str *ret);
MUST_CHECK int row_keep_bytes(const struct rows *rows, int column, struct bytes *ret);
MUST_CHECK int chat_keep_text(struct chat_tx *tx, struct str text, struct str *ret);
