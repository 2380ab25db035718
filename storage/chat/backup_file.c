/* Files and directories of copies. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/json.h"
#include "storage/chat/backup_impl.h"

enum { COPY_BYTES = 1 << 20, FILE_MODE = 0600 };

const char *const backup_databases[] = { "history.db", "archive.db", "chat.db", NULL };

int backup_explain(char *ret_why, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void) vsnprintf(ret_why, BACKUP_WHY_MAX, format, args);
    va_end(args);
    return code;
}

int backup_join(const char *dir, const char *name, struct backup_path *ret) {
    int n = snprintf(ret->text, sizeof ret->text, "%s/%s", dir, name);
    return n < 0 || (size_t) n >= sizeof ret->text ? -ENAMETOOLONG : 0;
}

bool backup_has(const char *dir, const char *name) {
    struct backup_path path;
    return backup_join(dir, name, &path) == 0 && access(path.text, F_OK) == 0;
}

int backup_sync_dir(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    (void) close(fd);
    return r;
}

static int write_all(int fd, const uint8_t *data, size_t len) {
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t) n;
    }
    return 0;
}

static int close_synced(int fd, int r) {
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int backup_write_file(const char *dir, const char *name, struct bytes content) {
    struct backup_path partial, path;
    char partial_name[64];
    (void) snprintf(partial_name, sizeof partial_name, "%s.partial", name);
    int r = backup_join(dir, partial_name, &partial);
    if (r == 0)
        r = backup_join(dir, name, &path);
    if (r < 0)
        return r;
    int fd = open(partial.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    r = close_synced(fd, write_all(fd, content.data, content.len));
    if (r == 0 && rename(partial.text, path.text) < 0)
        r = -errno;
    return r == 0 ? backup_sync_dir(dir) : r;
}

static int copy(int from, int to) {
    uint8_t *buf = malloc(COPY_BYTES);
    int r = buf ? 0 : -ENOMEM;
    while (r == 0) {
        ssize_t n = read(from, buf, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        r = write_all(to, buf, (size_t) n);
    }
    free(buf);
    return r;
}

int backup_copy_file(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return -errno;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    int r = out < 0 ? -errno : close_synced(out, copy(in, out));
    (void) close(in);
    return r;
}

static void put(struct buffer *out, const char *name, uint64_t number) {
    if (out->len > 0 && out->data[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_printf(out, "\"%s\":%llu", name, (unsigned long long) number);
}

void backup_put(struct buffer *out, const struct backup_report *r) {
    if (r->has_chat) {
        put(out, "users", (uint64_t) r->users);
        put(out, "rooms", (uint64_t) r->rooms);
        put(out, "messages", (uint64_t) r->messages);
        put(out, "attachments", (uint64_t) r->attachments);
        put(out, "files", (uint64_t) r->files);
        put(out, "files_bytes", r->files_bytes);
    }
    if (r->has_history) {
        put(out, "channels", (uint64_t) r->channels);
        put(out, "publications", (uint64_t) r->publications);
    }
    put(out, "database_bytes", r->database_bytes);
}
