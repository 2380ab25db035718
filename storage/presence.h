/*
 * Who is in a channel, in memory: clients by their id, each with its user, until removed or not
 * renewed.
 *
 * Thread-safe. Time is an argument: loop_now() of whichever loop calls, all of one clock.
 */
#pragma once

#include <pthread.h>

#include "storage/engine.h"
#include "storage/table.h"

enum { PRESENCE_SHARDS = 16 };

struct presence_shard {
    pthread_mutex_t mutex;
    struct table channels;
} __attribute__((aligned(64)));

struct presence_store {
    struct presence_shard shards[PRESENCE_SHARDS];
    unsigned next_sweep;
};

void presence_store_init(struct presence_store *s, const struct table_seed *seed);
void presence_store_finish(struct presence_store *s);

/* Adds the client, or renews it; what is known of it is replaced. Everything is copied. -ENOMEM. */
MUST_CHECK int presence_store_set(struct presence_store *s, int64_t now_ms, struct str channel,
                                  const struct client_info *info, int64_t ttl_ms);
void presence_store_remove(struct presence_store *s, struct str channel, struct str client);

MUST_CHECK int presence_store_read(struct presence_store *s, int64_t now_ms, struct str channel,
                                   struct presence *ret); /* -ENOMEM */
void presence_store_count(struct presence_store *s, int64_t now_ms, struct str channel,
                          size_t *ret_clients, size_t *ret_users);

/* Forgets what is gone in the next one of the shards. One thread. */
void presence_store_sweep(struct presence_store *s, int64_t now_ms);
