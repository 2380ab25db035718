/*
 * A WebSocket echo server made of what ships: what its streams, HTTP, handshake, frames and
 * compression do here, they do in the daemon. For conformance suites; no limits but the message's.
 *
 *   echo_server [--port N] [--message-limit BYTES]
 *
 * Listens on loopback and says where on stderr: "listening 127.0.0.1:PORT". Ends by a signal.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/stream.h"
#include "protocol/deflate.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"

enum {
    HEAD_MAX = 8192,
    READ_BYTES = 65536,
    HANDSHAKE_MS = 10000,
    GOODBYE_MS = 5000, /* for the peer to end its side after a close */
};

struct server {
    struct address address;
    struct frame_limits limits;
    struct frame_pool *pool;
    struct deflater *deflater;
};

struct connection {
    struct server *server;
    struct stream *stream;
    struct frame_decoder decoder;
    struct handshake terms;
    struct http_request request;
    struct buffer out;
    size_t in_len; /* of in: read and not yet used */
    uint8_t in[READ_BYTES];
};

static void connection_freep(struct connection **p) {
    struct connection *c = *p;
    if (!c)
        return;
    frame_decoder_finish(&c->decoder);
    stream_close(c->stream);
    buffer_finish(&c->out);
    free(c);
}

SUSPENDS static int send_out(struct connection *c, struct bytes more) {
    struct iovec v[2] = { { .iov_base = c->out.data, .iov_len = c->out.len },
                          { .iov_base = (void *) (uintptr_t) more.data, .iov_len = more.len } };

    int r = buffer_error(&c->out);
    if (r == 0)
        r = stream_write_all(c->stream, v, more.len ? 2 : 1);
    buffer_reset(&c->out);
    return r;
}

/* 1: the connection speaks WebSocket now. 0: it was answered otherwise, or ended. */
SUSPENDS static int shake_hands(struct connection *c) {
    static const struct http_limits limits = { .max_line = 4096,
                                               .max_head = HEAD_MAX,
                                               .max_headers = HTTP_HEADERS_MAX };
    static const struct handshake_options options = { .allows_deflate = true };
    int r;

    DEADLINE(all, HANDSHAKE_MS);
    http_request_init(&c->request);
    while ((r = http_request_parse(&c->request, &limits, bytes_of(c->in, c->in_len))) == 0) {
        ssize_t n = stream_read(c->stream, c->in + c->in_len, sizeof c->in - c->in_len);
        if (n <= 0)
            return (int) n;
        c->in_len += (size_t) n;
    }
    if (r < 0) {
        const struct http_answer refusal = { .status = http_status_of(r), .closes = true };
        r = http_write_answer(&c->out, &refusal);
        return r < 0 ? r : send_out(c, (struct bytes){ 0 });
    }

    r = handshake_check(&c->request, &options, &c->terms);
    if (r < 0) {
        r = handshake_write_refusal(r, &c->out);
        return r < 0 ? r : send_out(c, (struct bytes){ 0 });
    }
    r = handshake_write_answer(&c->terms, NULL, 0, &c->out);
    if (r == 0)
        r = send_out(c, (struct bytes){ 0 });
    if (r < 0)
        return r;

    /* Frames may have come right behind. */
    c->in_len -= c->request.size;
    memmove(c->in, c->in + c->request.size, c->in_len);
    frame_decoder_init(&c->decoder, FRAME_SERVER, c->terms.is_deflated);
    return 1;
}

SUSPENDS static int echo(struct connection *c, const struct frame_event *ev) {
    struct frame f = { .opcode = ev->opcode == FRAME_PING ? FRAME_PONG : ev->opcode };

    if (ev->opcode == FRAME_PONG)
        return 0;
    if (c->terms.is_deflated && f.opcode != FRAME_PONG) {
        size_t opened = frame_open(&c->out);
        int r = deflater_message(c->server->deflater, c->terms.send_window_bits, ev->payload,
                                 &c->out);
        if (r < 0)
            return r;
        if (r > 0) {
            f.is_deflated = true;
            frame_shut(&f, &c->out, opened);
            return send_out(c, (struct bytes){ 0 });
        }
        buffer_reset(&c->out);
    }

    uint8_t header[FRAME_HEADER_MAX];
    buffer_append(&c->out, header, frame_header(&f, ev->payload.len, header));
    return send_out(c, ev->payload);
}

/* Says why, and waits until the peer has ended its side: closing at once, with bytes unread, would
 * reset the connection and the close frame with it. */
SUSPENDS static int say_goodbye(struct connection *c, uint16_t code) {
    DEADLINE(all, GOODBYE_MS);

    frame_encode_close(code, STR(""), NULL, &c->out);
    int r = send_out(c, (struct bytes){ 0 });
    if (r == 0)
        r = stream_shutdown(c->stream);
    ssize_t n = r;
    while (n >= 0) {
        n = stream_read(c->stream, c->in, sizeof c->in);
        if (n == 0)
            break;
    }
    return 0;
}

/* Whatever ends a connection concerns nobody else. */
SUSPENDS static int connection_serve(void *arg) {
    CLEANUP(connection_freep) struct connection *c = arg;

    int r = shake_hands(c);
    if (r <= 0)
        return 0;

    for (;;) {
        struct bytes in = bytes_of(c->in, c->in_len);
        struct frame_event ev;
        while ((r = frame_next(&c->decoder, c->server->pool, &c->server->limits, &in, &ev)) > 0) {
            if (ev.opcode == FRAME_CLOSE)
                return say_goodbye(c, ev.close_code);
            r = echo(c, &ev);
            if (r < 0)
                return 0;
        }
        if (r < 0)
            return say_goodbye(c, (uint16_t) frame_close_code_of(r));

        ssize_t n = stream_read(c->stream, c->in, sizeof c->in);
        if (n <= 0)
            return 0;
        c->in_len = (size_t) n;
    }
}

SUSPENDS static int accept_all(struct server *s, struct listener *l, struct group *connections) {
    struct stream *stream;
    int r;

    while ((r = listener_next(l, &stream)) > 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c) {
            stream_close(stream);
            return -ENOMEM;
        }
        c->server = s;
        c->stream = stream;
        r = group_spawn(connections, "connection", connection_serve, c);
        if (r < 0) {
            connection_freep(&c);
            return r;
        }
    }
    return r;
}

SUSPENDS static int run(void *arg) {
    struct server *s = arg;
    char where[ADDRESS_TEXT_MAX];
    struct listener *l;

    int r = listener_open(&s->address, NULL, &l);
    if (r < 0)
        return r;
    (void) fprintf(stderr, "listening %s\n", listener_address(l, where, sizeof where));
    {
        GROUP(connections);
        r = accept_all(s, l, &connections);
    }
    listener_close(l);
    return r;
}

int main(int argc, char **argv) {
    struct server s = { .limits = { .max_message = (size_t) 64 << 20 } };
    const char *port = "0";
    char address[64];

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = argv[i + 1];
        else if (strcmp(argv[i], "--message-limit") == 0)
            s.limits.max_message = strtoul(argv[i + 1], NULL, 10);
    }
    (void) snprintf(address, sizeof address, "127.0.0.1:%s", port);
    int r = address_parse(address, &s.address);
    s.pool = frame_pool_new(64);
    s.deflater = deflater_new();
    if (r == 0)
        r = s.pool && s.deflater ? loop_run(NULL, run, &s) : -ENOMEM;
    frame_pool_free(s.pool);
    deflater_free(s.deflater);
    if (r < 0)
        (void) fprintf(stderr, "echo_server: %s\n", strerror(-r));
    return r < 0;
}
