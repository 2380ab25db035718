/*
 * Put in front of libc by LD_PRELOAD: while the file named by PARLEY_FAILSYNC_FILE exists, fsync()
 * and fdatasync() fail with EIO, as on a disk that is dying; and if PARLEY_FAILSYNC_ERROR is
 * ENOSPC, writing at a place (SQLite's way) fails with it instead.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static bool is_asked_for(bool is_about_space) {
    const char *path = getenv("PARLEY_FAILSYNC_FILE"), *error = getenv("PARLEY_FAILSYNC_ERROR");
    bool is_space = error && strcmp(error, "ENOSPC") == 0;
    int saved = errno;
    bool is_there = path && is_space == is_about_space && access(path, F_OK) == 0;
    errno = saved;
    return is_there;
}

static int failed(int error) {
    errno = error;
    return -1;
}

typedef int sync_fn(int fd);
typedef ssize_t write_fn(int fd, const void *data, size_t len, off_t at);

/* ISO C has no cast from an object's pointer to a function's. */
#define NEXT(type, name)                                                                           \
    __extension__({                                                                                \
        void *found_ = dlsym(RTLD_NEXT, name);                                                     \
        type *next_;                                                                               \
        memcpy(&next_, &found_, sizeof next_);                                                     \
        next_;                                                                                     \
    })

int fsync(int fd) {
    return is_asked_for(false) ? failed(EIO) : NEXT(sync_fn, "fsync")(fd);
}

int fdatasync(int fd) {
    return is_asked_for(false) ? failed(EIO) : NEXT(sync_fn, "fdatasync")(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    return is_asked_for(true) ? failed(ENOSPC) : NEXT(write_fn, "pwrite")(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
    return is_asked_for(true) ? failed(ENOSPC) : NEXT(write_fn, "pwrite64")(fd, data, len, at);
}
