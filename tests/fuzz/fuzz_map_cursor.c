/* Cursors of maps, as clients hand them back: refused, or a place; and a page read from there. */
#include <assert.h>
#include <errno.h>

#include "storage/map_table.h"
#include "tests/fuzz/fuzz.h"

enum { KEYS = 20 };

static void put(struct map_table *t, int i) {
    char key[2] = { (char) ('a' + i % 5), (char) ('a' + i) };
    struct publication *p = publication_new(&(struct publication_parts){
            .channel = STR("m"), .key = { key, sizeof key }, .score = i % 7 - 3 });
    struct map_item *item;
    assert(p);
    if (map_item_new(t, 1, p, 0, STR(""), &item) == 0)
        map_item_put(t, item, INT64_MAX);
    publication_unref(p);
}

/* Pages from there to the end: each key at most once, and no page without progress. */
static void walk(const struct map *m, struct map_query q) {
    size_t seen = 0;
    char cursor[64];
    for (size_t pages = 0;; pages++) {
        struct map_page page = { 0 };
        int r = map_read(m, &q, 0, &page);
        assert(r == 0 || (r == -EINVAL && pages == 0));
        seen += page.n;
        assert(seen <= KEYS && pages <= KEYS);
        bool is_over = page.cursor.len == 0;
        if (!is_over) {
            assert(page.n == q.limit && page.cursor.len < sizeof cursor);
            memcpy(cursor, page.cursor.data, page.cursor.len);
            q.cursor = (struct str){ cursor, page.cursor.len };
        }
        map_page_finish(&page);
        if (is_over)
            return;
    }
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct budget budget = { .max = 1 << 20 };
    struct map_table t;
    map_table_init(&t, &(struct table_seed){ { 1, 2 } }, &budget);
    for (int i = 0; i < KEYS; i++)
        put(&t, i);
    struct str cursor = { (const char *) data, size };
    for (int i = 0; i < 4; i++)
        walk(map_find(&t, 1, STR("m")),
             (struct map_query){ .cursor = cursor, .limit = 3, .is_ordered = i & 1, .asc = i & 2 });
    map_table_finish(&t);
    return 0;
}
