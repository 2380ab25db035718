/*
 * What subscribers with delta have of a map: for each key the value that was delivered last, or
 * that they read before they came. Patches on a key are made on that.
 *
 * It exists while somebody takes patches of the map, or is about to, and knows of every delivery
 * since then. A key it does not know goes out whole once. Loop thread only.
 */
#pragma once

#include "daemon/delta.h"
#include "storage/table.h"

struct delta_keys {
    struct table table;
    struct position since; /* the last one delivered */
    uint64_t count;        /* of deliveries and of pages read */
};

/* NULL: no memory. since: the last delivered. */
struct delta_keys *delta_keys_new(const struct table_seed *seed, const struct position *since);
struct delta_keys *delta_keys_free(struct delta_keys *k); /* takes NULL; returns NULL */

/* Values that a subscriber-to-be was sent, and that were the newest of their keys at that position,
 * which is not before the channel was attached. For maps with a stream. */
void delta_keys_learn(struct delta_keys *k, struct publication *const *items, size_t n,
                      const struct position *at);

/* Values that it was sent on the way, which may have changed since. */
void delta_keys_compare(struct delta_keys *k, struct publication *const *items, size_t n);

/* After a publication was delivered. base: of it; NULL: no memory, then nobody has the key. */
void delta_keys_delivered(struct delta_keys *k, const struct publication *p,
                          struct delta_base *base);

/*
 * What a subscriber has of the publication's key just before it is delivered to it; NULL: nothing
 * that is sure. since: k->count when it came. It was given what was delivered since then, and what
 * was read until then is what it has read, too: what it was sent is all learnt. Without a stream
 * nothing is.
 */
struct delta_base *delta_keys_base(const struct delta_keys *k, const struct publication *p,
                                   uint64_t since);
