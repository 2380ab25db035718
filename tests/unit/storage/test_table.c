#include "storage/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct name {
    struct table_entry entry;
    char text[32];
    bool is_seen;
};

static const struct table_seed seed = { { 1, 2 } };

static struct bytes key_of(const struct table_entry *e) {
    const struct name *n = (const struct name *) e;
    return bytes_of(n->text, strlen(n->text));
}

static struct name *names_new(size_t n) {
    struct name *names = calloc(n, sizeof *names);
    assert_non_null(names);
    for (size_t i = 0; i < n; i++)
        (void) snprintf(names[i].text, sizeof names[i].text, "name-%zu", i);
    return names;
}

static bool contains(const struct table *t, struct name *n) {
    return table_find(t, key_of(&n->entry)) == &n->entry;
}

/* Reference values: Python 3.11's hash() of bytes with PYTHONHASHSEED=0 (an all-zero key). */
static void the_hash_is_siphash_1_3(void **state) {
    static const struct {
        const char *key;
        int64_t hash;
    } cases[] = {
        { "a", INT64_C(4644417185603328019) },
        { "news", INT64_C(-2356313452733902137) },
        { "12345678", INT64_C(3785724242978802311) },
        { "123456789abcdef", INT64_C(-913037096377707736) },
        { "a key of more than thirty-two bytes, that is", INT64_C(-5097670577946345384) },
    };
    const struct table_seed zero = { { 0, 0 } };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct bytes key = bytes_of(cases[i].key, strlen(cases[i].key));
        assert_int_equal((int64_t) table_hash(&zero, key), cases[i].hash);
    }
    assert_true(table_hash(&zero, bytes_of("a", 1)) != table_hash(&seed, bytes_of("a", 1)));
}

static void an_empty_table_finds_nothing(void **state) {
    struct table t;
    table_init(&t, &seed, key_of);
    assert_null(table_find(&t, bytes_of("x", 1)));
    assert_null(table_first(&t));
    TABLE_FOREACH (&t, e)
        fail();
    table_finish(&t);
}

static void what_was_added_is_found_while_the_table_grows(void **state) {
    enum { N = 5000 };
    struct table t;
    table_init(&t, &seed, key_of);
    struct name *names = names_new(N);

    for (size_t i = 0; i < N; i++) {
        assert_false(contains(&t, &names[i]));
        assert_int_equal(table_add(&t, &names[i].entry), 0);
        for (size_t k = 0; k <= i; k += 1 + i / 16)
            assert_true(contains(&t, &names[k]));
    }

    assert_int_equal(table_size(&t), N);
    assert_true(t.n_buckets >= N);
    table_finish(&t);
    free(names);
}

static void a_table_emptied_gives_its_room_back(void **state) {
    enum { N = 5000, FEW = 2000 };
    struct table t;
    table_init(&t, &seed, key_of);
    struct name *names = names_new(N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(table_add(&t, &names[i].entry), 0);
    for (size_t i = 10; i < N; i++)
        table_remove(&t, &names[i].entry);

    for (int round = 0; round < FEW; round++) {
        assert_int_equal(table_add(&t, &names[10].entry), 0);
        for (size_t k = 0; k <= 10; k++)
            assert_true(contains(&t, &names[k]));
        table_remove(&t, &names[10].entry);
    }

    assert_true(t.n_buckets <= 64);
    assert_null(t.old);
    assert_int_equal(table_size(&t), 10);
    table_finish(&t);
    free(names);
}

static void each_entry_is_visited_once_at_any_stage_of_growing(void **state) {
    enum { N = 600 };
    struct table t;
    table_init(&t, &seed, key_of);
    struct name *names = names_new(N);

    for (size_t i = 0; i < N; i++) {
        assert_int_equal(table_add(&t, &names[i].entry), 0);
        size_t n = 0;
        TABLE_FOREACH (&t, e) {
            struct name *name = CONTAINER_OF(e, struct name, entry);
            assert_false(name->is_seen);
            name->is_seen = true;
            n++;
        }
        assert_int_equal(n, i + 1);
        for (size_t k = 0; k <= i; k++)
            names[k].is_seen = false;
    }
    table_finish(&t);
    free(names);
}

static void the_current_entry_may_be_removed_and_freed_while_iterating(void **state) {
    enum { N = 1000 };
    struct table t;
    table_init(&t, &seed, key_of);
    for (size_t i = 0; i < N; i++) {
        struct name *n = names_new(1);
        (void) snprintf(n->text, sizeof n->text, "%zu", i);
        assert_int_equal(table_add(&t, &n->entry), 0);
    }

    size_t freed = 0;
    TABLE_FOREACH (&t, e) {
        table_remove(&t, e);
        free(CONTAINER_OF(e, struct name, entry));
        freed++;
    }

    assert_int_equal(freed, N);
    assert_int_equal(table_size(&t), 0);
    assert_null(table_first(&t));
    table_finish(&t);
}

static void random_work_agrees_with_a_plain_array(void **state) {
    enum { N = 700 };
    struct table t;
    table_init(&t, &seed, key_of);
    struct name *names = names_new(N);
    bool *is_in = calloc(N, sizeof *is_in);
    assert_non_null(is_in);
    uint64_t random = 88172645463325252u;
    size_t size = 0;

    for (int step = 0; step < 60000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* the range drifts, so that the table swells and dwindles */
        size_t range = 8 + (size_t) (step / 5000 % 3) * 340;
        size_t i = (random >> 20) % range;
        assert_int_equal(contains(&t, &names[i]), is_in[i]);
        if (is_in[i]) {
            table_remove(&t, &names[i].entry);
            size--;
        } else {
            assert_int_equal(table_add(&t, &names[i].entry), 0);
            size++;
        }
        is_in[i] = !is_in[i];
        assert_int_equal(table_size(&t), size);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(contains(&t, &names[i]), is_in[i]);
    table_finish(&t);
    free(is_in);
    free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(what_was_added_is_found_while_the_table_grows),
        cmocka_unit_test(a_table_emptied_gives_its_room_back),
        cmocka_unit_test(each_entry_is_visited_once_at_any_stage_of_growing),
        cmocka_unit_test(the_current_entry_may_be_removed_and_freed_while_iterating),
        cmocka_unit_test(random_work_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
