/*
 * Framed bytes, ready for the wire, that many outboxes may share: what one channel published in one
 * turn, framed once per wire format, or the replies of one connection.
 *
 * Its maker appends to it; what has been appended never changes once it is shared. Loop thread
 * only.
 */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"

struct batch {
    uint32_t refs;
    struct buffer bytes;
};

struct batch *batch_new(void);              /* one reference, the caller's; NULL: no memory */
struct batch *batch_unref(struct batch *b); /* takes NULL; returns NULL */

static inline struct batch *batch_ref(struct batch *b) {
    b->refs++;
    return b;
}
