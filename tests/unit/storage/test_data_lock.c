/* The lock of a data file, and by what it is known again. */
#include "storage/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    char dir[32], path[64], copy[64], name[DATA_LOCK_NAME_SIZE];
    int fd;
};

static int scene_open(void **state) {
    struct scene *s = calloc(1, sizeof *s);
    char *why = NULL;
    strcpy(s->dir, "/tmp/parley-lock-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void) snprintf(s->path, sizeof s->path, "%s/lock", s->dir);
    (void) snprintf(s->copy, sizeof s->copy, "%s/copy", s->dir);
    assert_int_equal(data_lock_take(s->path, "data", &s->fd, &why), 0);
    data_lock_name(s->fd, s->name);
    assert_true(s->name[0]);
    *state = s;
    return 0;
}

static int scene_close(void **state) {
    struct scene *s = *state;
    s->fd = data_lock_release(s->fd);
    (void) unlink(s->path);
    (void) unlink(s->copy);
    (void) rmdir(s->dir);
    free(s);
    return 0;
}

static void a_lock_that_somebody_has_is_not_left(void **state) {
    struct scene *s = *state;
    char *why = NULL;
    int fd = -1;
    assert_false(data_lock_is_left(s->path, s->name));
    assert_int_equal(data_lock_take(s->path, "data", &fd, &why), -EBUSY);
    free(why);
    s->fd = data_lock_release(s->fd);
    assert_true(data_lock_is_left(s->path, s->name));
    why = NULL;
    assert_int_equal(data_lock_take(s->path, "data", &s->fd, &why), 0); /* looking took nothing */
    assert_false(data_lock_is_left(s->path, s->name));
}

static void another_file_in_its_place_is_another_lock(void **state) {
    struct scene *s = *state;
    char name[DATA_LOCK_NAME_SIZE];
    int fd = open(s->copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    data_lock_name(fd, name);
    assert_string_not_equal(name, s->name);
    (void) close(fd);
    assert_false(data_lock_is_left(s->copy, s->name));
    assert_true(data_lock_is_left(s->copy, name));

    assert_int_equal(rename(s->copy, s->path), 0); /* while the first one is had */
    assert_false(data_lock_is_left(s->path, s->name));
    assert_true(data_lock_is_left(s->path, name)); /* it is known by any path */
}

static void what_has_no_name_or_is_not_there_is_not_left(void **state) {
    struct scene *s = *state;
    s->fd = data_lock_release(s->fd);
    assert_false(data_lock_is_left(s->path, ""));
    assert_false(data_lock_is_left(s->copy, s->name));
    assert_int_equal(access(s->copy, F_OK), -1); /* it was only looked for */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lock_that_somebody_has_is_not_left, scene_open,
                                        scene_close),
        cmocka_unit_test_setup_teardown(another_file_in_its_place_is_another_lock, scene_open,
                                        scene_close),
        cmocka_unit_test_setup_teardown(what_has_no_name_or_is_not_there_is_not_left, scene_open,
                                        scene_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
