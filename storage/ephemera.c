#include "storage/ephemera.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/clock.h"
#include "storage/engine_impl.h"

enum {
    MAP_KEYS_MAX = 100000,
    EXPIRED_PER_TICK = 1000, /* of each shard: publishers wait meanwhile */
};

int64_t later(int64_t ms, int64_t by_ms) {
    int64_t sum;
    return __builtin_add_overflow(ms, by_ms, &sum) ? INT64_MAX : sum;
}

void ephemera_init(struct ephemera *x, const struct engine_options *o,
                   const struct table_seed *seed, struct budget *budget) {
    x->map_keys_max = o->map_keys_max ? o->map_keys_max : MAP_KEYS_MAX;
    for (size_t i = 0; i < EPHEMERA_SHARDS; i++) {
        pthread_mutex_init(&x->shards[i].mutex, NULL);
        once_init(&x->shards[i].once, seed, budget);
        map_table_init(&x->shards[i].maps, seed, budget);
    }
}

void ephemera_finish(struct ephemera *x) {
    for (size_t i = 0; i < EPHEMERA_SHARDS; i++) {
        once_finish(&x->shards[i].once);
        map_table_finish(&x->shards[i].maps);
        pthread_mutex_destroy(&x->shards[i].mutex);
    }
}

static struct ephemera_shard *shard_lock(struct engine *e, uint64_t hash) {
    struct ephemera_shard *shard = &e->ephemera.shards[hash >> 58]; /* tables use the low bits */
    pthread_mutex_lock(&shard->mutex);
    return shard;
}

_Static_assert(EPHEMERA_SHARDS == 1 << (64 - 58), "six bits choose a shard");

static void shard_unlock(struct ephemera_shard *shard) {
    pthread_mutex_unlock(&shard->mutex);
}

/* ---- deciding ---- */

bool version_is_stale(uint64_t version, struct str epoch, uint64_t last, struct str last_epoch) {
    return version > 0 && version <= last && (epoch.len == 0 || str_equal(epoch, last_epoch));
}

static bool is_where_expected(const struct position *expected, const struct map_known *known) {
    if (expected->offset == 0)
        return !known->exists;
    return known->exists && known->position.offset == expected->offset &&
           strcmp(known->position.epoch, expected->epoch) == 0;
}

enum map_suppression map_decide(const struct publish_request *request,
                                const struct map_known *known) {
    const struct map_change *c = &request->map;
    if (c->key_mode == MAP_KEY_IF_NEW && known->exists)
        return MAP_SUPPRESSED_KEY_EXISTS;
    if ((c->key_mode == MAP_KEY_IF_EXISTS || request->publication->is_removed) && !known->exists)
        return MAP_SUPPRESSED_KEY_NOT_FOUND;
    if (c->has_expected && !is_where_expected(&c->expected, known))
        return MAP_SUPPRESSED_POSITION;
    if (known->exists && version_is_stale(request->version, request->version_epoch, known->version,
                                          known->version_epoch))
        return MAP_SUPPRESSED_VERSION;
    return MAP_NOT_SUPPRESSED;
}

/* ---- sending ---- */

static int send(struct engine *e, uint64_t hash, struct append *a) {
    if (!keep_is_nothing(&a->keep))
        return e->class->append(e, hash, a);
    return distribution_send(&e->distribution, hash, a->publication);
}

/* Where a publish that does nothing is said to be. */
static void top_of(struct engine *e, uint64_t hash, struct str channel, const struct keep *keep,
                   struct position *ret) {
    *ret = (struct position){ 0 };
    if (!keep_is_nothing(keep))
        e->class->top(e, hash, channel, ret);
}

static struct append append_of(const struct publish_request *request) {
    return (struct append){ .publication = publish_out(request),
                            .keep = request->keep,
                            .version = request->version,
                            .version_epoch = request->version_epoch };
}

/* ---- maps ---- */

static struct map_known known_of(const struct map_item *i, int64_t now_ms) {
    if (!i || i->expires_ms <= now_ms)
        return (struct map_known){ 0 };
    return (struct map_known){
        .exists = true,
        .version = i->version,
        .version_epoch = { .data = i->version_epoch, .len = i->version_epoch_len },
        .position = i->publication->position,
    };
}

static int64_t expiry_of(const struct map_change *c, int64_t now_ms) {
    return c->key_ttl_ms > 0 ? later(now_ms, c->key_ttl_ms) : INT64_MAX;
}

static int put_key(struct engine *e, struct map_table *maps, struct publish_request *request,
                   uint64_t hash, const struct map_item *old) {
    struct publication *p = request->publication;
    struct map *m = old ? old->map : map_find(maps, hash, p->channel);
    size_t keys_max = request->map.keys_max ? request->map.keys_max : e->ephemera.map_keys_max;
    if (!old && m && m->by_key.size >= keys_max) {
        atomic_fetch_add(&e->ephemera.keys_refused, 1);
        return -EDQUOT;
    }
    struct map_item *i;
    int r = map_item_new(maps, hash, p, request->version, request->version_epoch, &i);
    if (r < 0)
        return r;

    struct append a = append_of(request);
    a.version = 0; /* was of the key */
    a.stays = true;
    r = send(e, hash, &a);
    if (r < 0) {
        map_item_free(maps, i);
        return r;
    }
    request->position = a.position;
    if (p != a.publication) { /* which others have by now, and where it is set */
        p->position = a.position;
        p->time_ms = a.publication->time_ms;
    }
    i->map->keep = request->keep;
    map_item_put(maps, i, expiry_of(&request->map, p->time_ms));
    return 0;
}

static int remove_key(struct engine *e, struct map_table *maps, struct append *a, uint64_t hash,
                      struct map_item *i) {
    a->version = 0;
    a->stays = i->map->by_key.size > 1;
    int r = send(e, hash, a);
    if (r == 0)
        map_item_remove(maps, i);
    return r;
}

static int change_map(struct engine *e, struct map_table *maps, struct publish_request *request,
                      uint64_t hash) {
    struct publication *p = request->publication;
    struct map *m = map_find(maps, hash, p->channel);
    struct map_item *i = m ? map_item_find(m, p->key) : NULL;
    struct map_known known = known_of(i, p->time_ms);

    request->suppression = map_decide(request, &known);
    if (request->suppression != MAP_NOT_SUPPRESSED) {
        if (request->suppression == MAP_SUPPRESSED_KEY_EXISTS && request->map.refreshes_ttl)
            map_item_set_expiry(maps, i, expiry_of(&request->map, p->time_ms));
        top_of(e, hash, p->channel, &request->keep, &request->position);
        atomic_fetch_add(&e->ephemera.suppressed, 1);
        return 0;
    }
    if (!p->is_removed)
        return put_key(e, maps, request, hash, i);
    struct append a = append_of(request);
    int r = remove_key(e, maps, &a, hash, i);
    request->position = a.position;
    return r;
}

/* ---- publishing ---- */

static int append_versioned(struct engine *e, struct publish_request *request, uint64_t hash) {
    struct append a = append_of(request);
    int r = send(e, hash, &a);
    request->position = a.position;
    request->is_stale = a.is_stale;
    if (a.is_stale)
        atomic_fetch_add(&e->ephemera.stale, 1);
    return r;
}

static int publish(struct engine *e, struct ephemera_shard *shard, struct publish_request *request,
                   uint64_t hash) {
    publish_out(request)->time_ms = request->publication->time_ms;
    return request->map.is_map ? change_map(e, &shard->maps, request, hash)
                               : append_versioned(e, request, hash);
}

static int publish_once(struct engine *e, struct ephemera_shard *shard,
                        struct publish_request *request, uint64_t hash) {
    struct publication *p = request->publication;
    struct once *o;
    int r = once_new(&shard->once, p->channel, request->idempotency_key, &o);
    if (r < 0)
        return r;
    const struct position *made = once_made(&shard->once, o, p->time_ms);
    if (made) {
        request->position = *made;
        request->is_duplicate = true;
        if (request->map.is_map)
            request->suppression = MAP_SUPPRESSED_IDEMPOTENCY;
        atomic_fetch_add(&e->ephemera.duplicates, 1);
        once_free(&shard->once, o);
        return 0;
    }

    r = once_add(&shard->once, o, later(p->time_ms, publish_idempotency_ttl_ms(request)));
    if (r < 0)
        return r;
    r = publish(e, shard, request, hash);
    if (r < 0 || publish_did_nothing(request))
        once_take_back(&shard->once, o);
    else
        once_settle(o, &request->position);
    return r;
}

int ephemera_publish(struct engine *e, struct publish_request *request, uint64_t hash) {
    struct ephemera_shard *shard = shard_lock(e, hash);
    int r = request->idempotency_key.len > 0 ? publish_once(e, shard, request, hash)
                                             : publish(e, shard, request, hash);
    if (r == -ENOSPC)
        atomic_fetch_add(&e->ephemera.memory_refused, 1);
    shard_unlock(shard);
    return r;
}

/* ---- expiry ---- */

struct publication *map_removal_of(const struct publication *p) {
    return publication_new(&(struct publication_parts){
            .channel = p->channel,
            .key = p->key,
            .tags = p->tags,
            .n_tags = p->n_tags,
            .is_removed = true,
    });
}

static int expire_key(struct engine *e, struct map_table *maps, struct map_item *i,
                      int64_t now_ms) {
    struct publication *p = map_removal_of(i->publication);
    if (!p)
        return -ENOMEM;
    p->time_ms = now_ms;
    struct append a = { .publication = p, .keep = i->map->keep };
    int r = remove_key(e, maps, &a, engine_hash(e, p->channel), i);
    if (r == 0)
        atomic_fetch_add(&e->ephemera.keys_expired, 1);
    publication_unref(p);
    return r;
}

void ephemera_tick(struct engine *e) {
    int64_t now_ms = clock_wall_ms();
    for (size_t n = 0; n < EPHEMERA_SHARDS; n++) {
        struct ephemera_shard *shard = &e->ephemera.shards[n];
        pthread_mutex_lock(&shard->mutex);
        once_sweep(&shard->once, now_ms);
        for (int i = 0; i < EXPIRED_PER_TICK; i++) {
            struct map_item *due = map_table_first_due(&shard->maps);
            if (!due || due->expires_ms > now_ms || expire_key(e, &shard->maps, due, now_ms) < 0)
                break; /* for want of memory: the next tick tries again */
        }
        pthread_mutex_unlock(&shard->mutex);
    }
}

/* ---- reading ---- */

int ephemera_map_read(struct engine *e, const struct map_query *q, struct map_page *ret) {
    struct map_page page = { 0 };
    uint64_t hash = engine_hash(e, q->channel);
    struct ephemera_shard *shard = shard_lock(e, hash);
    top_of(e, hash, q->channel, &q->keep, &page.top);
    if (keep_is_nothing(&q->keep))
        epoch_format(page.top.epoch, e->epoch_base, 0);
    int r = map_read(map_find(&shard->maps, hash, q->channel), q, clock_wall_ms(), &page);
    shard_unlock(shard);
    if (r < 0) {
        map_page_finish(&page);
        return r;
    }
    *ret = page;
    return 0;
}

uint64_t ephemera_map_count(struct engine *e, struct str channel) {
    uint64_t hash = engine_hash(e, channel);
    struct ephemera_shard *shard = shard_lock(e, hash);
    const struct map *m = map_find(&shard->maps, hash, channel);
    uint64_t n = m ? m->by_key.size : 0;
    shard_unlock(shard);
    return n;
}

void ephemera_map_clear(struct engine *e, struct str channel, const struct keep *keep) {
    uint64_t hash = engine_hash(e, channel);
    struct ephemera_shard *shard = shard_lock(e, hash);
    struct map *m = map_find(&shard->maps, hash, channel);
    if (m)
        map_clear(&shard->maps, m);
    if (!keep_is_nothing(keep))
        e->class->forget(e, hash, channel);
    shard_unlock(shard);
}
