/*
 * The data of a Redis: keys and their values, as its commands see them. Nothing of commands, lines
 * or time is known here; who asks says what time it is.
 *
 * For tests: without memory it aborts. Small collections are expected: most are searched in order.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

/* Owned bytes. */
struct blob {
    uint8_t *data; /* never NULL once made; a 0 follows */
    size_t len;
};

struct blob blob_copy(struct bytes b);
void blob_free(struct blob *b);
void blob_set(struct blob *b, struct bytes value);
static inline struct bytes blob_bytes(const struct blob *b) {
    return bytes_of(b->data, b->len);
}

enum value_type { VALUE_STRING, VALUE_HASH, VALUE_ZSET, VALUE_STREAM };

struct hash_pair {
    struct blob name, value;
};

struct zset_member {
    struct blob name;
    double score;
};

struct stream_id {
    uint64_t ms, seq;
};

static inline int stream_id_compare(struct stream_id a, struct stream_id b) {
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

struct stream_entry {
    struct stream_id id;
    struct blob *fields; /* names and values in turn */
    size_t n;
};

struct value {
    struct value *next; /* of its slot */
    struct blob key;
    enum value_type type;
    int64_t expires_ms; /* 0: never */
    size_t n, cap;      /* of what is below */
    union {
        struct blob string;
        struct hash_pair *pairs;      /* in the order they were added */
        struct zset_member *members;  /* by score and name */
        struct stream_entry *entries; /* by id */
    };
    struct stream_id last; /* of a stream: the greatest id it ever had */
    uint64_t added;        /* likewise: entries ever */
    struct stream_id max_deleted;
};

enum { KEYSPACE_SLOTS = 1024 };

struct keyspace {
    struct value *slots[KEYSPACE_SLOTS];
    size_t n;
};

void keyspace_clear(struct keyspace *k);

/* NULL: it is not there, or (then it is removed) its time is over. */
struct value *keyspace_find(struct keyspace *k, struct bytes key, int64_t now_ms);
struct value *keyspace_add(struct keyspace *k, struct bytes key, enum value_type type); /* new */
void keyspace_remove(struct keyspace *k, struct value *v);

/* ---- hashes ---- */

struct hash_pair *hash_find(struct value *v, struct bytes name);
bool hash_put(struct value *v, struct bytes name, struct bytes value); /* is it new? */
bool hash_delete(struct value *v, struct bytes name);

/* ---- sorted sets ---- */

struct zset_member *zset_find(struct value *v, struct bytes name);
void zset_put(struct value *v, struct bytes name, double score);
void zset_delete_at(struct value *v, size_t index);

/* ---- streams ---- */

/* id: greater than v->last. fields: copied. */
void stream_append(struct value *v, struct stream_id id, const struct bytes *fields, size_t n);
void stream_drop_first(struct value *v, size_t n);
void stream_delete_at(struct value *v, size_t index);
size_t stream_lower_bound(const struct value *v, struct stream_id id); /* the first not below id */
