#include "storage/sqlite/tops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct table_seed seed = { { 5, 6 } };

static struct top *pin(struct tops *t, unsigned number) {
    char name[16];
    int n = snprintf(name, sizeof name, "%u", number);
    struct str channel = { name, (size_t) n };
    return tops_pin(t, table_hash(&seed, str_bytes(channel)), channel);
}

static bool is_there(struct tops *t, unsigned number) {
    char name[16];
    int n = snprintf(name, sizeof name, "%u", number);
    struct str channel = { name, (size_t) n };
    struct top *top = tops_pin_existing(t, table_hash(&seed, str_bytes(channel)), channel);
    if (top)
        tops_unpin(t, top);
    return top != NULL;
}

static void what_was_not_used_for_longest_is_forgotten_unless_pinned(void **state) {
    struct tops t;
    tops_init(&t, &seed);
    struct top *kept = pin(&t, 0);
    assert_non_null(kept);
    for (unsigned i = 1; i < TOPS_MAX * 2; i++) {
        struct top *top = pin(&t, i);
        assert_non_null(top);
        tops_unpin(&t, top);
        if (i % 100 == 0)
            assert_true(is_there(&t, 1)); /* used all along */
    }
    assert_true(tops_size(&t) <= TOPS_MAX);
    assert_true(tops_size(&t) > TOPS_MAX / 2);
    assert_true(is_there(&t, 0));
    assert_true(is_there(&t, TOPS_MAX * 2 - 1));
    assert_false(is_there(&t, 2));
    tops_unpin(&t, kept);
    tops_finish(&t);
}

static void a_new_one_is_unknown_and_one_that_is_there_is_the_same(void **state) {
    struct tops t;
    tops_init(&t, &seed);
    uint64_t offset, generation, hash = table_hash(&seed, str_bytes(STR("7")));
    struct top *a = pin(&t, 7), *b = pin(&t, 7);
    assert_ptr_equal(a, b);
    assert_false(tops_get(&t, hash, STR("7"), &offset, &generation));
    tops_lock(&t, a);
    a->is_known = true;
    a->offset = 3;
    a->generation = 4;
    tops_unlock(&t, a);
    assert_true(tops_get(&t, hash, STR("7"), &offset, &generation));
    assert_int_equal(offset, 3);
    assert_int_equal(generation, 4);
    tops_unpin(&t, a);
    tops_unpin(&t, b);
    tops_finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_used_for_longest_is_forgotten_unless_pinned),
        cmocka_unit_test(a_new_one_is_unknown_and_one_that_is_there_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
