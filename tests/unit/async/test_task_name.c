/* Tasks share the text of their names: what is kept of it, and how many there may be. */
#include "expect.h"

enum { NAMES = 4095, MANY = 5000, KEPT = 23 };

/* A task's own view of its name. */
struct named {
    char wanted[32];
    const char *got;
};

static int notes(void *arg) {
    struct named *n = arg;
    n->got = task_name(task_current());
    return 0;
}

static SUSPENDS int spawn_named(struct named *n) {
    GROUP(g);
    int r = group_spawn(&g, n->wanted, notes, n);
    return r < 0 ? r : group_wait(&g);
}

/* ---- how many ---- */

static int name_many(void *arg) {
    struct named *all = arg;
    const char *own = task_name(task_current()); /* takes one of them */
    GROUP(g);
    for (int i = 0; i < MANY; i++) {
        (void) snprintf(all[i].wanted, sizeof all[i].wanted, "task number %d", i);
        EXPECT_EQUAL(group_spawn(&g, all[i].wanted, notes, &all[i]), 0);
        if (i % 500 == 0) /* the table grows while some run */
            EXPECT_EQUAL(task_yield(), 0);
    }
    EXPECT_EQUAL(group_wait(&g), 0);
    for (int i = 0; i < MANY; i++)
        EXPECT(strcmp(all[i].got, i < NAMES - 1 ? all[i].wanted : "task") == 0);

    /* Those that are known are found again, and not as others. */
    EXPECT(strcmp(own, task_name(task_current())) == 0);
    for (int i = 0; i < NAMES - 1; i++) {
        const char *before = all[i].got;
        EXPECT_EQUAL(spawn_named(&all[i]), 0);
        EXPECT(all[i].got == before);
    }
    task_rename("something new");
    EXPECT(strcmp(task_name(task_current()), "task") == 0);
    task_rename("task number 42");
    EXPECT(task_name(task_current()) == all[42].got);
    return 0;
}

static void a_loop_keeps_so_many_names_and_further_ones_are_task(void **state) {
    (void) state;
    struct named *all = calloc(MANY, sizeof *all);
    assert_non_null(all);
    int r = run_virtual(name_many, all);
    free(all);
    assert_int_equal(r, 0);
}

/* ---- how much of each ---- */

static int name_long(void *arg) {
    (void) arg;
    struct named a = { "0123456789012345678901 3 a" }, same = { "0123456789012345678901 3 b" };
    struct named other = { "0123456789012345678901X" }, shorter = { "0123456789012345678901" };
    struct named *all[] = { &a, &same, &other, &shorter };
    for (size_t i = 0; i < ELEMENTS_OF(all); i++)
        EXPECT_EQUAL(spawn_named(all[i]), 0);
    EXPECT_EQUAL(strlen(a.got), KEPT);
    EXPECT(strncmp(a.got, a.wanted, KEPT) == 0);
    EXPECT(same.got == a.got); /* the difference is cut off: one text for both */
    EXPECT(strcmp(other.got, other.wanted) == 0);
    EXPECT(strcmp(shorter.got, shorter.wanted) == 0);
    return 0;
}

static void names_that_differ_only_past_what_is_kept_are_one(void **state) {
    (void) state;
    assert_int_equal(run_virtual(name_long, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_keeps_so_many_names_and_further_ones_are_task),
        cmocka_unit_test(names_that_differ_only_past_what_is_kept_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
