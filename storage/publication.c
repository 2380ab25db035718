#include "storage/publication.h"

#include <assert.h>
#include <stdlib.h>

/* Copies into the room behind the struct and moves on. */
static const void *put(char **at, const void *data, size_t len) {
    char *where = *at;
    if (len > 0)
        memcpy(where, data, len);
    *at += len;
    return where;
}

static struct str put_str(char **at, struct str s) {
    return (struct str){ .data = put(at, s.data, s.len), .len = s.len };
}

static struct bytes put_bytes(char **at, struct bytes b) {
    return bytes_of(put(at, b.data, b.len), b.len);
}

struct publication *publication_new(const struct publication_parts *parts) {
    const struct client_info *info = parts->info;

    /* The spans exist in memory, so that their sum cannot wrap. */
    size_t size = sizeof(struct publication) + parts->n_tags * sizeof(struct tag);
    size += parts->channel.len + parts->data.len + parts->key.len;
    if (info)
        size += info->user.len + info->client.len + info->conn_info.len + info->chan_info.len;
    for (size_t i = 0; i < parts->n_tags; i++)
        size += parts->tags[i].key.len + parts->tags[i].value.len;

    struct publication *p = malloc(size);
    if (!p)
        return NULL;
    *p = (struct publication){ .kind = parts->kind,
                               .n_tags = parts->n_tags,
                               .is_json_line = parts->is_json_line,
                               .wants_delta = parts->wants_delta,
                               .is_removed = parts->is_removed,
                               .score = parts->score,
                               .version = parts->version };
    atomic_init(&p->refs, 1);

    struct tag *tags = (struct tag *) (p + 1);
    char *at = (char *) (tags + parts->n_tags);
    p->channel = put_str(&at, parts->channel);
    p->data = put_bytes(&at, parts->data);
    p->key = put_str(&at, parts->key);
    if (info) {
        p->has_info = true;
        p->info.user = put_str(&at, info->user);
        p->info.client = put_str(&at, info->client);
        p->info.conn_info = put_bytes(&at, info->conn_info);
        p->info.chan_info = put_bytes(&at, info->chan_info);
    }
    for (size_t i = 0; i < parts->n_tags; i++) {
        tags[i].key = put_str(&at, parts->tags[i].key);
        tags[i].value = put_str(&at, parts->tags[i].value);
    }
    if (parts->n_tags > 0)
        p->tags = tags;
    assert(at == (char *) p + size);
    return p;
}

struct publication *publication_ref(struct publication *p) {
    /* Neither given up by all nor about to overflow. */
    assert(atomic_load_explicit(&p->refs, memory_order_relaxed) - 1u < UINT32_MAX - 1u);
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

struct publication *publication_unref(struct publication *p) {
    if (!p)
        return NULL;
    uint32_t before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(p);
    return NULL;
}

size_t publication_size(const struct publication *p) {
    size_t size = sizeof *p + sizeof p + p->channel.len + p->data.len + p->key.len +
                  p->info.user.len + p->info.client.len + p->info.conn_info.len +
                  p->info.chan_info.len;
    for (size_t i = 0; i < p->n_tags; i++)
        size += sizeof p->tags[i] + p->tags[i].key.len + p->tags[i].value.len;
    return size;
}
