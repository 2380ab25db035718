/*
 * A tags filter: which publications a subscriber wants, by their tags. A tree of comparisons that a
 * client sends with its subscription (`tf`), decoded by a codec.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"
#include "protocol/client_info.h"

/* A decoder refuses what is larger. */
enum { FILTER_DEPTH_MAX = 16, FILTER_NODES_MAX = 256 };

/* Text as the client sent it; absent and empty are the same. Spans of what was decoded, or of the
 * arena. */
struct filter_node {
    struct str op;  /* "and", "or", "not"; empty: a comparison */
    struct str key; /* of the tag */
    struct str cmp; /* "eq", "in", ... */
    struct str val;
    const struct str *vals;
    size_t n_vals;
    const struct filter_node *nodes;
    size_t n_nodes;
};
