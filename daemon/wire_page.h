/* Publications of the engine as replies and pushes have them. */
#pragma once

#include "protocol/reply.h"
#include "storage/publication.h"

struct tags_filter;

/* is_text: for a codec that embeds payloads in JSON. 0; -EPROTOTYPE: the payload is no JSON
 * (DISCONNECT_INAPPROPRIATE_PROTOCOL). */
MUST_CHECK int wire_publication_of(const struct publication *p, bool is_text,
                                   struct wire_publication *ret);

/* Some of a page of history, then some that came live. Borrowed. */
struct wire_page {
    struct publication *const *page;
    size_t n_page;
    struct publication *const *live;
    size_t n_live;
    bool is_text;
    bool is_string; /* payloads go out as strings in JSON */
};

static inline struct publication *wire_page_at(const struct wire_page *w, size_t i) {
    return i < w->n_page ? w->page[i] : w->live[i - w->n_page];
}

/* About how many bytes they are on the wire; rather more than less. */
size_t wire_page_bytes(const struct wire_page *w);

/* w must outlive the list. 0; -EPROTOTYPE: as above. */
MUST_CHECK int wire_page_list(const struct wire_page *w, struct wire_publications *ret);

/* Those that pass the filter, in the arena. 0; -EPROTOTYPE; -ENOMEM. */
MUST_CHECK int wire_page_filtered(const struct wire_page *w, const struct tags_filter *filter,
                                  struct arena *a, struct wire_publications *ret);
