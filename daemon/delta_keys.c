#include "daemon/delta_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct known {
    struct table_entry entry;
    struct delta_base *base; /* its publication has the key */
    uint64_t delivered;      /* at which count; 0: not since we are here */
    uint64_t read;           /* at which count somebody read just that; 0: nobody did */
    bool is_unsure;          /* what was read and what was delivered differ */
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

/* The table's key is the base's: one goes when the other does. NULL: no memory. */
static struct known *know(struct delta_keys *k, struct delta_base *base) {
    struct known *known = find(k, base->publication->key);
    if (known)
        forget(k, known);
    known = calloc(1, sizeof *known);
    if (!known)
        return NULL;
    known->base = delta_base_ref(base);
    if (table_add(&k->table, &known->entry) < 0) {
        delta_base_unref(base);
        free(known);
        return NULL;
    }
    return known;
}

/* What was read before the last delivery may have changed with it: a key that was removed is not
 * known any more. */
static bool covers(struct delta_keys *k, const struct position *at) {
    if (k->since.epoch[0] == '\0') /* nothing was delivered before */
        memcpy(k->since.epoch, at->epoch, sizeof k->since.epoch);
    return strcmp(at->epoch, k->since.epoch) == 0 && at->offset >= k->since.offset;
}

static bool is_same(const struct known *known, const struct publication *p) {
    return bytes_equal(known->base->publication->data, p->data);
}

static void learn(struct delta_keys *k, struct publication *p) {
    struct known *known = find(k, p->key);
    uint64_t offset = known ? known->base->publication->position.offset : 0;

    if (p->position.offset == 0 || offset > p->position.offset)
        return;
    if (p->is_removed) {
        if (known)
            forget(k, known);
        return;
    }
    if (offset == p->position.offset) { /* the state and its stream may say different things */
        if (is_same(known, p))
            known->read = k->count;
        else
            known->is_unsure = true;
        return;
    }
    struct delta_base *base = delta_base_new(p);
    known = base ? know(k, base) : NULL;
    if (known)
        known->read = k->count;
    delta_base_unref(base);
}

void delta_keys_learn(struct delta_keys *k, struct publication *const *items, size_t n,
                      const struct position *at) {
    if (!covers(k, at))
        return;
    k->count++;
    for (size_t i = 0; i < n; i++)
        learn(k, items[i]);
}

void delta_keys_compare(struct delta_keys *k, struct publication *const *items, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct known *known = find(k, items[i]->key);
        if (known && known->base->publication->position.offset == items[i]->position.offset &&
            !is_same(known, items[i]))
            known->is_unsure = true;
    }
}

void delta_keys_delivered(struct delta_keys *k, const struct publication *p,
                          struct delta_base *base) {
    struct known *known = find(k, p->key);
    uint64_t offset = known ? known->base->publication->position.offset : 0;

    k->count++;
    if (p->position.offset)
        k->since = p->position;
    if (offset && offset > p->position.offset)
        return; /* somebody reads ahead of what is delivered */
    if (offset && offset == p->position.offset) {
        known->delivered = k->count;
        known->is_unsure |= !is_same(known, p);
        return;
    }
    if (base && !p->is_removed)
        known = know(k, base);
    else if (known)
        known = (forget(k, known), NULL);
    if (known)
        known->delivered = k->count;
}

struct delta_base *delta_keys_base(const struct delta_keys *k, const struct publication *p,
                                   uint64_t since) {
    const struct known *known = find(k, p->key);

    if (!known || known->is_unsure)
        return NULL;
    uint64_t offset = known->base->publication->position.offset;
    if (offset && offset >= p->position.offset)
        return NULL;
    bool was_given = known->delivered > since || (known->read && known->read <= since);
    return was_given ? known->base : NULL;
}
