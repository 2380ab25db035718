/*
 * A rate limiter: a bucket that holds at most burst tokens, is full at first, and gets tokens back
 * at a steady rate, exactly (no rounding is lost), on the loop's clock. 32 bytes: one fits into
 * every connection.
 */
#pragma once

#include "async/base.h"

struct limiter {
    int64_t level;    /* private, all: in 1/per_ms tokens; negative: promised to waiters */
    int64_t level_ms; /* when it was that */
    uint32_t tokens, per_ms;
    uint32_t burst;
};

/* All > 0. Of the loop's thread. */
void limiter_init(struct limiter *l, uint32_t tokens, uint32_t per_ms, uint32_t burst);

MUST_CHECK bool limiter_try_take(struct limiter *l, uint32_t n); /* all n, or nothing */

/* Waits for its tokens, in the order of asking. 0; -EMSGSIZE: n > burst; -ECANCELED, -ETIMEDOUT:
 * nothing taken. */
SUSPENDS MUST_CHECK int limiter_take(struct limiter *l, uint32_t n);

int64_t limiter_wait_ms(struct limiter *l,
                        uint32_t n); /* until limiter_try_take(l, n) could succeed; 0: now */
