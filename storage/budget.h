/* Bytes that may be in use, counted by many threads. */
#pragma once

#include <stdatomic.h>

#include "async/base.h"

struct budget {
    _Atomic size_t used;
    size_t max;
};

static inline bool budget_take_below(struct budget *b, size_t size, size_t max) {
    if (atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed) + size <= max)
        return true;
    atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
    return false;
}

/* false: there is not enough left, and nothing was taken. */
static inline bool budget_take(struct budget *b, size_t size) {
    return budget_take_below(b, size, b->max);
}

static inline void budget_give(struct budget *b, size_t size) {
    atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
}
