#include "storage/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 2000 };

struct number {
    struct tree_node node;
    int value;
    bool is_in;
};

static int value_of(const struct tree_node *n) {
    return CONTAINER_OF(n, struct number, node)->value;
}

static int by_value(const struct tree_node *a, const struct tree_node *b) {
    return (value_of(a) > value_of(b)) - (value_of(a) < value_of(b));
}

static int to_value(const struct tree_node *n, const void *key) {
    int value = *(const int *) key;
    return (value_of(n) > value) - (value_of(n) < value);
}

static int depth(const struct tree_node *n) {
    if (!n)
        return 0;
    int left = depth(n->left), right = depth(n->right);
    return 1 + (left > right ? left : right);
}

/* Walks both ways beside the truth. */
static void check(const struct tree *t, const struct number *all) {
    const struct tree_node *n = tree_first(t);
    size_t size = 0;
    for (int i = 0; i < N; i++) {
        if (!all[i].is_in)
            continue;
        assert_ptr_equal(n, &all[i].node);
        n = tree_next(n);
        size++;
    }
    assert_null(n);
    assert_int_equal(t->size, size);
    n = tree_last(t);
    for (int i = N - 1; i >= 0; i--) {
        if (!all[i].is_in)
            continue;
        assert_ptr_equal(n, &all[i].node);
        n = tree_previous(n);
    }
    assert_null(n);
}

static void it_holds_what_was_added_and_not_removed_in_order(void **state) {
    struct number *all = calloc(N, sizeof *all);
    struct tree t;
    tree_init(&t, 42, by_value);
    for (int i = 0; i < N; i++)
        all[i].value = 2 * i;
    unsigned x = 1;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 500; i++) {
            x = x * 1664525u + 1013904223u;
            struct number *n = &all[(x >> 8) % N];
            if (n->is_in)
                tree_remove(&t, &n->node);
            else
                tree_add(&t, &n->node);
            n->is_in = !n->is_in;
        }
        check(&t, all);
    }
    for (int key = -1; key <= 2 * N; key++) {
        int after = key < 0 ? 0 : key / 2 + 1, before = (key + 1) / 2 - 1;
        while (after < N && !all[after].is_in)
            after++;
        while (before >= 0 && !all[before].is_in)
            before--;
        assert_ptr_equal(tree_after(&t, to_value, &key), after < N ? &all[after].node : NULL);
        assert_ptr_equal(tree_before(&t, to_value, &key), before >= 0 ? &all[before].node : NULL);
        bool is_in = key >= 0 && key % 2 == 0 && key / 2 < N && all[key / 2].is_in;
        assert_ptr_equal(tree_find(&t, to_value, &key), is_in ? &all[key / 2].node : NULL);
    }
    free(all);
}

static void additions_in_order_do_not_make_it_deep(void **state) {
    struct number *all = calloc(N, sizeof *all);
    struct tree t;
    tree_init(&t, 7, by_value);
    for (int i = 0; i < N; i++) {
        all[i].value = i;
        tree_add(&t, &all[i].node);
    }
    assert_true(depth(t.root) < 44); /* four times the logarithm */
    free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_was_added_and_not_removed_in_order),
        cmocka_unit_test(additions_in_order_do_not_make_it_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
