/*
 * Memory for what a decoder cannot point to in its input: unescaped strings, compacted payloads,
 * lists. Everything is freed together. Nothing is allocated until something is asked for, so one
 * that was never used costs nothing.
 */
#pragma once

#include "protocol/bytes.h"

struct arena {
    struct arena_chunk *chunks; /* newest first */
};

#define ARENA_INIT ((struct arena){ 0 })

/* Aligned for any type, not zeroed; valid until arena_finish(). NULL: no memory. */
void *arena_alloc(struct arena *a, size_t len) __attribute__((malloc, warn_unused_result));

/*
 * A list of unknown length that grows in an arena: what it outgrew is left behind, which at most
 * doubles what it takes. Zeroed: empty.
 */
struct arena_list {
    void *items;
    size_t n;
    size_t cap;
};

/* Room for one more item, zeroed; all items of a list have one size. NULL: no memory. */
void *arena_list_add(struct arena *a, struct arena_list *l, size_t item_size)
        __attribute__((warn_unused_result));

void arena_finish(struct arena *a); /* frees all; the arena can be used again. Takes a zeroed one */
