/* What a connection does before it is a session's, or instead: TLS, requests, answers. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "daemon/config/config.h"
#include "daemon/transport/connection_impl.h"
#include "daemon/transport/forwarded.h"
#include "daemon/worker.h"

enum { READ_AT_ONCE = 2048, OPENINGS_KEPT = 16, KEPT_MAX_BYTES = 16384 };

static void opening_free(struct opening *o) {
    buffer_finish(&o->in);
    buffer_finish(&o->ahead);
    buffer_finish(&o->body);
    buffer_finish(&o->out);
    buffer_finish(&o->exchange.out);
    free(o);
}

static struct opening *opening_lend(struct worker *w) {
    struct opening *o = w->openings;
    if (o) {
        w->openings = o->next;
        w->n_openings--;
        return o;
    }
    o = calloc(1, sizeof *o);
    if (o)
        o->worker = w;
    return o;
}

static void keep_or_free(struct buffer *b) {
    if (b->cap > KEPT_MAX_BYTES)
        buffer_finish(b);
    buffer_reset(b);
}

static void opening_returnp(struct opening **lent) {
    struct opening *o = *lent;
    if (!o)
        return;
    struct worker *w = o->worker;
    if (w->n_openings == OPENINGS_KEPT) {
        opening_free(o);
        return;
    }
    keep_or_free(&o->in);
    keep_or_free(&o->ahead);
    keep_or_free(&o->body);
    keep_or_free(&o->out);
    keep_or_free(&o->exchange.out);
    o->next = w->openings;
    w->openings = o;
    w->n_openings++;
}

void connection_http_finish(struct worker *w) {
    while (w->openings) {
        struct opening *o = w->openings;
        w->openings = o->next;
        opening_free(o);
    }
}

void connection_terms_finish(struct connection_terms *t) {
    t->headers = forwarded_free(t->headers);
    if (t->login_cookie)
        explicit_bzero(t->login_cookie, strlen(t->login_cookie));
    free(t->login_cookie);
    t->login_cookie = NULL;
    buffer_finish(&t->head);
    buffer_finish(&t->headers_text);
    buffer_finish(&t->first);
    buffer_finish(&t->rest);
}

/* 1: a whole head. 0: the peer went away between requests. < 0: what http_request_parse() says, or
 * the stream. */
static int read_request(struct connection *conn, struct opening *o) {
    const struct config_http *c = &conn->session.worker->config->http;
    struct http_limits limits = { c->max_line_bytes, c->max_head_bytes, c->max_headers };

    http_request_init(&o->request);
    for (;;) {
        int r = o->in.len ? http_request_parse(&o->request, &limits, buffer_bytes(&o->in)) : 0;
        if (r != 0)
            return r;
        uint8_t *at = buffer_reserve(&o->in, READ_AT_ONCE);
        if (!at)
            return -ENOMEM;
        ssize_t n = stream_read(conn->session.outbox.stream, at, READ_AT_ONCE);
        if (n <= 0)
            return n < 0 ? (int) n : o->in.len ? -EPIPE : 0;
        buffer_added(&o->in, (size_t) n);
    }
}

/* is_head: of a request that was read; one that could not be has left nothing to look at. */
static int say_status(struct connection *conn, struct opening *o, int status, bool is_head) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    struct str reason = http_reason_of(status);
    struct http_header type = { STR("Content-Type"), STR("text/plain; charset=utf-8") };

    buffer_printf(&text, "%d %.*s\n", status, (int) reason.len, reason.data);
    int r = http_write_answer(&o->out, &(struct http_answer){
                                               .status = status,
                                               .headers = &type,
                                               .header_count = 1,
                                               .body = buffer_bytes(&text),
                                               .closes = true,
                                               .is_head = is_head,
                                       });
    return r < 0 ? r : connection_write_out(conn, o, bytes_of(NULL, 0));
}

/* What came behind the request and its body is the beginning of what follows. */
static void step_ahead(struct opening *o) {
    struct buffer used = o->in;

    if (!o->has_body) {
        buffer_consume(&o->in, o->request.size);
        return;
    }
    o->in = o->ahead;
    o->ahead = used;
    keep_or_free(&o->ahead);
    keep_or_free(&o->body);
}

/* ---- requests ---- */

/* 1: the connection is a session's. 0: over. 2: another request may come. */
static int answer_one(struct connection *conn, struct opening *o, struct connection_terms *terms,
                      int read) {
    struct worker *w = conn->session.worker;
    bool goes_on = false;

    if (read == -EBADMSG || read == -ENAMETOOLONG || read == -E2BIG || read == -EPROTONOSUPPORT ||
        read == -ENOSYS) {
        metrics_count(&w->metrics, read == -E2BIG || read == -ENAMETOOLONG
                                           ? COUNT_HEAD_LIMIT
                                           : COUNT_HANDSHAKE_ERRORS);
        return say_status(conn, o, http_status_of(read), false);
    }
    if (read <= 0)
        return read;
    if (conn->session.is_over_limit) {
        metrics_count(&w->metrics, COUNT_REFUSED_LIMIT);
        return say_status(conn, o, 503, str_equal(o->request.method, STR("HEAD")));
    }

    int r = connection_exchange(conn, o, terms, &goes_on);
    if (r < 0)
        return r;
    step_ahead(o);
    if (r == HTTP_EXCHANGE_TAKEN)
        return 1;
    /* The next request, which may be somebody else's behind the same proxy, begins anew. */
    connection_terms_finish(terms);
    *terms = (struct connection_terms){ 0 };
    return goes_on ? 2 : 0;
}

static int accept_tls(struct connection *conn) {
    struct stream *encrypted;
    int r = stream_accept_tls(conn->session.outbox.stream, conn->session.worker->tls, &encrypted);
    if (r == 0)
        conn->session.outbox.stream = encrypted;
    else if (r != -ETIMEDOUT && r != -ECANCELED)
        metrics_count(&conn->session.worker->metrics, COUNT_HANDSHAKE_ERRORS);
    return r;
}

int64_t connection_time_left_ms(const struct connection *conn) {
    const struct wheel *w = &conn->session.worker->wheel;
    uint32_t now = wheel_now(w), deadline = conn->session.deadline;
    return deadline > now ? (int64_t) (deadline - now) * WHEEL_TICK_MS : 0;
}

static int read_first(struct connection *conn, struct opening *o) {
    DEADLINE(opening_time, connection_time_left_ms(conn));
    int r = conn->session.is_tls ? accept_tls(conn) : 0;
    return r < 0 ? r : read_request(conn, o);
}

/* Idle between requests counts as well: clients of ours do not keep HTTP connections for long. */
static int read_next(struct connection *conn, struct opening *o) {
    DEADLINE(idle_time, conn->session.worker->config->http.keep_alive_timeout_ms);
    return read_request(conn, o);
}

/* false: nothing has come. An end, or an error, is for read_request() to find. */
static bool read_early(struct connection *conn, struct opening *o) {
    uint8_t *at = conn->session.is_tls ? NULL : buffer_reserve(&o->in, READ_AT_ONCE);
    ssize_t n = at ? stream_try_read(conn->session.outbox.stream, at, READ_AT_ONCE) : -EAGAIN;
    if (n > 0)
        buffer_added(&o->in, (size_t) n);
    return n != -EAGAIN;
}

static int serve_http(struct connection *conn, struct opening *o,
                      struct connection_terms *ret_terms) {
    int r = answer_one(conn, o, ret_terms, read_first(conn, o));
    if (r == -ETIMEDOUT)
        metrics_count(&conn->session.worker->metrics, COUNT_HANDSHAKE_TIMEOUTS);
    while (r == 2)
        r = answer_one(conn, o, ret_terms, read_next(conn, o));

    if (r == 1 && o->in.len > 0) {
        ret_terms->rest = o->in;
        o->in = BUFFER_INIT;
    }
    return r;
}

int connection_serve_http(struct connection *conn, struct connection_terms *ret_terms) {
    CLEANUP(opening_returnp) struct opening *o = opening_lend(conn->session.worker);
    return o ? serve_http(conn, o, ret_terms) : -ENOMEM;
}

int connection_greet(struct connection *conn, struct connection_terms *ret_terms,
                     bool *ret_is_silent) {
    CLEANUP(opening_returnp) struct opening *o = opening_lend(conn->session.worker);
    if (!o)
        return -ENOMEM;
    *ret_is_silent = !read_early(conn, o);
    return *ret_is_silent ? 0 : serve_http(conn, o, ret_terms);
}
