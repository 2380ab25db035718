/* The examples of docs/async.md that reach outside: see test_examples.c. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "async/child.h"
#include "async/debug.h"
#include "async/file.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/offload.h"
#include "async/signals.h"
#include "async/stream.h"
#include "async/task.h"

/* example: server */
static int echoes(void *arg) { /* one connection */
    struct stream *s = arg;
    char buf[256];
    ssize_t n;
    while ((n = stream_read(s, buf, sizeof buf)) > 0) { /* 0: the peer is done */
        int r = stream_write_all(s, &(struct iovec){ buf, (size_t) n }, 1);
        if (r < 0)
            break;
    }
    s = stream_close(s);
    return 0; /* how one connection ended does not concern the others */
}

static int serves(void *arg) {
    struct listener *l = arg;
    GROUP(g);
    struct stream *s;
    int r;
    while ((r = listener_next(l, &s)) > 0) {
        r = group_spawn(&g, "echo", echoes, s);
        if (r < 0) {
            s = stream_close(s);
            break;
        }
    }
    return r;
}
/* end */

/* example: client */
static int asks(const struct address *server, char *answer, size_t cap) {
    char question[] = "hello";
    struct stream *s;
    int r = stream_connect(server, NULL, &s); /* NULL: without TLS */
    if (r < 0)
        return r;
    r = stream_write_all(s, &(struct iovec){ question, 5 }, 1);
    ssize_t n = r < 0 ? r : stream_read(s, answer, cap);
    s = stream_close(s);
    return (int) n;
}
/* end */

static int client_and_server(void *arg) {
    struct address a;
    struct listener *l;
    int r = address_parse("127.0.0.1:0", &a);
    if (r == 0)
        r = listener_open(&a, NULL, &l);
    if (r < 0)
        return r;
    {
        GROUP(g);
        r = group_spawn(&g, "server", serves, l);
        if (r == 0)
            r = address_parse(listener_address(l, a.text, sizeof a.text), &a);
        if (r == 0)
            r = asks(&a, arg, 16);
    }
    l = listener_close(l);
    return r;
}

static void streams(void **state) {
    (void) state;
    char answer[16] = "";
    assert_int_equal(loop_run(NULL, client_and_server, answer), 5);
    assert_string_equal(answer, "hello");
}

/* example: offload */
struct sum {
    int from, to, sum;
};

static int adds(void *arg) { /* on another thread: may block, must not touch the loop's things */
    struct sum *s = arg;
    for (int i = s->from; i <= s->to; i++)
        s->sum += i;
    return 0;
}

static int adds_elsewhere(struct pool *p) {
    struct sum s = { .from = 1, .to = 100 };
    int r = offload(p, adds, &s); /* a local is fine: it returns when adds() no longer runs */
    return r < 0 ? r : s.sum;
}
/* end */

static int with_a_pool(void *arg) {
    struct pool *p;
    (void) arg;
    int r = pool_open(NULL, &p);
    if (r < 0)
        return r;
    r = adds_elsewhere(p);
    p = pool_close(p);
    return r;
}

static void offloaded(void **state) {
    (void) state;
    assert_int_equal(loop_run(NULL, with_a_pool, NULL), 5050);
}

/* example: signals */
static int obeys(void *arg) {
    struct signals *s = arg;
    int number;
    while ((number = signals_next(s)) > 0) /* in a task, not in a signal handler */
        if (number == SIGUSR1)
            task_dump(stderr);
        else
            return 0; /* SIGTERM: the end of this task could be the end of all */
    return number;
}
/* end */

static int is_told_to_stop(void *arg) {
    sigset_t set;
    struct signals *s;
    (void) arg;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGUSR1);
    (void) sigaddset(&set, SIGTERM);
    int r = signals_open(&set, &s);
    if (r < 0)
        return r;
    {
        GROUP(g);
        r = group_spawn(&g, "signals", obeys, s);
        (void) kill(getpid(), SIGTERM);
        if (r == 0)
            r = group_wait(&g);
    }
    s = signals_close(s);
    return r;
}

static void signal_handlers(void **state) {
    (void) state;
    assert_int_equal(loop_run(NULL, is_told_to_stop, NULL), 0);
}

/* example: subprocess */
static int counts_words(char *text, char *answer, size_t cap) {
    static const char *const argv[] = { "wc", "-w", NULL };
    const struct child_options o = { .argv = argv, .input = CHILD_PIPE, .output = CHILD_PIPE };
    struct child *c;
    int status, r = child_spawn(&o, &c);
    if (r < 0)
        return r;
    r = stream_write_all(child_input(c), &(struct iovec){ text, strlen(text) }, 1);
    child_end_input(c);
    ssize_t n = r < 0 ? r : stream_read(child_output(c), answer, cap);
    r = child_wait(c, &status);
    c = child_close(c); /* would also stop one that still runs */
    return n < 0 ? (int) n : r < 0 ? r : status;
}
/* end */

static int asks_wc(void *arg) {
    char text[] = "four words are here";
    return counts_words(text, arg, 8);
}

static void subprocess(void **state) {
    (void) state;
#ifdef PARLEY_VALGRIND
    skip(); /* Debian 12's Valgrind knows no pidfd_open(2) */
#endif
    char answer[8] = "";
    assert_int_equal(loop_run(NULL, asks_wc, answer), 0);
    assert_memory_equal(answer, "4", 1);
}

/* example: files */
static int remembers(struct pool *p, const char *path) {
    char *text;
    size_t len;
    int r = file_write(p, path, "what was", 8, 0600); /* the whole file, or nothing of it */
    if (r == 0)
        r = file_read(p, path, 4096, &text, &len);
    if (r < 0)
        return r;
    free(text);
    return (int) len;
}
/* end */

static int writes_and_reads(void *arg) {
    struct pool *p;
    int r = pool_open(NULL, &p);
    if (r < 0)
        return r;
    r = remembers(p, arg);
    p = pool_close(p);
    return r;
}

static void files(void **state) {
    (void) state;
    char folder[] = "/tmp/async-example-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof path, "%s/memory", folder);
    assert_int_equal(loop_run(NULL, writes_and_reads, path), 8);
    (void) unlink(path);
    (void) rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_handlers), cmocka_unit_test(subprocess), cmocka_unit_test(files),
        cmocka_unit_test(streams),         cmocka_unit_test(offloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
