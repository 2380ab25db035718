/*
 * Maps in memory: by channel, each with its keys in order. Not thread-safe.
 */
#pragma once

#include "storage/budget.h"
#include "storage/map.h"
#include "storage/table.h"
#include "storage/tree.h"

struct map_table {
    struct table maps;
    struct tree by_expiry; /* of keys that have one, of all maps */
    struct budget *budget;
    uint64_t seed;
};

struct map {
    struct table_entry entry;
    struct keep keep; /* as the last change said */
    struct tree by_key;
    struct tree by_score;
    size_t name_len;
    char name[];
};

/* A key with its value. */
struct map_item {
    struct tree_node by_key, by_score, by_expiry;
    struct map *map;
    struct publication *publication; /* a reference */
    int64_t expires_ms;              /* INT64_MAX: never */
    uint64_t version;
    size_t version_epoch_len;
    char version_epoch[];
};

void map_table_init(struct map_table *t, const struct table_seed *seed, struct budget *budget);
void map_table_finish(struct map_table *t);

struct map *map_find(const struct map_table *t, uint64_t hash, struct str channel);
struct map_item *map_item_find(const struct map *m, struct str key); /* expired ones too */

/* Memory for a key, in the map if it is there and otherwise in a new one; nothing is seen of it
 * yet. -ENOMEM; -ENOSPC: the budget. */
MUST_CHECK int map_item_new(struct map_table *t, uint64_t hash, struct publication *p,
                            uint64_t version, struct str version_epoch, struct map_item **ret);
void map_item_free(struct map_table *t, struct map_item *i); /* one that was not put */

/* Replaces the one of this key. Never fails. */
void map_item_put(struct map_table *t, struct map_item *i, int64_t expires_ms);
void map_item_set_expiry(struct map_table *t, struct map_item *i, int64_t expires_ms);
void map_item_remove(struct map_table *t, struct map_item *i); /* the map with its last one */
void map_clear(struct map_table *t, struct map *m);

struct map_item *map_table_first_due(const struct map_table *t); /* NULL: none expires */

/* All but page.top. m: or NULL. -ENOMEM, -EINVAL. */
MUST_CHECK int map_read(const struct map *m, const struct map_query *q, int64_t now_ms,
                        struct map_page *ret);
