#include "async/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/offload.h"
#include "expect.h"

struct place {
    char directory[64];
    char path[96];
    struct pool *pool;
};

static int place_make(void **state) {
    struct place *p = calloc(1, sizeof *p);
    if (!p)
        return -1;
    (void) snprintf(p->directory, sizeof p->directory, "/tmp/file-XXXXXX");
    if (!mkdtemp(p->directory))
        return -1;
    (void) snprintf(p->path, sizeof p->path, "%s/f", p->directory);
    *state = p;
    return 0;
}

static int place_remove(void **state) {
    struct place *p = *state;
    (void) unlink(p->path);
    int r = rmdir(p->directory); /* fails if a temporary file was left */
    free(p);
    return r;
}

static void file_closep(struct file **f) {
    *f = file_close(*f);
}

struct telling {
    struct place *place;
    int (*tell)(struct place *p);
};

static int with_pool(void *arg) {
    struct telling *t = arg;
    EXPECT_EQUAL(pool_open(NULL, &t->place->pool), 0);
    int r = t->tell(t->place);
    t->place->pool = pool_close(t->place->pool);
    return r;
}

/* On threads, and in simulations. */
static void tell(struct place *p, int (*story)(struct place *p)) {
    struct telling t = { p, story };
    assert_int_equal(run_real(with_pool, &t), 0);
    (void) unlink(p->path);
    assert_int_equal(run_virtual(with_pool, &t), 0);
    (void) unlink(p->path);
    assert_int_equal(run_seeded(3, with_pool, &t), 0);
}

static int whole_files(struct place *p) {
    char *text = NULL;
    size_t len;
    struct stat st;
    EXPECT_EQUAL(file_read(p->pool, p->path, 100, &text, &len), -ENOENT);
    EXPECT_EQUAL(file_write(p->pool, p->path, "first", 5, 0640), 0);
    EXPECT_EQUAL(file_write(p->pool, p->path, "second!", 7, 0600), 0);
    EXPECT_EQUAL(stat(p->path, &st), 0);
    EXPECT_EQUAL(st.st_mode & 0777, 0600);
    EXPECT_EQUAL(file_read(p->pool, p->path, 7, &text, &len), 0);
    EXPECT_EQUAL(len, 7);
    EXPECT(strcmp(text, "second!") == 0);
    free(text);
    EXPECT_EQUAL(file_read(p->pool, p->path, 6, &text, &len), -EFBIG);
    EXPECT_EQUAL(file_write(p->pool, p->path, "", 0, 0600), 0);
    EXPECT_EQUAL(file_read(p->pool, p->path, 6, &text, &len), 0);
    EXPECT_EQUAL(len, 0);
    free(text);
    EXPECT_EQUAL(file_read(p->pool, "/proc/self/status", 1 << 20, &text, &len), 0);
    EXPECT(len > 100 && strlen(text) == len); /* says it is empty */
    free(text);
    EXPECT_EQUAL(file_read(p->pool, "/proc/self/status", 100, &text, &len), -EFBIG);
    EXPECT_EQUAL(file_read(p->pool, p->directory, 100, &text, &len), -EISDIR);
    return 0;
}

static void whole_files_are_read_and_replaced(void **state) {
    tell(*state, whole_files);
}

static int failed_write(struct place *p) {
    char *text;
    size_t len;
    char in_the_way[128];
    EXPECT_EQUAL(file_write(p->pool, p->path, "old", 3, 0600), 0);
    (void) snprintf(in_the_way, sizeof in_the_way, "%s/nowhere/f", p->directory);
    EXPECT_EQUAL(file_write(p->pool, in_the_way, "new", 3, 0600), -ENOENT);
    EXPECT_EQUAL(file_write(p->pool, p->directory, "new", 3, 0600), -EISDIR);
    EXPECT_EQUAL(file_read(p->pool, p->path, 100, &text, &len), 0);
    EXPECT(strcmp(text, "old") == 0);
    free(text);
    return 0;
}

static void a_failed_write_changes_nothing_and_leaves_nothing(void **state) {
    struct place *p = *state;
    tell(p, failed_write);
    /* Nor beside the directory that could not be replaced. */
    DIR *d = opendir("/tmp");
    const char *name = strrchr(p->directory, '/') + 1;
    struct dirent *e;
    while ((e = readdir(d)) != NULL)
        assert_false(strncmp(e->d_name, name, strlen(name)) == 0 &&
                     strlen(e->d_name) > strlen(name));
    closedir(d);
}

static int parts(struct place *p) {
    struct file *f CLEANUP(file_closep) = NULL;
    char buf[16];
    off_t size;
    EXPECT_EQUAL(file_open(p->pool, p->path, O_RDWR, 0600, &f), -ENOENT);
    EXPECT_EQUAL(file_open(p->pool, p->path, O_RDWR | O_CREAT | O_EXCL, 0600, &f), 0);
    EXPECT_EQUAL(file_pwrite(f, "hello world", 11, 0), 0);
    EXPECT_EQUAL(file_pwrite(f, "W", 1, 6), 0);
    EXPECT_EQUAL(file_sync(f), 0);
    EXPECT_EQUAL(file_pread(f, buf, 5, 6), 5);
    EXPECT(memcmp(buf, "World", 5) == 0);
    EXPECT_EQUAL(file_pread(f, buf, sizeof buf, 9), 2);
    EXPECT_EQUAL(file_pread(f, buf, sizeof buf, 11), 0);
    EXPECT_EQUAL(file_size(f, &size), 0);
    EXPECT_EQUAL(size, 11);
    EXPECT_EQUAL(file_truncate(f, 5), 0);
    EXPECT_EQUAL(file_size(f, &size), 0);
    EXPECT_EQUAL(size, 5);
    EXPECT_EQUAL(file_pread(f, buf, 1, -1), -EINVAL);
    EXPECT(file_fd(f) >= 0);
    return 0;
}

static void parts_of_files_are_read_and_written(void **state) {
    tell(*state, parts);
}

struct cancelled {
    struct place *place;
    struct file *file;
    int result;
};

static int open_cancelled(void *arg) {
    struct cancelled *c = arg;
    c->result = file_open(c->place->pool, c->place->path, O_RDWR | O_CREAT, 0600, &c->file);
    return c->result;
}

/* Cancelled at any moment: either it was opened and is given, or it was not. */
static int cancel_an_open(struct place *p) {
    for (int delay = 0; delay < 8; delay++) {
        struct cancelled c = { .place = p };
        struct task *t;
        int result;
        GROUP(g);
        EXPECT_EQUAL(task_spawn(&g, "open", open_cancelled, &c, &t), 0);
        for (int i = 0; i < delay; i++)
            EXPECT_EQUAL(task_yield(), 0);
        task_cancel(t);
        EXPECT_EQUAL(task_join(t, &result), 0);
        EXPECT(result == 0 || result == -ECANCELED);
        EXPECT_EQUAL(c.file != NULL, result == 0);
        file_close(c.file);
    }
    return 0;
}

static void a_cancelled_open_leaks_no_descriptor(void **state) {
    tell(*state, cancel_an_open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_files_are_read_and_replaced, place_make,
                                        place_remove),
        cmocka_unit_test_setup_teardown(a_failed_write_changes_nothing_and_leaves_nothing,
                                        place_make, place_remove),
        cmocka_unit_test_setup_teardown(parts_of_files_are_read_and_written, place_make,
                                        place_remove),
        cmocka_unit_test_setup_teardown(a_cancelled_open_leaks_no_descriptor, place_make,
                                        place_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
