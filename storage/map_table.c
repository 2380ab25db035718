#include "storage/map_table.h"

#include <errno.h>
#include <stdlib.h>

/* ---- orders ---- */

static int compare_strs(struct str a, struct str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static const struct publication *by_key_publication(const struct tree_node *n) {
    return CONTAINER_OF(n, struct map_item, by_key)->publication;
}

static const struct publication *by_score_publication(const struct tree_node *n) {
    return CONTAINER_OF(n, struct map_item, by_score)->publication;
}

static int key_order(const struct tree_node *a, const struct tree_node *b) {
    return compare_strs(by_key_publication(a)->key, by_key_publication(b)->key);
}

static int key_to(const struct tree_node *n, const void *key) {
    return compare_strs(by_key_publication(n)->key, *(const struct str *) key);
}

static int score_to(const struct tree_node *n, const void *key) {
    const struct publication *p = by_score_publication(n);
    const struct map_cursor *c = key;
    if (p->score != c->score)
        return p->score < c->score ? -1 : 1;
    return compare_strs(p->key, c->key);
}

static int score_order(const struct tree_node *a, const struct tree_node *b) {
    const struct publication *p = by_score_publication(b);
    return score_to(a, &(struct map_cursor){ .score = p->score, .key = p->key });
}

static int expiry_order(const struct tree_node *a, const struct tree_node *b) {
    const struct map_item *x = CONTAINER_OF(a, struct map_item, by_expiry);
    const struct map_item *y = CONTAINER_OF(b, struct map_item, by_expiry);
    if (x->expires_ms != y->expires_ms)
        return x->expires_ms < y->expires_ms ? -1 : 1;
    return (uintptr_t) x < (uintptr_t) y ? -1 : x != y;
}

/* ---- the table ---- */

static struct bytes map_key(const struct table_entry *e) {
    const struct map *m = CONTAINER_OF(e, struct map, entry);
    return bytes_of(m->name, m->name_len);
}

void map_table_init(struct map_table *t, const struct table_seed *seed, struct budget *budget) {
    table_init(&t->maps, seed, map_key);
    tree_init(&t->by_expiry, seed->words[0], expiry_order);
    t->budget = budget;
    t->seed = seed->words[1];
}

void map_table_finish(struct map_table *t) {
    TABLE_FOREACH (&t->maps, e)
        map_clear(t, CONTAINER_OF(e, struct map, entry));
    table_finish(&t->maps);
}

struct map *map_find(const struct map_table *t, uint64_t hash, struct str channel) {
    struct table_entry *e = table_find_hashed(&t->maps, hash, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct map, entry) : NULL;
}

static size_t map_size(const struct map *m) {
    return sizeof *m + m->name_len;
}

static int map_new(struct map_table *t, uint64_t hash, struct str channel, struct map **ret) {
    size_t size = sizeof(struct map) + channel.len;
    if (!budget_take(t->budget, size))
        return -ENOSPC;
    struct map *m = malloc(size);
    if (m) {
        *m = (struct map){ .name_len = channel.len };
        if (channel.len > 0)
            memcpy(m->name, channel.data, channel.len);
        tree_init(&m->by_key, t->seed ^ hash, key_order);
        tree_init(&m->by_score, t->seed ^ hash, score_order);
    }
    if (!m || table_add_hashed(&t->maps, hash, &m->entry) < 0) {
        free(m);
        budget_give(t->budget, size);
        return -ENOMEM;
    }
    *ret = m;
    return 0;
}

static void free_if_empty(struct map_table *t, struct map *m) {
    if (m->by_key.size > 0)
        return;
    table_remove(&t->maps, &m->entry);
    budget_give(t->budget, map_size(m));
    free(m);
}

/* ---- one key ---- */

struct map_item *map_item_find(const struct map *m, struct str key) {
    struct tree_node *n = tree_find(&m->by_key, key_to, &key);
    return n ? CONTAINER_OF(n, struct map_item, by_key) : NULL;
}

static size_t item_size(const struct map_item *i) {
    const struct publication *p = i->publication;
    size_t size = sizeof *i + i->version_epoch_len + publication_size(p);
    return size;
}

int map_item_new(struct map_table *t, uint64_t hash, struct publication *p, uint64_t version,
                 struct str version_epoch, struct map_item **ret) {
    struct map_item *i = malloc(sizeof *i + version_epoch.len);
    if (!i)
        return -ENOMEM;
    *i = (struct map_item){ .publication = p,
                            .expires_ms = INT64_MAX,
                            .version = version,
                            .version_epoch_len = version_epoch.len };
    if (version_epoch.len > 0)
        memcpy(i->version_epoch, version_epoch.data, version_epoch.len);
    if (!budget_take(t->budget, item_size(i))) {
        free(i);
        return -ENOSPC;
    }

    i->map = map_find(t, hash, p->channel);
    int r = i->map ? 0 : map_new(t, hash, p->channel, &i->map);
    if (r < 0) {
        budget_give(t->budget, item_size(i));
        free(i);
        return r;
    }
    publication_ref(p);
    *ret = i;
    return 0;
}

static void item_free(struct map_table *t, struct map_item *i) {
    budget_give(t->budget, item_size(i));
    publication_unref(i->publication);
    free(i);
}

void map_item_free(struct map_table *t, struct map_item *i) {
    struct map *m = i->map;
    item_free(t, i);
    free_if_empty(t, m);
}

static void unlink_item(struct map_table *t, struct map_item *i) {
    tree_remove(&i->map->by_key, &i->by_key);
    tree_remove(&i->map->by_score, &i->by_score);
    if (i->expires_ms != INT64_MAX)
        tree_remove(&t->by_expiry, &i->by_expiry);
}

void map_item_put(struct map_table *t, struct map_item *i, int64_t expires_ms) {
    struct map_item *old = map_item_find(i->map, i->publication->key);
    if (old) {
        unlink_item(t, old);
        item_free(t, old);
    }
    i->expires_ms = expires_ms;
    tree_add(&i->map->by_key, &i->by_key);
    tree_add(&i->map->by_score, &i->by_score);
    if (expires_ms != INT64_MAX)
        tree_add(&t->by_expiry, &i->by_expiry);
}

void map_item_set_expiry(struct map_table *t, struct map_item *i, int64_t expires_ms) {
    if (i->expires_ms != INT64_MAX)
        tree_remove(&t->by_expiry, &i->by_expiry);
    i->expires_ms = expires_ms;
    if (expires_ms != INT64_MAX)
        tree_add(&t->by_expiry, &i->by_expiry);
}

void map_item_remove(struct map_table *t, struct map_item *i) {
    struct map *m = i->map;
    unlink_item(t, i);
    item_free(t, i);
    free_if_empty(t, m);
}

void map_clear(struct map_table *t, struct map *m) {
    for (size_t n = m->by_key.size; n > 0; n--) /* the last one takes the map with it */
        map_item_remove(t, CONTAINER_OF(tree_first(&m->by_key), struct map_item, by_key));
}

struct map_item *map_table_first_due(const struct map_table *t) {
    struct tree_node *n = tree_first(&t->by_expiry);
    return n ? CONTAINER_OF(n, struct map_item, by_expiry) : NULL;
}

/* ---- reading ---- */

struct walk {
    const struct map_query *query;
    struct map_cursor from;
};

static struct tree_node *walk_first(const struct map *m, const struct walk *w) {
    const struct map_query *q = w->query;
    bool is_begun = w->from.key.len > 0;
    if (!q->is_ordered)
        return is_begun ? tree_after(&m->by_key, key_to, &w->from.key) : tree_first(&m->by_key);
    if (q->asc)
        return is_begun ? tree_after(&m->by_score, score_to, &w->from) : tree_first(&m->by_score);
    return is_begun ? tree_before(&m->by_score, score_to, &w->from) : tree_last(&m->by_score);
}

static struct tree_node *walk_next(const struct walk *w, const struct tree_node *n) {
    return w->query->is_ordered && !w->query->asc ? tree_previous(n) : tree_next(n);
}

static const struct map_item *walk_item(const struct walk *w, const struct tree_node *n) {
    return w->query->is_ordered ? CONTAINER_OF(n, struct map_item, by_score)
                                : CONTAINER_OF(n, struct map_item, by_key);
}

static int read_one(const struct map *m, struct str key, int64_t now_ms, struct map_page *page) {
    size_t cap = 0;
    const struct map_item *i = map_item_find(m, key);
    if (!i || i->expires_ms <= now_ms)
        return 0;
    return map_page_add(page, &cap, publication_ref(i->publication));
}

int map_read(const struct map *m, const struct map_query *q, int64_t now_ms, struct map_page *ret) {
    struct walk w = { .query = q };
    size_t cap = 0;
    int r = map_cursor_read(q, &w.from);
    if (r < 0 || !m || q->limit == 0)
        return r;
    if (q->key.len > 0)
        return read_one(m, q->key, now_ms, ret);

    for (struct tree_node *n = walk_first(m, &w); r == 0 && n; n = walk_next(&w, n)) {
        const struct map_item *i = walk_item(&w, n);
        if (i->expires_ms <= now_ms)
            continue;
        if (ret->n == q->limit)
            return map_page_end(ret, q, ret->items[ret->n - 1]);
        r = map_page_add(ret, &cap, publication_ref(i->publication));
    }
    return r;
}
