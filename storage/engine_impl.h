/*
 * An engine from inside: what an implementation brings, and what all of them share.
 *
 * Locks, outermost first: the implementation's channel lock; the distribution's. Presence's is
 * apart.
 */
#pragma once

#include "async/loop.h"
#include "storage/distribution.h"
#include "storage/engine.h"
#include "storage/presence.h"

/* As the calls of engine.h of the same names, which hand on to them. */
struct engine_class {
    void (*publish)(struct engine *e, struct publish_request *request, uint64_t hash);
    int (*history)(struct engine *e, const struct history_query *q, struct page *ret);
    int (*history_remove)(struct engine *e, struct str channel);
    int (*position)(struct engine *e, struct str channel, struct keep keep, struct position *ret);
    void (*stats)(struct engine *e, struct engine_stats *ret);
    /* Must a publication that is not kept wait for its turn behind others of the channel, through
     * publish()? NULL: never. */
    bool (*is_behind)(struct engine *e, uint64_t hash);
    void (*tick)(struct engine *e);  /* every ENGINE_TICK_MS, on the loop that opened it */
    void (*close)(struct engine *e); /* suspends; frees everything */
};

enum { ENGINE_TICK_MS = 1000 };

/* First member of an implementation's own struct, which is one heap block (aligned_alloc). */
struct engine {
    const struct engine_class *class;
    struct table_seed seed; /* of all tables of channel names: one hash serves them all */
    struct distribution distribution;
    struct presence_store presence;
    struct timer timer;
};

static inline uint64_t engine_hash(const struct engine *e, struct str channel) {
    return table_hash(&e->seed, str_bytes(channel));
}

static inline bool keep_is_nothing(const struct keep *k) {
    return k->history_size == 0 || k->history_ttl_ms <= 0;
}

enum { META_TTL_DEFAULT_DAYS = 30 };

/* Offset and epoch outlive the publications they number. */
static inline int64_t keep_meta_ttl_ms(const struct keep *k) {
    int64_t ms = k->meta_ttl_ms > 0 ? k->meta_ttl_ms
                                    : (int64_t) META_TTL_DEFAULT_DAYS * 24 * 3600 * 1000;
    return ms > k->history_ttl_ms ? ms : k->history_ttl_ms;
}

/* Answers: drops the publication and has done run on the caller's loop. Any thread. */
void engine_answer(struct publish_request *request, int result);

/* What is shared, around an implementation's own part. */
void engine_init(struct engine *e, const struct engine_class *class, const struct table_seed *seed);
void engine_finish(struct engine *e);

enum { EPOCH_BASE_SIZE = 11 }; /* terminator included */

/* The implementations. epoch_base: random, of a new engine or database. */
MUST_CHECK int memory_engine_new(const struct engine_options *o, const char *epoch_base,
                                 const struct table_seed *seed, struct engine **ret);
SUSPENDS MUST_CHECK int sqlite_engine_new(const struct engine_options *o, const char *epoch_base,
                                          const struct table_seed *seed, struct engine **ret,
                                          char **ret_why);

/* base, at most EPOCH_BASE_SIZE - 1 bytes, followed by the generation in base 36. */
void epoch_format(char epoch[static EPOCH_SIZE], const char *base, uint64_t generation);
