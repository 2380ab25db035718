#include "async/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/stream.h"
#include "expect.h"

static void child_closep(struct child **c) {
    *c = child_close(*c);
}
#define CHILD CLEANUP(child_closep) = NULL

#define SHELL(script) ((const char *const[]){ "sh", "-c", (script), NULL })

static SUSPENDS ssize_t read_to_end(struct stream *s, char *to, size_t cap) {
    size_t len = 0;
    ssize_t n;
    while ((n = stream_read(s, to + len, cap - 1 - len)) > 0)
        len += (size_t) n;
    to[len] = 0;
    return n < 0 ? n : (ssize_t) len;
}

static int talk(void *arg) {
    (void) arg;
    struct child *c CHILD;
    char out[64], err[64];
    int status;
    struct child_options o = { .argv = SHELL("read a; echo \"out $a $X\"; echo oops >&2; exit 7"),
                               .env = (const char *const[]){ "X=y", "PATH=/bin:/usr/bin", NULL },
                               .input = CHILD_PIPE,
                               .output = CHILD_PIPE,
                               .errors = CHILD_PIPE };
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    EXPECT(child_pid(c) > 0);
    EXPECT_EQUAL(stream_write_all(child_input(c), &(struct iovec){ (char[]){ "hello\n" }, 6 }, 1),
                 0);
    EXPECT_EQUAL(read_to_end(child_output(c), out, sizeof out), 12);
    EXPECT(strcmp(out, "out hello y\n") == 0);
    EXPECT_EQUAL(read_to_end(child_errors(c), err, sizeof err), 5);
    EXPECT_EQUAL(child_wait(c, &status), 0);
    EXPECT_EQUAL(status, 7);
    EXPECT_EQUAL(child_wait(c, &status), 0); /* any number of times */
    EXPECT_EQUAL(child_kill(c, SIGTERM), -ESRCH);
    return 0;
}

static void a_child_reads_writes_and_ends(void **state) {
    (void) state;
    assert_int_equal(run_real(talk, NULL), 0);
}

static int end_input(void *arg) {
    (void) arg;
    struct child *c CHILD;
    char out[64];
    int status;
    struct child_options o = { .argv = SHELL("cat; pwd; echo to errors >&2"),
                               .directory = "/",
                               .input = CHILD_PIPE,
                               .output = CHILD_PIPE,
                               .errors = CHILD_MERGE };
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    EXPECT_EQUAL(stream_try_send(child_input(c), "x\n", 2), 2);
    child_end_input(c);
    EXPECT(!child_input(c));
    EXPECT(read_to_end(child_output(c), out, sizeof out) > 0);
    EXPECT(strcmp(out, "x\n/\nto errors\n") == 0);
    EXPECT_EQUAL(child_wait(c, &status), 0);
    EXPECT_EQUAL(status, 0);
    return 0;
}

static void its_input_can_be_ended_and_its_errors_merged(void **state) {
    (void) state;
    assert_int_equal(run_real(end_input, NULL), 0);
}

static int fail_to_start(void *arg) {
    (void) arg;
    struct child *c = NULL;
    EXPECT_EQUAL(child_spawn(&(struct child_options){ .argv = (const char *const[]){ "/nonexistent",
                                                                                     NULL } },
                             &c),
                 -ENOENT);
    EXPECT_EQUAL(
            child_spawn(&(struct child_options){ .argv = (const char *const[]){ "/etc", NULL } },
                        &c),
            -EACCES);
    EXPECT_EQUAL(
            child_spawn(&(struct child_options){ .argv = SHELL("true"), .output = CHILD_MERGE },
                        &c),
            -EINVAL);
    EXPECT(!c);
    EXPECT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* nothing is left over */
    return 0;
}

static void what_cannot_start_says_why(void **state) {
    (void) state;
#ifdef PARLEY_VALGRIND
    skip(); /* its vfork() is a fork(): the child's memory, where the reason is written, is not ours
             */
#endif
    assert_int_equal(run_real(fail_to_start, NULL), 0);
}

static int end_by_signals(void *arg) {
    (void) arg;
    struct child *c CHILD;
    int status;
    struct child_options o = { .argv = SHELL("exec sleep 1000") };
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    {
        DEADLINE(d, 5);
        EXPECT_EQUAL(child_wait(c, &status), -ETIMEDOUT);
    }
    EXPECT_EQUAL(child_kill(c, SIGINT), 0);
    EXPECT_EQUAL(child_wait(c, &status), 0);
    EXPECT_EQUAL(status, -SIGINT);
    return 0;
}

static void the_signal_that_ended_it_is_told(void **state) {
    (void) state;
    assert_int_equal(run_real(end_by_signals, NULL), 0);
}

static int close_a_stubborn_one(void *arg) {
    (void) arg;
    char out[8];
    struct child_options o = { .argv = SHELL("trap '' TERM; echo on; exec sleep 1000"),
                               .output = CHILD_PIPE,
                               .patience_ms = 20 };
    struct child *c CHILD;
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    EXPECT_EQUAL(stream_read(child_output(c), out, sizeof out), 3);
    pid_t pid = child_pid(c);
    int64_t began = loop_now();
    c = child_close(c);
    EXPECT(loop_now() - began >= 20);
    EXPECT(kill(pid, 0) < 0 && errno == ESRCH);

    /* one that obeys is not waited for */
    o = (struct child_options){ .argv = SHELL("exec sleep 1000"), .patience_ms = 60000 };
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    c = child_close(c);
    EXPECT(loop_now() - began < 10000);
    return 0;
}

static void closing_asks_and_then_makes_it(void **state) {
    (void) state;
    assert_int_equal(run_real(close_a_stubborn_one, NULL), 0);
}

static int owner(void *arg) {
    struct child_options o = { .argv = SHELL("exec sleep 1000") };
    struct child *c CHILD;
    int status;
    int r = child_spawn(&o, &c);
    *(pid_t *) arg = r == 0 ? child_pid(c) : 0;
    return r < 0 ? r : child_wait(c, &status);
}

static int cancel_the_owner(void *arg) {
    (void) arg;
    pid_t pid = 0;
    struct task *t;
    int result;
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "owner", owner, &pid, &t), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    task_cancel(t);
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT_EQUAL(result, -ECANCELED);
    EXPECT(kill(pid, 0) < 0 && errno == ESRCH);
    return 0;
}

static void a_child_does_not_outlive_its_scope(void **state) {
    (void) state;
    assert_int_equal(run_real(cancel_the_owner, NULL), 0);
}

/* Nothing of ours but the standard three. (The descriptor of the listing itself is one more.) */
static int count_descriptors(void *arg) {
    (void) arg;
    struct child *c CHILD;
    char out[256];
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct child_options o = { .argv = SHELL("for f in /proc/self/fd/*; do echo ${f##*/}; done"),
                               .input = CHILD_NULL,
                               .output = CHILD_PIPE,
                               .errors = CHILD_NULL };
    EXPECT_EQUAL(child_spawn(&o, &c), 0);
    EXPECT(read_to_end(child_output(c), out, sizeof out) > 0);
    (void) close(spare);
    EXPECT(strncmp(out, "0\n1\n2\n", 6) == 0);
    EXPECT(strlen(out) <= strlen("0\n1\n2\n3\n") + 1);
    return 0;
}

static void it_inherits_nothing_else(void **state) {
    (void) state;
    assert_int_equal(run_real(count_descriptors, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_reads_writes_and_ends),
        cmocka_unit_test(its_input_can_be_ended_and_its_errors_merged),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test(the_signal_that_ended_it_is_told),
        cmocka_unit_test(closing_asks_and_then_makes_it),
        cmocka_unit_test(a_child_does_not_outlive_its_scope),
        cmocka_unit_test(it_inherits_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
