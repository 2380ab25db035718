/* The lines of standard input, one after the other. */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"

struct stream;

enum { LINES_LINE_MAX = 1 << 20 }; /* bytes of a line */

struct lines {
    struct stream *stream; /* NULL: a regular file, which never makes one wait */
    struct buffer buffer;
    size_t scanned;
    uint64_t number; /* of the line handed out last, from 1 */
    bool has_ended;
    int flags; /* of the descriptor before, which others share */
};

MUST_CHECK int lines_open(struct lines *l);
/* Iterator: 1 a line without its end, good until the next call; 0 the end; -EMSGSIZE: a line is too
 * long; -errno. */
SUSPENDS MUST_CHECK int lines_next(struct lines *l, struct bytes *ret);
void lines_close(struct lines *l);
