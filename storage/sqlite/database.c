#include "storage/sqlite/database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

enum {
    BUSY_TIMEOUT_MS = 5000, /* readers meet locks while the log is recovered or restarted */
};

int database_error(sqlite3 *db, int rc) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_BUSY:
        return -EBUSY;
    case SQLITE_INTERRUPT:
        return -EINTR;
    case SQLITE_IOERR: {
        if (rc == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        int error = db ? sqlite3_system_errno(db) : 0;
        return error == ENOSPC || error == EDQUOT ? -ENOSPC : -EIO;
    }
    case SQLITE_CANTOPEN: {
        int error = db ? sqlite3_system_errno(db) : 0;
        return error > 0 ? -error : -EIO;
    }
    default:
        return -EIO;
    }
}

int database_run(sqlite3 *db, const char *sql) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : database_error(db, rc);
}

int database_number(sqlite3 *db, const char *sql, int64_t *ret) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    int r = 0;
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(s, 0);
    else
        r = rc == SQLITE_DONE ? -EBADMSG : database_error(db, rc);
    sqlite3_finalize(s);
    return r;
}

/* Every allocation would take a lock to be counted, and readers hold up the writer there. Too late,
 * and without consequence, where the process has used SQLite before. */
static void configure(void) {
    (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

void database_wait_for_locks(sqlite3 *db) {
    (void) sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
}

static int set_up(sqlite3 *db, enum database_role role) {
    sqlite3_extended_result_codes(db, 1);
    database_wait_for_locks(db);
    (void) sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void) sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int r = database_run(db, "PRAGMA temp_store = MEMORY");
    if (r < 0)
        return r;
    if (role == DATABASE_READER)
        return database_run(db, "PRAGMA query_only = ON; PRAGMA cache_size = -4000");

    /* auto_vacuum can only be set while there is nothing in the file. */
    if (role == DATABASE_SECRETS_WRITER)
        r = database_run(db, "PRAGMA auto_vacuum = INCREMENTAL");
    if (r < 0)
        return r;
    r = database_run(db, "PRAGMA journal_mode = WAL;"
                         "PRAGMA synchronous = FULL;"
                         "PRAGMA wal_autocheckpoint = 10000;" /* until wal.h takes over */
                         "PRAGMA journal_size_limit = 67108864;"
                         "PRAGMA secure_delete = OFF;"
                         "PRAGMA foreign_keys = OFF;"
                         "PRAGMA cache_size = -16000");
    if (r == 0 && role == DATABASE_SECRETS_WRITER)
        r = database_run(db, "PRAGMA secure_delete = ON");
    return r;
}

int database_open(const char *path, const char *vfs, enum database_role role, sqlite3 **ret) {
    static pthread_once_t is_configured = PTHREAD_ONCE_INIT;
    (void) pthread_once(&is_configured, configure);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (role != DATABASE_READER)
        flags |= SQLITE_OPEN_CREATE;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags, vfs);
    int r = rc == SQLITE_OK ? set_up(db, role) : database_error(db, rc);
    if (r < 0) {
        database_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

int database_make_private(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

sqlite3 *database_close(sqlite3 *db) {
    (void) sqlite3_close(db);
    return NULL;
}

int statements_prepare(sqlite3 *db, const char *const *sql, size_t n, sqlite3_stmt **ret) {
    for (size_t i = 0; i < n; i++) {
        int rc = sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &ret[i], NULL);
        if (rc != SQLITE_OK) {
            int r = database_error(db, rc);
            statements_finish(ret, n);
            return r;
        }
    }
    return 0;
}

void statements_finish(sqlite3_stmt **statements, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

int statement_run(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : database_error(sqlite3_db_handle(s), rc);
    sqlite3_reset(s);
    return r;
}

void statement_bind_bytes(sqlite3_stmt *s, int parameter, struct bytes value) {
    sqlite3_bind_blob64(s, parameter, value.len > 0 ? (const void *) value.data : "", value.len,
                        SQLITE_STATIC);
}

void statement_bind_text(sqlite3_stmt *s, int parameter, struct str value) {
    sqlite3_bind_text(s, parameter, value.len > 0 ? value.data : "", (int) value.len,
                      SQLITE_STATIC);
}

struct bytes statement_bytes(sqlite3_stmt *s, int column) {
    const void *data = sqlite3_column_blob(s, column);
    return bytes_of(data, (size_t) sqlite3_column_bytes(s, column));
}

struct str statement_str(sqlite3_stmt *s, int column) {
    struct bytes b = statement_bytes(s, column);
    return (struct str){ .data = (const char *) b.data, .len = b.len };
}

/* ---- versions ---- */

/* -EBADMSG, -EPROTONOSUPPORT. */
static int find_version(sqlite3 *db, int application_id, int newest, int64_t *ret) {
    int64_t id = 0, version = 0, tables = 0;
    int r = database_number(db, "PRAGMA application_id", &id);
    if (r == 0)
        r = database_number(db, "PRAGMA user_version", &version);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r < 0)
        return r;
    bool is_new = tables == 0 && version == 0 && id == 0;
    if (!is_new && (id != application_id || version < 1))
        return -EBADMSG;
    if (version > newest)
        return -EPROTONOSUPPORT;
    *ret = version;
    return 0;
}

static int note_version(sqlite3 *db, int application_id, int version) {
    char sql[96];
    (void) sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                            application_id, version);
    return database_run(db, sql);
}

int database_migrate(sqlite3 *db, int application_id, int version,
                     int (*migrate)(sqlite3 *db, int64_t from, void *arg), void *arg) {
    int64_t from;
    int r = database_run(db, "BEGIN IMMEDIATE");
    if (r < 0)
        return r;
    r = find_version(db, application_id, version, &from);
    if (r == 0 && from < version) {
        r = migrate(db, from, arg);
        if (r == 0)
            r = note_version(db, application_id, version);
    }
    if (r == 0)
        r = database_run(db, "COMMIT");
    if (!sqlite3_get_autocommit(db))
        (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
