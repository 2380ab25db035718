#include "storage/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITEMS_MIN = 16, SCORE_DIGITS_MAX = 20 };

void map_page_finish(struct map_page *p) {
    for (size_t i = 0; i < p->n; i++)
        publication_unref(p->items[i]);
    free(p->items);
    free(p->memory);
    *p = (struct map_page){ 0 };
}

int map_page_add(struct map_page *p, size_t *cap, struct publication *item) {
    if (p->n == *cap) {
        size_t bigger = *cap ? *cap * 2 : ITEMS_MIN;
        struct publication **items = reallocarray(p->items, bigger, sizeof *items);
        if (!items) {
            publication_unref(item);
            return -ENOMEM;
        }
        p->items = items;
        *cap = bigger;
    }
    p->items[p->n++] = item;
    return 0;
}

int map_cursor_read(const struct map_query *q, struct map_cursor *ret) {
    *ret = (struct map_cursor){ .key = q->cursor };
    if (!q->is_ordered || q->cursor.len == 0)
        return 0;
    const char *colon = memchr(q->cursor.data, ':', q->cursor.len);
    size_t digits = colon ? (size_t) (colon - q->cursor.data) : 0;
    char text[SCORE_DIGITS_MAX + 1] = { 0 };
    if (digits == 0 || digits > SCORE_DIGITS_MAX || digits + 1 == q->cursor.len)
        return -EINVAL;
    memcpy(text, q->cursor.data, digits);
    char *end;
    errno = 0;
    ret->score = strtoll(text, &end, 10);
    if (errno != 0 || *end)
        return -EINVAL;
    ret->key = (struct str){ .data = colon + 1, .len = q->cursor.len - digits - 1 };
    return 0;
}

int map_page_end(struct map_page *p, const struct map_query *q, const struct publication *last) {
    char score[SCORE_DIGITS_MAX + 2] = { 0 };
    if (q->is_ordered)
        (void) snprintf(score, sizeof score, "%" PRId64 ":", last->score);
    size_t prefix = strlen(score);
    char *text = malloc(prefix + last->key.len + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, score, prefix);
    if (last->key.len > 0)
        memcpy(text + prefix, last->key.data, last->key.len);
    p->memory = text;
    p->cursor = (struct str){ .data = text, .len = prefix + last->key.len };
    return 0;
}
