#include "storage/chat/connection.h"

#include <assert.h>

#include "storage/chat/tokenizer.h"
#include "storage/sqlite/database.h"

int connection_open(struct connection *c, const char *path, const char *vfs, bool is_writer) {
    int r = database_open(path, vfs, is_writer ? DATABASE_SECRETS_WRITER : DATABASE_READER, &c->db);
    if (r == 0)
        r = chat_tokenizer_register(c->db);
    return r;
}

void connection_close(struct connection *c) {
    for (size_t i = 0; c->statements_n > 0 && i < STATEMENTS_MAX; i++) {
        sqlite3_finalize(c->statements[i].statement);
        c->statements[i].statement = NULL;
        c->statements[i].sql = NULL;
    }
    c->statements_n = 0;
    if (c->db)
        c->db = database_close(c->db);
}

static size_t place_of(const char *sql) {
    uint64_t hash = (uintptr_t) sql * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t) (hash >> 32) % STATEMENTS_MAX;
}

int connection_statement(struct connection *c, const char *sql, sqlite3_stmt **ret) {
    size_t i = place_of(sql);
    while (c->statements[i].sql && c->statements[i].sql != sql)
        i = (i + 1) % STATEMENTS_MAX;
    if (!c->statements[i].sql) {
        assert(c->statements_n <
               STATEMENTS_MAX / 2); /* there are no more texts than in the program */
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
        if (rc != SQLITE_OK)
            return database_error(c->db, rc);
        c->statements[i].sql = sql;
        c->statements[i].statement = s;
        c->statements_n++;
    }
    *ret = c->statements[i].statement;
    assert(!sqlite3_stmt_busy(*ret)); /* query.h: by one loop at a time */
    return 0;
}
