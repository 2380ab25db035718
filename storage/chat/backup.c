#include "storage/chat/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/buffer.h"
#include "storage/chat/backup_impl.h"
#include "storage/chat/blob.h"
#include "storage/chat/tokenizer.h"
#include "storage/clock.h"
#include "storage/sqlite/database.h"

enum { DIRECTORY_MODE = 0700, FORMAT = 1 };

/* ---- databases ---- */

/* In one snapshot, while others write. */
static int copy_database(const char *from_dir, const char *to_dir, const char *name,
                         char *ret_why) {
    struct backup_path from, to;
    sqlite3_stmt *s = NULL;
    sqlite3 *db = NULL;
    int r = backup_join(from_dir, name, &from);
    if (r == 0)
        r = backup_join(to_dir, name, &to);
    if (r < 0)
        return backup_explain(ret_why, r, "%s: %s", name, strerror(-r));
    int rc = sqlite3_open_v2(from.text, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        database_wait_for_locks(db);
    if (rc == SQLITE_OK && chat_tokenizer_register(db) < 0)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, to.text, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc != SQLITE_DONE)
        r = backup_explain(ret_why, database_error(db, rc), "%s cannot be copied: %s", from.text,
                           sqlite3_errmsg(db));
    sqlite3_finalize(s);
    database_close(db);
    return r;
}

/* ---- files ---- */

struct carrying {
    const char *from, *to; /* directories of files */
    bool is_copied;        /* no links between these file systems */
};

static int file_path(const char *dir, const struct chat_blob_id *id, struct backup_path *ret) {
    char name[CHAT_BLOB_TEXT_SIZE], part[CHAT_BLOB_TEXT_SIZE + 1];
    chat_blob_id_text(id, name);
    (void) snprintf(part, sizeof part, "%.2s", name);
    int r = backup_join(dir, part, ret);
    if (r == 0 && mkdir(ret->text, DIRECTORY_MODE) < 0 && errno != EEXIST)
        return -errno;
    (void) snprintf(part, sizeof part, "%.2s/%s", name, name + 2);
    return r == 0 ? backup_join(dir, part, ret) : r;
}

static int carry(void *arg, const struct chat_blob_id *id) {
    struct carrying *c = arg;
    struct backup_path from, to;
    int r = file_path(c->from, id, &from);
    if (r == 0)
        r = file_path(c->to, id, &to);
    if (r < 0)
        return r;
    if (!c->is_copied) {
        if (link(from.text, to.text) == 0 || errno == EEXIST || errno == ENOENT)
            return 0; /* ENOENT: it has just gone: so has what had it */
        c->is_copied = true;
    }
    r = backup_copy_file(from.text, to.text);
    return r == -EEXIST || r == -ENOENT ? 0 : r;
}

struct pruning {
    const char *dir;
    sqlite3_stmt *find;
};

static int drop_unneeded(void *arg, const struct chat_blob_id *id) {
    struct pruning *p = arg;
    statement_bind_bytes(p->find, 1, bytes_of(id->sha256, CHAT_BLOB_ID_SIZE));
    int rc = sqlite3_step(p->find);
    sqlite3_reset(p->find);
    if (rc == SQLITE_ROW)
        return 0;
    return rc == SQLITE_DONE ? chat_blob_remove(p->dir, id) : -EIO;
}

static int prune(const char *to, const char *files) {
    struct backup_path path;
    struct pruning p = { .dir = files };
    sqlite3 *db = NULL;
    int r = backup_join(to, "chat.db", &path);
    if (r == 0)
        r = database_open(path.text, NULL, DATABASE_READER, &db);
    if (r < 0)
        return r;
    int rc =
            sqlite3_prepare_v2(db, "SELECT 1 FROM attachment WHERE sha256 = ?1", -1, &p.find, NULL);
    r = rc == SQLITE_OK ? chat_blob_each(files, drop_unneeded, &p) : database_error(db, rc);
    sqlite3_finalize(p.find);
    database_close(db);
    return r;
}

static int carry_files(const char *data_dir, const char *to, char *ret_why) {
    struct backup_path from, into;
    int r = backup_join(data_dir, "files", &from);
    if (r == 0)
        r = backup_join(to, "files", &into);
    if (r == 0 && mkdir(into.text, DIRECTORY_MODE) < 0 && errno != EEXIST)
        r = -errno;
    struct carrying c = { .from = from.text, .to = into.text };
    if (r == 0)
        r = chat_blob_each(from.text, carry, &c);
    return r < 0 ? backup_explain(ret_why, r, "files cannot be copied: %s", strerror(-r)) : 0;
}

/* All files that are there before the snapshot, so that none goes meanwhile that it names; then
 * those that came until it was made; and none that it does not name. */
static int copy_chat(const char *data_dir, const char *to, char *ret_why) {
    struct backup_path files;
    int r = carry_files(data_dir, to, ret_why);
    if (r == 0)
        r = copy_database(data_dir, to, "chat.db", ret_why);
    if (r == 0)
        r = carry_files(data_dir, to, ret_why);
    if (r == 0)
        r = backup_join(to, "files", &files);
    if (r == 0) {
        r = prune(to, files.text);
        if (r < 0)
            (void) backup_explain(ret_why, r, "files cannot be looked through: %s", strerror(-r));
    }
    return r;
}

/* ---- a copy ---- */

static int copy_all(const char *data_dir, const char *to, char *ret_why) {
    bool has_any = false;
    int r = 0;
    for (size_t i = 0; r == 0 && backup_databases[i]; i++) {
        const char *name = backup_databases[i];
        if (!backup_has(data_dir, name))
            continue;
        has_any = true;
        r = strcmp(name, "chat.db") == 0 ? copy_chat(data_dir, to, ret_why)
                                         : copy_database(data_dir, to, name, ret_why);
    }
    if (r == 0 && !has_any)
        r = backup_explain(ret_why, -ENOENT, "%s has no database", data_dir);
    return r;
}

static int write_manifest(const char *to, const struct backup_report *report) {
    struct buffer out = BUFFER_INIT;
    buffer_printf(&out, "{\"format\":%d,\"version\":\"" PARLEY_VERSION "\",\"at\":%lld,", FORMAT,
                  (long long) clock_wall_ms());
    struct buffer members = BUFFER_INIT;
    backup_put(&members, report);
    buffer_append_bytes(&out, buffer_bytes(&members));
    buffer_append_str(&out, STR("}\n"));
    int r = buffer_error(&out);
    if (r == 0)
        r = buffer_error(&members);
    if (r == 0)
        r = backup_write_file(to, BACKUP_MANIFEST, buffer_bytes(&out));
    buffer_finish(&members);
    buffer_finish(&out);
    return r;
}

static int sync_all(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || syncfs(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        (void) close(fd);
    return r;
}

int backup_make(const char *data_dir, const char *to, struct backup_report *ret, char *ret_why) {
    struct backup_report report;
    if (mkdir(to, DIRECTORY_MODE) < 0)
        return backup_explain(ret_why, -errno, "%s cannot be made: %s", to, strerror(errno));
    int r = copy_all(data_dir, to, ret_why);
    if (r == 0)
        r = backup_examine(to, &report, ret_why);
    if (r < 0)
        return r;
    r = sync_all(to);
    if (r == 0)
        r = write_manifest(to, &report);
    if (r < 0)
        return backup_explain(ret_why, r, "%s cannot be written: %s", to, strerror(-r));
    *ret = report;
    return 0;
}
