/* One result, many waiters; embedded in the request it completes. Loop thread only. */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct future {
    bool is_resolved;
    int result;          /* valid once resolved */
    struct list waiters; /* private */
};

enum { FUTURE_WAIT_ANY_MAX = 8 };

void future_init(struct future *f);
bool future_resolve(struct future *f, int result); /* false: was already resolved */
SUSPENDS MUST_CHECK int future_wait(
        struct future *f); /* 0: resolved, see f->result; < 0: the wait ended */
SUSPENDS MUST_CHECK int future_wait_any(struct future *const fs[],
                                        size_t n); /* index of a resolved one; n at
                                         most FUTURE_WAIT_ANY_MAX */
