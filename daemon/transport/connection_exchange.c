/* From a request to its answer. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/connection_impl.h"
#include "daemon/transport/cors.h"
#include "daemon/transport/http_pages.h"
#include "daemon/worker.h"

enum {
    LINGER_MS = 2000,
    LINGER_MAX_BYTES = 1024 * 1024, /* of a body that nobody wants */
};

int connection_write_out(struct connection *conn, struct opening *o, struct bytes body) {
    DEADLINE(time, conn->session.worker->config->http.handshake_timeout_ms);
    int r = buffer_error(&o->out);
    if (r == 0) {
        /* stream_write_all() only reads what it is given. */
        struct iovec v[] = { { o->out.data, o->out.len },
                             { (void *) (uintptr_t) body.data, body.len } };
        r = stream_write_all(conn->session.outbox.stream, v, body.len ? 2 : 1);
    }
    buffer_reset(&o->out);
    return r;
}

static int write_head(struct opening *o, uint64_t body_len) {
    struct http_exchange *x = &o->exchange;
    if (x->content_type.len)
        http_exchange_header(x, STR("Content-Type"), x->content_type);
    return http_write_head(&o->out,
                           &(struct http_answer){ .status = x->status,
                                                  .headers = x->headers,
                                                  .header_count = x->n_headers,
                                                  .closes = x->closes },
                           (int64_t) body_len);
}

int http_exchange_begin(struct http_exchange *x, uint64_t len) {
    struct opening *o = CONTAINER_OF(x, struct opening, exchange);
    bool is_unread = (x->endpoint->flags & HTTP_STREAMED) && !o->pieces.is_done;
    x->closes = !o->request.keeps_alive || x->worker->is_draining || x->closes || is_unread;
    int r = write_head(o, len);
    if (r < 0)
        return r;
    x->is_begun = true;
    x->unsent = str_equal(o->request.method, STR("HEAD")) ? 0 : len;
    return connection_write_out(x->conn, o, bytes_of(NULL, 0));
}

int http_exchange_send(struct http_exchange *x, struct bytes piece) {
    assert(x->is_begun && piece.len <= x->unsent);
    x->unsent -= piece.len;
    return connection_write_out(x->conn, CONTAINER_OF(x, struct opening, exchange), piece);
}

static int write_answer(struct connection *conn, struct opening *o) {
    struct http_exchange *x = &o->exchange;
    struct bytes body = buffer_bytes(&x->out);
    int r = buffer_error(&x->out);

    if (r < 0)
        return r;
    if (x->is_raw) {
        buffer_append_bytes(&o->out, body);
        return connection_write_out(conn, o, bytes_of(NULL, 0));
    }
    bool has_none = str_equal(o->request.method, STR("HEAD")) || x->status == 204;
    r = write_head(o, body.len);
    return r < 0 ? r : connection_write_out(conn, o, has_none ? bytes_of(NULL, 0) : body);
}

/* A socket that is closed with unread bytes in it is reset, and the peer might never read what it
 * was told: so what it still sends is dropped for a while. */
static void linger(struct connection *conn) {
    struct worker *w = conn->session.worker;
    struct stream *s = conn->session.outbox.stream;
    size_t left = LINGER_MAX_BYTES;
    ssize_t n = -EAGAIN;

    DEADLINE(time, LINGER_MS);
    if (stream_shutdown(s) < 0)
        return;
    while ((n > 0 || n == -EAGAIN) && left > 0 && stream_wait_readable(s) == 0) {
        struct input *input = worker_lend_input(w);
        n = input ? stream_try_read(s, input->bytes, sizeof input->bytes) : -ENOMEM;
        worker_return_input(w, input);
        if (n > 0)
            left -= (size_t) n < left ? (size_t) n : left;
    }
}

/* ---- which methods ---- */

static bool takes_method(const struct http_endpoint *e, struct str method) {
    if (e->flags & HTTP_ANY_METHOD)
        return true;
    if (str_equal(method, STR("GET")) || str_equal(method, STR("HEAD")))
        return e->flags & HTTP_GET;
    return str_equal(method, STR("POST")) && (e->flags & HTTP_POST);
}

static int refuse_method(struct http_exchange *x) {
    unsigned flags = x->endpoint->flags;
    http_exchange_header(x, STR("Allow"),
                         (flags & HTTP_GET) && (flags & HTTP_POST) ? STR("GET, HEAD, POST")
                         : flags & HTTP_GET                        ? STR("GET, HEAD")
                                                                   : STR("POST"));
    return http_exchange_status(x, 405);
}

/* ---- one exchange ---- */

static int refuse_body(struct http_exchange *x, int r) {
    metrics_count(&x->worker->metrics, r == -EMSGSIZE ? COUNT_BODY_LIMIT : COUNT_HANDSHAKE_ERRORS);
    return http_exchange_status(x, http_status_of(r));
}

/* The body is still to come, and read by the endpoint as far as it wants. */
static int serve_streamed(struct opening *o, bool has_body, bool *ret_is_read) {
    struct http_exchange *x = &o->exchange;
    int r = has_body ? connection_body_begin(o, x->endpoint->max_body(x->config)) : 0;
    if (r < 0) {
        x->closes = true;
        return refuse_body(x, r);
    }
    x->is_whole = true;
    x->worker->n_exchanges++;
    r = x->endpoint->serve(x);
    *ret_is_read = !has_body || o->pieces.is_done;
    return r == -EMSGSIZE || r == -EBADMSG ? refuse_body(x, r) : r;
}

/* ret_is_read: the body has been read, what follows is another request. */
static int serve(struct connection *conn, struct opening *o, bool *ret_is_read) {
    struct http_exchange *x = &o->exchange;
    const struct http_endpoint *e = x->endpoint;
    struct http_body body;

    bool has_body = http_request_body(&o->request, SIZE_MAX, &body) < 0 || !body.is_done;
    *ret_is_read = !has_body;
    o->has_body = false;
    o->pieces = (struct http_body){ .is_done = true };
    o->left = bytes_of(NULL, 0);
    if (e && (e->flags & HTTP_CORS))
        cors_allow(x);
    if (e && (e->flags & HTTP_CORS) && str_equal(o->request.method, STR("OPTIONS"))) {
        cors_preflight(x);
        return 0;
    }
    if (e && !takes_method(e, o->request.method))
        return refuse_method(x);
    if (has_body && !(e && e->max_body)) {
        x->closes = true; /* unread */
        return e ? http_exchange_status(x, 413) : http_pages_serve(x);
    }
    if (e && e->admit) {
        int r = e->admit(x);
        if (r <= 0)
            return r;
    }
    if (e && e->flags & HTTP_STREAMED)
        return serve_streamed(o, has_body, ret_is_read);
    if (has_body) {
        int r = connection_read_body(conn, o, e->max_body(x->config));
        if (r == -EMSGSIZE || r == -EBADMSG)
            return refuse_body(x, r);
        if (r < 0)
            return r;
        *ret_is_read = true;
    }
    x->body = buffer_bytes(&o->body);
    x->is_whole = true;
    conn->session.worker->n_exchanges++;
    return e ? e->serve(x) : http_pages_serve(x);
}

static int answer(struct connection *conn, struct opening *o, int r, bool is_read) {
    struct http_exchange *x = &o->exchange;
    struct worker *w = conn->session.worker;

    if (r == -ECANCELED || r == -ETIMEDOUT || r == -EPIPE || task_cancelled())
        return r < 0 ? r : -ECANCELED;
    if (r < 0) {
        LOG_WARNING(w->daemon->log, "a request failed", LOG_STR("path", http_exchange_label(x)),
                    LOG_RESULT(r));
        if (x->is_begun)
            return r;
        x->is_raw = false;
        x->n_headers = 0;
        (void) http_exchange_status(x, r == -ENOMEM ? 503 : 500);
    }
    if (!x->is_raw)
        x->closes = !o->request.keeps_alive || !is_read || w->is_draining || x->closes;
    r = !x->is_begun ? write_answer(conn, o) : x->unsent > 0 ? -EPIPE : 0;
    if (r == 0 && !is_read)
        linger(conn);
    return r;
}

int connection_exchange(struct connection *conn, struct opening *o, struct connection_terms *terms,
                        bool *ret_goes_on) {
    struct worker *w = conn->session.worker;
    CLEANUP(config_unrefp) struct config *config = config_ref(w->config);
    struct http_exchange *x = &o->exchange;
    struct buffer out = x->out; /* its memory */
    bool is_read;

    buffer_reset(&out);
    *x = (struct http_exchange){
        .conn = conn,
        .worker = w,
        .config = config,
        .endpoint = http_route(conn, config, o->request.path),
        .request = &o->request,
        .status = 200,
        .out = out,
        .closes = !o->request.keeps_alive || w->is_draining,
        .terms = terms,
    };
    int r = serve(conn, o, &is_read);
    if (r != HTTP_EXCHANGE_TAKEN) {
        metrics_count(&w->metrics, COUNT_HTTP_REQUESTS);
        r = answer(conn, o, r, is_read);
        *ret_goes_on = r == 0 && is_read && !x->closes;
    }
    arena_finish(&x->arena);
    x->config = NULL;
    if (x->is_whole)
        w->n_exchanges--;
    return r;
}
