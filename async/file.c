#include "async/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/offload.h"

struct file {
    struct pool *pool;
    int fd;
};

/* One request to a thread, whichever it is; lives in the frame of the task that waits. */
struct request {
    const char *path;
    int flags;
    unsigned mode;
    int fd;
    void *buf;
    const void *data;
    size_t len;
    off_t at;
    size_t done;
};

static void fd_closep(const int *fd) {
    if (*fd >= 0)
        (void) close(*fd);
}

/* ---- on the threads ---- */

static int read_all(int fd, char *to, size_t cap, off_t at, size_t *ret_done) {
    size_t done = 0;
    while (done < cap) {
        ssize_t n = at < 0 ? read(fd, to + done, cap - done)
                           : pread(fd, to + done, cap - done, at + (off_t) done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t) n;
    }
    *ret_done = done;
    return 0;
}

static int write_all(int fd, const char *from, size_t len, off_t at) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, from + done, len - done, at + (off_t) done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t) n;
    }
    return 0;
}

/* Size is only a hint: files of /proc say 0, and others grow. */
static int do_read(void *arg) {
    struct request *q = arg;
    int fd CLEANUP(fd_closep) = open(q->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (st.st_size > 0 && (uintmax_t) st.st_size > q->len)
        return -EFBIG;
    size_t cap = (st.st_size > 0 ? (size_t) st.st_size : 4096) + 1, done = 0;
    char *buf = NULL;
    int r = 0;
    for (;;) {
        char *grown = realloc(buf, cap + 1);
        size_t part = 0;
        if (!grown) {
            r = -ENOMEM;
            break;
        }
        buf = grown;
        r = read_all(fd, buf + done, cap - done, -1, &part);
        done += part;
        if (r < 0 || done < cap)
            break;
        if (done > q->len) {
            r = -EFBIG;
            break;
        }
        cap *= 2;
    }
    if (r == 0 && done > q->len)
        r = -EFBIG;
    if (r < 0) {
        free(buf);
        return r;
    }
    buf[done] = 0;
    q->buf = buf;
    q->done = done;
    return 0;
}

static int sync_directory_of(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t) (slash - path) : 0;
    if (len >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, path, len);
    directory[len] = 0;
    int fd CLEANUP(fd_closep) =
            open(slash ? len ? directory : "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: a file system without */
}

static int fill_temporary(int fd, const struct request *q) {
    int r = write_all(fd, q->data, q->len, 0);
    if (r == 0 && fchmod(fd, q->mode & 07777) < 0)
        r = -errno;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

static int do_write(void *arg) {
    struct request *q = arg;
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", q->path);
    if (len < 0 || (size_t) len >= sizeof temporary)
        return -ENAMETOOLONG;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fill_temporary(fd, q);
    if (close(fd) < 0 && r == 0)
        r = -errno; /* a network file system's way to say that it is full */
    if (r == 0 && rename(temporary, q->path) < 0)
        r = -errno;
    if (r < 0) {
        (void) unlink(temporary);
        return r;
    }
    return sync_directory_of(q->path);
}

static int do_open(void *arg) {
    struct request *q = arg;
    q->fd = open(q->path, q->flags | O_CLOEXEC, q->mode);
    return q->fd < 0 ? -errno : 0;
}

static int do_pread(void *arg) {
    struct request *q = arg;
    return read_all(q->fd, q->buf, q->len, q->at, &q->done);
}

static int do_pwrite(void *arg) {
    struct request *q = arg;
    return write_all(q->fd, q->data, q->len, q->at);
}

static int do_sync(void *arg) {
    struct request *q = arg;
    return fdatasync(q->fd) < 0 ? -errno : 0;
}

static int do_size(void *arg) {
    struct request *q = arg;
    struct stat st;
    if (fstat(q->fd, &st) < 0)
        return -errno;
    q->at = st.st_size;
    return 0;
}

static int do_truncate(void *arg) {
    struct request *q = arg;
    return ftruncate(q->fd, q->at) < 0 ? -errno : 0;
}

static int do_close(void *arg) {
    struct request *q = arg;
    return close(q->fd) < 0 ? -errno : 0;
}

/* ---- on the loop ---- */

SUSPENDS int file_read(struct pool *p, const char *path, size_t max_bytes, char **ret,
                       size_t *ret_len) {
    struct request q = { .path = path, .len = max_bytes };
    int r = offload(p, do_read, &q);
    if (r < 0)
        return r;
    *ret = q.buf;
    *ret_len = q.done;
    return 0;
}

SUSPENDS int file_write(struct pool *p, const char *path, const void *data, size_t len,
                        unsigned mode) {
    struct request q = { .path = path, .data = data, .len = len, .mode = mode };
    return offload(p, do_write, &q);
}

SUSPENDS int file_open(struct pool *p, const char *path, int flags, unsigned mode,
                       struct file **ret) {
    struct file *f = malloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    struct request q = { .path = path, .flags = flags, .mode = mode };
    int r = offload(p, do_open, &q);
    if (r < 0) {
        free(f);
        return r;
    }
    *f = (struct file){ .pool = p, .fd = q.fd };
    *ret = f;
    return 0;
}

SUSPENDS ssize_t file_pread(struct file *f, void *buf, size_t cap, off_t at) {
    if (at < 0)
        return -EINVAL;
    struct request q = { .fd = f->fd, .buf = buf, .len = cap, .at = at };
    int r = offload(f->pool, do_pread, &q);
    return r < 0 ? r : (ssize_t) q.done;
}

SUSPENDS int file_pwrite(struct file *f, const void *buf, size_t len, off_t at) {
    struct request q = { .fd = f->fd, .data = buf, .len = len, .at = at };
    return offload(f->pool, do_pwrite, &q);
}

SUSPENDS int file_sync(struct file *f) {
    struct request q = { .fd = f->fd };
    return offload(f->pool, do_sync, &q);
}

SUSPENDS int file_size(struct file *f, off_t *ret) {
    struct request q = { .fd = f->fd };
    int r = offload(f->pool, do_size, &q);
    if (r == 0)
        *ret = q.at;
    return r;
}

SUSPENDS int file_truncate(struct file *f, off_t size) {
    struct request q = { .fd = f->fd, .at = size };
    return offload(f->pool, do_truncate, &q);
}

int file_fd(const struct file *f) {
    return f->fd;
}

SUSPENDS struct file *file_close(struct file *f) {
    if (!f)
        return NULL;
    struct request q = { .fd = f->fd };
    SHIELD(INT64_MAX);
    int r = offload(f->pool, do_close, &q);
    if (r == -ENOBUFS || r == -EAGAIN)
        (void) do_close(&q); /* a full pool must not leak descriptors */
    free(f);
    return NULL;
}
