#include "storage/chat/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char root[64], dir[80];

static int make_root(void **state) {
    (void) snprintf(root, sizeof root, "/tmp/parley-blob-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void) snprintf(dir, sizeof dir, "%s/files", root);
    return chat_blob_open_dir(dir);
}

static int remove_root(void **state) {
    char command[128];
    (void) snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static bool has_file(const char *name) {
    char path[256];
    (void) snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int count(void *arg, const struct chat_blob_id *id) {
    ++*(unsigned *) arg;
    return 0;
}

static unsigned files(void) {
    unsigned n = 0;
    assert_int_equal(chat_blob_each(dir, count, &n), 0);
    return n;
}

/* In tmp, "." and ".." not counted. */
static long temporaries(void) {
    char path[256];
    struct stat st;
    (void) snprintf(path, sizeof path, "%s/tmp", dir);
    assert_int_equal(stat(path, &st), 0);
    (void) snprintf(path, sizeof path, "[ -z \"$(ls %s/tmp)\" ]", dir);
    return system(path) == 0 ? 0 : 1;
}

static struct chat_blob_id put(const char *content) {
    struct chat_blob_writer *w;
    struct chat_blob_id id;
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    assert_int_equal(chat_blob_append(w, str_bytes(str_of(content))), 0);
    assert_int_equal(chat_blob_commit(w, &id), 0);
    chat_blob_end(w);
    return id;
}

static void a_file_is_where_its_content_says(void **state) {
    char text[CHAT_BLOB_TEXT_SIZE];
    struct chat_blob_id id = put("abc"), back;
    chat_blob_id_text(&id, text);
    assert_string_equal(text, ABC);
    assert_int_equal(chat_blob_id_parse(str_of(text), &back), 0);
    assert_memory_equal(&id, &back, sizeof id);
    assert_true(has_file("ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_true(chat_blob_exists(dir, &id));
    assert_int_equal(temporaries(), 0);

    int fd;
    char buf[8];
    assert_int_equal(chat_blob_open(dir, &id, &fd), 0);
    assert_int_equal(read(fd, buf, sizeof buf), 3);
    (void) close(fd);
}

static void the_same_content_is_kept_once(void **state) {
    (void) put("abc");
    (void) put("abc");
    (void) put("");
    assert_int_equal(files(), 2);
}

static void pieces_make_the_same_file(void **state) {
    struct chat_blob_writer *w;
    struct chat_blob_id whole = put("abc"), id;
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(chat_blob_append(w, bytes_of(&"abc"[i], 1)), 0);
    assert_int_equal(chat_blob_commit(w, &id), 0);
    chat_blob_end(w);
    assert_memory_equal(&id, &whole, sizeof id);
}

static void what_is_not_committed_leaves_nothing(void **state) {
    struct chat_blob_writer *w;
    unsigned before = files();
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    assert_int_equal(chat_blob_append(w, str_bytes(STR("half"))), 0);
    assert_int_equal(temporaries(), 1);
    chat_blob_end(w);
    assert_int_equal(temporaries(), 0);
    assert_int_equal(files(), before);
}

static void one_that_was_removed_meanwhile_comes_back(void **state) {
    struct chat_blob_writer *w;
    struct chat_blob_id id;
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    assert_int_equal(chat_blob_append(w, str_bytes(STR("again"))), 0);
    assert_int_equal(chat_blob_commit(w, &id), 0);
    assert_int_equal(chat_blob_remove(dir, &id), 0);
    assert_false(chat_blob_exists(dir, &id));
    assert_int_equal(chat_blob_commit(w, &id), 0);
    assert_true(chat_blob_exists(dir, &id));
    chat_blob_end(w);
    assert_int_equal(chat_blob_remove(dir, &id), 0);
    assert_int_equal(chat_blob_remove(dir, &id), 0); /* none: nothing to do */
}

static void a_process_that_was_killed_leaves_only_what_the_next_one_removes(void **state) {
    unsigned before = files();
    pid_t child = fork();
    if (child == 0) {
        struct chat_blob_writer *w;
        bool is_good = chat_blob_begin(dir, &w) == 0 &&
                       chat_blob_append(w, str_bytes(STR("in the middle"))) == 0;
        (void) kill(getpid(), is_good ? SIGKILL : SIGTERM);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(temporaries(), 1);
    assert_int_equal(files(), before);
    assert_int_equal(chat_blob_open_dir(dir), 0);
    assert_int_equal(temporaries(), 0);
    assert_int_equal(files(), before);
}

/* As a full disk: a limit of the file's size, of a process that does not die of it. */
static void no_room_is_an_error_and_leaves_nothing(void **state) {
    unsigned before = files();
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10;
    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct chat_blob_writer *w;
    assert_int_equal(chat_blob_begin(dir, &w), 0);
    int r = chat_blob_append(w, str_bytes(STR("more than ten bytes")));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -EFBIG);
    chat_blob_end(w);
    assert_int_equal(temporaries(), 0);
    assert_int_equal(files(), before);
}

static void what_has_been_changed_is_noticed(void **state) {
    struct chat_blob_id id = put("honest");
    uint64_t size;
    assert_int_equal(chat_blob_check(dir, &id, &size), 0);
    assert_int_equal(size, 6);
    char text[CHAT_BLOB_TEXT_SIZE], path[256];
    chat_blob_id_text(&id, text);
    (void) snprintf(path, sizeof path, "%s/%.2s/%s", dir, text, text + 2);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "!", 1), 1);
    (void) close(fd);
    assert_int_equal(chat_blob_check(dir, &id, &size), -EBADMSG);
    assert_int_equal(chat_blob_remove(dir, &id), 0);
    assert_int_equal(chat_blob_check(dir, &id, &size), -ENOENT);
}

static void what_is_no_id_is_no_path(void **state) {
    struct chat_blob_id id;
    char text[] = ABC;
    assert_int_equal(chat_blob_id_parse(STR("../../../etc/passwd"), &id), -EINVAL);
    assert_int_equal(chat_blob_id_parse(STR(""), &id), -EINVAL);
    text[10] = 'G';
    assert_int_equal(chat_blob_id_parse(str_of(text), &id), -EINVAL);
    text[10] = 'F'; /* one spelling */
    assert_int_equal(chat_blob_id_parse(str_of(text), &id), -EINVAL);
}

static void a_link_in_a_files_place_is_not_followed(void **state) {
    struct chat_blob_id id = put("to be replaced");
    char text[CHAT_BLOB_TEXT_SIZE], path[256];
    int fd;
    chat_blob_id_text(&id, text);
    (void) snprintf(path, sizeof path, "%s/%.2s/%s", dir, text, text + 2);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(chat_blob_open(dir, &id, &fd), -ELOOP);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_where_its_content_says),
        cmocka_unit_test(the_same_content_is_kept_once),
        cmocka_unit_test(pieces_make_the_same_file),
        cmocka_unit_test(what_is_not_committed_leaves_nothing),
        cmocka_unit_test(one_that_was_removed_meanwhile_comes_back),
        cmocka_unit_test(a_process_that_was_killed_leaves_only_what_the_next_one_removes),
        cmocka_unit_test(no_room_is_an_error_and_leaves_nothing),
        cmocka_unit_test(what_has_been_changed_is_noticed),
        cmocka_unit_test(what_is_no_id_is_no_path),
        cmocka_unit_test(a_link_in_a_files_place_is_not_followed),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
