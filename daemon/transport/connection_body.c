/* The bodies of requests. */
#include <errno.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "daemon/config/config.h"
#include "daemon/transport/connection_impl.h"
#include "daemon/worker.h"

/* What is of the body goes behind what is there of it; in is left with what follows. */
static int take(struct http_body *b, struct bytes *in, struct buffer *body) {
    struct bytes piece;
    int r;

    while ((r = http_body_next(b, in, &piece)) > 0)
        buffer_append_bytes(body, piece);
    return r < 0 ? r : buffer_error(body);
}

static int say_continue(struct connection *conn) {
    char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec v = { text, sizeof text - 1 };
    return stream_write_all(conn->session.outbox.stream, &v, 1);
}

static int read_rest(struct connection *conn, struct opening *o, struct http_body *b) {
    struct worker *w = conn->session.worker;

    while (!b->is_done) {
        int r = stream_wait_readable(conn->session.outbox.stream);
        if (r < 0)
            return r;
        struct input *input = worker_lend_input(w);
        if (!input)
            return -ENOMEM;
        ssize_t n = stream_try_read(conn->session.outbox.stream, input->bytes, sizeof input->bytes);
        struct bytes in = bytes_of(input->bytes, n > 0 ? (size_t) n : 0);
        r = n == -EAGAIN ? 0 : n <= 0 ? -EPIPE : take(b, &in, &o->body);
        if (r == 0 && in.len)
            buffer_append_bytes(&o->ahead, in);
        worker_return_input(w, input);
        if (r < 0)
            return r;
    }
    return buffer_error(&o->ahead);
}

int connection_read_body(struct connection *conn, struct opening *o, size_t max_bytes) {
    struct http_body b;
    struct bytes in = buffer_bytes(&o->in);

    in.data += o->request.size;
    in.len -= o->request.size;
    int r = http_request_body(&o->request, max_bytes, &b);
    if (r < 0)
        return r;
    bool is_awaited = o->request.expects_continue && in.len == 0 && !b.is_done;
    r = take(&b, &in, &o->body);
    buffer_append_bytes(&o->ahead, in);
    if (r < 0)
        return r;

    DEADLINE(time, conn->session.worker->config->http.body_timeout_ms);
    if (is_awaited)
        r = say_continue(conn);
    return r < 0 ? r : read_rest(conn, o, &b);
}
