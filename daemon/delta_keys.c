#include "daemon/delta_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct known {
    struct table_entry entry;
    struct delta_base *base; /* its publication has the key */
    uint64_t delivered;      /* the how manieth delivery it was; 0: it was read */
};

static struct known *known_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct known, entry);
}

static struct bytes key_of(const struct table_entry *e) {
    const struct known *k = (const struct known *) (const void *) e;
    _Static_assert(offsetof(struct known, entry) == 0, "the cast above");
    return str_bytes(k->base->publication->key);
}

struct delta_keys *delta_keys_new(const struct table_seed *seed, const struct position *since) {
    struct delta_keys *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    table_init(&k->table, seed, key_of);
    k->since = *since;
    return k;
}

static void forget(struct delta_keys *k, struct known *known) {
    table_remove(&k->table, &known->entry);
    delta_base_unref(known->base);
    free(known);
}

struct delta_keys *delta_keys_free(struct delta_keys *k) {
    if (!k)
        return NULL;
    TABLE_FOREACH (&k->table, e)
        forget(k, known_of(e));
    table_finish(&k->table);
    free(k);
    return NULL;
}

static struct known *find(const struct delta_keys *k, struct str key) {
    struct table_entry *e = table_find(&k->table, str_bytes(key));
    return e ? known_of(e) : NULL;
}

/* The table's key is the base's: one goes when the other does. */
static void know(struct delta_keys *k, struct delta_base *base, uint64_t delivered) {
    struct known *known = find(k, base->publication->key);
    if (known)
        forget(k, known);
    known = malloc(sizeof *known);
    if (!known)
        return;
    *known = (struct known){ .base = delta_base_ref(base), .delivered = delivered };
    if (table_add(&k->table, &known->entry) < 0) {
        delta_base_unref(base);
        free(known);
    }
}

/* Whether a key that is not known has not changed between the reading and our beginning. */
static bool covers(const struct delta_keys *k, const struct position *at) {
    if (k->since.epoch[0] == '\0')
        return true; /* nothing was delivered before */
    return strcmp(at->epoch, k->since.epoch) == 0 && at->offset >= k->since.offset;
}

void delta_keys_learn(struct delta_keys *k, struct publication *const *items, size_t n,
                      const struct position *at) {
    if (!covers(k, at))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct publication *p = items[i];
        struct known *known = find(k, p->key);
        if (p->position.offset == 0 || p->is_removed ||
            (known && known->base->publication->position.offset >= p->position.offset))
            continue;
        struct delta_base *base = delta_base_new(items[i]);
        if (base)
            know(k, base, 0);
        delta_base_unref(base);
    }
}

void delta_keys_delivered(struct delta_keys *k, const struct publication *p,
                          struct delta_base *base) {
    struct known *known = find(k, p->key);

    k->deliveries++;
    /* Who reads ahead of what is delivered knows it already, or what came behind it. */
    if (known && p->position.offset &&
        known->base->publication->position.offset >= p->position.offset)
        return;
    if (base && !p->is_removed)
        know(k, base, k->deliveries);
    else if (known)
        forget(k, known);
}

struct delta_base *delta_keys_base(const struct delta_keys *k, const struct publication *p,
                                   uint64_t since) {
    const struct known *known = find(k, p->key);

    if (!known)
        return NULL;
    uint64_t offset = known->base->publication->position.offset;
    if (offset ? p->position.offset > offset : known->delivered > since)
        return known->base;
    return NULL;
}
