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

struct wire_publications wire_page_list(const struct wire_page *w) {
    return (struct wire_publications){ .n = w->n_page + w->n_live, .get = get, .from = w };
}
