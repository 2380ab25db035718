/*
 * An ordered set of nodes embedded in what it holds: a treap (Aragon, Seidel: "Randomized search
 * trees"), so that no order of additions makes it deep. Allocates nothing. Not thread-safe.
 */
#pragma once

#include "async/base.h"

/* Embedded. All private. */
struct tree_node {
    struct tree_node *parent, *left, *right;
    uint64_t priority;
};

/* Of two nodes of the set: < 0, 0, > 0. */
typedef int tree_compare_fn(const struct tree_node *a, const struct tree_node *b);

struct tree {
    struct tree_node *root;
    size_t size;
    uint64_t random; /* private: where the priorities come from */
    tree_compare_fn *compare;
};

void tree_init(struct tree *t, uint64_t seed, tree_compare_fn *compare);
void tree_add(struct tree *t, struct tree_node *n); /* none that compares equal is there */
void tree_remove(struct tree *t, struct tree_node *n);

struct tree_node *tree_first(const struct tree *t); /* NULL: it is empty */
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n); /* NULL: it was the last */
struct tree_node *tree_previous(const struct tree_node *n);

/* How a node lies to a key: < 0: before it, 0: equal, > 0: behind. In the order of the set. */
typedef int tree_key_fn(const struct tree_node *n, const void *key);

struct tree_node *tree_find(const struct tree *t, tree_key_fn *to, const void *key);
/* The first behind the key, or the last before it. NULL: none. */
struct tree_node *tree_after(const struct tree *t, tree_key_fn *to, const void *key);
struct tree_node *tree_before(const struct tree *t, tree_key_fn *to, const void *key);
