#include "daemon/wire_page.h"

#include <errno.h>

#include "protocol/json.h"
#include "protocol/tags_filter.h"

/* Whether the payload can stand in a JSON message, and how. */
static int look_at_payload(const struct publication *p, struct wire_publication *w) {
    if (p->is_json_line || p->data.len == 0)
        return 0;
    if (!json_is_valid(p->data, NULL))
        return -EPROTOTYPE;
    w->data_is_spaced = json_has_newline(p->data);
    return 0;
}

int wire_publication_of(const struct publication *p, bool is_text, struct wire_publication *ret) {
    *ret = (struct wire_publication){
        .data = p->data,
        .info = p->has_info ? &p->info : NULL,
        .offset = p->position.offset,
        .epoch = p->position.offset == 1 ? str_of(p->position.epoch) : (struct str){ 0 },
        .tags = p->tags,
        .n_tags = p->n_tags,
    };
    if (p->key.len) { /* of a map */
        ret->key = p->key;
        ret->is_removed = p->is_removed;
        ret->score = p->score;
    }
    return is_text ? look_at_payload(p, ret) : 0;
}

static size_t escapes_in(struct bytes b) {
    size_t n = 0;
    for (size_t i = 0; i < b.len; i++)
        n += b.data[i] == '"' || b.data[i] == '\\' ? 1 : b.data[i] < ' ' ? 5 : 0;
    return n;
}

static size_t bytes_of_one(const struct publication *p, bool is_string) {
    enum { NAMES = 128 }; /* of members, and the numbers */
    size_t n = NAMES + p->data.len + (is_string ? escapes_in(p->data) : 0);

    if (p->has_info)
        n += p->info.user.len + p->info.client.len + p->info.conn_info.len + p->info.chan_info.len;
    for (size_t i = 0; i < p->n_tags; i++)
        n += p->tags[i].key.len + p->tags[i].value.len + 8;
    return n;
}

size_t wire_page_bytes(const struct wire_page *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->n_page; i++)
        n += bytes_of_one(w->page[i], w->is_string);
    for (size_t i = 0; i < w->n_live; i++)
        n += bytes_of_one(w->live[i], w->is_string);
    return n;
}

/* What cannot be said was refused by wire_page_list(). */
static void get(const void *from, size_t i, struct wire_publication *ret) {
    const struct wire_page *w = from;
    (void) !wire_publication_of(wire_page_at(w, i), w->is_text, ret);
}

int wire_page_list(const struct wire_page *w, struct wire_publications *ret) {
    size_t n = w->n_page + w->n_live;
    struct wire_publication ignored;

    for (size_t i = 0; i < n && w->is_text; i++) {
        int r = wire_publication_of(wire_page_at(w, i), true, &ignored);
        if (r < 0)
            return r;
    }
    *ret = (struct wire_publications){ .n = n, .get = get, .from = w };
    return 0;
}

int wire_page_filtered(const struct wire_page *w, const struct tags_filter *filter, struct arena *a,
                       struct wire_publications *ret) {
    size_t n = w->n_page + w->n_live, passed = 0;
    struct wire_publication *items = n ? arena_alloc(a, n * sizeof *items) : NULL;

    if (n && !items)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct publication *p = wire_page_at(w, i);
        if (!tags_filter_match(filter, p->tags, p->n_tags))
            continue;
        int r = wire_publication_of(p, w->is_text, &items[passed++]);
        if (r < 0)
            return r;
    }
    *ret = wire_publications_of(items, passed);
    return 0;
}
