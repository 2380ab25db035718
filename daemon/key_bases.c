#include "daemon/key_bases.h"

#include <stdlib.h>

struct key_base {
    struct table_entry entry;
    struct delta_base *base; /* its publication has the key */
    uint64_t number;         /* the how-manieth it was */
};

static struct key_base *base_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct key_base, entry);
}

static struct bytes key_of(const struct table_entry *e) {
    const struct key_base *b = (const struct key_base *) (const void *) e;
    _Static_assert(offsetof(struct key_base, entry) == 0, "the cast above");
    return str_bytes(b->base->publication->key);
}

struct key_bases *key_bases_new(const struct table_seed *seed) {
    struct key_bases *all = calloc(1, sizeof *all);
    if (all)
        table_init(&all->table, seed, key_of);
    return all;
}

static void forget(struct key_bases *all, struct key_base *b) {
    table_remove(&all->table, &b->entry);
    delta_base_unref(b->base);
    free(b);
}

struct key_bases *key_bases_free(struct key_bases *all) {
    if (!all)
        return NULL;
    TABLE_FOREACH (&all->table, e)
        forget(all, base_of(e));
    table_finish(&all->table);
    free(all);
    return NULL;
}

struct delta_base *key_bases_find(const struct key_bases *all, struct str key, uint64_t since) {
    struct table_entry *e = table_find(&all->table, str_bytes(key));
    return e && base_of(e)->number > since ? base_of(e)->base : NULL;
}

void key_bases_delivered(struct key_bases *all, const struct publication *p, struct delta_base *b) {
    struct table_entry *e = table_find(&all->table, str_bytes(p->key));

    all->delivered++;
    if (e)
        forget(all, base_of(e));
    if (p->is_removed || !b)
        return;
    struct key_base *now = malloc(sizeof *now);
    if (!now)
        return; /* the next one goes out whole */
    *now = (struct key_base){ .base = delta_base_ref(b), .number = all->delivered };
    if (table_add(&all->table, &now->entry) < 0) {
        delta_base_unref(now->base);
        free(now);
    }
}
