/*
 * What a process knows of publishes that are more than appending, in memory: idempotency keys, and
 * maps. The memory engine keeps all of it here; the one on SQLite only what is not kept on disk.
 *
 * A request passes under its channel's lock here, which is taken before the implementation's: it
 * is decided, sent and remembered in one step.
 */
#pragma once

#include <pthread.h>

#include "storage/map_table.h"
#include "storage/once.h"

enum { EPHEMERA_SHARDS = 64 };

struct ephemera_shard {
    pthread_mutex_t mutex;
    struct once_table once;
    struct map_table maps;
} __attribute__((aligned(64)));

struct ephemera {
    struct ephemera_shard shards[EPHEMERA_SHARDS];
    size_t map_keys_max;
    /* of the whole engine */
    _Atomic uint64_t duplicates, stale, suppressed, keys_expired;
    _Atomic uint64_t once_refused, keys_refused, memory_refused, denials_refused;
};

/* Something for the implementation to number, keep and distribute: class->append. */
struct append {
    struct publication *publication; /* borrowed */
    struct keep keep;
    uint64_t version;
    struct str version_epoch;
    bool stays; /* the stream's end would orphan a map: only for as long as it has keys */
    /* results */
    bool is_stale;
    struct position position;
};

void ephemera_init(struct ephemera *x, const struct engine_options *o,
                   const struct table_seed *seed, struct budget *budget);
void ephemera_finish(struct ephemera *x);

/* The whole publish, but for the answer; sets the request's results. */
MUST_CHECK int ephemera_publish(struct engine *e, struct publish_request *request, uint64_t hash);

/* Forgets what has expired, telling subscribers of keys. On the loop that opened the engine. */
void ephemera_tick(struct engine *e);

MUST_CHECK int ephemera_map_read(struct engine *e, const struct map_query *q, struct map_page *ret);
uint64_t ephemera_map_count(struct engine *e, struct str channel);
void ephemera_map_clear(struct engine *e, struct str channel, const struct keep *keep);

/* ---- decisions that every implementation makes alike ---- */

static inline bool publish_is_plain(const struct publish_request *request) {
    return request->idempotency_key.len == 0 && request->version == 0 && !request->map.is_map;
}

/* The publication that goes out. */
static inline struct publication *publish_out(const struct publish_request *request) {
    return request->map.stream ? request->map.stream : request->publication;
}

static inline bool publish_did_nothing(const struct publish_request *request) {
    return request->is_duplicate || request->is_stale || request->suppression != MAP_NOT_SUPPRESSED;
}

/* What is known of the key that a request would change. */
struct map_known {
    bool exists; /* and has not expired */
    uint64_t version;
    struct str version_epoch;
    struct position position;
};

bool version_is_stale(uint64_t version, struct str epoch, uint64_t last, struct str last_epoch);
enum map_suppression map_decide(const struct publish_request *request,
                                const struct map_known *known);

/* What says that a value's time is over. With its tags: whom a filter let have the value shall hear
 * of its end. NULL: no memory. */
struct publication *map_removal_of(const struct publication *value);

static inline int64_t publish_idempotency_ttl_ms(const struct publish_request *request) {
    return request->idempotency_ttl_ms > 0 ? request->idempotency_ttl_ms
                                           : IDEMPOTENCY_TTL_DEFAULT_MS;
}

int64_t later(int64_t ms, int64_t by_ms); /* saturating */
