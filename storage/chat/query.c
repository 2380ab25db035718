#include "storage/chat/query.h"

#include <errno.h>

#include "storage/chat/tx_impl.h"
#include "storage/sqlite/database.h"

static void bind(sqlite3_stmt *s, int parameter, const struct sql_value *v) {
    switch (v->kind) {
    case SQL_NUMBER:
        sqlite3_bind_int64(s, parameter, v->number);
        break;
    case SQL_TEXT:
        statement_bind_text(
                s, parameter,
                (struct str){ .data = (const char *) v->bytes.data, .len = v->bytes.len });
        break;
    case SQL_BLOB:
        statement_bind_bytes(s, parameter, v->bytes);
        break;
    case SQL_NULL:
    default:
        sqlite3_bind_null(s, parameter);
        break;
    }
}

int rows_begin(struct chat_tx *tx, struct rows *ret, const char *sql,
               const struct sql_value *values, size_t n) {
    *ret = (struct rows){ .tx = tx };
    int r = connection_statement(tx->connection, sql, &ret->statement);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        bind(ret->statement, (int) i + 1, &values[i]);
    return 0;
}

int rows_next(struct rows *rows) {
    int rc = sqlite3_step(rows->statement);
    return rc == SQLITE_ROW    ? 1
           : rc == SQLITE_DONE ? 0
                               : database_error(rows->tx->connection->db, rc);
}

int rows_first(struct chat_tx *tx, struct rows *ret, const char *sql,
               const struct sql_value *values, size_t n) {
    int r = rows_begin(tx, ret, sql, values, n);
    return r < 0 ? r : rows_next(ret);
}

void rows_end(struct rows *rows) {
    if (!rows->statement)
        return;
    sqlite3_reset(rows->statement);
    /* What was bound is not kept beyond here, and not touched by it either. */
    sqlite3_clear_bindings(rows->statement);
    rows->statement = NULL;
}

int rows_collect(struct rows *rows, int r, size_t limit, row_read_fn *read, size_t item_size,
                 struct arena_list *ret, bool *ret_has_more) {
    *ret = (struct arena_list){ 0 };
    *ret_has_more = false;
    while (r == 0 && (r = rows_next(rows)) > 0) {
        if (ret->n == limit) {
            *ret_has_more = true;
            r = 0;
            break;
        }
        void *item = arena_list_add(chat_tx_arena(rows->tx), ret, item_size);
        r = item ? read(rows, item) : -ENOMEM;
    }
    rows_end(rows);
    return r;
}

int chat_run(struct chat_tx *tx, const char *sql, const struct sql_value *values, size_t n) {
    struct rows rows;
    int r = rows_begin(tx, &rows, sql, values, n);
    while (r == 0 && (r = rows_next(&rows)) > 0)
        r = 0;
    rows_end(&rows);
    return r;
}

int chat_fetch(struct chat_tx *tx, int64_t *ret, const char *sql, const struct sql_value *values,
               size_t n) {
    struct rows rows;
    int r = rows_first(tx, &rows, sql, values, n);
    if (r > 0)
        *ret = row_number(&rows, 0);
    rows_end(&rows);
    return r;
}

int64_t chat_changes(const struct chat_tx *tx) {
    return sqlite3_changes64(tx->connection->db);
}

int64_t chat_inserted(const struct chat_tx *tx) {
    return sqlite3_last_insert_rowid(tx->connection->db);
}

int64_t row_number(const struct rows *rows, int column) {
    return sqlite3_column_int64(rows->statement, column);
}

bool row_is_null(const struct rows *rows, int column) {
    return sqlite3_column_type(rows->statement, column) == SQLITE_NULL;
}

struct str row_text(const struct rows *rows, int column) {
    return statement_str(rows->statement, column);
}

struct bytes row_bytes(const struct rows *rows, int column) {
    return statement_bytes(rows->statement, column);
}

int row_keep_bytes(const struct rows *rows, int column, struct bytes *ret) {
    struct bytes b = row_bytes(rows, column);
    if (b.len == 0) {
        *ret = (struct bytes){ 0 };
        return 0;
    }
    uint8_t *copy = b.data ? arena_alloc(chat_tx_arena(rows->tx), b.len) : NULL;
    if (!copy)
        return -ENOMEM;
    memcpy(copy, b.data, b.len);
    *ret = bytes_of(copy, b.len);
    return 0;
}

int row_keep_text(const struct rows *rows, int column, struct str *ret) {
    struct bytes b;
    int r = row_keep_bytes(rows, column, &b);
    if (r == 0)
        *ret = (struct str){ .data = (const char *) b.data, .len = b.len };
    return r;
}

int chat_keep_text(struct chat_tx *tx, struct str text, struct str *ret) {
    if (text.len == 0) {
        *ret = (struct str){ 0 };
        return 0;
    }
    char *copy = arena_alloc(chat_tx_arena(tx), text.len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text.data, text.len);
    *ret = (struct str){ .data = copy, .len = text.len };
    return 0;
}
