/*
 * The engine without a disk: streams in shards, each under a lock, within which offset, append and
 * the posts to the workers are one step. Everything is gone with the process, and so is the epoch.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/denial_store.h"
#include "storage/engine_impl.h"
#include "storage/event_store.h"

enum {
    SHARDS = 64,
    SHARD_SHIFT = 58, /* the top six bits of the hash */
    RING_MIN = 8,
    /* A stream that was only read keeps its promised epoch this long after the last read. */
    READ_ONLY_LIFE_MS = 10 * 60 * 1000,
};

/* A channel's publications, oldest at head, and the place of the newest. */
struct history {
    struct table_entry entry;
    struct publication **ring;
    size_t head, n, cap; /* cap: 0 or a power of two */
    uint64_t top;
    uint64_t generation;
    int64_t last_ms;
    int64_t ttl_ms;      /* of the publications, as the last publish said */
    int64_t gone_at_ms;  /* of the whole stream */
    uint64_t version;    /* the application's */
    char *version_epoch; /* or NULL */
    size_t version_epoch_len;
    size_t name_len;
    char name[];
};

struct shard {
    pthread_mutex_t mutex;
    struct table streams;
    uint64_t generation; /* of streams to come: greater than any that has gone */
    uint64_t publishes, reads, trimmed, refused;
} __attribute__((aligned(64)));

struct memory_engine {
    struct engine engine; /* first */
    struct event_store events;
    struct denial_store denials;
    unsigned next_sweep;
    struct shard shards[SHARDS];
};

static struct memory_engine *memory_of(struct engine *e) {
    return CONTAINER_OF(e, struct memory_engine, engine);
}

static struct bytes history_key(const struct table_entry *e) {
    const struct history *s = (const struct history *) e;
    return bytes_of(s->name, s->name_len);
}

static struct shard *shard_lock(struct memory_engine *m, uint64_t hash) {
    struct shard *shard = &m->shards[hash >> SHARD_SHIFT];
    pthread_mutex_lock(&shard->mutex);
    return shard;
}

static void shard_unlock(struct shard *shard) {
    pthread_mutex_unlock(&shard->mutex);
}

/* ---- accounts ---- */

static size_t history_size(const struct history *s) {
    return sizeof *s + s->name_len + s->version_epoch_len;
}

/* ---- one stream ---- */

static struct publication *history_at(const struct history *s, size_t i) {
    return s->ring[(s->head + i) & (s->cap - 1)];
}

static void drop_oldest(struct memory_engine *m, struct history *s) {
    struct publication *p = history_at(s, 0);
    budget_give(&m->engine.budget, publication_size(p));
    publication_unref(p);
    s->head = (s->head + 1) & (s->cap - 1);
    s->n--;
}

static void drop_expired(struct memory_engine *m, struct shard *shard, struct history *s,
                         int64_t now_ms) {
    while (s->n > 0 && history_at(s, 0)->time_ms <= now_ms - s->ttl_ms) {
        drop_oldest(m, s);
        shard->trimmed++;
    }
    if (s->n == 0) {
        free(s->ring);
        s->ring = NULL;
        s->head = s->cap = 0;
    }
}

static int make_room(struct history *s) {
    if (s->n < s->cap)
        return 0;
    size_t cap = s->cap ? s->cap * 2 : RING_MIN;
    struct publication **ring = reallocarray(NULL, cap, sizeof(struct publication *));
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        ring[i] = history_at(s, i);
    free(s->ring);
    s->ring = ring;
    s->head = 0;
    s->cap = cap;
    return 0;
}

static struct history *history_new(struct shard *shard, uint64_t hash, struct str channel) {
    struct history *s = malloc(sizeof *s + channel.len);
    if (!s)
        return NULL;
    *s = (struct history){ .generation = shard->generation, .name_len = channel.len };
    if (channel.len > 0)
        memcpy(s->name, channel.data, channel.len);
    if (table_add_hashed(&shard->streams, hash, &s->entry) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

static void history_free(struct memory_engine *m, struct shard *shard, struct history *s) {
    while (s->n > 0)
        drop_oldest(m, s);
    budget_give(&m->engine.budget, history_size(s));
    table_remove(&shard->streams, &s->entry);
    free(s->version_epoch);
    free(s->ring);
    free(s);
}

/* A stream that has run must not be taken for one that comes after it. One that only promised its
 * epoch has numbered nothing: the promise may be given again. */
static void history_expire(struct memory_engine *m, struct shard *shard, struct history *s) {
    if (s->top > 0 && s->generation >= shard->generation)
        shard->generation = s->generation + 1;
    history_free(m, shard, s);
}

static struct history *history_find(struct memory_engine *m, struct shard *shard, uint64_t hash,
                                    struct str channel, int64_t now_ms) {
    struct table_entry *e = table_find_hashed(&shard->streams, hash, str_bytes(channel));
    if (!e)
        return NULL;
    struct history *s = CONTAINER_OF(e, struct history, entry);
    if (s->gone_at_ms > now_ms)
        return s;
    history_expire(m, shard, s);
    return NULL;
}

static void position_of(const struct memory_engine *m, const struct shard *shard,
                        const struct history *s, struct position *ret) {
    ret->offset = s ? s->top : 0;
    epoch_format(ret->epoch, m->engine.epoch_base, s ? s->generation : shard->generation);
}

/* ---- publishing ---- */

/* Keeps the promise of an epoch for a while, as far as memory allows. */
static void remember_read(struct memory_engine *m, struct shard *shard, uint64_t hash,
                          struct str channel, struct history *s, int64_t now_ms) {
    if (s && s->top > 0)
        return;
    if (!s &&
        budget_take_below(&m->engine.budget, sizeof *s + channel.len, m->engine.budget.max / 2)) {
        s = history_new(shard, hash, channel);
        if (!s)
            budget_give(&m->engine.budget, sizeof *s + channel.len);
    }
    if (s)
        s->gone_at_ms = now_ms + READ_ONLY_LIFE_MS;
}

static bool is_stale(const struct history *s, const struct append *a) {
    struct str epoch = { .data = s->version_epoch, .len = s->version_epoch_len };
    return version_is_stale(a->version, a->version_epoch, s->version, epoch);
}

/* An epoch's room, before anything is done that cannot be undone. */
static int make_version_epoch(struct memory_engine *m, struct str epoch, char **ret) {
    *ret = NULL;
    if (epoch.len == 0)
        return 0;
    if (!budget_take(&m->engine.budget, epoch.len))
        return -ENOSPC;
    *ret = malloc(epoch.len);
    if (!*ret) {
        budget_give(&m->engine.budget, epoch.len);
        return -ENOMEM;
    }
    memcpy(*ret, epoch.data, epoch.len);
    return 0;
}

static void set_version(struct memory_engine *m, struct history *s, const struct append *a,
                        char *epoch) {
    budget_give(&m->engine.budget, s->version_epoch_len);
    free(s->version_epoch);
    s->version = a->version;
    s->version_epoch = epoch;
    s->version_epoch_len = a->version_epoch.len;
}

/* Under the shard's lock. All or nothing. */
static int append(struct memory_engine *m, struct shard *shard, uint64_t hash, struct append *a) {
    struct publication *p = a->publication;
    const struct keep *keep = &a->keep;
    struct history *s = history_find(m, shard, hash, p->channel, p->time_ms);
    bool is_new = !s;
    if (s && a->version > 0 && is_stale(s, a)) {
        position_of(m, shard, s, &a->position);
        a->is_stale = true;
        return 0;
    }

    size_t size = publication_size(p) + (is_new ? sizeof *s + p->channel.len : 0);
    char *version_epoch = NULL;
    int r = a->version > 0 ? make_version_epoch(m, a->version_epoch, &version_epoch) : 0;
    if (r == 0 && !budget_take(&m->engine.budget, size))
        r = -ENOSPC;
    if (r < 0) {
        if (version_epoch)
            budget_give(&m->engine.budget, a->version_epoch.len);
        free(version_epoch);
        return r;
    }

    r = -ENOMEM;
    if (!s)
        s = history_new(shard, hash, p->channel);
    if (s)
        r = make_room(s);
    if (r == 0) {
        if (p->time_ms < s->last_ms) /* expiry relies on their order */
            p->time_ms = s->last_ms;
        p->position.offset = s->top + 1;
        epoch_format(p->position.epoch, m->engine.epoch_base, s->generation);
        a->position = p->position;
        r = distribution_send(&m->engine.distribution, hash, p);
    }
    if (r < 0) {
        if (s && is_new) {
            table_remove(&shard->streams, &s->entry);
            free(s->ring);
            free(s);
        }
        if (version_epoch)
            budget_give(&m->engine.budget, a->version_epoch.len);
        free(version_epoch);
        budget_give(&m->engine.budget, size);
        return r;
    }

    s->ring[(s->head + s->n) & (s->cap - 1)] = publication_ref(p);
    s->n++;
    s->top++;
    s->last_ms = p->time_ms;
    s->ttl_ms = keep->history_ttl_ms;
    s->gone_at_ms = a->stays ? INT64_MAX : p->time_ms + keep_meta_ttl_ms(keep);
    if (a->version > 0)
        set_version(m, s, a, version_epoch);
    shard->publishes++;
    for (; s->n > keep->history_size; shard->trimmed++)
        drop_oldest(m, s);
    return 0;
}

static int memory_append(struct engine *e, uint64_t hash, struct append *a) {
    struct memory_engine *m = memory_of(e);
    struct shard *shard = shard_lock(m, hash);
    int r = append(m, shard, hash, a);
    shard_unlock(shard);
    return r;
}

static void memory_top(struct engine *e, uint64_t hash, struct str channel, struct position *ret) {
    struct memory_engine *m = memory_of(e);
    int64_t now_ms = clock_wall_ms();
    struct shard *shard = shard_lock(m, hash);
    struct history *s = history_find(m, shard, hash, channel, now_ms);
    position_of(m, shard, s, ret);
    remember_read(m, shard, hash, channel, s, now_ms);
    shard_unlock(shard);
}

static void memory_forget(struct engine *e, uint64_t hash, struct str channel) {
    struct memory_engine *m = memory_of(e);
    struct shard *shard = shard_lock(m, hash);
    struct history *s = history_find(m, shard, hash, channel, clock_wall_ms());
    if (s) {
        shard->trimmed += s->n;
        history_expire(m, shard, s);
    }
    shard_unlock(shard);
}

static void memory_publish(struct engine *e, struct publish_request *request, uint64_t hash) {
    struct memory_engine *m = memory_of(e);
    if (!publish_is_plain(request)) {
        engine_answer(request, ephemera_publish(e, request, hash));
        return;
    }
    struct append a = { .publication = request->publication, .keep = request->keep };
    struct shard *shard = shard_lock(m, hash);
    int r = append(m, shard, hash, &a);
    request->position = a.position;
    shard->refused += r == -ENOSPC;
    /* Under the lock too: dones are in the order of the stream. */
    engine_answer(request, r);
    shard_unlock(shard);
}

/* ---- reading ---- */

/* The indices [ret_from, ret_to) of what the query asks for. */
static void choose(const struct history *s, const struct history_query *q, int64_t now_ms,
                   size_t *ret_from, size_t *ret_to) {
    size_t from = s->n > q->keep.history_size ? s->n - q->keep.history_size : 0, to = s->n;
    while (from < to && history_at(s, from)->time_ms <= now_ms - q->keep.history_ttl_ms)
        from++;

    uint64_t first = s->top - s->n + 1; /* the offset at index 0 */
    if (q->has_since && !q->reverse && q->since_offset >= first) {
        uint64_t skip = q->since_offset - first + 1;
        if (skip > from)
            from = skip < to ? (size_t) skip : to;
    } else if (q->has_since && q->reverse) {
        uint64_t below = q->since_offset > first ? q->since_offset - first : 0;
        if (below < to)
            to = below > from ? (size_t) below : from;
    }

    if (to - from > q->limit) {
        if (q->reverse)
            from = to - q->limit;
        else
            to = from + q->limit;
    }
    *ret_from = from;
    *ret_to = to;
}

static int read_items(const struct history *s, const struct history_query *q, int64_t now_ms,
                      struct page *page) {
    size_t from, to;
    choose(s, q, now_ms, &from, &to);
    if (from == to)
        return 0;
    page->items = reallocarray(NULL, to - from, sizeof *page->items);
    if (!page->items)
        return -ENOMEM;
    page->n = to - from;
    for (size_t i = 0; i < page->n; i++) {
        size_t at = q->reverse ? to - 1 - i : from + i;
        page->items[i] = publication_ref(history_at(s, at));
    }
    return 0;
}

static int memory_history(struct engine *e, const struct history_query *q, struct page *ret) {
    struct memory_engine *m = memory_of(e);
    uint64_t hash = engine_hash(e, q->channel);
    int64_t now_ms = clock_wall_ms();
    struct page page = { 0 };
    int r = 0;

    struct shard *shard = shard_lock(m, hash);
    struct history *s = history_find(m, shard, hash, q->channel, now_ms);
    position_of(m, shard, s, &page.top);
    remember_read(m, shard, hash, q->channel, s, now_ms);
    if (s && q->limit > 0 && !keep_is_nothing(&q->keep))
        r = read_items(s, q, now_ms, &page);
    shard->reads++;
    shard_unlock(shard);

    if (r < 0)
        return r;
    *ret = page;
    return 0;
}

static int memory_history_remove(struct engine *e, struct str channel) {
    struct memory_engine *m = memory_of(e);
    uint64_t hash = engine_hash(e, channel);
    struct shard *shard = shard_lock(m, hash);
    struct history *s = history_find(m, shard, hash, channel, clock_wall_ms());
    if (s) {
        shard->trimmed += s->n;
        while (s->n > 0)
            drop_oldest(m, s);
    }
    shard_unlock(shard);
    return 0;
}

static int memory_position(struct engine *e, struct str channel, struct keep keep,
                           struct position *ret) {
    memory_top(e, engine_hash(e, channel), channel, ret);
    return 0;
}

/* ---- maps ---- */

static int memory_map_count(struct engine *e, struct str channel, uint64_t *ret) {
    *ret = ephemera_map_count(e, channel);
    return 0;
}

static int memory_map_clear(struct engine *e, struct str channel, const struct keep *keep) {
    ephemera_map_clear(e, channel, keep);
    return 0;
}

/* ---- events and denials ---- */

static void memory_event_append(struct engine *e, struct event_request *request) {
    event_store_append(&memory_of(e)->events, request);
}

static int memory_events_next(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                              size_t max_bytes, struct events *ret) {
    return event_store_next(&memory_of(e)->events, queue, after, limit, max_bytes, ret);
}

static int memory_events_done(struct engine *e, const uint64_t *ids, size_t n) {
    event_store_done(&memory_of(e)->events, ids, n);
    return 0;
}

/* What stood ended with the process that knew of it. */
static int memory_events_end_standing(struct engine *e) {
    return event_store_end_standing(&memory_of(e)->events);
}

static int memory_events_keep_queues(struct engine *e, const struct str *queues, size_t n,
                                     uint64_t *ret_n) {
    *ret_n = event_store_keep_queues(&memory_of(e)->events, queues, n);
    return 0;
}

static int memory_denial_put(struct engine *e, const struct denial *d) {
    int r = denial_store_put(&memory_of(e)->denials, d);
    if (r == -ENOSPC)
        atomic_fetch_add(&e->ephemera.denials_refused, 1);
    return r;
}

static int memory_denial_remove(struct engine *e, enum denial_kind kind, struct str key) {
    denial_store_remove(&memory_of(e)->denials, kind, key);
    return 0;
}

static int memory_denials(struct engine *e, struct denials *ret) {
    return denial_store_read(&memory_of(e)->denials, clock_wall_ms(), ret);
}

/* ---- the rest ---- */

static void memory_tick(struct engine *e) {
    struct memory_engine *m = memory_of(e);
    int64_t now_ms = clock_wall_ms();
    struct shard *shard = &m->shards[m->next_sweep++ % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    TABLE_FOREACH (&shard->streams, entry) {
        struct history *s = CONTAINER_OF(entry, struct history, entry);
        if (s->gone_at_ms <= now_ms)
            history_expire(m, shard, s);
        else
            drop_expired(m, shard, s, now_ms);
    }
    pthread_mutex_unlock(&shard->mutex);
}

static void memory_stats(struct engine *e, struct engine_stats *ret) {
    struct memory_engine *m = memory_of(e);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &m->shards[i];
        pthread_mutex_lock(&shard->mutex);
        ret->publishes += shard->publishes;
        ret->reads += shard->reads;
        ret->trimmed += shard->trimmed;
        ret->memory_refused += shard->refused;
        ret->channels += table_size(&shard->streams);
        pthread_mutex_unlock(&shard->mutex);
    }
    event_store_stats(&m->events, &ret->events, &ret->events_rejected);
}

static void memory_close(struct engine *e) {
    struct memory_engine *m = memory_of(e);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &m->shards[i];
        TABLE_FOREACH (&shard->streams, entry)
            history_free(m, shard, CONTAINER_OF(entry, struct history, entry));
        table_finish(&shard->streams);
        pthread_mutex_destroy(&shard->mutex);
    }
    event_store_finish(&m->events);
    denial_store_finish(&m->denials);
    engine_finish(e);
    free(m);
}

static const struct engine_class memory_class = {
    .publish = memory_publish,
    .history = memory_history,
    .history_remove = memory_history_remove,
    .position = memory_position,
    .append = memory_append,
    .top = memory_top,
    .forget = memory_forget,
    .map_read = ephemera_map_read,
    .map_count = memory_map_count,
    .map_clear = memory_map_clear,
    .event_append = memory_event_append,
    .events_next = memory_events_next,
    .events_done = memory_events_done,
    .events_end_standing = memory_events_end_standing,
    .events_keep_queues = memory_events_keep_queues,
    .denial_put = memory_denial_put,
    .denial_remove = memory_denial_remove,
    .denials = memory_denials,
    .stats = memory_stats,
    .tick = memory_tick,
    .close = memory_close,
};

int memory_engine_new(const struct engine_options *o, const char *epoch_base,
                      const struct table_seed *seed, struct engine **ret) {
    struct memory_engine *m = aligned_alloc(_Alignof(struct memory_engine), sizeof *m);
    if (!m)
        return -ENOMEM;
    memset(m, 0, sizeof *m);
    engine_init(&m->engine, &memory_class, o, epoch_base, seed);
    event_store_init(&m->events, seed, o->events_max);
    denial_store_init(&m->denials, seed, o->denials_max);
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&m->shards[i].mutex, NULL);
        table_init(&m->shards[i].streams, seed, history_key);
    }
    *ret = &m->engine;
    return 0;
}
