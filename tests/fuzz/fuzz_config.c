/*
 * Configuration files: any bytes are either refused with at least one error, or make a
 * configuration whose dump reads back as the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config/load.h"
#include "tests/fuzz/fuzz.h"

/* NULL: refused. */
static struct config *load(struct bytes text) {
    char path[64];
    struct config *c = NULL;
    struct config_report *report = calloc(1, sizeof *report);
    int fd = memfd_create("parleyd.yaml", MFD_CLOEXEC);
    assert(report && fd >= 0);
    assert(write(fd, text.data, text.len) == (ssize_t) text.len);
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    int r = config_load(&(struct config_source){ .file = path }, &c, report);
    assert(r == 0 || (r == -EINVAL && report->errors > 0 && report->n > 0));
    assert((r == 0) == (c != NULL));
    config_report_finish(report);
    free(report);
    (void) close(fd);
    return c;
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct config *first = load(bytes_of(data, size));
    if (!first)
        return 0;

    struct buffer dump = BUFFER_INIT, again = BUFFER_INIT;
    config_dump(first, &dump);
    struct config *second = load(buffer_bytes(&dump));
    assert(second);
    config_dump(second, &again);
    assert(bytes_equal(buffer_bytes(&dump), buffer_bytes(&again)));

    buffer_finish(&dump);
    buffer_finish(&again);
    (void) config_unref(first);
    (void) config_unref(second);
    return 0;
}
