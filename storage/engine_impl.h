/*
 * An engine from inside: what an implementation brings, and what all of them share.
 *
 * Locks, outermost first: that of ephemera; the implementation's channel lock; the distribution's.
 * Presence's is apart.
 */
#pragma once

#include "async/loop.h"
#include "storage/budget.h"
#include "storage/denial.h"
#include "storage/distribution.h"
#include "storage/engine.h"
#include "storage/ephemera.h"
#include "storage/event.h"
#include "storage/lease.h"
#include "storage/node.h"
#include "storage/occupants.h"
#include "storage/presence.h"

/* As the calls of engine.h of the same names, which hand on to them. */
struct engine_class {
    void (*publish)(struct engine *e, struct publish_request *request, uint64_t hash);
    int (*history)(struct engine *e, const struct history_query *q, struct page *ret);
    int (*history_remove)(struct engine *e, struct str channel);
    int (*position)(struct engine *e, struct str channel, struct keep keep, struct position *ret);
    void (*stats)(struct engine *e, struct engine_stats *ret);

    /* What ephemera sends on where something is kept; and, of that channel, its top, and its end.
     * NULL: kept things do not come by there. */
    int (*append)(struct engine *e, uint64_t hash, struct append *a);
    void (*top)(struct engine *e, uint64_t hash, struct str channel, struct position *ret);
    void (*forget)(struct engine *e, uint64_t hash, struct str channel);

    /* Of maps that are kept. */
    int (*map_read)(struct engine *e, const struct map_query *q, struct map_page *ret);
    int (*map_count)(struct engine *e, struct str channel, uint64_t *ret);
    int (*map_clear)(struct engine *e, struct str channel, const struct keep *keep);

    void (*event_append)(struct engine *e, struct event_request *request);
    int (*events_next)(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                       size_t max_bytes, struct events *ret);
    int (*events_done)(struct engine *e, const uint64_t *ids, size_t n);
    int (*events_end_standing)(struct engine *e);
    int (*events_keep_queues)(struct engine *e, const struct str *queues, size_t n,
                              uint64_t *ret_n);

    int (*denial_put)(struct engine *e, const struct denial *d);
    int (*denial_remove)(struct engine *e, enum denial_kind kind, struct str key);
    int (*denials)(struct engine *e, struct denials *ret);

    /* Must a publication that is not kept wait for its turn behind others of the channel, through
     * publish()? NULL: never. */
    bool (*is_behind)(struct engine *e, uint64_t hash);

    /* Of what other nodes share. NULL, all or none of them: it stays in this process, with
     * distribution, presence_store and ephemera. */
    int (*broadcast)(struct engine *e, uint64_t hash, struct publication *p);
    int (*attach)(struct engine *e, uint64_t hash,
                  struct str channel); /* the distribution's is made */
    void (*detach)(struct engine *e, uint64_t hash, struct str channel); /* likewise, ended */
    int (*presence_set)(struct engine *e, struct str channel, const struct client_info *info,
                        int64_t ttl_ms);
    int (*presence_remove)(struct engine *e, struct str channel, struct str client);
    int (*presence)(struct engine *e, struct str channel, struct presence *ret);
    int (*presence_stats)(struct engine *e, struct str channel, size_t *ret_clients,
                          size_t *ret_users);
    int (*nodes)(struct engine *e, struct nodes *ret);
    int (*signal)(struct engine *e, struct str to, struct bytes message);
    int (*listen)(struct engine *e, struct engine_ear *ear);
    void (*unlisten)(struct engine *e, struct engine_ear *ear);
    int (*lease)(struct engine *e, const struct lease_claim *c, struct lease *ret);
    /* All or none of them: it is not asked of this engine (storage/occupants.h). */
    int (*occupants_open)(struct engine *e, struct engine_teller *t);
    int (*occupants_change)(struct engine *e, struct str channel, bool is_occupied);
    void (*occupants_told)(struct engine *e, unsigned place);
    void (*occupants_close)(struct engine *e);
    void (*tick)(struct engine *e);  /* every ENGINE_TICK_MS, on the loop that opened it */
    void (*close)(struct engine *e); /* suspends; frees everything */
};

enum { ENGINE_TICK_MS = 1000, EPOCH_BASE_SIZE = 11 /* terminator included */ };

/* First member of an implementation's own struct, which is one heap block (aligned_alloc). */
struct engine {
    const struct engine_class *class;
    struct table_seed seed; /* of all tables of channel names: one hash serves them all */
    struct distribution distribution;
    struct presence_store presence;
    struct budget budget;             /* of memory */
    char epoch_base[EPOCH_BASE_SIZE]; /* of what is only in memory */
    struct ephemera ephemera;
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

/* As that, of several at once, linked by next: with results, and of one inbox. wakes: as of
 * inbox_post_quietly(). */
void engine_answer_all(struct publish_request *first, struct wakes *wakes);

/* Of something that is not kept; the result, without answering. Any thread. */
MUST_CHECK int engine_publish_unkept(struct engine *e, struct publish_request *request,
                                     uint64_t hash);

size_t engine_group_bucket(size_t n); /* indexes of engine_stats */
size_t engine_commit_bucket(uint64_t ns);

void engine_event_answer(struct event_request *request, int result);

/* What is shared, around an implementation's own part. */
void engine_init(struct engine *e, const struct engine_class *class, const struct engine_options *o,
                 const char *epoch_base, const struct table_seed *seed);
void engine_finish(struct engine *e);

/* The implementations. epoch_base: random, of a new engine or database. */
MUST_CHECK int memory_engine_new(const struct engine_options *o, const char *epoch_base,
                                 const struct table_seed *seed, struct engine **ret);
SUSPENDS MUST_CHECK int sqlite_engine_new(const struct engine_options *o, const char *epoch_base,
                                          const struct table_seed *seed, struct engine **ret,
                                          char **ret_why);

SUSPENDS MUST_CHECK int redis_engine_new(const struct engine_options *o, const char *epoch_base,
                                         const struct table_seed *seed, struct engine **ret,
                                         char **ret_why);

/* base, at most EPOCH_BASE_SIZE - 1 bytes, followed by the generation in base 36. */
void epoch_format(char epoch[static EPOCH_SIZE], const char *base, uint64_t generation);
