/* Publications of the engine as replies and pushes have them. */
#pragma once

#include "protocol/reply.h"
#include "storage/publication.h"

struct wire_publication wire_publication_of(const struct publication *p);

/* Some of a page of history, then some that came live. Borrowed. */
struct wire_page {
    struct publication *const *page;
    size_t n_page;
    struct publication *const *live;
    size_t n_live;
};

/* About how many bytes they are on the wire; rather more than less. */
size_t wire_page_bytes(const struct wire_page *w);

struct wire_publications wire_page_list(const struct wire_page *w); /* w must outlive it */
