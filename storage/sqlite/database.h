/*
 * Connections to our databases: how they are opened and set up, and what SQLite's results mean to
 * us.
 *
 * Each connection is used by one thread at a time (NOMUTEX). Only files of storage/sqlite/ and
 * storage/chat/ include this.
 */
#pragma once

#include <sqlite3.h>

#include "async/base.h"
#include "protocol/bytes.h"

/* "history.db" as an SQLite application id: 'Prly'. */
enum { DATABASE_APPLICATION_ID = 0x50726c79 };

/* -ENOSPC: the disk or a quota is full. -ENOMEM. -EBADMSG: damaged, or no database. -EBUSY. -EIO:
 * the rest. db may be NULL. rc: not SQLITE_OK, _ROW or _DONE. */
int database_error(sqlite3 *db, int rc);

enum database_role {
    DATABASE_WRITER,
    DATABASE_READER,
    DATABASE_SECRETS_WRITER, /* what is deleted is overwritten, and its room can be given back */
};

/* vfs: NULL for the system's. Does not look into the file beyond what WAL needs. */
MUST_CHECK int database_open(const char *path, const char *vfs, enum database_role role,
                             sqlite3 **ret);
void database_wait_for_locks(sqlite3 *db); /* as one is opened: in place of a busy handler */
sqlite3 *database_close(sqlite3 *db); /* its statements are finished; takes NULL; returns NULL */

MUST_CHECK int database_run(sqlite3 *db, const char *sql); /* statements without results */
MUST_CHECK int database_number(sqlite3 *db, const char *sql,
                               int64_t *ret); /* the first column of the only row */

/* Statements that are kept. names: SQL texts, n of them; ret: zeroed. On failure none is left. */
MUST_CHECK int statements_prepare(sqlite3 *db, const char *const *sql, size_t n,
                                  sqlite3_stmt **ret);
void statements_finish(sqlite3_stmt **statements, size_t n);

/* Runs a bound statement that gives no rows, and resets it. */
MUST_CHECK int statement_run(sqlite3_stmt *s);

/* Borrowed until it runs. Never NULL, also when empty. */
void statement_bind_bytes(sqlite3_stmt *s, int parameter, struct bytes value);
void statement_bind_text(sqlite3_stmt *s, int parameter, struct str value);
struct bytes statement_bytes(sqlite3_stmt *s, int column); /* until the next step */
struct str statement_str(sqlite3_stmt *s, int column);

/*
 * Brings the schema to the newest version, in one transaction, on the writer's connection.
 * epoch_base: of a database that is made now.
 *
 * -EBADMSG: another program's. -EPROTONOSUPPORT: written by a newer version of this one.
 */
MUST_CHECK int schema_migrate(sqlite3 *db, const char *epoch_base);
int schema_version(void); /* the newest */
