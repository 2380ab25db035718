#include "clients/cli/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/task.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"

enum {
    READ_BYTES = 16384,
    TIMEOUT_MS = 10000,
    MESSAGE_MAX = 16 << 20,
    PING_GRACE_MS = 10000, /* on top of the server's interval, as the SDKs have it */
    GOODBYE_MS = 1000,
};

struct client {
    struct client_options options;
    const struct codec *codec;
    struct stream *stream;
    struct frame_pool *pool;
    struct frame_limits limits;
    struct frame_decoder decoder;
    struct buffer out; /* frames not yet written */
    bool is_flushing;
    bool has_said_goodbye;
    uint32_t last_id;
    int64_t silence_ms;   /* no longer than this between two messages; 0: any */
    struct bytes unread;  /* of what was read */
    struct bytes message; /* replies of the current frame not yet handed out */
    struct arena arena;   /* of the reply handed out last */
    struct arena connect_arena;
    struct reply_connect result;
    struct buffer connect_frame; /* what result points into */
    uint8_t in[READ_BYTES];
};

__attribute__((format(printf, 5, 6))) static int end_with(struct client_end *end, int error,
                                                          uint32_t code, bool is_final,
                                                          const char *format, ...) {
    va_list args;

    *end = (struct client_end){ .error = error, .code = code, .is_final = is_final };
    va_start(args, format);
    (void) vsnprintf(end->why, sizeof end->why, format, args);
    va_end(args);
    return error;
}

static void client_freep(struct client **at) {
    struct client *c = *at;

    if (!c)
        return;
    frame_decoder_finish(&c->decoder);
    frame_pool_free(c->pool);
    stream_close(c->stream);
    buffer_finish(&c->out);
    buffer_finish(&c->connect_frame);
    arena_finish(&c->arena);
    arena_finish(&c->connect_arena);
    free(c);
}

/* ---- the handshake ---- */

static int read_answer(struct client *c, struct buffer *in, struct http_response *response) {
    static const struct http_limits limits = { .max_line = 1024,
                                               .max_head = 16384,
                                               .max_headers = 64 };

    for (;;) {
        uint8_t *to = buffer_reserve(in, 4096);
        if (!to)
            return -ENOMEM;
        ssize_t n = stream_read(c->stream, to, 4096);
        if (n < 0)
            return (int) n;
        if (n == 0)
            return -ECONNRESET;
        buffer_added(in, (size_t) n);
        int r = http_response_parse(response, &limits, buffer_bytes(in));
        if (r != 0)
            return r;
    }
}

static int judge_answer(struct client *c, const struct http_response *response, const uint8_t *key,
                        const struct handshake_options *offered, struct client_end *end) {
    struct handshake agreed;
    int r = handshake_check_answer(response, key, offered, &agreed);

    if (r == -ECONNREFUSED)
        return end_with(end, -EPROTO, 0, response->status < 500,
                        "%s%s answered %d %.*s instead of opening a WebSocket",
                        c->options.url->host, c->options.url->path, response->status,
                        (int) response->reason.len, response->reason.data);
    if (r < 0)
        return end_with(end, -EPROTO, 0, true, "%s broke the WebSocket protocol in its handshake",
                        c->options.url->host);
    if (offered->subprotocol_count && !agreed.subprotocol.len)
        return end_with(end, -EPROTO, 0, true, "%s does not speak Protobuf", c->options.url->host);
    frame_decoder_init(&c->decoder, FRAME_CLIENT, agreed.is_deflated);
    return 0;
}

static void freep(void *at) {
    free(*(void **) at);
}

static int shake_hands(struct client *c, struct client_end *end) {
    const struct url *u = c->options.url;
    CLEANUP(buffer_finish) struct buffer in = BUFFER_INIT;
    CLEANUP(freep) struct http_response *response = calloc(1, sizeof *response);
    const struct str protobuf = STR("centrifuge-protobuf");
    struct handshake_options offer = { .subprotocols = &protobuf,
                                       .subprotocol_count = c->options.is_protobuf };
    uint8_t key[HANDSHAKE_KEY_BYTES];

    if (!response)
        return end_with(end, -ENOMEM, 0, true, "out of memory");
    loop_random(key, sizeof key);
    int r = handshake_write_request(str_of(u->host), str_of(u->path), key, &offer, NULL, 0,
                                    &c->out);
    if (r < 0)
        return end_with(end, r, 0, true, "host or path of %s cannot be sent", u->host);

    http_response_init(response);
    r = client_flush(c);
    if (r == 0)
        r = read_answer(c, &in, response);
    if (r < 0)
        return end_with(end, r, 0, false, "%s did not answer the handshake: %s", u->host,
                        strerror(-r));
    r = judge_answer(c, response, key, &offer, end);
    if (r < 0)
        return r;

    /* Frames may have come right behind the answer. */
    size_t more = in.len - response->size;
    if (more > sizeof c->in)
        return end_with(end, -EPROTO, 0, true, "%s sends before it is asked", u->host);
    memcpy(c->in, in.data + response->size, more);
    c->unread = bytes_of(c->in, more);
    return 0;
}

static int be_let_in(struct client *c, struct client_end *end) {
    struct command command = { .kind = COMMAND_CONNECT,
                               .connect = { .token = c->options.token,
                                            .subs = { c->options.subs },
                                            .name = STR("parley"),
                                            .version = STR(PARLEY_VERSION) } };
    struct reply reply;
    int r = client_call(c, &command, NULL, NULL, &reply, end);

    if (r == 0)
        return end->error = -EACCES;
    if (r < 0)
        return r;
    if (reply.kind == REPLY_ERROR)
        return end_with(end, -EACCES, reply.error.code, !reply.error.is_temporary,
                        "the server does not let us in: %.*s (%u)", (int) reply.error.message.len,
                        reply.error.message.data, reply.error.code);
    if (reply.kind != REPLY_CONNECT)
        return end_with(end, -EPROTO, 0, true, "the server answered connect with something else");
    if (!reply.connect.client.len) /* which also tells us that we have been let in */
        return end_with(end, -EPROTO, 0, true, "the server's answer to connect names no client");

    c->result = reply.connect;
    /* Kept for client_result(): what it points into goes with the arena and the frame. */
    c->connect_arena = c->arena;
    c->arena = ARENA_INIT;
    c->silence_ms = reply.connect.ping_s ? reply.connect.ping_s * INT64_C(1000) + PING_GRACE_MS : 0;
    return 0;
}

/* The frame that holds the connect reply is copied, so that its spans outlive the next frame. */
static int keep_frame(struct client *c, struct bytes *frame) {
    buffer_reset(&c->connect_frame);
    buffer_append_bytes(&c->connect_frame, *frame);
    *frame = buffer_bytes(&c->connect_frame);
    return buffer_error(&c->connect_frame);
}

int client_open(const struct client_options *o, struct client **ret, struct client_end *ret_end) {
    CLEANUP(client_freep) struct client *c = calloc(1, sizeof *c);
    DEADLINE(limit, o->timeout_ms ? o->timeout_ms : TIMEOUT_MS);
    int r = 0;

    if (!c) {
        stream_close(o->stream);
        return end_with(ret_end, -ENOMEM, 0, true, "out of memory");
    }
    c->options = *o;
    c->codec = o->is_protobuf ? &codec_protobuf : &codec_json;
    c->stream = o->stream;
    c->pool = frame_pool_new(1);
    if (!c->pool)
        return end_with(ret_end, -ENOMEM, 0, true, "out of memory");
    c->limits.max_message = o->max_message ? o->max_message : MESSAGE_MAX;
    c->limits.max_inflated = c->limits.max_message;

    if (!c->stream)
        r = stream_connect(&o->url->address, o->url->is_tls ? o->tls : NULL, &c->stream);
    if (r < 0)
        return end_with(ret_end, r, 0, false, "cannot connect to %s: %s", o->url->address.text,
                        r == -ENOENT ? "no such name" : strerror(-r));
    r = shake_hands(c, ret_end);
    if (r == 0)
        r = be_let_in(c, ret_end);
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

const struct reply_connect *client_result(const struct client *c) {
    return &c->result;
}

/* ---- writing ---- */

static void queue_frame(struct client *c, enum frame_opcode opcode, struct bytes payload) {
    uint8_t mask[FRAME_MASK_BYTES];

    loop_random(mask, sizeof mask);
    frame_encode(&(struct frame){ .opcode = opcode, .mask = mask }, payload, &c->out);
}

static int queue_command(struct client *c, const struct command *command) {
    CLEANUP(buffer_finish) struct buffer message = BUFFER_INIT;

    c->codec->encode_command(command, &message);
    if (buffer_error(&message) < 0)
        return buffer_error(&message);
    queue_frame(c, c->codec->is_text ? FRAME_TEXT : FRAME_BINARY, buffer_bytes(&message));
    return buffer_error(&c->out);
}

static int queue_pong(struct client *c) {
    return queue_command(c, &(struct command){ .kind = COMMAND_PONG });
}

uint32_t client_queue(struct client *c, struct command *command) {
    command->id = ++c->last_id;
    return queue_command(c, command) < 0 ? 0 : command->id;
}

size_t client_queued(const struct client *c) {
    return c->out.len;
}

int client_flush(struct client *c) {
    int r = buffer_error(&c->out);

    /* Whoever is writing takes along what was queued meanwhile. */
    if (r < 0 || c->is_flushing)
        return r;
    c->is_flushing = true;
    while (r == 0 && c->out.len > 0) {
        CLEANUP(buffer_finish) struct buffer going = c->out;
        c->out = BUFFER_INIT;
        struct iovec v = { .iov_base = going.data, .iov_len = going.len };
        r = stream_write_all(c->stream, &v, 1);
    }
    c->is_flushing = false;
    return r;
}

/* ---- reading ---- */

static int take_close(struct client *c, const struct frame_event *ev, struct client_end *end) {
    uint8_t mask[FRAME_MASK_BYTES];
    uint32_t code = ev->close_code == FRAME_CLOSE_NONE ? 0 : ev->close_code;

    if (!c->has_said_goodbye) {
        loop_random(mask, sizeof mask);
        frame_encode_close(ev->close_code, (struct str){ 0 }, mask, &c->out);
        c->has_said_goodbye = true;
        if (client_flush(c) < 0)
            return end_with(end, 0, code, false, "the connection broke while it was closed");
    }
    (void) end_with(end, 0, code, code && !disconnect_reconnects(code),
                    "the server closed the connection: %.*s (%u)", (int) ev->payload.len,
                    (const char *) ev->payload.data, code);
    return 0;
}

static int read_more(struct client *c, struct client_end *end) {
    DEADLINE(silence, c->silence_ms ? c->silence_ms : INT64_MAX / 4);
    ssize_t n = stream_read(c->stream, c->in, sizeof c->in);

    if (n == 0)
        return end_with(end, -ECONNRESET, 0, false, "the server is gone");
    if (n == -ETIMEDOUT && deadline_passed(&silence))
        return end_with(end, -ETIMEDOUT, 0, false, "the server is silent");
    if (n < 0)
        return end_with(end, (int) n, 0, false, "the connection broke: %s", strerror((int) -n));
    c->unread = bytes_of(c->in, (size_t) n);
    return 0;
}

/* Reads until a message is there: 1 in c->message; 0 closed; -errno. */
static int next_message(struct client *c, struct client_end *end) {
    struct frame_event ev;

    for (;;) {
        int r = frame_next(&c->decoder, c->pool, &c->limits, &c->unread, &ev);
        if (r < 0)
            return end_with(end, r, frame_close_code_of(r), true,
                            "the server broke the WebSocket protocol");
        if (r == 0) {
            r = read_more(c, end);
            if (r < 0)
                return r;
            continue;
        }
        switch (ev.opcode) {
        case FRAME_TEXT:
        case FRAME_BINARY:
            c->message = ev.payload;
            return c->result.client.len ? 1 : keep_frame(c, &c->message) < 0 ? -ENOMEM : 1;
        case FRAME_PING:
            queue_frame(c, FRAME_PONG, ev.payload);
            r = client_flush(c);
            if (r < 0)
                return end_with(end, r, 0, false, "the connection broke: %s", strerror(-r));
            break;
        case FRAME_CLOSE:
            return take_close(c, &ev, end);
        case FRAME_PONG:
        case FRAME_CONTINUATION:
        default:
            break;
        }
    }
}

int client_next(struct client *c, struct reply *ret, struct client_end *ret_end) {
    const char *why = NULL;

    arena_finish(&c->arena);
    for (;;) {
        int r = c->codec->next_reply(&c->message, &c->arena, ret, &why);
        if (r < 0)
            return end_with(ret_end, -EPROTO, 0, true,
                            "what the server sent cannot be understood: %s", why);
        if (r == 0) {
            r = next_message(c, ret_end);
            if (r <= 0)
                return r;
            continue;
        }
        if (ret->kind != REPLY_PING)
            return 1;
        if (c->result.pong) {
            r = queue_pong(c);
            if (r == 0)
                r = client_flush(c);
            if (r < 0)
                return end_with(ret_end, r, 0, false, "the connection broke: %s", strerror(-r));
        }
    }
}

int client_call(struct client *c, struct command *command,
                void (*on_push)(void *arg, const struct push *push), void *arg, struct reply *ret,
                struct client_end *ret_end) {
    DEADLINE(limit, c->options.timeout_ms ? c->options.timeout_ms : TIMEOUT_MS);
    uint32_t id = client_queue(c, command);
    int r = id ? client_flush(c) : -ENOMEM;

    if (r < 0)
        return end_with(ret_end, r, 0, false, "the connection broke: %s", strerror(-r));
    for (;;) {
        r = client_next(c, ret, ret_end);
        if (r == -ETIMEDOUT && deadline_passed(&limit))
            return end_with(ret_end, -ETIMEDOUT, 0, false, "the server does not answer");
        if (r <= 0)
            return r;
        if (ret->kind == REPLY_PUSH && on_push)
            on_push(arg, &ret->push);
        else if (ret->kind != REPLY_PUSH && ret->id == id)
            return 1;
    }
}

/* ---- the end ---- */

static void say_goodbye(struct client *c) {
    uint8_t mask[FRAME_MASK_BYTES];
    SHIELD(GOODBYE_MS);

    loop_random(mask, sizeof mask);
    frame_encode_close(FRAME_CLOSE_NORMAL, (struct str){ 0 }, mask, &c->out);
    if (client_flush(c) < 0)
        return; /* it is gone: there is nobody to say it to */
}

struct client *client_close(struct client *c) {
    if (c && c->stream && !c->has_said_goodbye)
        say_goodbye(c);
    client_freep(&c);
    return NULL;
}

void client_closep(struct client **c) {
    *c = client_close(*c);
}

int64_t client_backoff_ms(unsigned n) {
    int64_t ceiling = n < 7 ? INT64_C(200) << n : 20000;
    return (int64_t) loop_random_below((uint64_t) ceiling) + 1;
}
