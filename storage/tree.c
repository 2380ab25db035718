#include "storage/tree.h"

#include <assert.h>

void tree_init(struct tree *t, uint64_t seed, tree_compare_fn *compare) {
    *t = (struct tree){ .random = seed, .compare = compare };
}

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators") */
static uint64_t next_priority(struct tree *t) {
    uint64_t z = t->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Where the pointer to a node is. */
static struct tree_node **place_of(struct tree *t, struct tree_node *n) {
    struct tree_node *parent = n->parent;
    if (!parent)
        return &t->root;
    return parent->left == n ? &parent->left : &parent->right;
}

/* Lifts a node above its parent. */
static void lift(struct tree *t, struct tree_node *n) {
    struct tree_node *parent = n->parent, *child;
    *place_of(t, parent) = n;
    n->parent = parent->parent;
    if (parent->left == n) {
        child = parent->left = n->right;
        n->right = parent;
    } else {
        child = parent->right = n->left;
        n->left = parent;
    }
    if (child)
        child->parent = parent;
    parent->parent = n;
}

void tree_add(struct tree *t, struct tree_node *n) {
    struct tree_node **place = &t->root, *parent = NULL;
    while (*place) {
        parent = *place;
        int order = t->compare(n, parent);
        assert(order != 0);
        place = order < 0 ? &parent->left : &parent->right;
    }
    *n = (struct tree_node){ .parent = parent, .priority = next_priority(t) };
    *place = n;
    t->size++;
    while (n->parent && n->parent->priority < n->priority)
        lift(t, n);
}

void tree_remove(struct tree *t, struct tree_node *n) {
    while (n->left && n->right)
        lift(t, n->left->priority > n->right->priority ? n->left : n->right);
    struct tree_node *child = n->left ? n->left : n->right;
    *place_of(t, n) = child;
    if (child)
        child->parent = n->parent;
    *n = (struct tree_node){ 0 };
    t->size--;
}

static struct tree_node *leftmost(struct tree_node *n) {
    while (n && n->left)
        n = n->left;
    return n;
}

static struct tree_node *rightmost(struct tree_node *n) {
    while (n && n->right)
        n = n->right;
    return n;
}

struct tree_node *tree_first(const struct tree *t) {
    return leftmost(t->root);
}

struct tree_node *tree_last(const struct tree *t) {
    return rightmost(t->root);
}

struct tree_node *tree_next(const struct tree_node *n) {
    if (n->right)
        return leftmost(n->right);
    while (n->parent && n->parent->right == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *tree_previous(const struct tree_node *n) {
    if (n->left)
        return rightmost(n->left);
    while (n->parent && n->parent->left == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *tree_find(const struct tree *t, tree_key_fn *to, const void *key) {
    struct tree_node *n = t->root;
    while (n) {
        int order = to(n, key);
        if (order == 0)
            return n;
        n = order > 0 ? n->left : n->right;
    }
    return NULL;
}

struct tree_node *tree_after(const struct tree *t, tree_key_fn *to, const void *key) {
    struct tree_node *found = NULL;
    for (struct tree_node *n = t->root; n;) {
        if (to(n, key) > 0) {
            found = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return found;
}

struct tree_node *tree_before(const struct tree *t, tree_key_fn *to, const void *key) {
    struct tree_node *found = NULL;
    for (struct tree_node *n = t->root; n;) {
        if (to(n, key) < 0) {
            found = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return found;
}
