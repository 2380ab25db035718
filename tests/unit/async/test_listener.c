#include "async/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "async/endpoint.h"
#include "expect.h"

static void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}
static void listener_closep(struct listener **l) {
    *l = listener_close(*l);
}
#define STREAM   CLEANUP(stream_closep) = NULL
#define LISTENER CLEANUP(listener_closep) = NULL

static struct address address_of(const char *text) {
    struct address a = { 0 };
    if (address_parse(text, &a) < 0)
        abort();
    return a;
}

static struct address where(const struct listener *l) {
    char text[ADDRESS_TEXT_MAX];
    return address_of(listener_address(l, text, sizeof text));
}

/* Some containers have none. */
static bool has_ipv6(void) {
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *) &in6, sizeof in6) == 0;
    if (fd >= 0)
        (void) close(fd);
    return has;
}

struct client {
    struct address address;
    struct stream *stream;
};

static int connect_client(void *arg) {
    struct client *c = arg;
    return stream_connect(&c->address, NULL, &c->stream);
}

/* Both sides send at once what they are given. */
static int has_no_delay(const struct stream *s) {
    int on = 0;
    (void) getsockopt(stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, &(socklen_t){ sizeof on });
    return on != 0;
}

static SUSPENDS int meet(struct listener *l, const char *as) {
    struct client c = { .address = as ? address_of(as) : where(l) };
    struct stream *server STREAM;
    char heard[2];
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "client", connect_client, &c), 0);
    EXPECT_EQUAL(listener_next(l, &server), 1);
    EXPECT_EQUAL(group_wait(&g), 0);
    struct stream *client CLEANUP(stream_closep) = c.stream;
    if (strncmp(c.address.text, "unix:", 5) != 0)
        EXPECT(has_no_delay(client) && has_no_delay(server));
    EXPECT_EQUAL(stream_try_send(client, "hi", 2), 2);
    EXPECT_EQUAL(stream_read(server, heard, 2), 2);
    EXPECT_EQUAL(stream_try_send(server, "ho", 2), 2);
    EXPECT_EQUAL(stream_read(client, heard, 2), 2);
    return 0;
}

static int meet_at(void *arg) {
    struct listener *l LISTENER;
    struct address a = address_of(arg);
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    return meet(l, NULL);
}

static void client_and_server_meet(void **state) {
    (void) state;
    static const char *const places[] = { "127.0.0.1:0", "localhost:0", "[::1]:0" };
    for (size_t i = 0; i < ELEMENTS_OF(places) - !has_ipv6(); i++)
        if (run_real(meet_at, (void *) (uintptr_t) places[i]))
            fail_msg("at %s", places[i]);
}

static int meet_anywhere(void *arg) {
    (void) arg;
    struct listener *l LISTENER;
    struct address a = address_of("*:0");
    char text[64], v4[64], v6[64], name[64];
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    const char *port = strrchr(listener_address(l, text, sizeof text), ':');
    (void) snprintf(v4, sizeof v4, "127.0.0.1%s", port);
    (void) snprintf(v6, sizeof v6, "[::1]%s", port);
    (void) snprintf(name, sizeof name, "localhost%s", port);
    EXPECT_EQUAL(meet(l, v4), 0);
    if (has_ipv6())
        EXPECT_EQUAL(meet(l, v6), 0);
    return meet(l, name);
}

static void a_star_listens_in_both_families(void **state) {
    (void) state;
    assert_int_equal(run_real(meet_anywhere, NULL), 0);
}

static int accept_one(void *arg) {
    struct stream *s STREAM;
    int r = listener_next(arg, &s);
    return r == 1 ? 0 : r;
}

static struct endpoint endpoint_of(const char *text) {
    struct address_parts parts;
    struct endpoint e;
    if (address_split(text, &parts) < 0 || endpoint_of_parts(&parts, false, &e) < 0)
        abort();
    return e;
}

static int fall_back(void *arg) {
    (void) arg;
    struct listener *l LISTENER, *gone LISTENER;
    struct stream *client STREAM, *none STREAM;
    struct address a = address_of("127.0.0.1:0");
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    EXPECT_EQUAL(listener_open(&a, NULL, &gone), 0);
    struct endpoint all[] = { endpoint_of(where(gone).text), endpoint_of("unix:/nonexistent"),
                              endpoint_of(where(l).text) };
    gone = listener_close(gone);
    EXPECT_EQUAL(endpoint_connect_any(all, 3, &client), 0);
    EXPECT_EQUAL(accept_one(l), 0);
    EXPECT_EQUAL(endpoint_connect_any(all, 2, &none), -ENOENT);
    EXPECT_EQUAL(endpoint_connect_any(all, 1, &none), -ECONNREFUSED);
    return 0;
}

static void a_name_is_tried_at_all_its_addresses(void **state) {
    (void) state;
    assert_int_equal(run_real(fall_back, NULL), 0);
}

static int fail_to_connect(void *arg) {
    (void) arg;
    struct stream *s STREAM;
    struct address a = address_of("127.0.0.1:0");
    struct listener *l LISTENER;
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    a = where(l);
    l = listener_close(l);
    EXPECT_EQUAL(stream_connect(&a, NULL, &s), -ECONNREFUSED);
    a = address_of("unix:/nonexistent/socket");
    EXPECT_EQUAL(stream_connect(&a, NULL, &s), -ENOENT);
    a = address_of("*:80");
    EXPECT_EQUAL(stream_connect(&a, NULL, &s), -EINVAL);
    a = address_of("no-such-name.invalid:80");
    int r = stream_connect(&a, NULL, &s);
    EXPECT(r == -ENOENT || r == -EHOSTUNREACH);
    return 0;
}

static void connecting_fails_with_the_reason(void **state) {
    (void) state;
    assert_int_equal(run_real(fail_to_connect, NULL), 0);
}

static int give_up_looking(void *arg) {
    (void) arg;
    struct stream *s STREAM;
    struct address a = address_of("no-such-name.invalid:80");
    DEADLINE(d, 0);
    EXPECT_EQUAL(stream_connect(&a, NULL, &s), -ETIMEDOUT);
    return 0;
}

static int give_up_soon(void *arg) {
    struct client c = { .address = address_of("localhost:1") };
    int delay = *(int *) arg;
    struct task *t;
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "client", connect_client, &c, &t), 0);
    for (int i = 0; i < delay; i++)
        EXPECT_EQUAL(task_yield(), 0);
    task_cancel(t);
    int result;
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT(result == -ECANCELED || result == -ECONNREFUSED);
    return 0;
}

static void a_look_up_can_be_given_up_at_any_moment(void **state) {
    (void) state;
    assert_int_equal(run_real(give_up_looking, NULL), 0);
    for (int delay = 0; delay < 12; delay++)
        assert_int_equal(run_real(give_up_soon, &delay), 0);
}

/* ---- Unix sockets ---- */

struct place {
    char directory[64];
    char path[96];
    char text[112];
};

static int place_make(void **state) {
    struct place *p = calloc(1, sizeof *p);
    (void) snprintf(p->directory, sizeof p->directory, "/tmp/listener-XXXXXX");
    if (!p || !mkdtemp(p->directory))
        return -1;
    (void) snprintf(p->path, sizeof p->path, "%s/s", p->directory);
    (void) snprintf(p->text, sizeof p->text, "unix:%s", p->path);
    *state = p;
    return 0;
}

static int place_remove(void **state) {
    struct place *p = *state;
    (void) unlink(p->path);
    (void) rmdir(p->directory);
    free(p);
    return 0;
}

static int unix_story(void *arg) {
    struct place *p = arg;
    struct address a = address_of(p->text);
    struct listener *l LISTENER, *second LISTENER;
    struct stat st;

    /* a file that someone left */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    memcpy(un.sun_path, p->path, strlen(p->path));
    EXPECT_EQUAL(bind(fd, (struct sockaddr *) &un, sizeof un), 0);
    (void) close(fd);
    EXPECT_EQUAL(stat(p->path, &st), 0);

    EXPECT_EQUAL(listener_open(&a, &(struct listener_options){ .unix_mode = 0600 }, &l), 0);
    EXPECT_EQUAL(stat(p->path, &st), 0);
    EXPECT_EQUAL(st.st_mode & 0777, 0600);
    EXPECT_EQUAL(meet(l, NULL), 0);

    EXPECT_EQUAL(listener_open(&a, NULL, &second), -EADDRINUSE);
    EXPECT_EQUAL(accept_one(l), 0); /* whoever asks whether someone is there */
    EXPECT_EQUAL(meet(l, NULL), 0);
    l = listener_close(l);
    EXPECT(stat(p->path, &st) < 0);

    /* what is no socket stays */
    fd = open(p->path, O_CREAT | O_WRONLY, 0600);
    (void) close(fd);
    EXPECT_EQUAL(listener_open(&a, NULL, &l), -EADDRINUSE);
    EXPECT_EQUAL(stat(p->path, &st), 0);
    return 0;
}

static void a_unix_socket_replaces_a_stale_file_and_nothing_else(void **state) {
    assert_int_equal(run_real(unix_story, *state), 0);
}

/* ---- trouble ---- */

enum { CROWD = 1000 };

static int connect_many(void *arg) {
    struct client *c = arg;
    for (int i = 0; i < CROWD; i++) {
        struct stream *s STREAM;
        int r = stream_connect(&c->address, NULL, &s);
        if (r < 0)
            return r;
    }
    return 0;
}

static int count_turns(void *arg) {
    int r;
    while ((r = task_yield()) == 0)
        ++*(int *) arg;
    return r;
}

static int accept_a_crowd(void *arg) {
    (void) arg;
    struct listener *l LISTENER;
    struct address a = address_of("127.0.0.1:0");
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    struct client c = { .address = where(l) };
    int turns = 0;
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "crowd", connect_many, &c), 0);
    EXPECT_EQUAL(group_wait(&g), 0);
    GROUP(counting);
    EXPECT_EQUAL(group_spawn(&counting, "counter", count_turns, &turns), 0);
    for (int i = 0; i < CROWD; i++)
        EXPECT_EQUAL(accept_one(l), 0);
    EXPECT(turns >= 3);
    return 0;
}

static void a_crowd_does_not_starve_other_tasks(void **state) {
    (void) state;
    assert_int_equal(run_real(accept_a_crowd, NULL), 0);
}

static int starve(void *arg) {
    (void) arg;
    struct listener *l LISTENER;
    struct stream *client STREAM;
    struct address a = address_of("127.0.0.1:0");
    struct rlimit before, none;
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    a = where(l);
    EXPECT_EQUAL(stream_connect(&a, NULL, &client), 0);
    EXPECT_EQUAL(task_sleep(5), 0);

    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "acceptor", accept_one, l), 0);
    EXPECT_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    EXPECT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = task_sleep(100);
    uint64_t starved = listener_starved(l);
    EXPECT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQUAL(r, 0);
    EXPECT(starved >= 2 && starved <= 6); /* it paused: 10, 20, 40, 80 ms */
    EXPECT_EQUAL(group_wait(&g), 0);      /* whoever came meanwhile was not turned away */
    return 0;
}

static void out_of_descriptors_it_pauses_and_loses_nobody(void **state) {
    (void) state;
#ifdef PARLEY_VALGRIND
    skip(); /* it accepts first and looks at the limit then, so that the connection is lost */
#endif
    assert_int_equal(run_real(starve, NULL), 0);
}

static int close_under_acceptor(void *arg) {
    (void) arg;
    struct address a = address_of("127.0.0.1:0");
    struct listener *l LISTENER;
    struct task *t;
    int result;
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "acceptor", accept_one, l, &t), 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    l = listener_close(l);
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT_EQUAL(result, -EBADF);

    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    EXPECT_EQUAL(task_spawn(&g, "acceptor", accept_one, l, &t), 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    task_cancel(t);
    l = listener_close(l);
    EXPECT_EQUAL(task_join(t, &result), 0);
    EXPECT_EQUAL(result, -ECANCELED);
    return 0;
}

static void closing_wakes_the_acceptor(void **state) {
    (void) state;
    assert_int_equal(run_real(close_under_acceptor, NULL), 0);
}

static int inherit(void *arg) {
    (void) arg;
    struct listener *l LISTENER, *not_one LISTENER;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQUAL(listener_from_fd(fd, &not_one), -EINVAL);
    EXPECT_EQUAL(listen(fd, 4), 0); /* binds to some port of every address */
    EXPECT_EQUAL(listener_from_fd(fd, &l), 0);
    char text[64], name[64];
    (void) snprintf(name, sizeof name, "127.0.0.1%s",
                    strrchr(listener_address(l, text, sizeof text), ':'));
    return meet(l, name);
}

static void a_listening_descriptor_can_be_taken_over(void **state) {
    (void) state;
    assert_int_equal(run_real(inherit, NULL), 0);
}

static int share_port(void *arg) {
    (void) arg;
    struct listener *one LISTENER, *two LISTENER, *three LISTENER;
    struct address a = address_of("127.0.0.1:0");
    struct listener_options shared = { .reuse_port = true };
    EXPECT_EQUAL(listener_open(&a, &shared, &one), 0);
    a = where(one);
    EXPECT_EQUAL(listener_open(&a, &shared, &two), 0);
    EXPECT_EQUAL(listener_open(&a, NULL, &three), -EADDRINUSE);
    return 0;
}

static void loops_can_share_a_port(void **state) {
    (void) state;
    assert_int_equal(run_real(share_port, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_and_server_meet),
        cmocka_unit_test(a_star_listens_in_both_families),
        cmocka_unit_test(a_name_is_tried_at_all_its_addresses),
        cmocka_unit_test(connecting_fails_with_the_reason),
        cmocka_unit_test(a_look_up_can_be_given_up_at_any_moment),
        cmocka_unit_test_setup_teardown(a_unix_socket_replaces_a_stale_file_and_nothing_else,
                                        place_make, place_remove),
        cmocka_unit_test(out_of_descriptors_it_pauses_and_loses_nobody),
        cmocka_unit_test(a_crowd_does_not_starve_other_tasks),
        cmocka_unit_test(closing_wakes_the_acceptor),
        cmocka_unit_test(a_listening_descriptor_can_be_taken_over),
        cmocka_unit_test(loops_can_share_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
