#include "daemon/wire_page.h"

struct wire_publication wire_publication_of(const struct publication *p) {
    return (struct wire_publication){
        .data = p->data,
        .info = p->has_info ? &p->info : NULL,
        .offset = p->position.offset,
        .epoch = p->position.offset == 1 ? str_of(p->position.epoch) : (struct str){ 0 },
        .tags = p->tags,
        .n_tags = p->n_tags,
    };
}

static void get(const void *from, size_t i, struct wire_publication *ret) {
    const struct wire_page *w = from;
    *ret = wire_publication_of(i < w->n_page ? w->page[i] : w->live[i - w->n_page]);
}

static size_t bytes_of_one(const struct publication *p) {
    enum { NAMES = 128 }; /* of members, and the numbers */
    size_t n = NAMES + p->data.len;

    if (p->has_info)
        n += p->info.user.len + p->info.client.len + p->info.conn_info.len + p->info.chan_info.len;
    for (size_t i = 0; i < p->n_tags; i++)
        n += p->tags[i].key.len + p->tags[i].value.len + 8;
    return n;
}

size_t wire_page_bytes(const struct wire_page *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->n_page; i++)
        n += bytes_of_one(w->page[i]);
    for (size_t i = 0; i < w->n_live; i++)
        n += bytes_of_one(w->live[i]);
    return n;
}

struct wire_publications wire_page_list(const struct wire_page *w) {
    return (struct wire_publications){ .n = w->n_page + w->n_live, .get = get, .from = w };
}
