#include "storage/once.h"

#include <errno.h>
#include <stdlib.h>

/* The name is the channel's length, the channel, and the key: no two pairs make the same. */
struct once {
    struct table_entry entry;
    struct tree_node node;
    int64_t expires_ms;
    struct position position;
    size_t name_len;
    uint8_t name[];
};

static struct bytes once_key(const struct table_entry *e) {
    const struct once *o = CONTAINER_OF(e, struct once, entry);
    return bytes_of(o->name, o->name_len);
}

static int by_expiry(const struct tree_node *a, const struct tree_node *b) {
    const struct once *x = CONTAINER_OF(a, struct once, node);
    const struct once *y = CONTAINER_OF(b, struct once, node);
    if (x->expires_ms != y->expires_ms)
        return x->expires_ms < y->expires_ms ? -1 : 1;
    return (uintptr_t) x < (uintptr_t) y ? -1 : x != y;
}

void once_init(struct once_table *t, const struct table_seed *seed, struct budget *budget) {
    table_init(&t->table, seed, once_key);
    tree_init(&t->by_expiry, seed->words[0], by_expiry);
    t->budget = budget;
}

static size_t size_of(const struct once *o) {
    return sizeof *o + o->name_len;
}

static void forget(struct once_table *t, struct once *o) {
    table_remove(&t->table, &o->entry);
    tree_remove(&t->by_expiry, &o->node);
    once_free(t, o);
}

void once_finish(struct once_table *t) {
    TABLE_FOREACH (&t->table, e)
        forget(t, CONTAINER_OF(e, struct once, entry));
    table_finish(&t->table);
}

int once_new(struct once_table *t, struct str channel, struct str key, struct once **ret) {
    uint32_t channel_len = (uint32_t) channel.len;
    size_t len = sizeof channel_len + channel.len + key.len;
    if (!budget_take(t->budget, sizeof(struct once) + len))
        return -ENOSPC;
    struct once *o = malloc(sizeof *o + len);
    if (!o) {
        budget_give(t->budget, sizeof *o + len);
        return -ENOMEM;
    }
    *o = (struct once){ .name_len = len };
    memcpy(o->name, &channel_len, sizeof channel_len);
    if (channel.len > 0)
        memcpy(o->name + sizeof channel_len, channel.data, channel.len);
    if (key.len > 0)
        memcpy(o->name + sizeof channel_len + channel.len, key.data, key.len);
    *ret = o;
    return 0;
}

void once_free(struct once_table *t, struct once *o) {
    if (!o)
        return;
    budget_give(t->budget, size_of(o));
    free(o);
}

static struct once *find(const struct once_table *t, const struct once *o) {
    struct table_entry *e = table_find(&t->table, once_key(&o->entry));
    return e ? CONTAINER_OF(e, struct once, entry) : NULL;
}

const struct position *once_made(const struct once_table *t, const struct once *o, int64_t now_ms) {
    const struct once *made = find(t, o);
    return made && made->expires_ms > now_ms ? &made->position : NULL;
}

int once_add(struct once_table *t, struct once *o, int64_t expires_ms) {
    struct once *expired = find(t, o);
    if (expired)
        forget(t, expired);
    int r = table_add(&t->table, &o->entry);
    if (r < 0) {
        once_free(t, o);
        return r;
    }
    o->expires_ms = expires_ms;
    tree_add(&t->by_expiry, &o->node);
    return 0;
}

void once_settle(struct once *o, const struct position *position) {
    o->position = *position;
}

void once_take_back(struct once_table *t, struct once *o) {
    forget(t, o);
}

void once_sweep(struct once_table *t, int64_t now_ms) {
    struct tree_node *n;
    while ((n = tree_first(&t->by_expiry)) != NULL) {
        struct once *o = CONTAINER_OF(n, struct once, node);
        if (o->expires_ms > now_ms)
            return;
        forget(t, o);
    }
}
