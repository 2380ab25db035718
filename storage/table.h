/*
 * A hash table of entries embedded in what it holds, keyed by byte spans.
 *
 * Names are chosen by hostile clients, so the hash is SipHash-1-3 under a random key. Growing and
 * shrinking are spread over the additions that follow: no single call moves everything. Not
 * thread-safe.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

/* Embedded. Both private. */
struct table_entry {
    struct table_entry *next;
    uint64_t hash;
};

/* 128 random bits: who knows them can make names collide. */
struct table_seed {
    uint64_t words[2];
};

/* The key of an entry: the same bytes for as long as it is in a table. */
typedef struct bytes table_key_fn(const struct table_entry *entry);

struct table {
    struct table_entry **buckets; /* private, all; NULL: nothing was added yet */
    struct table_entry **old;     /* being emptied into buckets, from its first on */
    size_t n_buckets;             /* a power of two */
    size_t n_old;
    size_t moved; /* buckets of old that are empty */
    size_t size;
    table_key_fn *key_of;
    struct table_seed seed;
};

/* SipHash-1-3: also for choosing a shard. */
uint64_t table_hash(const struct table_seed *seed, struct bytes key);

/* Allocates nothing. seed is copied. */
void table_init(struct table *t, const struct table_seed *seed, table_key_fn *key_of);
void table_finish(struct table *t); /* frees the buckets; what is still in it is the caller's */

struct table_entry *table_find(const struct table *t, struct bytes key); /* NULL: not there */

/* From then on nothing can fail to be added. -ENOMEM. */
MUST_CHECK int table_reserve(struct table *t);

/* The entry's key must not be in the table. -ENOMEM: only for the first entry of a table. */
MUST_CHECK int table_add(struct table *t, struct table_entry *entry);
void table_remove(struct table *t, struct table_entry *entry); /* it must be in this table */

static inline size_t table_size(const struct table *t) {
    return t->size;
}

/* The same with the hash at hand: table_hash() under the table's own seed. */
struct table_entry *table_find_hashed(const struct table *t, uint64_t hash, struct bytes key);
MUST_CHECK int table_add_hashed(struct table *t, uint64_t hash, struct table_entry *entry);

struct table_entry *table_first(const struct table *t);
struct table_entry *table_next(const struct table *t, const struct table_entry *entry);

/* In no order. The current entry may be removed inside, and freed; others may not, and none added.
 */
#define TABLE_FOREACH(table, e)                                                                    \
    for (struct table_entry *e = table_first(table),                                               \
                            *e##_after = e ? table_next((table), e) : NULL;                        \
         e; e = e##_after, e##_after = e ? table_next((table), e) : NULL)
