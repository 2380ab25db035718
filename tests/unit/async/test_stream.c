#include "async/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_stories.h"

static int make_memory(struct stream **a, struct stream **b) {
    return stream_pair(4096, a, b);
}

static int make_unix(struct stream **a, struct stream **b) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) /* small, so that a test can fill it */
        (void) setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int));
    int r = stream_from_fd(fds[0], a);
    return r < 0 ? r : stream_from_fd(fds[1], b);
}

static int make_tcp(struct stream **a, struct stream **b) {
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    int r = -EIO;
    if (bind(l, (struct sockaddr *) &in, sizeof in) == 0 && listen(l, 1) == 0 &&
        getsockname(l, (struct sockaddr *) &in, &len) == 0 &&
        connect(c, (struct sockaddr *) &in, sizeof in) == 0)
        r = stream_from_fd(c, a);
    if (r == 0)
        r = stream_from_fd(accept(l, NULL, NULL), b);
    (void) close(l);
    return r;
}

static void all_stories_hold_in_memory(void **state) {
    (void) state;
    assert_null(tell_all(run_virtual, make_memory));
}

static void all_stories_hold_over_unix_sockets(void **state) {
    (void) state;
    assert_null(tell_all(run_real, make_unix));
}

static void all_stories_hold_over_tcp(void **state) {
    (void) state;
    assert_null(tell_all(run_real, make_tcp));
}

/* ---- the adversary ---- */

struct cut_up {
    size_t reads, short_writes;
    int64_t took_ms;
};

static int read_through_a_bad_network(void *arg) {
    struct cut_up *c = arg;
    struct stream *a STREAM, *b STREAM;
    char said[500], heard[500];
    for (size_t i = 0; i < sizeof said; i++)
        said[i] = (char) i;
    EXPECT_EQUAL(stream_pair(1000, &a, &b), 0);
    int64_t began = loop_now();
    size_t sent = 0, got = 0;
    while (sent < sizeof said) {
        ssize_t n = stream_try_send(a, said + sent, sizeof said - sent);
        EXPECT(n > 0);
        c->short_writes += sent + (size_t) n < sizeof said;
        sent += (size_t) n;
    }
    EXPECT_EQUAL(stream_shutdown(a), 0);
    while (got < sizeof heard) {
        ssize_t n = stream_read(b, heard + got, sizeof heard - got);
        EXPECT(n > 0);
        got += (size_t) n;
        c->reads++;
    }
    EXPECT(memcmp(said, heard, sizeof said) == 0);
    EXPECT_EQUAL(stream_read(b, heard, 1), 0);
    c->took_ms = loop_now() - began;
    return 0;
}

static void a_bad_network_loses_and_reorders_nothing(void **state) {
    (void) state;
    bool was_split = false, was_short = false, was_late = false;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct cut_up once = { 0 }, again = { 0 };
        assert_int_equal(run_seeded(seed, read_through_a_bad_network, &once), 0);
        assert_int_equal(run_seeded(seed, read_through_a_bad_network, &again), 0);
        assert_memory_equal(&once, &again, sizeof once); /* one seed, one execution */
        was_split |= once.reads > 1;
        was_short |= once.short_writes > 0;
        was_late |= once.took_ms > 0;
    }
    assert_true(was_split && was_short && was_late);
    struct cut_up plain = { 0 };
    assert_int_equal(run_virtual(read_through_a_bad_network, &plain), 0);
    assert_int_equal(plain.reads, 1);
    assert_int_equal(plain.took_ms, 0);
}

static void much_goes_through_a_bad_network(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        assert_int_equal(
                run_seeded(seed, tell,
                           &(struct telling){ much_goes_through_little_room, make_memory }),
                0);
}

/* ---- memory alone ---- */

static int cut(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    struct task *reader;
    int result;
    char heard[4];
    EXPECT_EQUAL(stream_pair(16, &a, &b), 0);
    EXPECT_EQUAL(stream_try_send(a, "lost", 4), 4);
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "reader", wait_readable, a, &reader), 0);
    EXPECT_EQUAL(task_yield(), 0);
    stream_pair_cut(a);
    EXPECT_EQUAL(task_join(reader, &result), 0);
    EXPECT_EQUAL(result, 0);
    EXPECT_EQUAL(stream_try_read(a, heard, 4), -ECONNRESET);
    EXPECT_EQUAL(stream_try_read(b, heard, 4), -ECONNRESET);
    EXPECT_EQUAL(stream_try_send(b, "x", 1), -ECONNRESET);
    EXPECT_EQUAL(stream_shutdown(b), -ECONNRESET);
    return 0;
}

static int count_turns(void *arg) {
    int r;
    while ((r = task_yield()) == 0)
        ++*(int *) arg;
    return r;
}

static int read_what_is_always_there(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    int turns = 0;
    char c;
    EXPECT_EQUAL(stream_pair(4096, &a, &b), 0);
    while (stream_try_send(a, "0123456789abcdef", 16) > 0)
        ;
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "counter", count_turns, &turns), 0);
    for (int i = 0; i < 4096; i++)
        EXPECT_EQUAL(stream_read(b, &c, 1), 1);
    EXPECT(turns >= 32);
    return 0;
}

static void a_fast_peer_does_not_starve_other_tasks(void **state) {
    (void) state;
    assert_int_equal(run_virtual(read_what_is_always_there, NULL), 0);
}

static void a_cut_is_seen_at_both_ends(void **state) {
    (void) state;
    assert_int_equal(run_virtual(cut, NULL), 0);
    assert_int_equal(run_seeded(4, cut, NULL), 0);
}

/* ---- descriptors alone ---- */

static int pipes(void *arg) {
    (void) arg;
    int fds[2];
    char heard[4];
    EXPECT_EQUAL(pipe(fds), 0);
    struct stream *r STREAM, *w STREAM;
    EXPECT_EQUAL(stream_from_fd(fds[0], &r), 0);
    EXPECT_EQUAL(stream_from_fd(fds[1], &w), 0);
    EXPECT_EQUAL(stream_write_all(w, (struct iovec[]){ span("pipe") }, 1), 0);
    EXPECT_EQUAL(read_exactly(r, heard, 4), 0);
    r = stream_close(r);
    EXPECT_EQUAL(stream_try_send(w, "x", 1), -EPIPE); /* and no SIGPIPE */
    sigset_t pending;
    EXPECT_EQUAL(sigpending(&pending), 0);
    EXPECT(!sigismember(&pending, SIGPIPE));
    return 0;
}

static void a_broken_pipe_is_an_error_and_no_signal(void **state) {
    (void) state;
    assert_int_equal(run_real(pipes, NULL), 0);
}

static int borrow(void *arg) {
    int *fd = arg;
    struct stream *s STREAM;
    EXPECT_EQUAL(stream_from_fd(dup(*fd), &s), 0);
    EXPECT(fcntl(*fd, F_GETFL) & O_NONBLOCK);
    return 0;
}

static void a_shared_pipe_is_given_back_as_it_was(void **state) {
    (void) state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(run_real(borrow, &fds[0]), 0);
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

static int read_until_end(void *arg) {
    int *fd = arg;
    struct stream *s STREAM;
    char heard[100];
    size_t sum = 0;
    ssize_t n;
    EXPECT_EQUAL(stream_from_fd(*fd, &s), 0);
    EXPECT_EQUAL(stream_wait_readable(s), 0);
    while ((n = stream_read(s, heard, sizeof heard)) > 0)
        sum += (size_t) n;
    EXPECT_EQUAL(n, 0);
    EXPECT_EQUAL(sum, 1000);
    return 0;
}

static void a_regular_file_can_be_read_as_a_stream(void **state) {
    (void) state;
    FILE *f = tmpfile();
    assert_non_null(f);
    int fd = dup(fileno(f));
    assert_int_equal(pwrite(fd, (char[1000]){ 0 }, 1000, 0), 1000);
    assert_int_equal(run_real(read_until_end, &fd), 0);
    fclose(f);
}

/* Bytes that nobody waits for must not make the poll spin. */
static int nobody_reads(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    struct async_stats before, after;
    char heard[2];
    EXPECT_EQUAL(make_unix(&a, &b), 0);
    {
        DEADLINE(d, 1);
        EXPECT_EQUAL(stream_wait_readable(b), -ETIMEDOUT); /* its watch is set now */
    }
    EXPECT_EQUAL(stream_try_send(a, "hi", 2), 2);
    EXPECT_EQUAL(task_sleep(2), 0);
    async_stats(&before);
    EXPECT_EQUAL(task_sleep(20), 0);
    async_stats(&after);
    EXPECT(after.polls - before.polls < 10);
    EXPECT_EQUAL(stream_wait_readable(b), 0);
    EXPECT_EQUAL(stream_try_read(b, heard, 2), 2);
    return 0;
}

static void bytes_that_nobody_waits_for_cost_nothing(void **state) {
    (void) state;
    assert_int_equal(run_real(nobody_reads, NULL), 0);
}

static int peers(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    char text[64];
    EXPECT_EQUAL(make_tcp(&a, &b), 0);
    EXPECT(strncmp(stream_peer(a, text, sizeof text), "127.0.0.1:", 10) == 0);
    EXPECT(stream_fd(a) >= 0);
    return 0;
}

static void a_stream_knows_its_peer(void **state) {
    (void) state;
    assert_int_equal(run_real(peers, NULL), 0);
}

/* ---- addresses ---- */

static void addresses_are_taken_or_refused(void **state) {
    (void) state;
    static const char *const good[] = { "127.0.0.1:8000",  "[::1]:0",
                                        "localhost:65535", "*:1",
                                        "unix:/run/x.s",   "chat.example.org:443" };
    static const char *const bad[] = { "",          "8000",    ":8000",  "localhost:", "a:65536",
                                       "a:-1",      "a: 1",    "::1:80", "[::1:80",    "[]:80",
                                       "[a]:80",    "unix:",   "a b:80", "a/b:80",     "a:8000x",
                                       "user@a:80", "a:000080" };
    struct address a;
    for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
        if (address_parse(good[i], &a) != 0)
            fail_msg("refused: %s", good[i]);
        assert_string_equal(a.text, good[i]);
    }
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++)
        if (address_parse(bad[i], &a) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
    char text[300] = "unix:/";
    memset(text + 6, 'a', 200);
    assert_int_equal(address_parse(text, &a), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_stories_hold_in_memory),
        cmocka_unit_test(all_stories_hold_over_unix_sockets),
        cmocka_unit_test(all_stories_hold_over_tcp),
        cmocka_unit_test(a_bad_network_loses_and_reorders_nothing),
        cmocka_unit_test(much_goes_through_a_bad_network),
        cmocka_unit_test(a_cut_is_seen_at_both_ends),
        cmocka_unit_test(a_fast_peer_does_not_starve_other_tasks),
        cmocka_unit_test(a_broken_pipe_is_an_error_and_no_signal),
        cmocka_unit_test(a_shared_pipe_is_given_back_as_it_was),
        cmocka_unit_test(a_regular_file_can_be_read_as_a_stream),
        cmocka_unit_test(bytes_that_nobody_waits_for_cost_nothing),
        cmocka_unit_test(a_stream_knows_its_peer),
        cmocka_unit_test(addresses_are_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
