/*
 * The n-th allocation of some piece of I/O fails, for every n: it says -ENOMEM or does without, and
 * no descriptor and no memory is left. OpenSSL's and libev's own allocations do not come by here.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "async/child.h"
#include "async/debug.h"
#include "async/file.h"
#include "async/lane.h"
#include "async/offload.h"
#include "async/signals.h"
#include "async/tls_impl.h"
#include "certificate.h"
#include "stream_stories.h"
#include "tests/support/failing_memory.h"

static struct certificate certificate;

static void listener_closep(struct listener **l) {
    *l = listener_close(*l);
}
static void tls_freep(struct tls **t) {
    *t = tls_free(*t);
}
static void poolp(struct pool **p) {
    *p = pool_close(*p);
}
static void child_closep(struct child **c) {
    *c = child_close(*c);
}
static void signals_closep(struct signals **s) {
    *s = signals_close(*s);
}
static void lanep(struct lane **l) {
    *l = lane_close(*l);
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int r_ = (int) (call);                                                                     \
        if (r_ < 0)                                                                                \
            return r_;                                                                             \
    } while (0)

/* ---- scenes ---- */

static int in_memory(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    char heard[3];
    TRY(stream_pair(16, &a, &b));
    TRY(stream_write_all(a, (struct iovec[]){ span("abc") }, 1));
    return read_exactly(b, heard, 3);
}

struct connecting {
    struct address address;
    struct stream *stream;
};

static int connects(void *arg) {
    struct connecting *c = arg;
    return stream_connect(&c->address, NULL, &c->stream);
}

static int over_tcp(void *arg) {
    (void) arg;
    struct listener *l CLEANUP(listener_closep) = NULL;
    struct stream *server STREAM;
    struct connecting c = { 0 };
    char text[64], heard[3];
    TRY(address_parse("127.0.0.1:0", &c.address));
    TRY(listener_open(&c.address, NULL, &l));
    TRY(address_parse(listener_address(l, text, sizeof text), &c.address));
    int r;
    {
        GROUP(g);
        r = group_spawn(&g, "client", connects, &c);
        if (r == 0)
            r = group_wait(&g);
    }
    struct stream *client CLEANUP(stream_closep) = c.stream;
    TRY(r);
    TRY(listener_next(l, &server));
    TRY(stream_write_all(client, (struct iovec[]){ span("abc") }, 1));
    return read_exactly(server, heard, 3);
}

struct accepting {
    struct stream *plain, *wrapped;
    const struct tls *tls;
};

static int accepts_tls(void *arg) {
    struct accepting *a = arg;
    int r = stream_accept_tls(a->plain, a->tls, &a->wrapped);
    if (r < 0)
        a->plain = stream_close(a->plain); /* who waits for us shall see it */
    return r;
}

static int over_tls(void *arg) {
    (void) arg;
    struct tls *server CLEANUP(tls_freep) = NULL, *client CLEANUP(tls_freep) = NULL;
    struct stream *plain STREAM, *encrypted STREAM;
    struct accepting accepting = { 0 };
    char heard[6];
    TRY(tls_server_new(&(struct tls_server_options){ .cert_file = certificate.cert,
                                                     .key_file = certificate.key },
                       &server, NULL));
    TRY(tls_client_new(&(struct tls_client_options){ .ca_file = certificate.cert }, &client, NULL));
    TRY(stream_pair(20000, &plain, &accepting.plain));
    accepting.tls = server;
    int r;
    {
        GROUP(g);
        r = group_spawn(&g, "server", accepts_tls, &accepting);
        if (r < 0)
            accepting.plain = stream_close(accepting.plain);
        if (r == 0)
            r = tls_connect_over(plain, client, "localhost", &encrypted);
        if (r == 0)
            (void) TAKE(plain);
        else
            plain = stream_close(plain);
        int served = group_wait(&g);
        /* The other side sees a broken connection; the reason is here. */
        r = served == -ENOMEM || r == 0 ? served : r;
    }
    struct stream *theirs CLEANUP(stream_closep) =
            accepting.wrapped ? accepting.wrapped : accepting.plain;
    TRY(r);
    TRY(stream_write_all(encrypted, (struct iovec[]){ span("abc"), span("def") }, 2));
    return read_exactly(theirs, heard, 6);
}

static int add_one(void *arg) {
    return ++*(int *) arg;
}

static int on_threads(void *arg) {
    (void) arg;
    struct pool *p CLEANUP(poolp) = NULL;
    int n = 41;
    TRY(pool_open(NULL, &p));
    int r = offload(p, add_one, &n);
    TRY(r);
    return r == 42 ? 0 : -EILSEQ;
}

static void run_lane(void *arg) {
    ++*(int *) arg;
}

static int on_a_lane(void *arg) {
    (void) arg;
    int runs = 0;
    {
        struct lane *l CLEANUP(lanep) = NULL;
        TRY(lane_open("lane", run_lane, &runs, &l));
        lane_kick(l);
    }
    return runs == 1 ? 0 : -EILSEQ; /* even out of memory */
}

static int with_files(void *arg) {
    (void) arg;
    struct pool *p CLEANUP(poolp) = NULL;
    struct file *f;
    char path[128], *text, c;
    size_t len;
    (void) snprintf(path, sizeof path, "%s.written", certificate.cert);
    TRY(pool_open(NULL, &p));
    int r = file_write(p, path, "text", 4, 0600);
    if (r == 0)
        r = file_read(p, path, 100, &text, &len);
    if (r == 0)
        free(text);
    if (r == 0)
        r = file_open(p, path, O_RDONLY, 0, &f);
    if (r == 0) {
        r = (int) file_pread(f, &c, 1, 0);
        r = r > 0 ? 0 : r;
        f = file_close(f);
    }
    (void) unlink(path);
    return r;
}

static int with_a_child(void *arg) {
    (void) arg;
    struct child *c CLEANUP(child_closep) = NULL;
    int status;
    struct child_options o = { .argv = (const char *const[]){ "true", NULL },
                               .input = CHILD_PIPE,
                               .output = CHILD_PIPE,
                               .errors = CHILD_PIPE };
    TRY(child_spawn(&o, &c));
    return child_wait(c, &status);
}

static int with_signals(void *arg) {
    (void) arg;
    struct signals *s CLEANUP(signals_closep) = NULL;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    TRY(signals_open(&set, &s));
    (void) kill(getpid(), SIGUSR1);
    return signals_next(s) == SIGUSR1 ? 0 : -EILSEQ;
}

static int by_name(void *arg) {
    (void) arg;
    struct stream *s STREAM;
    struct address a;
    TRY(address_parse("localhost:1", &a));
    int r = stream_connect(&a, NULL, &s);
    return r == -ECONNREFUSED ? 0 : r;
}

/* ---- */

static int lowest_free_descriptor(void) {
    int fd = dup(0);
    (void) close(fd);
    return fd;
}

static const struct scene {
    const char *name;
    task_fn *play;
    bool is_real; /* with threads */
} scenes[] = {
    { "memory", in_memory, false },
    { "TCP", over_tcp, false },
    { "TLS", over_tls, false },
    { "pool", on_threads, false },
    { "pool, threads", on_threads, true },
    { "lane", on_a_lane, false },
    { "lane, thread", on_a_lane, true },
    { "files", with_files, false },
    { "child", with_a_child, true },
    { "signals", with_signals, true },
    { "look-up", by_name, true },
};

struct playing {
    const struct scene *scene;
    unsigned n;
};

/* Inside a loop, which has what it needs already. */
static int play(void *arg) {
    struct playing *p = arg;
    has_failed = false;
    fails_in = p->n;
    int r = p->scene->play(NULL);
    fails_in = 0;
    return r;
}

static void any_allocation_may_fail(void **state) {
    (void) state;
    for (size_t i = 0; i < ELEMENTS_OF(scenes); i++) {
        int descriptors = lowest_free_descriptor();
        unsigned failures = 0;
        for (unsigned n = 1;; n++) {
            struct playing p = { &scenes[i], n };
            int r = scenes[i].is_real ? run_real(play, &p) : run_virtual(play, &p);
            if (r != 0 && !(r == -ENOMEM && has_failed))
                fail_msg("%s, allocation %u: %d", scenes[i].name, n, r);
            failures += r == -ENOMEM;
            if (!has_failed)
                break;
        }
        if (failures == 0 || lowest_free_descriptor() != descriptors)
            fail_msg("%s: %u failures, descriptors from %d to %d", scenes[i].name, failures,
                     descriptors, lowest_free_descriptor());
    }
}

static int fixture_make(void **state) {
    (void) state;
    return certificate_make(&certificate, "DNS:localhost");
}

static int fixture_remove(void **state) {
    (void) state;
    certificate_remove(&certificate);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
