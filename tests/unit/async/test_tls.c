#include "async/tls.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "async/tls_impl.h"
#include "certificate.h"
#include "stream_stories.h"

/* What every test here uses; cmocka's state, but the stories' makers have no argument. */
static struct fixture {
    struct certificate certificate, other;
    struct tls *server, *client, *distrustful;
} fixture;

static int fixture_make(void **state) {
    struct fixture *f = &fixture;
    (void) state;
    if (certificate_make(&f->certificate, "DNS:localhost,IP:127.0.0.1") < 0 ||
        certificate_make(&f->other, "DNS:other.example") < 0)
        return -1;
    struct tls_server_options server = { .cert_file = f->certificate.cert,
                                         .key_file = f->certificate.key };
    struct tls_client_options client = { .ca_file = f->certificate.cert,
                                         .server_name = "localhost" };
    struct tls_client_options distrustful = { .ca_file = f->other.cert };
    return tls_server_new(&server, &f->server, NULL) | tls_client_new(&client, &f->client, NULL) |
           tls_client_new(&distrustful, &f->distrustful, NULL);
}

static int fixture_remove(void **state) {
    (void) state;
    fixture.server = tls_free(fixture.server);
    fixture.client = tls_free(fixture.client);
    fixture.distrustful = tls_free(fixture.distrustful);
    certificate_remove(&fixture.certificate);
    certificate_remove(&fixture.other);
    return 0;
}

/* ---- making two ends ---- */

struct accepting {
    struct stream *plain;
    const struct tls *tls;
    struct stream *stream;
    int result;
};

static int accept_tls(void *arg) {
    struct accepting *a = arg;
    a->result = stream_accept_tls(a->plain, a->tls, &a->stream);
    if (a->result < 0)
        a->plain = stream_close(a->plain);
    return a->result;
}

static SUSPENDS int wrap(struct stream *client, struct stream *server, struct stream **a,
                         struct stream **b) {
    struct accepting accepting = { .plain = server, .tls = fixture.server };
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "accepting", accept_tls, &accepting), 0);
    EXPECT_EQUAL(tls_connect_over(client, fixture.client, NULL, a), 0);
    EXPECT_EQUAL(group_wait(&g), 0);
    *b = accepting.stream;
    /* The server's session tickets are on their way: a sleeping client would wake for them. */
    EXPECT_EQUAL(task_sleep(1), 0);
    char nothing;
    EXPECT_EQUAL(stream_try_read(*a, &nothing, 1), -EAGAIN);
    return 0;
}

static int make_tls_in_memory(struct stream **a, struct stream **b) {
    struct stream *client, *server;
    EXPECT_EQUAL(stream_pair(20000, &client, &server), 0);
    return wrap(client, server, a, b);
}

static int make_tls_over_sockets(struct stream **a, struct stream **b) {
    struct stream *client, *server;
    int fds[2];
    EXPECT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        (void) setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int));
    EXPECT_EQUAL(stream_from_fd(fds[0], &client), 0);
    EXPECT_EQUAL(stream_from_fd(fds[1], &server), 0);
    return wrap(client, server, a, b);
}

static void all_stories_hold_in_memory(void **state) {
    (void) state;
    assert_null(tell_all(run_virtual, make_tls_in_memory));
}

static void all_stories_hold_over_sockets(void **state) {
    (void) state;
    assert_null(tell_all(run_real, make_tls_over_sockets));
}

static int bulk_over_tls(void *arg) {
    (void) arg;
    return much_goes_through_little_room(make_tls_in_memory);
}

static void much_goes_through_a_bad_network(void **state) {
    (void) state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_int_equal(run_seeded(seed, bulk_over_tls, NULL), 0);
}

/* ---- what TLS alone has ---- */

/* Bytes inside SSL are invisible to the poll: a reader that takes one at a time must not wait. */
static int byte_by_byte(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make_tls_over_sockets(&a, &b), 0);
    EXPECT_EQUAL(stream_write_all(a, (struct iovec[]){ span("secret") }, 1), 0);
    for (size_t i = 0; i < 6; i++) {
        char c;
        DEADLINE(d, 1000);
        EXPECT_EQUAL(stream_wait_readable(b), 0);
        EXPECT_EQUAL(stream_try_read(b, &c, 1), 1);
        EXPECT_EQUAL(c, "secret"[i]);
    }
    struct sleeper s = { .stream = b };
    GROUP(g);
    EXPECT_EQUAL(stream_write_all(a, (struct iovec[]){ span("xy") }, 1), 0);
    char c;
    EXPECT_EQUAL(stream_read(b, &c, 1), 1);
    EXPECT_EQUAL(group_spawn(&g, "sleeper", sleeper_resume, &s), 0);
    EXPECT_EQUAL(task_sleep(2), 0);
    EXPECT_EQUAL(s.bytes, 1);
    return 0;
}

static void what_is_buffered_inside_counts_as_readable(void **state) {
    (void) state;
    assert_int_equal(run_real(byte_by_byte, NULL), 0);
}

/* After -EAGAIN a caller may come back with something else, shorter: OpenSSL alone would refuse. */
static int interleave(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    EXPECT_EQUAL(make_tls_in_memory(&a, &b), 0);
    size_t sent = 0, got = 0, pongs = 0;
    char *bulk = calloc(1, 16000), *heard = malloc(16000);
    for (int round = 0; round < 200; round++) {
        ssize_t n;
        while ((n = stream_try_send(a, bulk, 16000 - (size_t) round)) > 0)
            sent += (size_t) n;
        EXPECT_EQUAL(n, -EAGAIN);
        n = stream_read(b, heard, 16000);
        EXPECT(n > 0);
        for (ssize_t i = 0; i < n; i++)
            pongs += heard[i] == 'p';
        got += (size_t) n;
        if (stream_try_send(a, "p", 1) == 1)
            sent++;
    }
    ssize_t n;
    while ((n = stream_try_send(a, bulk, 16000)) > 0)
        sent += (size_t) n;
    EXPECT_EQUAL(stream_shutdown(a), 0); /* with a record still held */
    while ((n = stream_read(b, heard, 16000)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            pongs += heard[i] == 'p';
        got += (size_t) n;
    }
    free(bulk);
    free(heard);
    EXPECT_EQUAL(n, 0);
    EXPECT_EQUAL(got, sent);
    EXPECT(pongs > 0);
    return 0;
}

static void a_full_stream_takes_other_bytes_later(void **state) {
    (void) state;
    assert_int_equal(run_virtual(interleave, NULL), 0);
    assert_int_equal(run_seeded(7, interleave, NULL), 0);
}

/* Not a byte of room is left when the end is called for. */
static int end_when_full(void *arg) {
    (void) arg;
    enum { CAPACITY = 20000, RECORD_OVERHEAD = 22 };
    struct stream *a STREAM, *b STREAM;
    struct stream *client, *server;
    char *bulk = calloc(1, CAPACITY);
    EXPECT_EQUAL(stream_pair(CAPACITY, &client, &server), 0);
    EXPECT_EQUAL(wrap(client, server, &a, &b), 0);
    size_t sent = 0, got = 0;
    EXPECT_EQUAL(stream_unsent(client), 0);
    for (int i = 0; i < 2; i++) {
        size_t part = CAPACITY / 2 - RECORD_OVERHEAD;
        EXPECT_EQUAL(stream_try_send(a, bulk, part), part);
        sent += part;
    }
    EXPECT_EQUAL(stream_unsent(client), CAPACITY);
    EXPECT_EQUAL(stream_shutdown(a), 0);
    ssize_t n;
    while ((n = stream_read(b, bulk, CAPACITY)) > 0)
        got += (size_t) n;
    free(bulk);
    EXPECT_EQUAL(n, 0);
    EXPECT_EQUAL(got, sent);
    return 0;
}

static void a_goodbye_waits_for_room(void **state) {
    (void) state;
    assert_int_equal(run_virtual(end_when_full, NULL), 0);
}

static int truncate_it(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    struct stream *client, *server;
    char c;
    EXPECT_EQUAL(stream_pair(20000, &client, &server), 0);
    EXPECT_EQUAL(wrap(client, server, &a, &b), 0);
    EXPECT_EQUAL(stream_shutdown(client), 0); /* no goodbye */
    EXPECT_EQUAL(stream_read(b, &c, 1), -ECONNRESET);
    EXPECT_EQUAL(stream_read(b, &c, 1), -ECONNRESET);
    EXPECT_EQUAL(stream_try_send(b, "x", 1), -ECONNRESET);
    return 0;
}

static void an_end_without_goodbye_is_an_error(void **state) {
    (void) state;
    assert_int_equal(run_virtual(truncate_it, NULL), 0);
}

/* ---- handshakes that fail ---- */

struct meeting {
    const struct tls *client, *server;
    const char *host;
    int client_result, server_result;
};

static int meet(void *arg) {
    struct meeting *m = arg;
    struct stream *client STREAM, *server, *wrapped STREAM;
    EXPECT_EQUAL(stream_pair(20000, &client, &server), 0);
    struct accepting accepting = { .plain = server, .tls = m->server };
    {
        GROUP(g);
        EXPECT_EQUAL(group_spawn(&g, "accepting", accept_tls, &accepting), 0);
        m->client_result = tls_connect_over(client, m->client, m->host, &wrapped);
        if (m->client_result == 0) {
            (void) TAKE(client);
            m->client_result = (int) stream_try_send(wrapped, "x", 1);
        } else {
            client = stream_close(client);
        }
        EXPECT_EQUAL(group_wait_all(&g), 0);
    }
    m->server_result = accepting.result;
    stream_close(accepting.stream);
    return 0;
}

static struct meeting met(const struct tls *client, const struct tls *server, const char *host) {
    struct meeting m = { .client = client, .server = server, .host = host };
    assert_int_equal(run_virtual(meet, &m), 0);
    return m;
}

static void a_stranger_is_not_trusted(void **state) {
    (void) state;
    struct meeting m = met(fixture.distrustful, fixture.server, "localhost");
    assert_int_equal(m.client_result, -EKEYREJECTED);
    assert_int_equal(m.server_result, -EPROTO);
}

static void a_certificate_for_someone_else_is_not_trusted(void **state) {
    (void) state;
    struct tls *plain = NULL;
    assert_int_equal(
            tls_client_new(&(struct tls_client_options){ .ca_file = fixture.certificate.cert },
                           &plain, NULL),
            0);
    assert_int_equal(met(plain, fixture.server, "elsewhere.example").client_result, -EKEYREJECTED);
    assert_int_equal(met(plain, fixture.server, "127.0.0.2").client_result, -EKEYREJECTED);
    assert_int_equal(met(plain, fixture.server, NULL).client_result, -EINVAL);
    assert_int_equal(met(plain, fixture.server, "127.0.0.1").client_result, 1);
    assert_int_equal(met(plain, fixture.server, "localhost").client_result, 1);
    plain = tls_free(plain);
    assert_int_equal(
            tls_client_new(&(struct tls_client_options){ .trusts_anyone = true }, &plain, NULL), 0);
    assert_int_equal(met(plain, fixture.server, "elsewhere.example").client_result, 1);
    plain = tls_free(plain);
}

static void versions_and_protocols_must_agree(void **state) {
    (void) state;
    struct tls *old = NULL, *strict = NULL, *h2 = NULL;
    struct tls_client_options client = { .ca_file = fixture.certificate.cert,
                                         .server_name = "localhost" };
    struct tls_server_options server = { .cert_file = fixture.certificate.cert,
                                         .key_file = fixture.certificate.key,
                                         .needs_tls13 = true };
    assert_int_equal(tls_client_new(&client, &old, NULL), 0);
    SSL_CTX_set_max_proto_version(old->context, TLS1_2_VERSION);
    assert_int_equal(tls_server_new(&server, &strict, NULL), 0);
    assert_int_equal(met(old, fixture.server, NULL).client_result, 1);
    assert_int_equal(met(old, strict, NULL).client_result, -EPROTO);
    assert_int_equal(met(fixture.client, strict, NULL).client_result, 1);
    assert_int_equal(tls_client_new(&client, &h2, NULL), 0);
    SSL_CTX_set_alpn_protos(h2->context, (const unsigned char *) "\x02h2", 3);
    assert_int_equal(met(h2, fixture.server, NULL).client_result, -EPROTO);
    SSL_CTX_set_min_proto_version(old->context, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(old->context, TLS1_1_VERSION);
    SSL_CTX_set_security_level(old->context, 0);
    assert_int_equal(met(old, fixture.server, NULL).client_result, -EPROTO);
    tls_free(old);
    tls_free(strict);
    tls_free(h2);
}

static int speak_plainly(void *arg) {
    (void) arg;
    struct stream *client STREAM, *server, *wrapped;
    EXPECT_EQUAL(stream_pair(20000, &client, &server), 0);
    struct stream *owned CLEANUP(stream_closep) = server;
    EXPECT_EQUAL(stream_write_all(client, (struct iovec[]){ span("GET / HTTP/1.1\r\n\r\n") }, 1),
                 0);
    EXPECT_EQUAL(stream_accept_tls(server, fixture.server, &wrapped), -EPROTO);
    EXPECT_EQUAL(stream_try_send(server, "x", 1),
                 1); /* the plain stream is still there, and ours */
    {
        DEADLINE(d, 100);
        struct stream *c2 STREAM, *s2 STREAM;
        EXPECT_EQUAL(stream_pair(20000, &c2, &s2), 0);
        EXPECT_EQUAL(stream_accept_tls(s2, fixture.server, &wrapped), -ETIMEDOUT);
        EXPECT(deadline_passed(&d));
    }
    return 0;
}

static void who_speaks_plainly_or_not_at_all_is_turned_away(void **state) {
    (void) state;
    assert_int_equal(run_virtual(speak_plainly, NULL), 0);
}

/* ---- contexts ---- */

static void unusable_files_are_named(void **state) {
    (void) state;
    struct tls *t = NULL;
    char *why = NULL;
    struct tls_server_options o = { .cert_file = "/nonexistent/cert.pem",
                                    .key_file = fixture.certificate.key };
    assert_int_equal(tls_server_new(&o, &t, &why), -ENOENT);
    assert_non_null(strstr(why, "/nonexistent/cert.pem"));
    free(why);
    o.cert_file = fixture.certificate.cert;
    o.key_file = fixture.other.key;
    assert_int_equal(tls_server_new(&o, &t, &why), -EBADMSG);
    assert_non_null(strstr(why, fixture.other.key));
    free(why);
    o.cert_file = fixture.certificate.key;
    assert_int_equal(tls_server_new(&o, &t, &why), -EBADMSG);
    free(why);
    assert_int_equal(
            tls_client_new(&(struct tls_client_options){ .ca_file = "/nonexistent" }, &t, &why),
            -ENOENT);
    free(why);
    assert_null(t);
}

struct reload {
    struct tls *server;
    bool carries_keys, was_resumed;
};

static int reload_between(void *arg) {
    struct reload *reload = arg;
    SSL_CTX_set_session_cache_mode(fixture.client->context, SSL_SESS_CACHE_CLIENT);
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 2; i++) {
        struct stream *client STREAM, *server, *wrapped STREAM;
        EXPECT_EQUAL(stream_pair(20000, &client, &server), 0);
        struct accepting accepting = { .plain = server, .tls = reload->server };
        GROUP(g);
        EXPECT_EQUAL(group_spawn(&g, "accepting", accept_tls, &accepting), 0);
        /* Resuming is the client's business, which ours does not do: its OpenSSL is driven here. */
        SSL *ssl = SSL_new(fixture.client->context);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        if (session)
            SSL_set_session(ssl, session);
        for (int round = 0; round < 20; round++) {
            char bytes[8192];
            int n = SSL_do_handshake(ssl);
            if (n == 1)
                (void) SSL_read(ssl, bytes, 1); /* takes the tickets */
            while ((n = BIO_read(out, bytes, sizeof bytes)) > 0)
                EXPECT_EQUAL(stream_try_send(client, bytes, (size_t) n), n);
            EXPECT_EQUAL(task_yield(), 0);
            ssize_t got = stream_try_read(client, bytes, sizeof bytes);
            if (got > 0)
                EXPECT_EQUAL(BIO_write(in, bytes, (int) got), got);
        }
        EXPECT_EQUAL(accepting.result, 0);
        EXPECT_EQUAL(group_wait(&g), 0);
        stream_close(accepting.stream);
        if (i == 0) {
            session = SSL_get1_session(ssl);
            EXPECT(SSL_SESSION_is_resumable(session));
            struct tls_server_options o = { .cert_file = fixture.certificate.cert,
                                            .key_file = fixture.certificate.key,
                                            .previous =
                                                    reload->carries_keys ? reload->server : NULL };
            struct tls *next = NULL;
            EXPECT_EQUAL(tls_server_new(&o, &next, NULL), 0);
            tls_free(reload->server);
            reload->server = next;
        } else {
            reload->was_resumed = SSL_session_reused(ssl);
        }
        SSL_set_shutdown(ssl,
                         SSL_SENT_SHUTDOWN); /* or OpenSSL takes the session for a broken one */
        SSL_free(ssl);
    }
    SSL_SESSION_free(session);
    return 0;
}

static bool is_resumed_after_reload(bool carries_keys) {
    struct reload reload = { .carries_keys = carries_keys };
    struct tls_server_options o = { .cert_file = fixture.certificate.cert,
                                    .key_file = fixture.certificate.key };
    assert_int_equal(tls_server_new(&o, &reload.server, NULL), 0);
    assert_int_equal(run_virtual(reload_between, &reload), 0);
    tls_free(reload.server);
    return reload.was_resumed;
}

static void sessions_survive_a_reload(void **state) {
    (void) state;
    assert_true(is_resumed_after_reload(true));
    assert_false(is_resumed_after_reload(false));
}

static int outlive(void *arg) {
    (void) arg;
    struct stream *a STREAM, *b STREAM;
    char heard[4];
    struct tls_server_options o = { .cert_file = fixture.certificate.cert,
                                    .key_file = fixture.certificate.key };
    struct tls *kept = fixture.server;
    EXPECT_EQUAL(tls_server_new(&o, &fixture.server, NULL), 0);
    int r = make_tls_in_memory(&a, &b);
    tls_free(fixture.server);
    fixture.server = kept;
    EXPECT_EQUAL(r, 0);
    EXPECT_EQUAL(stream_write_all(b, (struct iovec[]){ span("here") }, 1), 0);
    return read_exactly(a, heard, 4);
}

static void streams_outlive_their_context(void **state) {
    (void) state;
    assert_int_equal(run_virtual(outlive, NULL), 0);
}

/* ---- the whole way ---- */

static int serve_one(void *arg) {
    struct stream *plain STREAM, *s STREAM;
    char heard[5];
    EXPECT_EQUAL(listener_next(arg, &plain), 1);
    EXPECT_EQUAL(stream_accept_tls(plain, fixture.server, &s), 0);
    (void) TAKE(plain);
    EXPECT_EQUAL(read_exactly(s, heard, 5), 0);
    return stream_write_all(s, &(struct iovec){ heard, 5 }, 1);
}

static void listener_closep(struct listener **l) {
    *l = listener_close(*l);
}

static int connect_by_name(void *arg) {
    (void) arg;
    struct listener *l CLEANUP(listener_closep) = NULL;
    struct stream *s STREAM;
    struct address a;
    char text[64], name[64], heard[5];
    EXPECT_EQUAL(address_parse("127.0.0.1:0", &a), 0);
    EXPECT_EQUAL(listener_open(&a, NULL, &l), 0);
    (void) snprintf(name, sizeof name, "localhost%s",
                    strrchr(listener_address(l, text, sizeof text), ':'));
    EXPECT_EQUAL(address_parse(name, &a), 0);
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "server", serve_one, l), 0);
    EXPECT_EQUAL(stream_connect(&a, fixture.client, &s), 0);
    EXPECT(strncmp(stream_peer(s, text, sizeof text), "127.0.0.1:", 10) == 0);
    EXPECT_EQUAL(stream_write_all(s, (struct iovec[]){ span("hello") }, 1), 0);
    EXPECT_EQUAL(read_exactly(s, heard, 5), 0);
    return group_wait(&g);
}

static void a_client_connects_by_name_and_verifies(void **state) {
    (void) state;
    assert_int_equal(run_real(connect_by_name, NULL), 0);
}

#ifndef PARLEY_SANITIZED
/* ---- stacks: sanitizers make frames several times as big ---- */

struct connecting {
    struct stream *plain, *stream;
};

static int connect_plain(void *arg) {
    struct connecting *c = arg;
    return tls_connect_over(c->plain, fixture.client, NULL, &c->stream);
}

static int measure(void *arg) {
    size_t *depth = arg;
    struct connecting c = { 0 };
    struct accepting accepting = { .tls = fixture.server };
    EXPECT_EQUAL(stream_pair(20000, &c.plain, &accepting.plain), 0);
    GROUP(g);
    EXPECT_EQUAL(group_spawn(&g, "server", accept_tls, &accepting), 0);
    EXPECT_EQUAL(group_spawn(&g, "client", connect_plain, &c), 0);
    EXPECT_EQUAL(group_wait(&g), 0);
    stream_close(c.stream);
    stream_close(accepting.stream);
    depth[0] = stack_high_water("server");
    depth[1] = stack_high_water("client");
    return 0;
}

static void handshakes_fit_on_a_task_s_stack(void **state) {
    (void) state;
    size_t depth[2] = { 0 };
    struct loop_options o = { .is_simulated = true, .paint_stacks = true };
    assert_int_equal(loop_run(&o, measure, depth), 0);
    print_message("stack of a handshake: server %zu, client %zu bytes\n", depth[0], depth[1]);
    assert_in_range(depth[0], 1024, 24 * 1024);
    assert_in_range(depth[1], 1024, 24 * 1024);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_stories_hold_in_memory),
        cmocka_unit_test(all_stories_hold_over_sockets),
        cmocka_unit_test(much_goes_through_a_bad_network),
        cmocka_unit_test(what_is_buffered_inside_counts_as_readable),
        cmocka_unit_test(a_full_stream_takes_other_bytes_later),
        cmocka_unit_test(a_goodbye_waits_for_room),
        cmocka_unit_test(an_end_without_goodbye_is_an_error),
        cmocka_unit_test(a_stranger_is_not_trusted),
        cmocka_unit_test(a_certificate_for_someone_else_is_not_trusted),
        cmocka_unit_test(versions_and_protocols_must_agree),
        cmocka_unit_test(who_speaks_plainly_or_not_at_all_is_turned_away),
        cmocka_unit_test(unusable_files_are_named),
        cmocka_unit_test(sessions_survive_a_reload),
        cmocka_unit_test(streams_outlive_their_context),
        cmocka_unit_test(a_client_connects_by_name_and_verifies),
#ifndef PARLEY_SANITIZED
        cmocka_unit_test(handshakes_fit_on_a_task_s_stack),
#endif
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
