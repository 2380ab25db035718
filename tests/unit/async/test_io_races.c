/* Every suspending call of streams, listeners, signals, pools and lanes; see race.h. What the
 * kernel completes is seen by the next poll only (is_late): a cancellation of the same turn wins,
 * and what came is still there for the next call. */
#include "race.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "async/lane.h"
#include "async/offload.h"
#include "async/signals.h"
#include "async/stream.h"
#include "async/tls_impl.h"
#include "certificate.h"

/* ---- streams ---- */

struct ends {
    struct stream *ours, *theirs;
};

enum { CAPACITY = 8 };

static int memory_set_up(struct race_world *w) {
    struct ends *e = w->own;
    return stream_pair(CAPACITY, &e->ours, &e->theirs);
}

static int full_memory_set_up(struct race_world *w) {
    struct ends *e = w->own;
    int r = memory_set_up(w);
    return r < 0 ? r : stream_try_send(e->ours, "12345678", CAPACITY) == CAPACITY ? 0 : -EIO;
}

static int socket_set_up(struct race_world *w) {
    struct ends *e = w->own;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    int r = stream_from_fd(fds[0], &e->ours);
    return r < 0 ? r : stream_from_fd(fds[1], &e->theirs);
}

static int full_socket_set_up(struct race_world *w) {
    struct ends *e = w->own;
    static const char junk[65536];
    int r = socket_set_up(w);
    if (r < 0)
        return r;
    while (stream_try_send(e->ours, junk, sizeof junk) > 0)
        ;
    return 0;
}

static void ends_tear_down(struct race_world *w) {
    struct ends *e = w->own;
    e->ours = stream_close(e->ours);
    e->theirs = stream_close(e->theirs);
}

static int read_call(struct race_world *w) {
    char c;
    ssize_t n = stream_read(((struct ends *) w->own)->ours, &c, 1);
    return n == 0 ? -EPIPE : (int) n;
}

static int wait_readable_call(struct race_world *w) {
    return stream_wait_readable(((struct ends *) w->own)->ours);
}

static int wait_writable_call(struct race_world *w) {
    return stream_wait_writable(((struct ends *) w->own)->ours);
}

static int write_call(struct race_world *w) {
    return stream_write_all(((struct ends *) w->own)->ours, &(struct iovec){ (char[1]){ 'x' }, 1 },
                            1);
}

static void write_complete(struct race_world *w) {
    (void) stream_try_send(((struct ends *) w->own)->theirs, "x", 1);
}

static void read_complete(struct race_world *w) {
    char c;
    (void) !stream_try_read(((struct ends *) w->own)->theirs, &c, 1);
}

static void drain_complete(struct race_world *w) {
    static char sink[65536];
    while (stream_try_read(((struct ends *) w->own)->theirs, sink, sizeof sink) > 0)
        ;
}

/* Bytes that can be read. */
static int read_left(struct race_world *w) {
    char c;
    int n = 0;
    while (stream_try_read(((struct ends *) w->own)->ours, &c, 1) == 1)
        n++;
    return n;
}

/* Room that nobody has used. */
static int write_left(struct race_world *w) {
    return CAPACITY - (int) stream_unsent(((struct ends *) w->own)->ours);
}

/* ---- TLS ---- */

static struct tls_fixture {
    struct certificate certificate;
    struct tls *server, *client;
} tls_fixture;

static int accept_tls(void *arg) {
    struct ends *e = arg;
    struct stream *wrapped;
    int r = stream_accept_tls(e->ours, tls_fixture.server, &wrapped);
    if (r == 0)
        e->ours = wrapped;
    return r;
}

static int tls_set_up(struct race_world *w) {
    struct ends *e = w->own;
    int r = stream_pair(20000, &e->ours, &e->theirs);
    if (r == 0)
        r = group_spawn(&w->children, "server", accept_tls, e);
    struct stream *wrapped;
    if (r == 0)
        r = tls_connect_over(e->theirs, tls_fixture.client, "localhost", &wrapped);
    if (r == 0) {
        e->theirs = wrapped;
        r = group_wait(&w->children);
    }
    return r;
}

/* ---- listeners ---- */

struct listening {
    struct listener *listener;
    struct sockaddr_in at;
    int clients[4];
    int n;
};

static int listener_set_up(struct race_world *w) {
    struct listening *l = w->own;
    struct address a;
    int r = address_parse("127.0.0.1:0", &a);
    if (r == 0)
        r = listener_open(&a, NULL, &l->listener);
    if (r == 0) {
        char text[64];
        const char *port = strrchr(listener_address(l->listener, text, sizeof text), ':') + 1;
        l->at = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons((uint16_t) strtoul(port, NULL, 10)) };
    }
    return r;
}

static int listener_call(struct race_world *w) {
    struct stream *s = NULL;
    int r = listener_next(((struct listening *) w->own)->listener, &s);
    stream_close(s);
    return r;
}

static void listener_complete(struct race_world *w) {
    struct listening *l = w->own;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void) !connect(fd, (struct sockaddr *) &l->at, sizeof l->at);
    l->clients[l->n++] = fd;
}

static int listener_left(struct race_world *w) {
    int n = 0;
    DEADLINE(d, 1);
    while (listener_call(w) == 1)
        n++;
    return n;
}

static void listener_tear_down(struct race_world *w) {
    struct listening *l = w->own;
    l->listener = listener_close(l->listener);
    while (l->n > 0)
        (void) close(l->clients[--l->n]);
}

/* ---- signals ---- */

static int signals_set_up(struct race_world *w) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return signals_open(&set, w->own);
}

static int signals_call(struct race_world *w) {
    return signals_next(*(struct signals **) w->own);
}

static void signals_complete(struct race_world *w) {
    (void) w;
    (void) kill(getpid(), SIGUSR1);
}

static int signals_left(struct race_world *w) {
    int n = 0;
    DEADLINE(d, 1);
    while (signals_call(w) == SIGUSR1)
        n++;
    return n;
}

static void signals_tear_down(struct race_world *w) {
    signals_close(*(struct signals **) w->own);
}

static const struct race races[] = {
    { "stream_read, memory", sizeof(struct ends), memory_set_up, read_call, NULL, write_complete,
      read_left, ends_tear_down, .is_alone = true },
    { "stream_wait_readable, memory", sizeof(struct ends), memory_set_up, wait_readable_call, NULL,
      write_complete, NULL, ends_tear_down, .is_alone = true },
    { "stream_write_all, memory", sizeof(struct ends), full_memory_set_up, write_call, NULL,
      read_complete, write_left, ends_tear_down, .is_alone = true },
    { "stream_wait_writable, memory", sizeof(struct ends), full_memory_set_up, wait_writable_call,
      NULL, read_complete, NULL, ends_tear_down, .is_alone = true },
    { "stream_read, TLS", sizeof(struct ends), tls_set_up, read_call, NULL, write_complete,
      read_left, ends_tear_down, .is_alone = true },
    { "stream_read, socket", sizeof(struct ends), socket_set_up, read_call, NULL, write_complete,
      read_left, ends_tear_down, .is_alone = true, .is_late = true },
    { "stream_wait_readable, socket", sizeof(struct ends), socket_set_up, wait_readable_call, NULL,
      write_complete, NULL, ends_tear_down, .is_alone = true, .is_late = true },
    { "stream_wait_writable, socket", sizeof(struct ends), full_socket_set_up, wait_writable_call,
      NULL, drain_complete, NULL, ends_tear_down, .is_alone = true, .is_late = true },
    { "listener_next", sizeof(struct listening), listener_set_up, listener_call, NULL,
      listener_complete, listener_left, listener_tear_down, .is_alone = true, .is_late = true },
    { "signals_next", sizeof(struct signals *), signals_set_up, signals_call, NULL,
      signals_complete, signals_left, signals_tear_down, .is_alone = true, .is_late = true },
};

static void nothing_that_arrives_is_lost(void **state) {
    (void) state;
    race_all(races, ELEMENTS_OF(races));
}

/* ---- dormant readers ---- */

struct dormant {
    struct ends ends;
    struct timer sending;
    struct task *task;
    int entered, saw_bytes, saw_cancel;
};

static int dormant_resume(void *arg) {
    struct dormant *d = arg;
    char c;
    if (d->entered++ == 0)
        return task_dormant(d->ends.ours, loop_now() + RACE_TIMEOUT_MS, dormant_resume, d);
    d->saw_cancel = task_cancelled();
    d->saw_bytes = stream_try_read(d->ends.ours, &c, 1) == 1;
    return 0;
}

struct dormant_script {
    bool bytes, cancel, wake, time_out;
};

static void send_by_timer(struct timer *t) {
    struct dormant *d = CONTAINER_OF(t, struct dormant, sending);
    (void) stream_try_send(d->ends.theirs, "x", 1);
}

static int play_dormant(void *arg) {
    const struct dormant_script *script = arg;
    struct dormant d = { .sending.run = send_by_timer };
    EXPECT_EQUAL(stream_pair(CAPACITY, &d.ends.ours, &d.ends.theirs), 0);
    {
        GROUP(g);
        if (script->time_out && script->bytes) /* in the turn of the time-out, before it */
            EXPECT_EQUAL(timer_set(&d.sending, RACE_TIMEOUT_MS), 0);
        EXPECT_EQUAL(task_spawn(&g, "dormant", dormant_resume, &d, &d.task), 0);
        EXPECT_EQUAL(task_yield(), 0);
        EXPECT_EQUAL(task_yield(), 0);
        if (script->bytes && !script->time_out)
            EXPECT_EQUAL(stream_try_send(d.ends.theirs, "x", 1), 1);
        if (script->wake && !script->time_out)
            task_wake(d.task);
        if (script->cancel && !script->time_out)
            task_cancel(d.task);
        if (script->bytes && !script->time_out)
            EXPECT_EQUAL(stream_try_send(d.ends.theirs, "x", 1), 1); /* nobody is woken twice */
        int result;
        EXPECT_EQUAL(task_join(d.task, &result), 0);
        EXPECT_EQUAL(result, 0);
    }
    EXPECT_EQUAL(d.entered, 2);
    EXPECT_EQUAL(d.saw_cancel, script->cancel && !script->time_out);
    EXPECT_EQUAL(d.saw_bytes, script->bytes);
    /* It has been forgotten: bytes and the end wake nobody. */
    stream_close(d.ends.theirs);
    stream_close(d.ends.ours);
    return 0;
}

static void a_dormant_task_is_entered_once_whatever_wakes_it(void **state) {
    (void) state;
    for (unsigned i = 1; i < 16; i++) {
        struct dormant_script script = { i & 1, i & 2, i & 4, i & 8 };
        if (run_virtual(play_dormant, &script))
            fail_msg("bytes %d, cancel %d, wake %d, time out %d", script.bytes, script.cancel,
                     script.wake, script.time_out);
    }
}

/* ---- what has no single moment of completion: cancelled at every step ---- */

struct stepwise {
    int (*call)(struct stepwise *s);
    int result;
    void *own;
    struct ends ends;
    struct pool *pool;
    struct lane *lane;
    struct address address;
    bool is_slow;
    int ran;
};

static int stepwise_task(void *arg) {
    struct stepwise *s = arg;
    s->result = s->call(s);
    return 0;
}

/* Cancelled after some number of turns, or of moments on a slow network. */
static SUSPENDS int cancel_after(struct stepwise *s, int turns) {
    int step_ms = s->is_slow ? 5 : 0;
    struct task *t;
    GROUP(g);
    EXPECT_EQUAL(task_spawn(&g, "victim", stepwise_task, s, &t), 0);
    for (int i = 0; i < turns; i++)
        EXPECT_EQUAL(task_sleep(step_ms), 0);
    task_cancel(t);
    return task_join(t, NULL);
}

enum { STEPS_MAX = 40 };

static int handshake_call(struct stepwise *s) {
    return accept_tls(&s->ends);
}

static int connect_tls(void *arg) {
    struct ends *e = arg;
    struct stream *wrapped;
    int r = tls_connect_over(e->theirs, tls_fixture.client, "localhost", &wrapped);
    if (r == 0)
        e->theirs = wrapped;
    return 0;
}

static int handshakes(void *arg) {
    bool is_slow = arg != NULL;
    int cancelled = 0, done = 0;
    for (int turns = 0; turns < STEPS_MAX; turns++) {
        struct stepwise s = { .call = handshake_call, .is_slow = is_slow };
        EXPECT_EQUAL(stream_pair(20000, &s.ends.ours, &s.ends.theirs), 0);
        GROUP(g);
        EXPECT_EQUAL(group_spawn(&g, "client", connect_tls, &s.ends), 0);
        EXPECT_EQUAL(cancel_after(&s, turns), 0);
        EXPECT(s.result == 0 || s.result == -ECANCELED);
        cancelled += s.result < 0;
        done += s.result == 0;
        /* Wrapped or plain, the stream is one that can be closed. */
        s.ends.ours = stream_close(s.ends.ours);
        group_finish(&g);
        s.ends.theirs = stream_close(s.ends.theirs);
    }
    EXPECT(cancelled > 0 && done > 0);
    return 0;
}

static void a_handshake_is_cancelled_at_every_step(void **state) {
    (void) state;
    assert_int_equal(run_virtual(handshakes, NULL), 0);
    assert_int_equal(run_seeded(11, handshakes, &(bool){ true }), 0);
}

static int add_one(void *arg) {
    ++*(int *) arg;
    return 5;
}

static int offload_call(struct stepwise *s) {
    return offload(s->pool, add_one, &s->ran);
}

static int offloads(void *arg) {
    (void) arg;
    int cancelled = 0;
    struct pool *pool;
    EXPECT_EQUAL(pool_open(NULL, &pool), 0);
    for (int turns = 0; turns < STEPS_MAX; turns++) {
        struct stepwise s = { .call = offload_call, .pool = pool };
        EXPECT_EQUAL(cancel_after(&s, turns), 0);
        EXPECT(s.result == 5 || s.result == -ECANCELED);
        EXPECT_EQUAL(s.ran, s.result == 5); /* it has run, or will not */
        cancelled += s.result < 0;
    }
    pool_close(pool);
    EXPECT(cancelled > 0);
    return 0;
}

static void offloaded_work_has_run_or_never_will(void **state) {
    (void) state;
    assert_int_equal(run_real(offloads, NULL), 0);
    assert_int_equal(run_virtual(offloads, NULL), 0);
    for (uint64_t seed = 1; seed < 10; seed++)
        assert_int_equal(run_seeded(seed, offloads, NULL), 0);
}

static void lane_run(void *arg) {
    ++*(int *) arg;
}

static int lane_close_call(struct stepwise *s) {
    lane_kick(s->lane);
    s->lane = lane_close(s->lane);
    return 0;
}

static int lanes(void *arg) {
    (void) arg;
    for (int turns = 0; turns < 10; turns++) {
        struct stepwise s = { .call = lane_close_call };
        EXPECT_EQUAL(lane_open("lane", lane_run, &s.ran, &s.lane), 0);
        EXPECT_EQUAL(cancel_after(&s, turns), 0);
        EXPECT_EQUAL(s.ran, 1);
        EXPECT(!s.lane);
    }
    return 0;
}

static void closing_a_lane_is_not_cut_short(void **state) {
    (void) state;
    assert_int_equal(run_real(lanes, NULL), 0);
    assert_int_equal(run_virtual(lanes, NULL), 0);
    assert_int_equal(run_seeded(2, lanes, NULL), 0);
}

static int connect_call(struct stepwise *s) {
    return stream_connect(&s->address, NULL, &s->ends.ours);
}

static int lowest_free_descriptor(void) {
    int fd = dup(0);
    (void) close(fd);
    return fd;
}

static int connects(void *arg) {
    (void) arg;
    struct address a;
    struct listener *l;
    char text[64], name[64];
    EXPECT_EQUAL(address_parse("127.0.0.1:0", &a), 0);
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    (void) snprintf(name, sizeof name, "localhost%s",
                    strrchr(listener_address(l, text, sizeof text), ':'));
    EXPECT_EQUAL(address_parse(name, &a), 0);
    for (int turns = 0; turns < STEPS_MAX; turns++) {
        struct stepwise s = { .call = connect_call, .address = a };
        EXPECT_EQUAL(cancel_after(&s, turns), 0);
        EXPECT(s.result == 0 || s.result == -ECANCELED);
        EXPECT_EQUAL(s.ends.ours != NULL, s.result == 0);
        stream_close(s.ends.ours);
    }
    listener_close(l);
    return 0;
}

static void connecting_is_cancelled_at_every_step_and_leaks_nothing(void **state) {
    (void) state;
    int before = lowest_free_descriptor();
    assert_int_equal(run_real(connects, NULL), 0);
    /* A look-up that was given up may still hold a descriptor for a moment. */
    for (int i = 0; i < 1000 && lowest_free_descriptor() != before; i++)
        (void) usleep(1000);
    assert_int_equal(lowest_free_descriptor(), before);
}

static int fixture_make(void **state) {
    (void) state;
    if (certificate_make(&tls_fixture.certificate, "DNS:localhost") < 0)
        return -1;
    struct tls_server_options server = { .cert_file = tls_fixture.certificate.cert,
                                         .key_file = tls_fixture.certificate.key };
    struct tls_client_options client = { .ca_file = tls_fixture.certificate.cert };
    return tls_server_new(&server, &tls_fixture.server, NULL) |
           tls_client_new(&client, &tls_fixture.client, NULL);
}

static int fixture_remove(void **state) {
    (void) state;
    tls_fixture.server = tls_free(tls_fixture.server);
    tls_fixture.client = tls_free(tls_fixture.client);
    certificate_remove(&tls_fixture.certificate);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_arrives_is_lost),
        cmocka_unit_test(a_dormant_task_is_entered_once_whatever_wakes_it),
        cmocka_unit_test(a_handshake_is_cancelled_at_every_step),
        cmocka_unit_test(offloaded_work_has_run_or_never_will),
        cmocka_unit_test(closing_a_lane_is_not_cut_short),
        cmocka_unit_test(connecting_is_cancelled_at_every_step_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
