/*
 * The tops of streams, in memory: how far each has been *distributed*, for anyone to ask; and, for
 * the writer alone, what the database holds of it.
 *
 * Publications are distributed and the top is moved in one step, under the channel's lock here. So
 * who attaches first and asks for the position then misses nothing: what is beyond it will be
 * delivered.
 *
 * Bounded: what was not used for longest is forgotten, and read again when needed.
 */
#pragma once

#include <pthread.h>

#include "async/list.h"
#include "storage/engine.h"
#include "storage/table.h"

enum { TOPS_SHARDS = 16, TOPS_MAX = 131072 };

/* A channel as the database has it. */
struct stored {
    int64_t id; /* 0: no row */
    uint64_t generation;
    uint64_t first; /* offset of the oldest publication; top + 1: there is none */
    uint64_t top;
    int64_t last_ms;
    int64_t due_ms;
    uint32_t size;
    int64_t ttl_ms;
    int64_t meta_ttl_ms;
    bool has_map_keys; /* were counted */
    uint32_t map_keys;
};

struct top {
    struct table_entry entry;
    struct link recent;
    unsigned pins; /* under the shard's lock */

    /* Under the shard's lock. Unknown: nobody has looked yet. */
    bool is_known;
    uint64_t offset; /* the last one distributed */
    uint64_t generation;

    /* The writer's alone, while it holds a pin. */
    bool is_loaded;
    bool is_staged;
    bool is_dirty;        /* the row needs writing */
    struct stored stored; /* committed */
    struct stored staged; /* what the transaction under way makes of it */
    struct top *staged_next;

    size_t name_len;
    char name[];
};

struct tops_shard {
    pthread_mutex_t mutex;
    struct table tops;
    struct list recent; /* last: used last */
} __attribute__((aligned(64)));

struct tops {
    struct tops_shard shards[TOPS_SHARDS];
};

void tops_init(struct tops *t, const struct table_seed *seed);
void tops_finish(struct tops *t);

/* Stays until unpinned; made unknown if it was not there. NULL: no memory. */
struct top *tops_pin(struct tops *t, uint64_t hash, struct str channel);
struct top *tops_pin_existing(struct tops *t, uint64_t hash,
                              struct str channel); /* NULL: not there */
void tops_unpin(struct tops *t, struct top *top);

bool tops_get(struct tops *t, uint64_t hash, struct str channel, uint64_t *ret_offset,
              uint64_t *ret_generation); /* false: unknown */
size_t tops_size(struct tops *t);

/* The lock of a pinned one's shard. */
void tops_lock(struct tops *t, const struct top *top);
void tops_unlock(struct tops *t, const struct top *top);
void tops_unlock_unpin(struct tops *t, struct top *top);

static inline struct str top_name(const struct top *top) {
    return (struct str){ .data = top->name, .len = top->name_len };
}
