#include "tests/support/redis_model/keyspace.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

static void *grown(void *items, size_t n, size_t *cap, size_t size) {
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 4;
    items = realloc(items, *cap * size);
    if (!items)
        abort();
    return items;
}

struct blob blob_copy(struct bytes b) {
    struct blob copy = { .data = malloc(b.len + 1), .len = b.len };
    if (!copy.data)
        abort();
    if (b.len)
        memcpy(copy.data, b.data, b.len);
    copy.data[b.len] = 0;
    return copy;
}

void blob_free(struct blob *b) {
    free(b->data);
    *b = (struct blob){ 0 };
}

void blob_set(struct blob *b, struct bytes value) {
    struct blob copy = blob_copy(value); /* value may lie in b */
    blob_free(b);
    *b = copy;
}

/* ---- keys ---- */

static uint32_t slot_of(struct bytes key) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.data[i]) * UINT64_C(0x100000001b3);
    return (uint32_t) ((h ^ h >> 32) % KEYSPACE_SLOTS);
}

static void entry_finish(struct stream_entry *e) {
    for (size_t i = 0; i < e->n; i++)
        blob_free(&e->fields[i]);
    free(e->fields);
}

static void value_free(struct value *v) {
    switch (v->type) {
    case VALUE_HASH:
        for (size_t i = 0; i < v->n; i++) {
            blob_free(&v->pairs[i].name);
            blob_free(&v->pairs[i].value);
        }
        free(v->pairs);
        break;
    case VALUE_ZSET:
        for (size_t i = 0; i < v->n; i++)
            blob_free(&v->members[i].name);
        free(v->members);
        break;
    case VALUE_STREAM:
        for (size_t i = 0; i < v->n; i++)
            entry_finish(&v->entries[i]);
        free(v->entries);
        break;
    case VALUE_STRING:
    default:
        blob_free(&v->string);
        break;
    }
    blob_free(&v->key);
    free(v);
}

void keyspace_clear(struct keyspace *k) {
    for (size_t i = 0; i < KEYSPACE_SLOTS; i++)
        while (k->slots[i])
            keyspace_remove(k, k->slots[i]);
}

struct value *keyspace_find(struct keyspace *k, struct bytes key, int64_t now_ms) {
    struct value *v = k->slots[slot_of(key)];
    while (v && !bytes_equal(blob_bytes(&v->key), key))
        v = v->next;
    if (v && v->expires_ms && v->expires_ms <= now_ms) {
        keyspace_remove(k, v);
        return NULL;
    }
    return v;
}

struct value *keyspace_add(struct keyspace *k, struct bytes key, enum value_type type) {
    struct value *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    v->key = blob_copy(key);
    v->type = type;
    struct value **slot = &k->slots[slot_of(key)];
    v->next = *slot;
    *slot = v;
    k->n++;
    return v;
}

void keyspace_remove(struct keyspace *k, struct value *v) {
    struct value **at = &k->slots[slot_of(blob_bytes(&v->key))];
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    k->n--;
    value_free(v);
}

/* ---- hashes ---- */

struct hash_pair *hash_find(struct value *v, struct bytes name) {
    for (size_t i = 0; i < v->n; i++)
        if (bytes_equal(blob_bytes(&v->pairs[i].name), name))
            return &v->pairs[i];
    return NULL;
}

bool hash_put(struct value *v, struct bytes name, struct bytes value) {
    struct hash_pair *pair = hash_find(v, name);
    if (pair) {
        blob_set(&pair->value, value);
        return false;
    }
    v->pairs = grown(v->pairs, v->n, &v->cap, sizeof *v->pairs);
    v->pairs[v->n++] = (struct hash_pair){ .name = blob_copy(name), .value = blob_copy(value) };
    return true;
}

bool hash_delete(struct value *v, struct bytes name) {
    struct hash_pair *pair = hash_find(v, name);
    if (!pair)
        return false;
    blob_free(&pair->name);
    blob_free(&pair->value);
    memmove(pair, pair + 1, (size_t) (v->pairs + v->n - pair - 1) * sizeof *pair);
    v->n--;
    return true;
}

/* ---- sorted sets ---- */

struct zset_member *zset_find(struct value *v, struct bytes name) {
    for (size_t i = 0; i < v->n; i++)
        if (bytes_equal(blob_bytes(&v->members[i].name), name))
            return &v->members[i];
    return NULL;
}

static bool is_before(const struct zset_member *m, double score, struct bytes name) {
    if (m->score < score || m->score > score)
        return m->score < score;
    size_t shorter = m->name.len < name.len ? m->name.len : name.len;
    int c = shorter ? memcmp(m->name.data, name.data, shorter) : 0;
    return c ? c < 0 : m->name.len < name.len;
}

void zset_put(struct value *v, struct bytes name, double score) {
    struct zset_member *m = zset_find(v, name);
    struct blob copy = blob_copy(name);
    size_t at = 0;

    if (m)
        zset_delete_at(v, (size_t) (m - v->members));
    v->members = grown(v->members, v->n, &v->cap, sizeof *v->members);
    while (at < v->n && is_before(&v->members[at], score, blob_bytes(&copy)))
        at++;
    memmove(&v->members[at + 1], &v->members[at], (v->n - at) * sizeof *v->members);
    v->members[at] = (struct zset_member){ .name = copy, .score = score + 0.0 }; /* no -0 */
    v->n++;
}

void zset_delete_at(struct value *v, size_t index) {
    blob_free(&v->members[index].name);
    memmove(&v->members[index], &v->members[index + 1], (v->n - index - 1) * sizeof *v->members);
    v->n--;
}

/* ---- streams ---- */

void stream_append(struct value *v, struct stream_id id, const struct bytes *fields, size_t n) {
    struct stream_entry e = { .id = id, .fields = calloc(n, sizeof *e.fields), .n = n };
    if (!e.fields)
        abort();
    for (size_t i = 0; i < n; i++)
        e.fields[i] = blob_copy(fields[i]);
    v->entries = grown(v->entries, v->n, &v->cap, sizeof *v->entries);
    v->entries[v->n++] = e;
    v->last = id;
    v->added++;
}

void stream_drop_first(struct value *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        entry_finish(&v->entries[i]);
    memmove(v->entries, v->entries + n, (v->n - n) * sizeof *v->entries);
    v->n -= n;
}

void stream_delete_at(struct value *v, size_t index) {
    if (stream_id_compare(v->entries[index].id, v->max_deleted) > 0)
        v->max_deleted = v->entries[index].id;
    entry_finish(&v->entries[index]);
    memmove(&v->entries[index], &v->entries[index + 1], (v->n - index - 1) * sizeof *v->entries);
    v->n--;
}

size_t stream_lower_bound(const struct value *v, struct stream_id id) {
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stream_id_compare(v->entries[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
