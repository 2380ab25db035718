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
    struct batch_pool *pool; /* where it goes in the end; NULL: back to the heap */
    struct batch *next;      /* in the pool */
};

/* Those that nobody needs, and their memory, for the next ones: a busy turn takes hundreds and
 * gives them back, which the heap does not make cheap. Of one worker; starts zeroed. */
struct batch_pool {
    struct batch *spare;
    size_t n;
};

/* One reference, the caller's. NULL: no memory. pool: must outlive it; may be NULL. */
struct batch *batch_new(struct batch_pool *pool);
struct batch *batch_unref(struct batch *b); /* takes NULL; returns NULL */
void batch_pool_finish(struct batch_pool *pool);

static inline struct batch *batch_ref(struct batch *b) {
    b->refs++;
    return b;
}
