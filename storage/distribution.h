/*
 * Which workers want which channels, and handing publications to them: one post for each. A worker
 * that sleeps is woken once for what a turn, or a group of the writer's, hands to it.
 *
 * Thread-safe. Its locks are the innermost ones of an engine: a caller may hold its own, and does
 * where distributing must be one with moving a stream's top.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/engine.h"
#include "storage/table.h"

enum { INTEREST_SHARDS = 64 };

struct interest_shard {
    pthread_mutex_t mutex;
    struct table channels;
} __attribute__((aligned(64)));

struct sink_slot;

struct distribution {
    struct interest_shard shards[INTEREST_SHARDS];
    pthread_mutex_t sinks_mutex;
    struct sink_slot *slots[ENGINE_SINKS_MAX]; /* stable while a channel's mask has its bit */
    _Atomic unsigned n_sinks;
};

/* seed: the one of every hash handed in below. */
void distribution_init(struct distribution *d, const struct table_seed *seed);
void distribution_finish(struct distribution *d); /* no sinks are left */

MUST_CHECK int distribution_add_sink(struct distribution *d,
                                     struct engine_sink *s); /* -ENOSPC, -ENOMEM */
void distribution_remove_sink(struct distribution *d, struct engine_sink *s);

MUST_CHECK int distribution_attach(struct distribution *d, struct engine_sink *s,
                                   struct str channel); /* -ENOMEM */
void distribution_detach(struct distribution *d, struct engine_sink *s, struct str channel);

/* Is some sink attached to the channel? */
bool distribution_has(struct distribution *d, uint64_t hash, struct str channel);

/* To every sink of its channel, or on -ENOMEM to none. hash: of the channel's name. p: borrowed. */
MUST_CHECK int distribution_send(struct distribution *d, uint64_t hash, struct publication *p);

/* ---- for who may not fail any more when the time to send comes ---- */

struct delivery;

/* Memory for deliveries, taken beforehand. Zeroed: empty. One thread. */
struct delivery_reserve {
    struct delivery *first;
    size_t n;
};

/* Fills up to what publications more will need with the sinks there are now. -ENOMEM. */
MUST_CHECK int distribution_reserve(struct distribution *d, struct delivery_reserve *r,
                                    size_t publications);
/* wakes: as of inbox_post_quietly(). */
void distribution_send_reserved(struct distribution *d, struct delivery_reserve *r, uint64_t hash,
                                struct publication *p, struct wakes *wakes);
void delivery_reserve_finish(struct delivery_reserve *r);
