#include "storage/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int explain(char **why, int r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!*why && vasprintf(why, format, args) < 0)
        *why = NULL;
    va_end(args);
    return r;
}

int data_lock_take(const char *lock_path, const char *data_path, int *ret_fd, char **why) {
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return explain(why, -errno, "%s cannot be opened: %s", lock_path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = errno == EWOULDBLOCK
                        ? explain(why, -EBUSY, "%s is in use by another process", data_path)
                        : explain(why, -errno, "%s cannot be locked: %s", lock_path,
                                  strerror(errno));
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int data_lock_release(int fd) {
    if (fd >= 0)
        close(fd);
    return -1;
}
