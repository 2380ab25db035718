/* What a connection does before it is a WebSocket, or instead: TLS, requests, answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "daemon/config.h"
#include "daemon/connection.h"
#include "daemon/daemon.h"
#include "daemon/http_pages.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "protocol/handshake.h"
#include "protocol/http.h"

enum { READ_AT_ONCE = 4096, OPENINGS_KEPT = 32, KEPT_MAX_BYTES = 16384 };

/* What reading requests needs; given back when the connection is a WebSocket. Kept for the next
 * one: memory that came and went between that of connections which stay would leave holes between
 * them. */
struct opening {
    struct opening *next; /* of those not lent */
    struct worker *worker;
    struct http_request request;
    struct buffer in; /* from the request's first byte on */
    struct buffer out;
};

static void opening_free(struct opening *o) {
    buffer_finish(&o->in);
    buffer_finish(&o->out);
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

static void opening_returnp(struct opening **lent) {
    struct opening *o = *lent;
    if (!o)
        return;
    struct worker *w = o->worker;
    if (w->n_openings == OPENINGS_KEPT || o->in.cap > KEPT_MAX_BYTES ||
        o->out.cap > KEPT_MAX_BYTES) {
        opening_free(o);
        return;
    }
    buffer_reset(&o->in);
    buffer_reset(&o->out);
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

static int write_out(struct connection *conn, struct opening *o) {
    int r = buffer_error(&o->out);
    if (r == 0) {
        struct iovec v = { o->out.data, o->out.len };
        r = stream_write_all(conn->session.outbox.stream, &v, 1);
    }
    buffer_reset(&o->out);
    return r;
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

static int say_status(struct connection *conn, struct opening *o, int status, bool closes) {
    char text[64];
    struct str reason = http_reason_of(status);
    int len = snprintf(text, sizeof text, "%d %.*s\n", status, (int) reason.len, reason.data);
    struct http_header type = { STR("Content-Type"), STR("text/plain; charset=utf-8") };

    int r = http_write_answer(&o->out, &(struct http_answer){
                                               .status = status,
                                               .headers = &type,
                                               .header_count = 1,
                                               .body = bytes_of(text, (size_t) len),
                                               .closes = closes,
                                               .is_head = str_equal(o->request.method, STR("HEAD")),
                                       });
    return r < 0 ? r : write_out(conn, o);
}

/* ---- WebSocket ---- */

/* 1: upgraded. 0: refused, and said so; the connection is over. */
static int upgrade(struct connection *conn, struct opening *o, struct handshake *ret_terms) {
    static const struct str subprotocols[] = { { "centrifuge-json", 15 } };
    struct worker *w = conn->session.worker;
    const struct config *c = w->config;
    struct str origin = { 0 };

    bool has_origin = http_head_find(&o->request.head, STR("Origin"), &origin) == 1;
    if (!config_allows_origin(c, has_origin, origin)) {
        metrics_count(&w->metrics, COUNT_REFUSED_ORIGIN);
        LOG_INFO(w->daemon->log, "origin refused", LOG_STR("origin", origin));
        return say_status(conn, o, 403, true);
    }

    struct handshake_options options = {
        .subprotocols = subprotocols,
        .subprotocol_count = ELEMENTS_OF(subprotocols),
        .allows_deflate = c->websocket.compression,
    };
    struct handshake h;
    int r = handshake_check(&o->request, &options, &h);
    if (r < 0) {
        metrics_count(&w->metrics, COUNT_HANDSHAKE_ERRORS);
        r = handshake_write_refusal(r, &o->out);
        return r < 0 ? r : write_out(conn, o);
    }
    r = handshake_write_answer(&h, NULL, 0, &o->out);
    if (r == 0)
        r = write_out(conn, o);
    if (r < 0)
        return r;
    *ret_terms = h;
    return 1;
}

static bool wants_websocket(const struct connection *conn, const struct opening *o) {
    return !conn->is_internal && !conn->session.worker->config->websocket.is_disabled &&
           str_equal(o->request.path, STR("/connection/websocket"));
}

/* ---- requests ---- */

/* 1: a WebSocket. 0: over. 2: another request may come. */
static int serve_one(struct connection *conn, struct opening *o, struct handshake *ret_terms) {
    struct worker *w = conn->session.worker;
    struct http_body body;

    int r = read_request(conn, o);
    if (r == 0)
        return 0;
    if (r == -EBADMSG || r == -ENAMETOOLONG || r == -E2BIG || r == -EPROTONOSUPPORT ||
        r == -ENOSYS) {
        metrics_count(&w->metrics, r == -E2BIG || r == -ENAMETOOLONG ? COUNT_HEAD_LIMIT
                                                                     : COUNT_HANDSHAKE_ERRORS);
        return say_status(conn, o, http_status_of(r), true);
    }
    if (r < 0)
        return r;

    if (conn->is_over_limit) {
        metrics_count(&w->metrics, COUNT_REFUSED_LIMIT);
        return say_status(conn, o, 503, true);
    }
    if (wants_websocket(conn, o))
        return upgrade(conn, o, ret_terms);

    metrics_count(&w->metrics, COUNT_HTTP_REQUESTS);
    bool has_body = http_request_body(&o->request, SIZE_MAX, &body) < 0 || !body.is_done;
    bool goes_on = o->request.keeps_alive && !has_body && !w->is_draining;
    r = http_pages_answer(conn, &o->request, !goes_on, &o->out);
    if (r == 0)
        r = write_out(conn, o);
    if (r < 0)
        return r;
    buffer_consume(&o->in, o->request.size);
    return goes_on ? 2 : 0;
}

static int accept_tls(struct connection *conn) {
    struct stream *encrypted;
    int r = stream_accept_tls(conn->session.outbox.stream, conn->session.worker->tls, &encrypted);
    if (r == 0)
        conn->session.outbox.stream = encrypted;
    return r;
}

static int serve_first(struct connection *conn, struct opening *o, struct handshake *ret_terms) {
    DEADLINE(opening_time, conn->session.worker->config->http.handshake_timeout_ms);
    int r = conn->is_tls ? accept_tls(conn) : 0;
    if (r == 0)
        r = serve_one(conn, o, ret_terms);
    else if (r != -ETIMEDOUT && r != -ECANCELED)
        metrics_count(&conn->session.worker->metrics, COUNT_HANDSHAKE_ERRORS);
    return r;
}

/* Idle between requests counts as well: clients of ours do not keep HTTP connections for long. */
static int serve_next(struct connection *conn, struct opening *o, struct handshake *ret_terms) {
    DEADLINE(idle_time, conn->session.worker->config->http.keep_alive_timeout_ms);
    return serve_one(conn, o, ret_terms);
}

int connection_serve_http(struct connection *conn, struct buffer *ret_rest,
                          struct handshake *ret_terms) {
    CLEANUP(opening_returnp) struct opening *o = opening_lend(conn->session.worker);
    if (!o)
        return -ENOMEM;

    int r = serve_first(conn, o, ret_terms);
    if (r == -ETIMEDOUT)
        metrics_count(&conn->session.worker->metrics, COUNT_HANDSHAKE_TIMEOUTS);
    while (r == 2)
        r = serve_next(conn, o, ret_terms);

    if (r == 1 && o->in.len > o->request.size) {
        buffer_consume(&o->in, o->request.size);
        *ret_rest = o->in;
        o->in = BUFFER_INIT;
    }
    return r;
}
