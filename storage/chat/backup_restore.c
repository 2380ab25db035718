/* A copy, put back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/chat/backup_impl.h"
#include "storage/chat/blob.h"

enum { DIRECTORY_MODE = 0700, LOCKS = 2, BEFORE_MAX = 1000 };

static const char *const locks[LOCKS] = { "history.lock", "chat.lock" };

/* What belongs to databases and is not to outlive them. */
static const char *const beside[] = { "-wal", "-shm", "-journal" };
static const char *const marks[] = { "history.mark", "chat.mark", "chat.accept" };

/* ---- nobody else ---- */

static void unlock_all(const int fds[static LOCKS]) {
    for (size_t i = 0; i < LOCKS; i++)
        if (fds[i] >= 0)
            (void) close(fds[i]);
}

static int lock_all(const char *data_dir, int fds[static LOCKS], char *ret_why) {
    struct backup_path path;
    for (size_t i = 0; i < LOCKS; i++)
        fds[i] = -1;
    for (size_t i = 0; i < LOCKS; i++) {
        int r = backup_join(data_dir, locks[i], &path);
        if (r < 0)
            return r;
        fds[i] = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fds[i] < 0)
            return backup_explain(ret_why, -errno, "%s cannot be opened: %s", path.text,
                                  strerror(errno));
        if (flock(fds[i], LOCK_EX | LOCK_NB) < 0)
            return backup_explain(ret_why, errno == EWOULDBLOCK ? -EBUSY : -errno,
                                  "%s is in use: stop the daemon first", data_dir);
    }
    return 0;
}

/* ---- what is there already ---- */

static bool has_any(const char *data_dir) {
    for (size_t i = 0; backup_databases[i]; i++)
        if (backup_has(data_dir, backup_databases[i]))
            return true;
    return backup_has(data_dir, "files");
}

static int move(const char *from_dir, const char *to_dir, const char *name) {
    struct backup_path from, to;
    int r = backup_join(from_dir, name, &from);
    if (r == 0)
        r = backup_join(to_dir, name, &to);
    if (r < 0)
        return r;
    return rename(from.text, to.text) < 0 && errno != ENOENT ? -errno : 0;
}

static int put_aside(const char *data_dir, char *ret_why) {
    struct backup_path to;
    char name[64];
    int r = -EEXIST;
    for (int i = 1; r == -EEXIST && i < BEFORE_MAX; i++) {
        (void) snprintf(name, sizeof name, "before-restore.%d", i);
        r = backup_join(data_dir, name, &to);
        if (r == 0 && mkdir(to.text, DIRECTORY_MODE) < 0)
            r = -errno;
    }
    for (size_t i = 0; r == 0 && backup_databases[i]; i++) {
        r = move(data_dir, to.text, backup_databases[i]);
        for (size_t j = 0; r == 0 && j < ELEMENTS_OF(beside); j++) {
            (void) snprintf(name, sizeof name, "%s%s", backup_databases[i], beside[j]);
            r = move(data_dir, to.text, name);
        }
    }
    for (size_t i = 0; r == 0 && i < ELEMENTS_OF(marks); i++)
        r = move(data_dir, to.text, marks[i]);
    if (r == 0)
        r = move(data_dir, to.text, "files");
    if (r == 0)
        r = backup_sync_dir(to.text);
    return r < 0 ? backup_explain(ret_why, r, "what is in %s cannot be put aside: %s", data_dir,
                                  strerror(-r))
                 : 0;
}

/* ---- putting back ---- */

struct putting {
    const char *from, *to;
};

static int put_file(void *arg, const struct chat_blob_id *id) {
    struct putting *p = arg;
    struct backup_path from, to;
    char name[CHAT_BLOB_TEXT_SIZE], part[CHAT_BLOB_TEXT_SIZE + 1];
    chat_blob_id_text(id, name);
    (void) snprintf(part, sizeof part, "%.2s", name);
    int r = backup_join(p->to, part, &to);
    if (r == 0 && mkdir(to.text, DIRECTORY_MODE) < 0 && errno != EEXIST)
        return -errno;
    (void) snprintf(part, sizeof part, "%.2s/%s", name, name + 2);
    if (r == 0)
        r = backup_join(p->to, part, &to);
    if (r == 0)
        r = backup_join(p->from, part, &from);
    return r == 0 ? backup_copy_file(from.text, to.text) : r;
}

static int put_files(const char *dir, const char *data_dir) {
    struct backup_path from, to;
    int r = backup_join(dir, "files", &from);
    if (r == 0)
        r = backup_join(data_dir, "files", &to);
    if (r < 0 || !backup_has(dir, "files"))
        return r;
    r = chat_blob_open_dir(to.text);
    struct putting p = { from.text, to.text };
    return r == 0 ? chat_blob_each(from.text, put_file, &p) : r;
}

/* Under another name first: a database is there whole or not at all. */
static int put_database(const char *dir, const char *data_dir, const char *name) {
    struct backup_path from, partial, to;
    char partial_name[64];
    (void) snprintf(partial_name, sizeof partial_name, "%s.partial", name);
    int r = backup_join(dir, name, &from);
    if (r == 0)
        r = backup_join(data_dir, partial_name, &partial);
    if (r == 0)
        r = backup_join(data_dir, name, &to);
    if (r < 0)
        return r;
    (void) unlink(partial.text); /* of a restore that was cut short */
    r = backup_copy_file(from.text, partial.text);
    return r == 0 && rename(partial.text, to.text) < 0 ? -errno : r;
}

/* chat.db last: with it what was uploaded has to be there. */
static int put_all(const char *dir, const char *data_dir) {
    int r = put_files(dir, data_dir);
    for (size_t i = 0; r == 0 && backup_databases[i]; i++)
        if (backup_has(dir, backup_databases[i]))
            r = put_database(dir, data_dir, backup_databases[i]);
    if (r < 0)
        return r;
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 || syncfs(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        (void) close(fd);
    return r;
}

int backup_restore(const char *dir, const char *data_dir, bool is_forced, struct backup_report *ret,
                   char *ret_why) {
    struct backup_report report;
    int fds[LOCKS];
    int r = backup_verify(dir, &report, ret_why);
    if (r < 0)
        return r;
    if (mkdir(data_dir, DIRECTORY_MODE) < 0 && errno != EEXIST)
        return backup_explain(ret_why, -errno, "%s cannot be made: %s", data_dir, strerror(errno));
    r = lock_all(data_dir, fds, ret_why);
    if (r == 0 && has_any(data_dir)) {
        if (is_forced)
            r = put_aside(data_dir, ret_why);
        else
            r = backup_explain(ret_why, -EEXIST, "%s has data already", data_dir);
    }
    if (r == 0) {
        r = put_all(dir, data_dir);
        if (r < 0)
            (void) backup_explain(ret_why, r, "%s cannot be written: %s", data_dir, strerror(-r));
    }
    unlock_all(fds);
    if (r == 0)
        *ret = report;
    return r;
}
