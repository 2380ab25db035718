/*
 * The stacks of one loop's tasks: equal slots in big lazily filled mappings, used again last in,
 * first out, so that a few warm ones serve many tasks.
 */
#pragma once

#include "async/base.h"

struct stack_pool;

struct stack {
    char *low;    /* above the guard */
    size_t bytes; /* from low */
    size_t used;  /* high water of the task that gave it back last; 0: not measured */
    bool is_guarded;
    bool is_painted;
    unsigned valgrind_id;
    void *fake_stack; /* ASan's, of the task parked on it */
    void *fiber;      /* TSan's */
};

struct stack_stats {
    size_t slot_bytes;
    size_t in_use, idle, given_back; /* stacks; given back: idle and holding no memory */
};

/* slot_bytes: address space of one, guard included; a multiple of the page size. NULL: no memory.
 */
struct stack_pool *stack_pool_new(size_t slot_bytes, bool paints);

/* None may be in use. Takes NULL; returns NULL. */
struct stack_pool *stack_pool_free(struct stack_pool *p);

struct stack *stack_take(struct stack_pool *p); /* NULL: no memory now */

/* Aborts if the task ran over the end of a stack that has no guard page. Fills s->used when
 * painting. */
void stack_give(struct stack_pool *p, struct stack *s);

/* Hands memory of stacks that nobody needed since the last call back to the system. true: there may
 * be more to hand back after the next period. */
bool stack_pool_trim(struct stack_pool *p);

void stack_pool_stats(const struct stack_pool *p, struct stack_stats *ret);
