#include "storage/sqlite/tops.h"

#include <assert.h>
#include <stdlib.h>

enum { EVICTIONS_PER_PIN = 4, LOOKED_AT_PER_PIN = 16 };

static struct bytes top_key(const struct table_entry *e) {
    return str_bytes(top_name((const struct top *) e));
}

static struct tops_shard *shard_of(struct tops *t, uint64_t hash) {
    return &t->shards[hash >> 60];
}

_Static_assert(TOPS_SHARDS == 1 << (64 - 60), "four bits choose a shard");

void tops_init(struct tops *t, const struct table_seed *seed) {
    for (size_t i = 0; i < TOPS_SHARDS; i++) {
        pthread_mutex_init(&t->shards[i].mutex, NULL);
        table_init(&t->shards[i].tops, seed, top_key);
        list_init(&t->shards[i].recent);
    }
}

static void forget(struct tops_shard *shard, struct top *top) {
    table_remove(&shard->tops, &top->entry);
    list_remove(&top->recent);
    free(top);
}

void tops_finish(struct tops *t) {
    for (size_t i = 0; i < TOPS_SHARDS; i++) {
        TABLE_FOREACH (&t->shards[i].tops, e) {
            struct top *top = CONTAINER_OF(e, struct top, entry);
            assert(top->pins == 0);
            forget(&t->shards[i], top);
        }
        table_finish(&t->shards[i].tops);
        pthread_mutex_destroy(&t->shards[i].mutex);
    }
}

static void evict(struct tops_shard *shard) {
    int looked = 0, evicted = 0;
    LIST_FOREACH_SAFE (&shard->recent, k, after) {
        if (table_size(&shard->tops) < TOPS_MAX / TOPS_SHARDS || looked++ == LOOKED_AT_PER_PIN ||
            evicted == EVICTIONS_PER_PIN)
            break;
        struct top *top = CONTAINER_OF(k, struct top, recent);
        if (top->pins == 0) {
            forget(shard, top);
            evicted++;
        }
    }
}

static struct top *find(struct tops_shard *shard, uint64_t hash, struct str channel) {
    struct table_entry *e = table_find_hashed(&shard->tops, hash, str_bytes(channel));
    if (!e)
        return NULL;
    struct top *top = CONTAINER_OF(e, struct top, entry);
    list_remove(&top->recent);
    list_append(&shard->recent, &top->recent);
    return top;
}

static struct top *add(struct tops_shard *shard, uint64_t hash, struct str channel) {
    evict(shard);
    struct top *top = malloc(sizeof *top + channel.len);
    if (!top)
        return NULL;
    *top = (struct top){ .name_len = channel.len };
    if (channel.len > 0)
        memcpy(top->name, channel.data, channel.len);
    if (table_add_hashed(&shard->tops, hash, &top->entry) < 0) {
        free(top);
        return NULL;
    }
    list_append(&shard->recent, &top->recent);
    return top;
}

static struct top *pin(struct tops *t, uint64_t hash, struct str channel, bool may_add) {
    struct tops_shard *shard = shard_of(t, hash);
    pthread_mutex_lock(&shard->mutex);
    struct top *top = find(shard, hash, channel);
    if (!top && may_add)
        top = add(shard, hash, channel);
    if (top)
        top->pins++;
    pthread_mutex_unlock(&shard->mutex);
    return top;
}

struct top *tops_pin(struct tops *t, uint64_t hash, struct str channel) {
    return pin(t, hash, channel, true);
}

struct top *tops_pin_existing(struct tops *t, uint64_t hash, struct str channel) {
    return pin(t, hash, channel, false);
}

void tops_unpin(struct tops *t, struct top *top) {
    tops_lock(t, top);
    tops_unlock_unpin(t, top);
}

bool tops_get(struct tops *t, uint64_t hash, struct str channel, uint64_t *ret_offset,
              uint64_t *ret_generation) {
    struct tops_shard *shard = shard_of(t, hash);
    pthread_mutex_lock(&shard->mutex);
    struct top *top = find(shard, hash, channel);
    bool is_known = top && top->is_known;
    if (is_known) {
        *ret_offset = top->offset;
        *ret_generation = top->generation;
    }
    pthread_mutex_unlock(&shard->mutex);
    return is_known;
}

size_t tops_size(struct tops *t) {
    size_t n = 0;
    for (size_t i = 0; i < TOPS_SHARDS; i++) {
        pthread_mutex_lock(&t->shards[i].mutex);
        n += table_size(&t->shards[i].tops);
        pthread_mutex_unlock(&t->shards[i].mutex);
    }
    return n;
}

void tops_lock(struct tops *t, const struct top *top) {
    pthread_mutex_lock(&shard_of(t, top->entry.hash)->mutex);
}

void tops_unlock(struct tops *t, const struct top *top) {
    pthread_mutex_unlock(&shard_of(t, top->entry.hash)->mutex);
}

void tops_unlock_unpin(struct tops *t, struct top *top) {
    assert(top->pins > 0);
    struct tops_shard *shard = shard_of(t, top->entry.hash);
    top->pins--;
    pthread_mutex_unlock(&shard->mutex);
}
