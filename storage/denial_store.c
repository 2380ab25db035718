#include "storage/denial_store.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/buffer.h"
#include "storage/clock.h"

/* The name is a byte for the kind, and the key. */
struct kept_denial {
    struct table_entry entry;
    struct denial denial;
    size_t name_len;
    char name[];
};

static struct bytes denial_name(const struct table_entry *e) {
    const struct kept_denial *k = CONTAINER_OF(e, struct kept_denial, entry);
    return bytes_of(k->name, k->name_len);
}

void denial_store_init(struct denial_store *s, const struct table_seed *seed, size_t max) {
    pthread_mutex_init(&s->mutex, NULL);
    table_init(&s->table, seed, denial_name);
    s->max = max ? max : DENIALS_MAX;
}

static void forget(struct denial_store *s, struct table_entry *e) {
    table_remove(&s->table, e);
    free(CONTAINER_OF(e, struct kept_denial, entry));
}

void denial_store_finish(struct denial_store *s) {
    TABLE_FOREACH (&s->table, e)
        forget(s, e);
    table_finish(&s->table);
    pthread_mutex_destroy(&s->mutex);
}

static bool has_expired(const struct denial *d, int64_t now_ms) {
    return d->expire_at_ms != 0 && d->expire_at_ms <= now_ms;
}

static void sweep(struct denial_store *s, int64_t now_ms) {
    TABLE_FOREACH (&s->table, e) {
        if (has_expired(&CONTAINER_OF(e, struct kept_denial, entry)->denial, now_ms))
            forget(s, e);
    }
}

static struct kept_denial *kept_denial_new(const struct denial *d) {
    struct kept_denial *k = malloc(sizeof *k + 1 + d->key.len);
    if (!k)
        return NULL;
    *k = (struct kept_denial){ .denial = *d, .name_len = 1 + d->key.len };
    k->name[0] = (char) d->kind;
    if (d->key.len > 0)
        memcpy(k->name + 1, d->key.data, d->key.len);
    k->denial.key.data = k->name + 1;
    return k;
}

int denial_store_put(struct denial_store *s, const struct denial *d) {
    struct kept_denial *k = kept_denial_new(d);
    if (!k)
        return -ENOMEM;
    int r = 0;
    pthread_mutex_lock(&s->mutex);
    struct table_entry *old = table_find(&s->table, denial_name(&k->entry));
    if (old)
        forget(s, old);
    else if (table_size(&s->table) >= s->max)
        sweep(s, clock_wall_ms());
    if (table_size(&s->table) >= s->max)
        r = -ENOSPC;
    if (r == 0)
        r = table_add(&s->table, &k->entry);
    pthread_mutex_unlock(&s->mutex);
    if (r < 0)
        free(k);
    return r;
}

void denial_store_remove(struct denial_store *s, enum denial_kind kind, struct str key) {
    struct kept_denial *k = kept_denial_new(&(struct denial){ .kind = kind, .key = key });
    if (!k)
        return;
    pthread_mutex_lock(&s->mutex);
    struct table_entry *e = table_find(&s->table, denial_name(&k->entry));
    if (e)
        forget(s, e);
    pthread_mutex_unlock(&s->mutex);
    free(k);
}

int denial_store_read(struct denial_store *s, int64_t now_ms, struct denials *ret) {
    struct denials all = { 0 };
    struct buffer text = BUFFER_INIT;
    int r = 0;
    pthread_mutex_lock(&s->mutex);
    sweep(s, now_ms);
    TABLE_FOREACH (&s->table, e) {
        if (r == 0)
            r = denials_add(&all, &text, &CONTAINER_OF(e, struct kept_denial, entry)->denial);
    }
    pthread_mutex_unlock(&s->mutex);
    denials_settle(&all, &text);
    if (r < 0) {
        denials_finish(&all);
        return r;
    }
    *ret = all;
    return 0;
}
