#include "clients/cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/stream.h"

enum { READ_BYTES = 65536 };

int lines_open(struct lines *l) {
    struct stat st;

    *l = (struct lines){ .flags = fcntl(STDIN_FILENO, F_GETFL) };
    if (l->flags < 0 || fstat(STDIN_FILENO, &st) < 0)
        return -errno;
    buffer_init(&l->buffer, LINES_LINE_MAX + READ_BYTES);
    if (S_ISREG(st.st_mode))
        return 0;

    /* A copy: closing the stream leaves descriptor 0 as it was. */
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    int r = stream_from_fd(fd, &l->stream);
    if (r < 0)
        (void) close(fd);
    return r;
}

static ssize_t read_some(struct lines *l, uint8_t *to) {
    if (l->stream)
        return stream_read(l->stream, to, READ_BYTES);

    ssize_t n = read(STDIN_FILENO, to, READ_BYTES);
    return n < 0 ? -errno : n;
}

int lines_next(struct lines *l, struct bytes *ret) {
    /* What was handed out last stands before `scanned`. */
    buffer_consume(&l->buffer, l->scanned);
    l->scanned = 0;

    for (;;) {
        struct bytes all = buffer_bytes(&l->buffer);
        const uint8_t *end = all.len > l->scanned
                                     ? memchr(all.data + l->scanned, '\n', all.len - l->scanned)
                                     : NULL;
        if (end || (l->has_ended && all.len > 0)) {
            size_t len = end ? (size_t) (end - all.data) : all.len;
            l->scanned = end ? len + 1 : len;
            l->number++;
            if (len > 0 && all.data[len - 1] == '\r')
                len--;
            *ret = bytes_of(all.data, len);
            return 1;
        }
        if (l->has_ended)
            return 0;
        if (all.len > LINES_LINE_MAX)
            return -EMSGSIZE;
        l->scanned = all.len;

        uint8_t *to = buffer_reserve(&l->buffer, READ_BYTES);
        if (!to)
            return -ENOMEM;
        ssize_t n = read_some(l, to);
        if (n < 0) {
            l->scanned = 0;
            return (int) n;
        }
        l->has_ended = n == 0;
        buffer_added(&l->buffer, (size_t) n);
    }
}

void lines_close(struct lines *l) {
    l->stream = stream_close(l->stream);
    buffer_finish(&l->buffer);
    /* O_NONBLOCK is the open file's, and with it the shell's. */
    if (l->flags >= 0)
        (void) fcntl(STDIN_FILENO, F_SETFL, l->flags);
}
