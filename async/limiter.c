#include "async/limiter.h"

#include <assert.h>
#include <errno.h>

#include "async/task_impl.h"

void limiter_init(struct limiter *l, uint32_t tokens, uint32_t per_ms, uint32_t burst) {
    assert(tokens > 0 && per_ms > 0 && burst > 0);
    *l = (struct limiter){
        .level = (int64_t) burst * per_ms,
        .level_ms = loop_now(),
        .tokens = tokens,
        .per_ms = per_ms,
        .burst = burst,
    };
}

/* A token is per_ms units, and each millisecond brings tokens units: all in whole numbers. */
static void refill(struct limiter *l) {
    int64_t now_ms = loop_now();
    int64_t full = (int64_t) l->burst * l->per_ms;
    int64_t elapsed_ms = now_ms - l->level_ms;
    l->level_ms = now_ms;
    if (elapsed_ms > (full - l->level) / l->tokens)
        l->level = full;
    else
        l->level += elapsed_ms * l->tokens;
}

static int64_t units(const struct limiter *l, uint32_t n) {
    return (int64_t) n * l->per_ms;
}

static int64_t ms_until(const struct limiter *l, int64_t level) {
    return level <= l->level ? 0 : (level - l->level + l->tokens - 1) / l->tokens;
}

bool limiter_try_take(struct limiter *l, uint32_t n) {
    refill(l);
    if (l->level < units(l, n))
        return false;
    l->level -= units(l, n);
    return true;
}

int64_t limiter_wait_ms(struct limiter *l, uint32_t n) {
    refill(l);
    return ms_until(l, units(l, n));
}

int limiter_take(struct limiter *l, uint32_t n) {
    int r = task_check();
    if (r < 0)
        return r;
    if (n > l->burst)
        return -EMSGSIZE;
    refill(l);
    /* Taken in advance: who asks later waits for what is left after us. One who gives up returns
     * his tokens; those behind keep the moments that they were promised. */
    l->level -= units(l, n);
    int64_t wait_ms = ms_until(l, 0);
    if (wait_ms == 0)
        return 0;
    r = task_suspend_until(WAIT_LIMITER, l, loop_now() + wait_ms);
    if (r < 0) {
        refill(l);
        l->level += units(l, n);
    }
    return r;
}
