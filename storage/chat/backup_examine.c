/* Is a copy whole? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/chat/backup_impl.h"
#include "storage/chat/blob.h"
#include "storage/chat/schema.h"
#include "storage/chat/tokenizer.h"
#include "storage/sqlite/database.h"

/* A copy is read by nobody else, and may be written (the index's check is an insert). */
static int open_copy(const char *dir, const char *name, sqlite3 **ret) {
    struct backup_path path;
    int r = backup_join(dir, name, &path);
    if (r < 0)
        return r;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path.text, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    r = rc == SQLITE_OK ? chat_tokenizer_register(db) : database_error(db, rc);
    if (r < 0) {
        database_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

static int check_integrity(sqlite3 *db, const char *name, char *ret_why) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    int r = 0;
    if (rc != SQLITE_ROW)
        r = backup_explain(ret_why, database_error(db, rc), "%s cannot be checked: %s", name,
                           sqlite3_errmsg(db));
    else if (strcmp((const char *) sqlite3_column_text(s, 0), "ok") != 0)
        r = backup_explain(ret_why, -EBADMSG, "%s is damaged: %s", name,
                           (const char *) sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return r;
}

/* ---- chat.db ---- */

/* All files that an attachment has are there, and are what they were. */
static int check_files(sqlite3 *db, const char *dir, struct backup_report *ret, char *ret_why) {
    struct backup_path files;
    sqlite3_stmt *s = NULL;
    int r = backup_join(dir, "files", &files);
    if (r < 0)
        return r;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT sha256, max(size), min(id) FROM attachment"
                                " WHERE sha256 IS NOT NULL GROUP BY sha256",
                                -1, &s, NULL);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct chat_blob_id id;
        uint64_t size = 0;
        if (!chat_blob_id_of(statement_bytes(s, 0), &id))
            r = -EBADMSG;
        else
            r = chat_blob_check(files.text, &id, &size);
        if (r == 0 && size != (uint64_t) sqlite3_column_int64(s, 1))
            r = -EBADMSG;
        if (r < 0)
            r = backup_explain(ret_why, r, "the file of attachment %s: %s",
                               (const char *) sqlite3_column_text(s, 2), strerror(-r));
        ret->files++;
        ret->files_bytes += size;
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = backup_explain(ret_why, database_error(db, rc), "chat.db cannot be read: %s",
                           sqlite3_errmsg(db));
    sqlite3_finalize(s);
    return r;
}

/* One that the daemon would not open is to be known before it takes the place of another. */
static int check_version(sqlite3 *db, char *ret_why) {
    int64_t id = 0, version = 0;
    int r = database_number(db, "PRAGMA application_id", &id);
    if (r == 0)
        r = database_number(db, "PRAGMA user_version", &version);
    if (r < 0)
        return backup_explain(ret_why, r, "chat.db cannot be read: %s", sqlite3_errmsg(db));
    if (id != CHAT_APPLICATION_ID || version < 1)
        return backup_explain(ret_why, -EBADMSG, "chat.db is no database of a chat");
    if (version > chat_schema_version())
        return backup_explain(ret_why, -EPROTONOSUPPORT,
                              "chat.db is of a newer version of Parley: restore it with that one");
    return 0;
}

static int examine_chat(sqlite3 *db, const char *dir, struct backup_report *ret, char *ret_why) {
    ret->has_chat = true;
    int version = check_version(db, ret_why);
    if (version < 0)
        return version;
    int r = database_number(db, "SELECT count(*) FROM user", &ret->users);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM room", &ret->rooms);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM message", &ret->messages);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM attachment", &ret->attachments);
    if (r < 0)
        return backup_explain(ret_why, r, "chat.db cannot be read: %s", sqlite3_errmsg(db));
    r = database_run(db,
                     "INSERT INTO message_fts(message_fts, rank) VALUES ('integrity-check', 1)");
    if (r < 0)
        return backup_explain(ret_why, r, "the index of words is not that of the messages: %s",
                              sqlite3_errmsg(db));
    return check_files(db, dir, ret, ret_why);
}

/* ---- history.db ---- */

static int examine_history(sqlite3 *db, struct backup_report *ret, char *ret_why) {
    ret->has_history = true;
    int r = database_number(db, "SELECT count(*) FROM channel", &ret->channels);
    if (r == 0)
        r = database_number(db, "SELECT count(*) FROM publication", &ret->publications);
    return r < 0 ? backup_explain(ret_why, r, "history.db cannot be read: %s", sqlite3_errmsg(db))
                 : 0;
}

static int examine_database(const char *dir, const char *name, struct backup_report *ret,
                            char *ret_why) {
    struct backup_path path;
    struct stat st;
    sqlite3 *db = NULL;
    int r = backup_join(dir, name, &path);
    if (r == 0 && stat(path.text, &st) == 0)
        ret->database_bytes += (uint64_t) st.st_size;
    if (r == 0)
        r = open_copy(dir, name, &db);
    if (r < 0)
        return backup_explain(ret_why, r, "%s cannot be opened: %s", name, strerror(-r));
    r = check_integrity(db, name, ret_why);
    if (r == 0 && strcmp(name, "chat.db") == 0)
        r = examine_chat(db, dir, ret, ret_why);
    else if (r == 0 && strcmp(name, "history.db") == 0)
        r = examine_history(db, ret, ret_why);
    else
        ret->has_archive = true;
    database_close(db);
    return r;
}

int backup_examine(const char *dir, struct backup_report *ret, char *ret_why) {
    struct backup_report report = { 0 };
    int r = 0;
    for (size_t i = 0; r == 0 && backup_databases[i]; i++)
        if (backup_has(dir, backup_databases[i]))
            r = examine_database(dir, backup_databases[i], &report, ret_why);
    if (r == 0)
        *ret = report;
    return r;
}

/* ---- is it the copy that was made? ---- */

enum { MANIFEST_MAX = 4096 };

static int read_manifest(const char *dir, char ret[static MANIFEST_MAX]) {
    struct backup_path path;
    int r = backup_join(dir, BACKUP_MANIFEST, &path);
    FILE *f = r == 0 ? fopen(path.text, "re") : NULL;
    if (!f)
        return r < 0 ? r : -errno;
    ret[fread(ret, 1, MANIFEST_MAX - 1, f)] = 0;
    r = ferror(f) ? -EIO : 0;
    (void) fclose(f);
    return r;
}

/* A member as backup_put() writes it; -1: it is not there. */
static int64_t said(const char *manifest, const char *name) {
    char key[32];
    (void) snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(manifest, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static int compare(const char *dir, const struct backup_report *r, char *ret_why) {
    const struct {
        const char *name;
        int64_t n;
    } counts[] = { { "users", r->has_chat ? r->users : -1 },
                   { "rooms", r->has_chat ? r->rooms : -1 },
                   { "messages", r->has_chat ? r->messages : -1 },
                   { "attachments", r->has_chat ? r->attachments : -1 },
                   { "channels", r->has_history ? r->channels : -1 },
                   { "publications", r->has_history ? r->publications : -1 } };
    char *manifest = malloc(MANIFEST_MAX);
    int e = manifest ? read_manifest(dir, manifest) : -ENOMEM;
    if (e < 0)
        (void) backup_explain(ret_why, e, "%s cannot be read: %s", BACKUP_MANIFEST, strerror(-e));
    for (size_t i = 0; e == 0 && i < ELEMENTS_OF(counts); i++)
        if (said(manifest, counts[i].name) != counts[i].n)
            e = backup_explain(ret_why, -EBADMSG,
                               "%s is not as it was made: its %s are others than %s says", dir,
                               counts[i].name, BACKUP_MANIFEST);
    free(manifest);
    return e;
}

int backup_verify(const char *dir, struct backup_report *ret, char *ret_why) {
    if (!backup_has(dir, BACKUP_MANIFEST))
        return backup_explain(ret_why, -ENOENT, "%s is no copy, or not a whole one: it has no %s",
                              dir, BACKUP_MANIFEST);
    int r = backup_examine(dir, ret, ret_why);
    return r == 0 ? compare(dir, ret, ret_why) : r;
}
