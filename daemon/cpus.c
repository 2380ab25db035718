#include "daemon/cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CGROUP_MAX = 4096, QUOTA_MAX = 64 };

/* The beginning of a small file, terminated; its length, or < 0. */
static ssize_t read_file(const char *path, char *text, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, cap - 1);
    (void) close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

/* Of "150000 100000", microseconds in each period, or "max 100000"; 0: no limit. */
static unsigned cpus_of_quota(const char *text) {
    char *end;
    unsigned long long quota = strtoull(text, &end, 10);
    if (end == text || *end != ' ')
        return 0;
    unsigned long long period = strtoull(end + 1, NULL, 10);
    if (quota == 0 || period == 0)
        return 0;
    unsigned long long n = (quota - 1) / period + 1;
    return n < UINT_MAX ? (unsigned) n : 0;
}

static unsigned cpus_of_group(const char *root, struct str group) {
    char text[QUOTA_MAX], *path;
    if (asprintf(&path, "%s%.*s/cpu.max", root, (int) group.len, group.data) < 0)
        return 0;
    ssize_t n = read_file(path, text, sizeof text);
    free(path);
    return n < 0 ? 0 : cpus_of_quota(text);
}

unsigned cpus_of_groups(const char *root, struct str own) {
    /* One line is of version 2, and begins so (cgroups(7)). */
    const char *line = own.data, *end = own.data + own.len;
    while (line < end && ((size_t) (end - line) < 3 || memcmp(line, "0::", 3) != 0)) {
        const char *newline = memchr(line, '\n', (size_t) (end - line));
        line = newline ? newline + 1 : end;
    }
    if (line == end)
        return 0;
    line += 3;
    const char *newline = memchr(line, '\n', (size_t) (end - line));
    struct str group = { line, (size_t) ((newline ? newline : end) - line) };

    unsigned least = 0;
    for (;;) {
        while (group.len > 0 && group.data[group.len - 1] == '/')
            group.len--;
        unsigned n = cpus_of_group(root, group);
        if (n && (!least || n < least))
            least = n;
        if (group.len == 0)
            return least;
        while (group.len > 0 && group.data[group.len - 1] != '/')
            group.len--;
    }
}

/* A kernel may know more processors than a cpu_set_t has room for. */
static unsigned cpus_allowed(void) {
    for (int n = 1024; n <= 1 << 20; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE(n);
        int r = sched_getaffinity(0, size, set);
        int count = r == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (r == 0)
            return count > 0 ? (unsigned) count : 1;
    }
    return 1;
}

unsigned cpus_usable(void) {
    unsigned n = cpus_allowed(), limit = 0;
    char *own = malloc(CGROUP_MAX);
    ssize_t len = own ? read_file("/proc/self/cgroup", own, CGROUP_MAX) : -1;
    if (len > 0)
        limit = cpus_of_groups("/sys/fs/cgroup", (struct str){ own, (size_t) len });
    free(own);
    return limit && limit < n ? limit : n;
}
