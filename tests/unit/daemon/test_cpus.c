/* How many processors there are for us: by affinity, and by what control groups grant. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/config/config.h"
#include "daemon/cpus.h"
#include "daemon/daemon.h"

static char root[] = "/tmp/parley-cpus-XXXXXX";

static void put(const char *group, const char *quota) {
    char path[256];
    (void) snprintf(path, sizeof path, "%s%s", root, group);
    (void) mkdir(path, 0700);
    (void) snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(quota, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state) {
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state) {
    static const char *const names[] = {
        "/a/b/cpu.max", "/a/b", "/a/cpu.max", "/a", "/cpu.max", ""
    };
    for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
        char path[256];
        (void) snprintf(path, sizeof path, "%s%s", root, names[i]);
        (void) remove(path);
    }
    return 0;
}

static void the_tightest_group_counts(void **state) {
    assert_int_equal(cpus_of_groups(root, STR("0::/a/b\n")), 0);
    put("/a", "max 100000\n");
    put("/a/b", "max 100000\n");
    assert_int_equal(cpus_of_groups(root, STR("0::/a/b\n")), 0);
    put("/a/b", "250000 100000\n"); /* two and a half */
    assert_int_equal(cpus_of_groups(root, STR("0::/a/b\n")), 3);
    put("/a", "200000 100000\n");
    assert_int_equal(cpus_of_groups(root, STR("0::/a/b\n")), 2);
    assert_int_equal(cpus_of_groups(root, STR("9:cpu:/x\n0::/a/b\n1:memory:/y\n")), 2);
    put("", "1000 100000\n"); /* of a container, whose own root it is */
    assert_int_equal(cpus_of_groups(root, STR("0::/a/b\n")), 1);
    assert_int_equal(cpus_of_groups(root, STR("0::/")), 1);
    assert_int_equal(cpus_of_groups(root, STR("0::/gone/away")), 1);
}

static void what_cannot_be_read_limits_nothing(void **state) {
    static const char *const quotas[] = {
        "", "100000", "0 100000", "100000 0", "x y", "-1 100000"
    };
    for (size_t i = 0; i < ELEMENTS_OF(quotas); i++) {
        put("", quotas[i]);
        assert_int_equal(cpus_of_groups(root, STR("0::/")), 0);
    }
    put("", "100000 100000\n");
    assert_int_equal(cpus_of_groups(root, STR("1:cpu:/\n")), 0);
    assert_int_equal(cpus_of_groups(root, STR("")), 0);
    assert_int_equal(cpus_of_groups("/nowhere", STR("0::/")), 0);
}

static void the_default_is_a_worker_for_each_processor_we_may_use(void **state) {
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(cpus_usable(), 1, CPU_COUNT(&before));

    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct config c = { .workers = 0 };
    assert_int_equal(cpus_usable(), 1);
    assert_int_equal(daemon_workers(&c), 1);
    c.workers = 5;
    assert_int_equal(daemon_workers(&c), 5);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_group_counts),
        cmocka_unit_test(what_cannot_be_read_limits_nothing),
        cmocka_unit_test(the_default_is_a_worker_for_each_processor_we_may_use),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
