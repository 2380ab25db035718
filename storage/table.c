#include "storage/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    BUCKETS_MIN = 16,
    MOVED_PER_ADDITION =
            8,  /* old buckets; doubling needs one, the rest catches up after a shrink */
    SPARSE = 8, /* shrinks when there are this many buckets per entry */
};

/* ---- SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotated(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s) {
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotated(s->v1, 13) ^ s->v0;
    s->v3 = rotated(s->v3, 16) ^ s->v2;
    s->v0 = rotated(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = rotated(s->v1, 17) ^ s->v2;
    s->v3 = rotated(s->v3, 21) ^ s->v0;
    s->v2 = rotated(s->v2, 32);
}

static inline uint64_t little_endian(const uint8_t *bytes, size_t n) {
    uint64_t word = 0;
    memcpy(&word, bytes, n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t table_hash(const struct table_seed *seed, struct bytes key) {
    struct sip s = {
        .v0 = seed->words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = seed->words[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = seed->words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = seed->words[1] ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *at = key.data;
    size_t left = key.len;

    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = little_endian(at, 8);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }

    uint64_t last = (uint64_t) key.len << 56;
    if (left > 0)
        last |= little_endian(at, left);
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;

    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the table ---- */

void table_init(struct table *t, const struct table_seed *seed, table_key_fn *key_of) {
    *t = (struct table){ .key_of = key_of, .seed = *seed };
}

void table_finish(struct table *t) {
    free(t->buckets);
    free(t->old);
    t->buckets = t->old = NULL;
    t->n_buckets = t->n_old = t->moved = t->size = 0;
}

/* Where an entry of this hash is, or would be put. */
static struct table_entry **bucket_of(const struct table *t, uint64_t hash) {
    if (t->old) {
        size_t i = hash & (t->n_old - 1);
        if (i >= t->moved)
            return &t->old[i];
    }
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static void move_some(struct table *t, size_t n) {
    for (; t->old && n > 0; n--) {
        struct table_entry *e = t->old[t->moved];
        t->old[t->moved] = NULL;
        t->moved++;
        while (e) {
            struct table_entry *next = e->next;
            struct table_entry **bucket = &t->buckets[e->hash & (t->n_buckets - 1)];
            e->next = *bucket;
            *bucket = e;
            e = next;
        }
        if (t->moved == t->n_old) {
            free(t->old);
            t->old = NULL;
            t->n_old = t->moved = 0;
        }
    }
}

/* Without memory the table stays as it is: slower, never wrong. */
static void resize(struct table *t, size_t n_buckets) {
    move_some(t, SIZE_MAX);
    struct table_entry **buckets = calloc(n_buckets, sizeof *buckets);
    if (!buckets)
        return;
    t->old = t->buckets;
    t->n_old = t->n_buckets;
    t->moved = 0;
    t->buckets = buckets;
    t->n_buckets = n_buckets;
}

static void fit(struct table *t) {
    if (t->size >= t->n_buckets && t->n_buckets <= SIZE_MAX / 4 / sizeof *t->buckets) {
        resize(t, t->n_buckets * 2);
    } else if (!t->old && t->n_buckets > BUCKETS_MIN && t->size < t->n_buckets / SPARSE) {
        size_t n = BUCKETS_MIN;
        while (n < t->size * 2)
            n *= 2;
        resize(t, n);
    }
}

struct table_entry *table_find_hashed(const struct table *t, uint64_t hash, struct bytes key) {
    if (t->size == 0)
        return NULL;
    for (struct table_entry *e = *bucket_of(t, hash); e; e = e->next) {
        if (e->hash == hash && bytes_equal(t->key_of(e), key))
            return e;
    }
    return NULL;
}

struct table_entry *table_find(const struct table *t, struct bytes key) {
    if (t->size == 0)
        return NULL;
    return table_find_hashed(t, table_hash(&t->seed, key), key);
}

int table_reserve(struct table *t) {
    if (t->buckets)
        return 0;
    t->buckets = calloc(BUCKETS_MIN, sizeof *t->buckets);
    if (!t->buckets)
        return -ENOMEM;
    t->n_buckets = BUCKETS_MIN;
    return 0;
}

int table_add_hashed(struct table *t, uint64_t hash, struct table_entry *entry) {
    int r = table_reserve(t);
    if (r < 0)
        return r;
    move_some(t, MOVED_PER_ADDITION);
    fit(t);

    entry->hash = hash;
    struct table_entry **bucket = bucket_of(t, hash);
    entry->next = *bucket;
    *bucket = entry;
    t->size++;
    return 0;
}

int table_add(struct table *t, struct table_entry *entry) {
    return table_add_hashed(t, table_hash(&t->seed, t->key_of(entry)), entry);
}

/* Moves nothing, so that TABLE_FOREACH stays where it is. */
void table_remove(struct table *t, struct table_entry *entry) {
    assert(t->size > 0);
    struct table_entry **at = bucket_of(t, entry->hash);
    while (*at != entry) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = entry->next;
    entry->next = NULL;
    t->size--;
}

static struct table_entry *first_from(struct table_entry *const *buckets, size_t i, size_t n) {
    for (; i < n; i++) {
        if (buckets[i])
            return buckets[i];
    }
    return NULL;
}

struct table_entry *table_first(const struct table *t) {
    struct table_entry *e = t->old ? first_from(t->old, t->moved, t->n_old) : NULL;
    return e ? e : first_from(t->buckets, 0, t->n_buckets);
}

struct table_entry *table_next(const struct table *t, const struct table_entry *entry) {
    if (entry->next)
        return entry->next;
    if (t->old) {
        size_t i = entry->hash & (t->n_old - 1);
        if (i >= t->moved) {
            struct table_entry *e = first_from(t->old, i + 1, t->n_old);
            return e ? e : first_from(t->buckets, 0, t->n_buckets);
        }
    }
    return first_from(t->buckets, (entry->hash & (t->n_buckets - 1)) + 1, t->n_buckets);
}
