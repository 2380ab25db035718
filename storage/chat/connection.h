/*
 * A connection to chat.db with the statements that were prepared on it. One thread's at a time. For
 * storage/chat/ only.
 */
#pragma once

#include <sqlite3.h>

#include "async/base.h"

enum { STATEMENTS_MAX = 1024 }; /* a power of two, and more than there are */

struct connection {
    sqlite3 *db;
    struct {
        const char *sql; /* the address counts */
        sqlite3_stmt *statement;
    } statements[STATEMENTS_MAX];
    size_t statements_n;
};

MUST_CHECK int connection_open(struct connection *c, const char *path, const char *vfs,
                               bool is_writer);
void connection_close(struct connection *c); /* takes a zeroed one */

/* Prepared if it was not, and reset. sql: a literal. */
MUST_CHECK int connection_statement(struct connection *c, const char *sql, sqlite3_stmt **ret);
