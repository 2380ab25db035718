#include "protocol/tags_filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define T(text)                                                                                    \
    { (text), sizeof(text) - 1 }
#define LEAF(k, c, v)                                                                              \
    { .key = T(k), .cmp = T(c), .val = T(v) }
#define LIST(k, c, ...)                                                                            \
    {                                                                                              \
        .key = T(k), .cmp = T(c), .vals = (const struct str[]){ __VA_ARGS__ },                     \
        .n_vals = sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str)                 \
    }
#define NODES(o, ...)                                                                              \
    {                                                                                              \
        .op = T(o), .nodes = (const struct filter_node[]){ __VA_ARGS__ },                          \
        .n_nodes =                                                                                 \
                sizeof((const struct filter_node[]){ __VA_ARGS__ }) / sizeof(struct filter_node)   \
    }

static const struct tag tags[] = {
    { T("city"), T("Berlin") },
    { T("price"), T("10.50") },
    { T("empty"), T("") },
    { T("big"), T("123456789012345678901234567890.000000000000000000001") },
};

static bool passes(struct filter_node root) {
    struct tags_filter *f = NULL;
    const char *why = NULL;

    if (tags_filter_new(&root, &f, &why) < 0)
        fail_msg("refused: %s", why);
    bool result = tags_filter_match(f, tags, sizeof tags / sizeof *tags);
    tags_filter_free(f);
    return result;
}

static void leaves_compare_as_the_table_says(void **state) {
    const struct {
        struct filter_node node;
        bool passes;
    } rows[] = {
        { LEAF("city", "eq", "Berlin"), true },
        { LEAF("city", "eq", "berlin"), false },
        { LEAF("city", "neq", "Paris"), true },
        { LEAF("city", "neq", "Berlin"), false },
        { LEAF("city", "sw", "Ber"), true },
        { LEAF("city", "sw", "er"), false },
        { LEAF("city", "sw", "Berlin-Mitte"), false },
        { LEAF("city", "ew", "lin"), true },
        { LEAF("city", "ew", "li"), false },
        { LEAF("city", "ct", "erl"), true },
        { LEAF("city", "ct", "x"), false },
        { LEAF("city", "ex", ""), true },
        { LEAF("city", "nex", ""), false },
        { LEAF("price", "gt", "9.5"), true },
        { LEAF("price", "gt", "10.5"), false },
        { LEAF("price", "gte", "10.5"), true },
        { LEAF("price", "lt", "100"), true },
        { LEAF("price", "lt", "10.50"), false },
        { LEAF("price", "lte", "10.5"), true },
        { LEAF("price", "gt", "-11"), true },
        { LEAF("price", "gt", "abc"), false },
        { LEAF("city", "lt", "1"), false },
        { LEAF("empty", "eq", "x"), false },
        { LEAF("empty", "lte", "0"), false },
        { LEAF("big", "gt", "123456789012345678901234567890"), true },
        { LEAF("big", "lt", "123456789012345678901234567890.000000000000000000002"), true },
        { LIST("city", "in", T("Paris"), T("Berlin")), true },
        { LIST("city", "in", T("Paris"), T("Rome")), false },
        { LIST("city", "nin", T("Paris"), T("Rome")), true },
        { LIST("city", "nin", T("Berlin")), false },
        /* a tag that is not there */
        { LEAF("none", "eq", "x"), false },
        { LEAF("none", "neq", "x"), true },
        { LEAF("none", "sw", "x"), false },
        { LEAF("none", "ew", "x"), false },
        { LEAF("none", "ct", "x"), false },
        { LEAF("none", "lt", "1"), false },
        { LEAF("none", "gte", "0"), false },
        { LEAF("none", "ex", ""), false },
        { LEAF("none", "nex", ""), true },
        { LIST("none", "in", T("x")), false },
        { LIST("none", "in", T("x"), T("")), true },
        { LIST("none", "nin", T("x")), true },
        { LIST("none", "nin", T("")), false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (passes(rows[i].node) != rows[i].passes)
            fail_msg("row %zu", i);
}

#define YES LEAF("city", "eq", "Berlin")
#define NO  LEAF("city", "eq", "Paris")

static void operations_combine_what_is_below_them(void **state) {
    const struct {
        struct filter_node node;
        bool passes;
    } rows[] = {
        { NODES("and", YES), true },
        { NODES("and", YES, YES, YES), true },
        { NODES("and", YES, YES, NO), false },
        { NODES("and", NO, YES), false },
        { NODES("or", NO), false },
        { NODES("or", NO, NO, YES), true },
        { NODES("or", YES, NO), true },
        { NODES("not", NO), true },
        { NODES("not", YES), false },
        { NODES("not", NODES("not", YES)), true },
        { NODES("and", NODES("or", NO, YES), NODES("not", NO), YES), true },
        { NODES("and", NODES("or", YES, NO), NODES("not", YES), YES), false },
        { NODES("or", NODES("and", YES, NO), NODES("and", NO, YES), NODES("not", NO)), true },
        { NODES("or", NODES("and", YES, NO), NODES("and", YES, NODES("or", NO, NO)), NO), false },
        { NODES("and", NODES("and", YES, NODES("or", NO, NODES("and", YES, YES), NO)), YES), true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (passes(rows[i].node) != rows[i].passes)
            fail_msg("row %zu", i);
}

static const char *objection(const struct filter_node *root) {
    struct tags_filter *f = NULL;
    const char *why = NULL;

    int r = tags_filter_new(root, &f, &why);
    tags_filter_free(f);
    return r == -EINVAL ? why : NULL;
}

static void a_malformed_filter_is_refused(void **state) {
    const struct filter_node rows[] = {
        { .n_vals = 0 },
        LEAF("city", "like", "x"),
        LEAF("city", "", "x"),
        NODES("xor", YES, NO),
        { .op = T("and") },
        { .op = T("or") },
        { .op = T("not") },
        NODES("not", YES, NO),
        LEAF("", "eq", "x"),
        LEAF("city", "eq", ""),
        LEAF("city", "lt", ""),
        LEAF("city", "ct", ""),
        LEAF("city", "in", "x"),
        LEAF("city", "nin", ""),
        LIST("", "in", T("x")),
        LEAF("city", "ex", "x"),
        LIST("city", "nex", T("x")),
        NODES("and", YES, NODES("or", YES, LEAF("", "eq", "x"))),
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!objection(&rows[i]))
            fail_msg("row %zu", i);
}

static void a_filter_has_bounds(void **state) {
    struct filter_node yes = YES, nots[FILTER_DEPTH_MAX + 1], many[FILTER_NODES_MAX];
    struct str values[FILTER_VALUES_MAX + 1];

    for (int i = FILTER_DEPTH_MAX; i >= 0; i--)
        nots[i] = (struct filter_node){ .op = T("not"),
                                        .nodes = i == FILTER_DEPTH_MAX ? &yes : &nots[i + 1],
                                        .n_nodes = 1 };
    assert_null(objection(&nots[1]));
    assert_non_null(objection(&nots[0]));

    for (size_t i = 0; i < FILTER_NODES_MAX; i++)
        many[i] = yes;
    struct filter_node wide = { .op = T("and"), .nodes = many, .n_nodes = FILTER_NODES_MAX - 1 };
    assert_null(objection(&wide));
    assert_true(passes(wide));
    wide.n_nodes++;
    assert_non_null(objection(&wide));

    for (size_t i = 0; i <= FILTER_VALUES_MAX; i++)
        values[i] = STR("v");
    struct filter_node list = {
        .key = T("k"), .cmp = T("in"), .vals = values, .n_vals = FILTER_VALUES_MAX
    };
    assert_null(objection(&list));
    list.n_vals++;
    assert_non_null(objection(&list));
}

static void a_filter_outlives_what_it_was_made_of(void **state) {
    char key[] = "city", value[] = "Berlin";
    struct filter_node node = { .key = { key, 4 }, .cmp = T("eq"), .val = { value, 6 } };
    struct tags_filter *f = NULL;
    const char *why;

    assert_int_equal(tags_filter_new(&node, &f, &why), 0);
    memset(key, 'x', 4);
    memset(value, 'x', 6);
    assert_true(tags_filter_match(f, tags, 1));
    assert_false(tags_filter_match(f, tags, 0));
    assert_true(tags_filter_match(NULL, NULL, 0));
    tags_filter_free(f);
}

static void decimals_compare_exactly(void **state) {
    const struct {
        struct str a, b;
        int order;
    } rows[] = {
        { T("0"), T("0"), 0 },
        { T("0"), T("-0"), 0 },
        { T("-0.0"), T("+0"), 0 },
        { T("1"), T("1.0"), 0 },
        { T("007"), T("7"), 0 },
        { T(".5"), T("0.5"), 0 },
        { T("5."), T("5"), 0 },
        { T("1"), T("2"), -1 },
        { T("10"), T("9"), 1 },
        { T("-10"), T("-9"), -1 },
        { T("-1"), T("1"), -1 },
        { T("0.1"), T("0.10000000000000000000000001"), -1 },
        { T("0.3"), T("0.29999999999999999999999999"), 1 },
        { T("9007199254740993"), T("9007199254740992"), 1 },
        { T("1.05"), T("1.5"), -1 },
        { T("-1.05"), T("-1.5"), 1 },
        { T(""), T("0"), -2 },
        { T("."), T("0"), -2 },
        { T("-"), T("0"), -2 },
        { T("1e5"), T("0"), -2 },
        { T(" 1"), T("0"), -2 },
        { T("1 "), T("0"), -2 },
        { T("0x10"), T("0"), -2 },
        { T("1,5"), T("0"), -2 },
        { T("1.2.3"), T("0"), -2 },
        { T("--1"), T("0"), -2 },
        { T("0"), T("NaN"), -2 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (decimal_compare(rows[i].a, rows[i].b) != rows[i].order)
            fail_msg("row %zu", i);
        int back = rows[i].order == -2 ? -2 : -rows[i].order;
        assert_int_equal(decimal_compare(rows[i].b, rows[i].a), back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_compare_as_the_table_says),
        cmocka_unit_test(operations_combine_what_is_below_them),
        cmocka_unit_test(a_malformed_filter_is_refused),
        cmocka_unit_test(a_filter_has_bounds),
        cmocka_unit_test(a_filter_outlives_what_it_was_made_of),
        cmocka_unit_test(decimals_compare_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
