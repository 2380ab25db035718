#include "tests/support/peer.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/frame.h"
#include "protocol/handshake.h"
#include "protocol/http.h"

enum { READ_BYTES = 4096, MESSAGE_MAX = 1 << 20 };

struct peer {
    struct stream *stream;
    struct frame_pool *pool;
    struct frame_limits limits;
    struct frame_decoder decoder;
    struct command_reader commands;
    bool has_message; /* commands walks one */
    struct http_request request;
    struct buffer head; /* what request points into */
    struct bytes unread;
    uint8_t in[READ_BYTES];
};

struct peer *peer_free(struct peer *p) {
    if (!p)
        return NULL;
    command_reader_finish(&p->commands);
    frame_decoder_finish(&p->decoder);
    frame_pool_free(p->pool);
    stream_close(p->stream);
    buffer_finish(&p->head);
    free(p);
    return NULL;
}

static void peer_freep(struct peer **p) {
    *p = peer_free(*p);
}

static int write_all(struct peer *p, struct buffer *out) {
    int r = buffer_error(out);

    if (r < 0)
        return r;
    struct iovec v = { .iov_base = out->data, .iov_len = out->len };
    return stream_write_all(p->stream, &v, 1);
}

static int read_request(struct peer *p) {
    static const struct http_limits limits = { .max_line = 4096,
                                               .max_head = 16384,
                                               .max_headers = HTTP_HEADERS_MAX };

    http_request_init(&p->request);
    for (;;) {
        uint8_t *to = buffer_reserve(&p->head, READ_BYTES);
        if (!to)
            return buffer_error(&p->head);
        ssize_t n = stream_read(p->stream, to, READ_BYTES);
        if (n <= 0)
            return n < 0 ? (int) n : -ECONNRESET;
        buffer_added(&p->head, (size_t) n);
        int r = http_request_parse(&p->request, &limits, buffer_bytes(&p->head));
        if (r != 0)
            return r;
    }
}

int peer_accept(struct stream *s, struct peer **ret) {
    CLEANUP(peer_freep) struct peer *p = calloc(1, sizeof *p);
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;
    const struct handshake_options options = { 0 };
    struct handshake agreed;

    if (!p) {
        stream_close(s);
        return -ENOMEM;
    }
    p->stream = s;
    p->limits = (struct frame_limits){ .max_message = MESSAGE_MAX };
    command_reader_init(&p->commands, &codec_json, (struct bytes){ 0 });
    p->pool = frame_pool_new(1);
    if (!p->pool)
        return -ENOMEM;

    int r = read_request(p);
    if (r < 0)
        return r;
    r = handshake_check(&p->request, &options, &agreed);
    if (r < 0)
        return r;
    r = handshake_write_answer(&agreed, NULL, 0, &out);
    if (r < 0)
        return r;
    r = write_all(p, &out);
    if (r < 0)
        return r;

    frame_decoder_init(&p->decoder, FRAME_SERVER, false);
    p->unread = bytes_of(p->head.data + p->request.size, p->head.len - p->request.size);
    *ret = TAKE(p);
    return 0;
}

struct str peer_target(const struct peer *p) {
    return p->request.target;
}

/* The next text message: 1, 0 goodbye, -errno. */
static int next_message(struct peer *p, struct bytes *ret) {
    struct frame_event ev;

    for (;;) {
        int r = frame_next(&p->decoder, p->pool, &p->limits, &p->unread, &ev);
        if (r < 0)
            return r;
        if (r == 0) {
            ssize_t n = stream_read(p->stream, p->in, sizeof p->in);
            if (n <= 0)
                return n < 0 ? (int) n : -ECONNRESET;
            p->unread = bytes_of(p->in, (size_t) n);
        } else if (ev.opcode == FRAME_TEXT) {
            *ret = ev.payload;
            return 1;
        } else if (ev.opcode == FRAME_CLOSE) {
            return 0;
        }
    }
}

int peer_next(struct peer *p, struct command *ret) {
    struct bytes message;

    for (;;) {
        if (p->has_message) {
            int r = command_next(&p->commands, ret);
            if (r != 0)
                return r;
            command_reader_finish(&p->commands);
            p->has_message = false;
        }
        int r = next_message(p, &message);
        if (r <= 0)
            return r;
        command_reader_init(&p->commands, &codec_json, message);
        p->has_message = true;
    }
}

static int send_frame(struct peer *p, enum frame_opcode opcode, struct bytes payload) {
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;

    frame_encode(&(struct frame){ .opcode = opcode }, payload, &out);
    return write_all(p, &out);
}

int peer_send_text(struct peer *p, const char *message) {
    return send_frame(p, FRAME_TEXT, str_bytes(str_of(message)));
}

int peer_send_bytes(struct peer *p, struct bytes raw) {
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;

    buffer_append_bytes(&out, raw);
    return write_all(p, &out);
}

int peer_send_ping(struct peer *p) {
    return send_frame(p, FRAME_PING, str_bytes(STR("are you there")));
}

int peer_reply(struct peer *p, const struct reply *reply) {
    CLEANUP(buffer_finish) struct buffer message = BUFFER_INIT;

    codec_json.encode_reply(reply, &message);
    int r = buffer_error(&message);
    return r < 0 ? r : send_frame(p, FRAME_TEXT, buffer_bytes(&message));
}

int peer_push(struct peer *p, const struct push *push) {
    CLEANUP(buffer_finish) struct buffer message = BUFFER_INIT;

    codec_json.encode_push(push, &message);
    int r = buffer_error(&message);
    return r < 0 ? r : send_frame(p, FRAME_TEXT, buffer_bytes(&message));
}

int peer_close(struct peer *p, uint16_t code, const char *reason) {
    CLEANUP(buffer_finish) struct buffer out = BUFFER_INIT;

    frame_encode_close(code, str_of(reason), NULL, &out);
    return write_all(p, &out);
}

int peer_let_in(struct peer *p, uint32_t ping_s, struct command_connect *ret_connect) {
    struct command command;
    int r = peer_next(p, &command);

    if (r <= 0)
        return r < 0 ? r : -ECONNRESET;
    if (command.kind != COMMAND_CONNECT)
        return -EPROTO;
    if (ret_connect)
        *ret_connect = command.connect;
    return peer_reply(p, &(struct reply){ .kind = REPLY_CONNECT,
                                          .id = command.id,
                                          .connect = { .client = STR("client-1"),
                                                       .version = STR("9.9"),
                                                       .ping_s = ping_s,
                                                       .pong = ping_s > 0 } });
}
