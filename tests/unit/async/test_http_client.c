#include "async/http_client.h"

#include <sys/socket.h>

#include "async/event.h"
#include "async/stream.h"
#include "async/tls.h"
#include "certificate.h"

/* ---- a server that does what the path says ---- */

enum { REQUEST_MAX = 128 * 1024 };

struct server {
    struct listener *listener;
    struct tls *tls;
    struct group group;
    char address[64];
    int connections, requests;
    char last[4096]; /* head of the last request */
};

struct visit {
    struct server *server;
    struct stream *stream;
};

static int send_text(struct stream *s, const char *text) {
    return stream_write_all(s, &(struct iovec){ (void *) (uintptr_t) text, strlen(text) }, 1);
}

static int send_answer(struct stream *s, const char *status, const char *fields, const char *body) {
    char *text;
    if (asprintf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
                 fields, body) < 0)
        return -ENOMEM;
    int r = send_text(s, text);
    free(text);
    return r;
}

/* The kernel sends a reset instead of an end. */
static void break_off(struct stream *s) {
    (void) setsockopt(stream_fd(s), SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
                      sizeof(struct linger));
}

static int send_much(struct stream *s, const char *head, const char *piece, int n) {
    int r = send_text(s, head);
    for (int i = 0; r == 0 && i < n; i++)
        r = send_text(s, piece);
    return r;
}

static bool is_path(const char *head, const char *path) {
    const char *from = strchr(head, ' ');
    return from && strncmp(from + 1, path, strlen(path)) == 0 && from[1 + strlen(path)] == ' ';
}

/* 1: the connection stays. */
static int answer(struct stream *s, const char *head, const char *body) {
    static const char field[] = "X-Something: 0123456789abcdef0123456789abcdef\r\n";
    if (is_path(head, "/echo"))
        return send_answer(s, "200 OK", "X-Word:  hello there \r\nEmpty:\r\n", body) < 0 ? -1 : 1;
    if (is_path(head, "/500"))
        return send_answer(s, "500 Oops", "", "no") < 0 ? -1 : 1;
    if (is_path(head, "/nothing"))
        return send_text(s, "HTTP/1.1 204 No Content\r\n\r\n") < 0 ? -1 : 1;
    if (is_path(head, "/moved"))
        return send_answer(s, "302 Found", "Location: /echo\r\n", "elsewhere") < 0 ? -1 : 1;
    if (is_path(head, "/round"))
        return send_answer(s, "302 Found", "Location: /round\r\n", "") < 0 ? -1 : 1;
    if (is_path(head, "/file"))
        return send_answer(s, "302 Found", "Location: file:///etc/passwd\r\n", "") < 0 ? -1 : 1;
    if (is_path(head, "/chunks"))
        return send_text(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n") < 0
                       ? -1
                       : 1;
    if (is_path(head, "/garbage"))
        return send_text(s, "220 smtp.example ESMTP\r\n");
    if (is_path(head, "/half"))
        return send_text(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    if (is_path(head, "/reset"))
        break_off(s);
    if (is_path(head, "/big"))
        return send_much(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                         "5\r\nabcde\r\n", 100000);
    if (is_path(head, "/head"))
        return send_much(s, "HTTP/1.1 200 OK\r\n", field, 10000);
    if (is_path(head, "/large")) {
        char piece[1001] = "";
        for (int n = 0; n < 1000; n++)
            piece[n] = (char) ('0' + n % 10);
        return send_much(s, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", piece, 300) < 0
                       ? -1
                       : 1;
    }
    if (is_path(head, "/slow"))
        return task_sleep(60 * 1000);
    if (is_path(head, "/drip")) {
        int r = send_text(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (r == 0 && (r = send_text(s, "x")) == 0)
            r = task_sleep(5);
        return r;
    }
    return 0; /* ends without a word */
}

/* > 0: bytes of one request, head and body. */
static ssize_t read_request(struct stream *s, char *buf) {
    size_t len = 0, wanted = SIZE_MAX;
    while (len < wanted) {
        ssize_t n = stream_read(s, buf + len, REQUEST_MAX - 1 - len);
        if (n <= 0)
            return n;
        len += (size_t) n;
        buf[len] = '\0';
        char *end = strstr(buf, "\r\n\r\n");
        if (end && wanted == SIZE_MAX) {
            const char *length = strcasestr(buf, "\r\ncontent-length:");
            wanted = (size_t) (end + 4 - buf) +
                     (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    return (ssize_t) len;
}

static void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}

static int serve(void *arg) {
    struct visit v = *(struct visit *) arg;
    struct stream *s CLEANUP(stream_closep) = v.stream;
    free(arg);
    v.server->connections++;
    if (v.server->tls) {
        struct stream *wrapped;
        int r = stream_accept_tls(s, v.server->tls, &wrapped);
        if (r < 0)
            return 0;
        s = wrapped;
    }
    char *buf = malloc(REQUEST_MAX);
    while (read_request(s, buf) > 0) {
        v.server->requests++;
        char *end = strstr(buf, "\r\n\r\n");
        (void) snprintf(v.server->last, sizeof v.server->last, "%.*s", (int) (end + 2 - buf), buf);
        if (answer(s, buf, end + 4) <= 0)
            break;
    }
    free(buf);
    return 0;
}

static int accept_all(void *arg) {
    struct server *server = arg;
    struct stream *s;
    int r;
    while ((r = listener_next(server->listener, &s)) > 0) {
        struct visit *v = malloc(sizeof *v);
        *v = (struct visit){ server, s };
        if (group_spawn(&server->group, "visit", serve, v) < 0)
            return -ENOMEM;
    }
    return r == -ECANCELED ? 0 : r;
}

static int server_open(struct server *s) {
    struct address a;
    EXPECT_EQUAL(address_parse("127.0.0.1:0", &a), 0);
    EXPECT_EQUAL(listener_open(&a, NULL, &s->listener), 0);
    (void) listener_address(s->listener, s->address, sizeof s->address);
    group_init(&s->group);
    EXPECT_EQUAL(group_spawn(&s->group, "listener", accept_all, s), 0);
    return 0;
}

static void server_close(struct server *s) {
    group_finish(&s->group);
    s->listener = listener_close(s->listener);
}

/* ---- asking it ---- */

struct talk {
    struct server server;
    struct http_client *client;
    struct http_result result;
    char url[256];
};

static const char *url_of(struct talk *t, const char *path) {
    (void) snprintf(t->url, sizeof t->url, "%s://%s%s", t->server.tls ? "https" : "http",
                    t->server.address, path);
    return t->url;
}

static int ask(struct talk *t, const char *path, const struct http_call *like) {
    struct http_call call = like ? *like : (struct http_call){ 0 };
    call.url = url_of(t, path);
    http_result_finish(&t->result);
    return http_client_call(t->client, &call, &t->result);
}

static int talk_open(struct talk *t) {
    EXPECT_EQUAL(server_open(&t->server), 0);
    EXPECT_EQUAL(http_client_open(NULL, &t->client), 0);
    return 0;
}

static void talk_close(struct talk *t) {
    http_result_finish(&t->result);
    t->client = http_client_close(t->client);
    server_close(&t->server);
}

/* One story on a real loop, with a server of its own. */
static int run_talk(int (*story)(struct talk *t));

struct telling {
    int (*story)(struct talk *t);
};

static int tell(void *arg) {
    struct telling *telling = arg;
    struct talk *t = calloc(1, sizeof *t);
    int r = talk_open(t);
    if (r == 0)
        r = telling->story(t);
    talk_close(t);
    free(t);
    return r;
}

static int run_talk(int (*story)(struct talk *t)) {
    return run_real(tell, &(struct telling){ story });
}

#define TALK(name, body_name)                                                                      \
    static void name(void **state) {                                                               \
        (void) state;                                                                              \
        assert_int_equal(run_talk(body_name), 0);                                                  \
    }

static int posts(struct talk *t) {
    struct http_field fields[] = { { "X-Key", "value" },
                                   { "X-Empty", "" },
                                   { "Content-Type", "application/json" } };
    struct http_call call = { .fields = fields, .n_fields = 3, .body = "{\"a\":1}", .body_len = 7 };
    char word[32];
    for (int i = 0; i < 3; i++) {
        EXPECT_EQUAL(ask(t, "/echo", &call), 0);
        EXPECT_EQUAL(t->result.status, 200);
        EXPECT_EQUAL(t->result.body_len, 7);
        EXPECT(strcmp(t->result.body, "{\"a\":1}") == 0);
    }
    EXPECT(http_result_field(&t->result, "x-word", word, sizeof word));
    EXPECT(strcmp(word, "hello there") == 0);
    EXPECT(http_result_field(&t->result, "Empty", word, sizeof word) && !word[0]);
    EXPECT(!http_result_field(&t->result, "X-Wor", word, sizeof word));
    EXPECT(strncmp(t->server.last, "POST /echo HTTP/1.1\r\n", 21) == 0);
    EXPECT(strstr(t->server.last, "\r\nX-Key: value\r\n"));
    EXPECT(strstr(t->server.last, "\r\nX-Empty:\r\n"));
    EXPECT(strstr(t->server.last, "\r\nContent-Type: application/json\r\n"));
    EXPECT(strstr(t->server.last, "\r\nUser-Agent: parley\r\n"));
    EXPECT(!strstr(t->server.last, "Expect"));
    EXPECT_EQUAL(t->server.requests, 3);
    EXPECT_EQUAL(t->server.connections, 1);
    return 0;
}

static int other_methods(struct talk *t) {
    EXPECT_EQUAL(ask(t, "/echo", NULL), 0);
    EXPECT(strncmp(t->server.last, "GET /echo ", 10) == 0);
    EXPECT_EQUAL(
            ask(t, "/echo", &(struct http_call){ .method = "PUT", .body = "x", .body_len = 1 }), 0);
    EXPECT(strncmp(t->server.last, "PUT /echo ", 10) == 0);
    EXPECT_EQUAL(ask(t, "/echo", &(struct http_call){ .has_body = true }), 0);
    EXPECT(strncmp(t->server.last, "POST /echo ", 11) == 0);
    EXPECT(strstr(t->server.last, "\r\nContent-Length: 0\r\n"));
    EXPECT(!strstr(t->server.last, "Content-Type"));
    EXPECT_EQUAL(ask(t, "/chunks", NULL), 0);
    EXPECT(strcmp(t->result.body, "abcdefg") == 0);
    EXPECT_EQUAL(ask(t, "/nothing", NULL), 0);
    EXPECT_EQUAL(t->result.status, 204);
    EXPECT_EQUAL(t->result.body_len, 0);
    EXPECT_EQUAL(ask(t, "/500", NULL), 0);
    EXPECT_EQUAL(t->result.status, 500);
    EXPECT_EQUAL(t->server.connections, 1);
    return 0;
}

static int redirects(struct talk *t) {
    EXPECT_EQUAL(ask(t, "/moved", NULL), 0);
    EXPECT_EQUAL(t->result.status, 302);
    EXPECT_EQUAL(t->server.requests, 1);
    EXPECT_EQUAL(ask(t, "/moved", &(struct http_call){ .redirects_max = 3 }), 0);
    EXPECT_EQUAL(t->result.status, 200);
    EXPECT_EQUAL(ask(t, "/round", &(struct http_call){ .redirects_max = 3 }), -ELOOP);
    EXPECT(t->result.why[0]);
    EXPECT_EQUAL(ask(t, "/file", &(struct http_call){ .redirects_max = 3 }), -EPROTO);
    return 0;
}

static int misbehaviour(struct talk *t) {
    EXPECT_EQUAL(ask(t, "/garbage", NULL), -EPROTO);
    EXPECT(t->result.why[0]);
    EXPECT_EQUAL(ask(t, "/half", NULL), -ECONNRESET);
    EXPECT_EQUAL(ask(t, "/reset", NULL), -ECONNRESET);
    EXPECT_EQUAL(ask(t, "/silence", NULL), -ECONNRESET);
    EXPECT_EQUAL(ask(t, "/big", &(struct http_call){ .response_max = 1000 }), -EMSGSIZE);
    EXPECT_EQUAL(ask(t, "/head", NULL), -EMSGSIZE);
    EXPECT(!t->result.body && !t->result.head);
    /* And nothing of it lasts. */
    EXPECT_EQUAL(ask(t, "/echo", NULL), 0);
    EXPECT_EQUAL(t->result.status, 200);
    struct http_limit *limit = http_client_limit(t->client);
    EXPECT_EQUAL(limit->calls, 7);
    EXPECT_EQUAL(limit->failed, 6);
    EXPECT_EQUAL(limit->too_large, 2);
    EXPECT_EQUAL(http_limit_running(limit), 0);
    return 0;
}

static int refused(struct talk *t) {
    struct http_result r;
    char url[HTTP_URL_MAX + 32];
    EXPECT_EQUAL(
            http_client_call(t->client, &(struct http_call){ .url = "http://127.0.0.1:1/" }, &r),
            -ECONNREFUSED);
    EXPECT_EQUAL(http_client_call(t->client, &(struct http_call){ .url = "ftp://127.0.0.1/" }, &r),
                 -EINVAL);
    EXPECT_EQUAL(http_client_call(t->client, &(struct http_call){ .url = "http://a b/" }, &r),
                 -EINVAL);
    EXPECT_EQUAL(http_client_call(t->client, &(struct http_call){ .url = "http://[::1/" }, &r),
                 -EINVAL);
    EXPECT_EQUAL(http_client_call(t->client,
                                  &(struct http_call){ .url = "http://nowhere.invalid/" }, &r),
                 -ENOENT);
    memset(url, 'a', sizeof url - 1);
    memcpy(url, "http://", 7);
    url[sizeof url - 1] = '\0';
    EXPECT_EQUAL(http_client_call(t->client, &(struct http_call){ .url = url }, &r), -EINVAL);
    struct http_field split = { "X", "a\r\nInjected: b" }, nameless = { "X Y", "a" };
    EXPECT_EQUAL(ask(t, "/echo", &(struct http_call){ .fields = &split, .n_fields = 1 }), -EINVAL);
    EXPECT_EQUAL(ask(t, "/echo", &(struct http_call){ .fields = &nameless, .n_fields = 1 }),
                 -EINVAL);
    EXPECT_EQUAL(ask(t, "/echo", &(struct http_call){ .method = "GET /x" }), -EINVAL);
    EXPECT_EQUAL(t->server.requests, 0);
    return 0;
}

static int slowness(struct talk *t) {
    int64_t from = loop_now();
    EXPECT_EQUAL(ask(t, "/slow", &(struct http_call){ .timeout_ms = 30 }), -ETIMEDOUT);
    EXPECT(t->result.why[0]);
    EXPECT_EQUAL(ask(t, "/drip", &(struct http_call){ .timeout_ms = 60 }), -ETIMEDOUT);
    {
        DEADLINE(sooner, 20);
        EXPECT_EQUAL(ask(t, "/slow", NULL), -ETIMEDOUT);
    }
    EXPECT_EQUAL(http_client_limit(t->client)->timed_out, 3);
    EXPECT(loop_now() - from < 5000);
    EXPECT_EQUAL(ask(t, "/echo", NULL), 0);
    return 0;
}

static int wait_long(void *arg) {
    struct talk *t = arg;
    struct http_result r;
    int result = http_client_call(t->client,
                                  &(struct http_call){ .url = t->url, .timeout_ms = 60000 }, &r);
    return result == -ECANCELED ? 0 : -EBADMSG;
}

static int cancelled(struct talk *t) {
    (void) url_of(t, "/slow");
    for (int i = 0; i < 20; i++) { /* before it began, connecting, waiting for the answer */
        struct task *task;
        GROUP(g);
        int result;
        EXPECT_EQUAL(task_spawn(&g, "caller", wait_long, t, &task), 0);
        for (int turn = 0; turn < i; turn++)
            EXPECT_EQUAL(task_yield(), 0);
        if (i > 15)
            EXPECT_EQUAL(task_sleep(3), 0);
        task_cancel(task);
        EXPECT_EQUAL(task_join(task, &result), 0);
        EXPECT_EQUAL(result, 0);
    }
    EXPECT_EQUAL(ask(t, "/echo", NULL), 0);
    EXPECT_EQUAL(http_limit_running(http_client_limit(t->client)), 0);
    return 0;
}

struct large {
    struct talk *talk;
    int result;
    bool is_whole;
};

static int get_large(void *arg) {
    struct large *l = arg;
    struct http_result r;
    l->result = http_client_call(
            l->talk->client, &(struct http_call){ .url = l->talk->url, .timeout_ms = 60000 }, &r);
    l->is_whole = r.body_len == 300000;
    for (size_t i = 0; l->is_whole && i < r.body_len; i++)
        l->is_whole = r.body[i] == (char) ('0' + i % 10);
    http_result_finish(&r);
    return 0;
}

/* More of them, and more from them, than one turn takes. */
static int many_large(struct talk *t) {
    enum { MANY = 40 };
    struct large all[MANY];
    (void) url_of(t, "/large");
    {
        GROUP(g);
        for (int i = 0; i < MANY; i++) {
            all[i] = (struct large){ .talk = t };
            EXPECT_EQUAL(group_spawn(&g, "caller", get_large, &all[i]), 0);
        }
        EXPECT_EQUAL(group_wait_all(&g), 0);
    }
    for (int i = 0; i < MANY; i++) {
        EXPECT_EQUAL(all[i].result, 0);
        EXPECT(all[i].is_whole);
    }
    /* And taken back all at once. */
    (void) url_of(t, "/drip");
    {
        GROUP(g);
        for (int i = 0; i < MANY; i++)
            EXPECT_EQUAL(group_spawn(&g, "caller", wait_long, t), 0);
        EXPECT_EQUAL(task_sleep(20), 0);
        group_cancel(&g);
        EXPECT_EQUAL(group_wait_all(&g), 0);
    }
    return 0;
}

TALK(a_post_carries_fields_and_body_and_keeps_its_connection, posts)
TALK(other_methods_and_encodings_work, other_methods)
TALK(a_redirect_is_the_answer_unless_allowed_and_never_leads_out_of_http, redirects)
TALK(each_misbehaviour_of_a_server_is_an_error_of_its_own, misbehaviour)
TALK(what_cannot_be_sent_is_refused, refused)
TALK(slow_answers_end_with_the_time_allowed, slowness)
TALK(a_cancelled_call_leaves_nothing_behind, cancelled)
TALK(many_large_answers_come_whole, many_large)

/* ---- TLS ---- */

static int ask_with(struct talk *t, const struct tls_client_options *o) {
    struct tls *tls;
    EXPECT_EQUAL(tls_client_new(o, &tls, NULL), 0);
    t->client = http_client_close(t->client);
    EXPECT_EQUAL(http_client_open(&(struct http_client_options){ .tls = tls }, &t->client), 0);
    tls_free(tls);
    return ask(t, "/echo", &(struct http_call){ .body = "x", .body_len = 1 });
}

static int secure(void *arg) {
    struct certificate *c = arg;
    struct talk *t = calloc(1, sizeof *t);
    struct tls_server_options server = { .cert_file = c[0].cert, .key_file = c[0].key };
    EXPECT_EQUAL(tls_server_new(&server, &t->server.tls, NULL), 0);
    EXPECT_EQUAL(server_open(&t->server), 0);
    EXPECT_EQUAL(ask_with(t, &(struct tls_client_options){ .ca_file = c[0].cert }), 0);
    EXPECT_EQUAL(t->result.status, 200);
    EXPECT_EQUAL(ask(t, "/echo", NULL), 0);
    EXPECT_EQUAL(t->server.connections, 1);
    /* The system's authorities do not know it; nor does one that signed something else. */
    EXPECT_EQUAL(ask_with(t, &(struct tls_client_options){ 0 }), -EKEYREJECTED);
    EXPECT_EQUAL(ask_with(t, &(struct tls_client_options){ .ca_file = c[1].cert }), -EKEYREJECTED);
    EXPECT_EQUAL(t->server.requests, 2);
    EXPECT_EQUAL(ask_with(t, &(struct tls_client_options){ .trusts_anyone = true }), 0);
    talk_close(t);
    tls_free(t->server.tls);
    free(t);
    return 0;
}

static void certificates_are_verified(void **state) {
    (void) state;
    struct certificate c[2];
    assert_int_equal(certificate_make(&c[0], "DNS:localhost,IP:127.0.0.1"), 0);
    assert_int_equal(certificate_make(&c[1], "DNS:localhost,IP:127.0.0.1"), 0);
    assert_int_equal(run_real(secure, c), 0);
    certificate_remove(&c[0]);
    certificate_remove(&c[1]);
}

/* ---- without a network ---- */

struct play {
    struct http_client *client;
    struct http_limit limit;
    struct event go;
    int at_once, most, order[16], n;
    size_t len;
};

struct player {
    struct play *play;
    int number, result;
    int64_t timeout_ms;
};

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct play *p = arg;
    p->order[p->n++] = atoi(strrchr(call->url, '/') + 1);
    if (++p->at_once > p->most)
        p->most = p->at_once;
    int r = task_sleep(100);
    p->at_once--;
    if (r < 0)
        return r;
    ret->status = 200;
    ret->body = calloc(1, p->len + 1);
    ret->body_len = p->len;
    return 0;
}

static int play_call(void *arg) {
    struct player *p = arg;
    char url[64];
    struct http_result r;
    (void) snprintf(url, sizeof url, "http://app/%d", p->number);
    p->result = http_client_call(p->play->client,
                                 &(struct http_call){ .url = url,
                                                      .timeout_ms = p->timeout_ms,
                                                      .response_max = 10,
                                                      .limit = &p->play->limit },
                                 &r);
    http_result_finish(&r);
    return 0;
}

static int take_turns(void *arg) {
    struct play p = { 0 };
    struct player players[8];
    (void) arg;
    struct http_client_options o = { .respond = respond, .respond_arg = &p };
    EXPECT_EQUAL(http_client_open(&o, &p.client), 0);
    http_limit_init(&p.limit, 2, 4);
    {
        GROUP(g);
        for (int i = 0; i < 8; i++) {
            /* 4 waits for longer than it may; 6 and 7 find no place to wait. */
            players[i] =
                    (struct player){ .play = &p, .number = i, .timeout_ms = i == 4 ? 150 : 1000 };
            EXPECT_EQUAL(group_spawn(&g, "player", play_call, &players[i]), 0);
            EXPECT_EQUAL(task_yield(), 0);
        }
        EXPECT_EQUAL(http_limit_running(&p.limit), 2);
        EXPECT_EQUAL(p.limit.waiting, 4);
        EXPECT_EQUAL(group_wait_all(&g), 0);
    }
    int expected[] = { 0, 0, 0, 0, -ETIMEDOUT, 0, -ENOBUFS, -ENOBUFS };
    for (int i = 0; i < 8; i++)
        EXPECT_EQUAL(players[i].result, expected[i]);
    int order[] = { 0, 1, 2, 3, 5 };
    EXPECT_EQUAL(p.n, 5);
    for (int i = 0; i < 5; i++)
        EXPECT_EQUAL(p.order[i], order[i]);
    EXPECT_EQUAL(p.most, 2);
    EXPECT_EQUAL(p.limit.calls, 8);
    EXPECT_EQUAL(p.limit.refused, 2);
    EXPECT_EQUAL(p.limit.timed_out, 1);
    EXPECT_EQUAL(p.limit.waiting, 0);
    EXPECT_EQUAL(http_limit_running(&p.limit), 0);

    struct player alone = { .play = &p, .timeout_ms = 50 };
    (void) play_call(&alone);
    EXPECT_EQUAL(alone.result, -ETIMEDOUT);
    alone.timeout_ms = 1000;
    p.len = 11;
    (void) play_call(&alone);
    EXPECT_EQUAL(alone.result, -EMSGSIZE);
    p.client = http_client_close(p.client);

    EXPECT_EQUAL(http_client_open(NULL, &p.client), 0);
    (void) play_call(&alone);
    EXPECT_EQUAL(alone.result, -ENETUNREACH);
    p.client = http_client_close(p.client);
    return 0;
}

static void calls_take_turns_in_order_and_only_so_many_wait(void **state) {
    (void) state;
    assert_int_equal(run_virtual(take_turns, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_carries_fields_and_body_and_keeps_its_connection),
        cmocka_unit_test(other_methods_and_encodings_work),
        cmocka_unit_test(a_redirect_is_the_answer_unless_allowed_and_never_leads_out_of_http),
        cmocka_unit_test(each_misbehaviour_of_a_server_is_an_error_of_its_own),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(slow_answers_end_with_the_time_allowed),
        cmocka_unit_test(a_cancelled_call_leaves_nothing_behind),
        cmocka_unit_test(many_large_answers_come_whole),
        cmocka_unit_test(certificates_are_verified),
        cmocka_unit_test(calls_take_turns_in_order_and_only_so_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
