#include "storage/distribution.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* A sink's place. It outlives the sink for as long as deliveries to it are on their way. */
struct sink_slot {
    _Atomic size_t refs; /* one of the distribution, one of each delivery under way */
    _Atomic bool is_removed;
    struct engine_sink *sink;
};

/* One publication on its way to one worker. */
struct delivery {
    union {
        struct post post;
        struct delivery *next; /* in a reserve */
    };
    struct sink_slot *slot;
    struct publication *publication;
    bool is_handed_over; /* by another thread */
};

/* A channel that somebody wants. */
struct interest {
    struct table_entry entry;
    uint64_t mask; /* bit i: the sink in slot i */
    size_t name_len;
    char name[];
};

static struct bytes interest_key(const struct table_entry *e) {
    const struct interest *i = (const struct interest *) e;
    return bytes_of(i->name, i->name_len);
}

static struct interest_shard *shard_of(struct distribution *d, uint64_t hash) {
    return &d->shards[hash >> 58]; /* the tables use the low bits */
}

_Static_assert(INTEREST_SHARDS == 1 << (64 - 58), "six bits choose a shard");

void distribution_init(struct distribution *d, const struct table_seed *seed) {
    for (size_t i = 0; i < INTEREST_SHARDS; i++) {
        pthread_mutex_init(&d->shards[i].mutex, NULL);
        table_init(&d->shards[i].channels, seed, interest_key);
    }
    pthread_mutex_init(&d->sinks_mutex, NULL);
    for (size_t i = 0; i < ENGINE_SINKS_MAX; i++)
        d->slots[i] = NULL;
    atomic_init(&d->n_sinks, 0);
}

void distribution_finish(struct distribution *d) {
    assert(atomic_load(&d->n_sinks) == 0);
    for (size_t i = 0; i < INTEREST_SHARDS; i++) {
        assert(table_size(&d->shards[i].channels) == 0);
        table_finish(&d->shards[i].channels);
        pthread_mutex_destroy(&d->shards[i].mutex);
    }
    pthread_mutex_destroy(&d->sinks_mutex);
}

/* ---- sinks ---- */

static void slot_unref(struct sink_slot *slot) {
    if (atomic_fetch_sub_explicit(&slot->refs, 1, memory_order_acq_rel) == 1)
        free(slot);
}

int distribution_add_sink(struct distribution *d, struct engine_sink *s) {
    struct sink_slot *slot = malloc(sizeof *slot);
    if (!slot)
        return -ENOMEM;
    atomic_init(&slot->refs, 1);
    atomic_init(&slot->is_removed, false);
    slot->sink = s;

    pthread_mutex_lock(&d->sinks_mutex);
    unsigned i = 0;
    while (i < ENGINE_SINKS_MAX && d->slots[i])
        i++;
    if (i < ENGINE_SINKS_MAX) {
        d->slots[i] = slot;
        s->index = i;
        atomic_fetch_add(&d->n_sinks, 1);
    }
    pthread_mutex_unlock(&d->sinks_mutex);

    if (i == ENGINE_SINKS_MAX) {
        free(slot);
        return -ENOSPC;
    }
    return 0;
}

void distribution_remove_sink(struct distribution *d, struct engine_sink *s) {
    pthread_mutex_lock(&d->sinks_mutex);
    struct sink_slot *slot = TAKE(d->slots[s->index]);
    assert(slot && slot->sink == s);
    atomic_fetch_sub(&d->n_sinks, 1);
    pthread_mutex_unlock(&d->sinks_mutex);

    atomic_store_explicit(&slot->is_removed, true, memory_order_relaxed);
    slot_unref(slot);
}

/* ---- interest ---- */

int distribution_attach(struct distribution *d, struct engine_sink *s, struct str channel) {
    uint64_t hash = table_hash(&d->shards[0].channels.seed, str_bytes(channel));
    struct interest_shard *shard = shard_of(d, hash);
    uint64_t bit = UINT64_C(1) << s->index;
    int r = 0;

    pthread_mutex_lock(&shard->mutex);
    struct table_entry *e = table_find_hashed(&shard->channels, hash, str_bytes(channel));
    struct interest *i = CONTAINER_OF(e, struct interest, entry);
    if (!e) {
        i = malloc(sizeof *i + channel.len);
        if (i) {
            *i = (struct interest){ .name_len = channel.len };
            memcpy(i->name, channel.data, channel.len);
            r = table_add_hashed(&shard->channels, hash, &i->entry);
        } else {
            r = -ENOMEM;
        }
    }
    if (r == 0) {
        assert(!(i->mask & bit));
        i->mask |= bit;
    } else {
        free(i);
    }
    pthread_mutex_unlock(&shard->mutex);
    return r;
}

void distribution_detach(struct distribution *d, struct engine_sink *s, struct str channel) {
    uint64_t hash = table_hash(&d->shards[0].channels.seed, str_bytes(channel));
    struct interest_shard *shard = shard_of(d, hash);
    uint64_t bit = UINT64_C(1) << s->index;

    pthread_mutex_lock(&shard->mutex);
    struct table_entry *e = table_find_hashed(&shard->channels, hash, str_bytes(channel));
    assert(e);
    struct interest *i = CONTAINER_OF(e, struct interest, entry);
    assert(i->mask & bit);
    i->mask &= ~bit;
    if (i->mask == 0) {
        table_remove(&shard->channels, e);
        free(i);
    }
    pthread_mutex_unlock(&shard->mutex);
}

/* ---- deliveries ---- */

static void delivery_run(struct post *post) {
    struct delivery *y = CONTAINER_OF(post, struct delivery, post);
    /* On the sink's own loop, as its removal is: it cannot go while we are here. */
    if (!atomic_load_explicit(&y->slot->is_removed, memory_order_relaxed)) {
        y->slot->sink->is_handed_over = y->is_handed_over;
        y->slot->sink->deliver(y->slot->sink, y->publication);
    }
    slot_unref(y->slot);
    publication_unref(y->publication);
    free(y);
}

static struct delivery *reserve_take(struct delivery_reserve *r) {
    struct delivery *y = r->first;
    if (y) {
        r->first = y->next;
        r->n--;
    }
    return y;
}

static int reserve_fill(struct delivery_reserve *r, size_t n) {
    while (r->n < n) {
        struct delivery *y = malloc(sizeof *y);
        if (!y)
            return -ENOMEM;
        y->next = r->first;
        r->first = y;
        r->n++;
    }
    return 0;
}

void delivery_reserve_finish(struct delivery_reserve *r) {
    struct delivery *y;
    while ((y = reserve_take(r)) != NULL)
        free(y);
}

int distribution_reserve(struct distribution *d, struct delivery_reserve *r, size_t publications) {
    return reserve_fill(r, publications * atomic_load(&d->n_sinks));
}

static uint64_t mask_of(struct interest_shard *shard, uint64_t hash, struct str channel) {
    struct table_entry *e = table_find_hashed(&shard->channels, hash, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct interest, entry)->mask : 0;
}

bool distribution_has(struct distribution *d, uint64_t hash, struct str channel) {
    struct interest_shard *shard = shard_of(d, hash);
    pthread_mutex_lock(&shard->mutex);
    uint64_t mask = mask_of(shard, hash, channel);
    pthread_mutex_unlock(&shard->mutex);
    return mask != 0;
}

/* The reserve holds enough. Under the shard's lock: attaching and distributing have an order. */
static void send_to(struct distribution *d, struct delivery_reserve *r, uint64_t mask,
                    uint64_t hash, struct publication *p, struct wakes *wakes) {
    p->hash = hash;
    for (; mask; mask &= mask - 1) {
        struct delivery *y = reserve_take(r);
        struct sink_slot *slot = d->slots[__builtin_ctzll(mask)];
        atomic_fetch_add_explicit(&slot->refs, 1, memory_order_relaxed);
        y->slot = slot;
        y->publication = publication_ref(p);
        y->is_handed_over = inbox_is_elsewhere(slot->sink->inbox);
        y->post = (struct post){ .run = delivery_run };
        inbox_post_quietly(slot->sink->inbox, &y->post, wakes);
    }
}

int distribution_send(struct distribution *d, uint64_t hash, struct publication *p) {
    struct interest_shard *shard = shard_of(d, hash);
    struct delivery_reserve reserve = { 0 };

    pthread_mutex_lock(&shard->mutex);
    uint64_t mask = mask_of(shard, hash, p->channel);
    int r = reserve_fill(&reserve, (size_t) __builtin_popcountll(mask));
    if (r == 0)
        send_to(d, &reserve, mask, hash, p, NULL);
    pthread_mutex_unlock(&shard->mutex);

    delivery_reserve_finish(&reserve);
    return r;
}

void distribution_send_reserved(struct distribution *d, struct delivery_reserve *r, uint64_t hash,
                                struct publication *p, struct wakes *wakes) {
    struct interest_shard *shard = shard_of(d, hash);
    pthread_mutex_lock(&shard->mutex);
    uint64_t mask = mask_of(shard, hash, p->channel);
    /* Only a sink added since the reserve was filled can find it short, and then the few bytes must
     * come: the publication is already durable. */
    while (reserve_fill(r, (size_t) __builtin_popcountll(mask)) < 0)
        (void) sched_yield();
    send_to(d, r, mask, hash, p, wakes);
    pthread_mutex_unlock(&shard->mutex);
}
