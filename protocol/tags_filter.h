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

enum { FILTER_VALUES_MAX = 1024 }; /* of all lists together */

/* A filter that was checked and is kept: one allocation, which matches without allocating or
 * recursing. */
struct tags_filter;

/*
 * Checks the tree and copies what matching needs. 0, or -EINVAL: it is malformed or too large,
 * ret_why is a static text for a log; -ENOMEM.
 */
MUST_CHECK int tags_filter_new(const struct filter_node *root, struct tags_filter **ret,
                               const char **ret_why);
struct tags_filter *tags_filter_free(struct tags_filter *f); /* takes NULL; returns NULL */

/* Does a publication with these tags pass? NULL: everything passes. */
bool tags_filter_match(const struct tags_filter *f, const struct tag *tags, size_t n_tags);

/*
 * Compares two decimal numbers exactly, however long: an optional sign, digits, and a fraction
 * after a point. -1, 0, 1; -2: one of them is no such number.
 */
int decimal_compare(struct str a, struct str b);
