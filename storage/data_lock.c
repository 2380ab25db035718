#include "storage/data_lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

static void read_boot_id(char *to, size_t size) {
    char text[64] = "";
    size_t n = 0;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    const char *from = f ? fgets(text, sizeof text, f) : getenv("BOOT_ID");
    if (f)
        (void) fclose(f);
    for (; from && *from && n + 1 < size; from++)
        if (isxdigit((unsigned char) *from)) /* with dashes or without */
            to[n++] = *from;
    to[n] = '\0';
}

void data_lock_name(int fd, char ret[static DATA_LOCK_NAME_SIZE]) {
    enum { BOOT_ID_LEN = 32 };
    char boot[BOOT_ID_LEN + 1];
    struct stat st;
    ret[0] = '\0';
    read_boot_id(boot, sizeof boot);
    if (strlen(boot) == BOOT_ID_LEN && fstat(fd, &st) == 0)
        (void) snprintf(ret, DATA_LOCK_NAME_SIZE, "%s.%llx.%llx", boot,
                        (unsigned long long) st.st_dev, (unsigned long long) st.st_ino);
}

bool data_lock_is_left(const char *lock_path, const char *name) {
    char its[DATA_LOCK_NAME_SIZE];
    int fd = open(lock_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    data_lock_name(fd, its);
    bool is_left = its[0] && strcmp(its, name) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return is_left;
}

int data_lock_release(int fd) {
    if (fd >= 0)
        close(fd);
    return -1;
}
