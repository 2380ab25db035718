#include "daemon/wire.h"

#include <errno.h>

#include "protocol/deflate.h"

enum { FRAME_CONTEXTS_KEPT = 64, SCRATCH_KEPT = 256 * 1024 };

static const struct wire_traits all_traits[WIRE_FORMATS] = {
    [WIRE_JSON] = { .codec = &codec_json, .transport = { "websocket", 9 }, .is_websocket = true },
    [WIRE_JSON_DEFLATED] = { .codec = &codec_json,
                             .transport = { "websocket", 9 },
                             .is_websocket = true,
                             .is_deflated = true },
    [WIRE_PROTOBUF] = { .codec = &codec_protobuf,
                        .transport = { "websocket", 9 },
                        .is_websocket = true },
    [WIRE_PROTOBUF_DEFLATED] = { .codec = &codec_protobuf,
                                 .transport = { "websocket", 9 },
                                 .is_websocket = true,
                                 .is_deflated = true },
    [WIRE_STREAM_JSON] = { .codec = &codec_json, .transport = { "http_stream", 11 } },
    [WIRE_STREAM_PROTOBUF] = { .codec = &codec_protobuf, .transport = { "http_stream", 11 } },
    [WIRE_SSE_JSON] = { .codec = &codec_json, .transport = { "sse", 3 }, .is_event = true },
    [WIRE_UNI_JSON] = { .codec = &codec_json,
                        .transport = { "uni_websocket", 13 },
                        .is_websocket = true,
                        .is_unidirectional = true },
    [WIRE_UNI_STREAM_JSON] = { .codec = &codec_json,
                               .transport = { "uni_http_stream", 15 },
                               .is_unidirectional = true },
    [WIRE_UNI_SSE_JSON] = { .codec = &codec_json,
                            .transport = { "uni_sse", 7 },
                            .is_event = true,
                            .is_unidirectional = true },
};

const struct wire_traits *wire_traits(enum wire_format format) {
    return &all_traits[format];
}

int wire_init(struct wire *w) {
    *w = (struct wire){ .frames = frame_pool_new(FRAME_CONTEXTS_KEPT) };
    return w->frames ? 0 : -ENOMEM;
}

void wire_finish(struct wire *w) {
    w->frames = frame_pool_free(w->frames);
    w->deflater = deflater_free(w->deflater);
    buffer_finish(&w->message);
    buffer_finish(&w->deflated);
}

/* One huge history must not be remembered for ever. */
static void reset_scratch(struct buffer *b) {
    if (b->cap > SCRATCH_KEPT)
        buffer_finish(b);
    buffer_reset(b);
}

static int append_frame(struct wire *w, const struct wire_traits *t, struct bytes payload,
                        struct buffer *out) {
    struct frame f = { .opcode = t->codec->is_text ? FRAME_TEXT : FRAME_BINARY };

    if (t->is_deflated && payload.len >= DEFLATE_WORTHWHILE) {
        if (!w->deflater)
            w->deflater = deflater_new();
        reset_scratch(&w->deflated);
        int r = w->deflater ? deflater_message(w->deflater, DEFLATE_WINDOW_DEFAULT, payload,
                                               &w->deflated)
                            : -ENOMEM;
        if (r < 0)
            return r;
        if (r > 0) {
            f.is_deflated = true;
            payload = buffer_bytes(&w->deflated);
        }
    }

    uint8_t header[FRAME_HEADER_MAX];
    size_t len = frame_header(&f, payload.len, header);
    buffer_append(out, header, len);
    buffer_append_bytes(out, payload);
    return buffer_error(out);
}

void wire_append_ping(struct wire *w, struct buffer *out) {
    struct frame ping = { .opcode = FRAME_PING };
    frame_encode(&ping, bytes_of(NULL, 0), out);
}

/* ---- chunks (RFC 9112 section 7.1) ---- */

static void append_chunk(struct str before, struct bytes message, struct str behind,
                         struct buffer *out) {
    buffer_printf(out, "%zx\r\n", before.len + message.len + behind.len);
    buffer_append_str(out, before);
    buffer_append_bytes(out, message);
    buffer_append_str(out, behind);
    buffer_append(out, "\r\n", 2);
}

void wire_append_chunk(struct bytes bytes, struct buffer *out) {
    append_chunk(STR(""), bytes, STR(""), out);
}

void wire_append_end(enum wire_format format, struct buffer *out) {
    if (!wire_traits(format)->is_websocket)
        buffer_append_str(out, STR("0\r\n\r\n"));
}

/* ---- messages ---- */

static int append_message(struct wire *w, const struct wire_traits *t, struct buffer *out) {
    struct bytes message = buffer_bytes(&w->message);
    int r = buffer_error(&w->message);

    if (r < 0 || message.len == 0)
        return r;
    if (t->is_websocket)
        return append_frame(w, t, message, out);
    if (t->is_event)
        append_chunk(STR("data: "), message, STR("\n\n"), out);
    else if (t->codec->is_text)
        append_chunk(STR(""), message, STR("\n"), out);
    else
        append_chunk(STR(""), message, STR(""), out);
    return buffer_error(out);
}

/* Whether a message needs nothing but a frame's header in front of it: then it is written where it
 * is to stand. */
static bool is_just_framed(const struct wire_traits *t) {
    return t->is_websocket && !t->is_deflated && !t->is_unidirectional;
}

static int shut_frame(const struct wire_traits *t, struct buffer *out, size_t opened) {
    const struct frame f = { .opcode = t->codec->is_text ? FRAME_TEXT : FRAME_BINARY };
    frame_shut(&f, out, opened);
    return buffer_error(out);
}

int wire_append_push(struct wire *w, enum wire_format format, const struct push *p,
                     struct buffer *out) {
    const struct wire_traits *t = wire_traits(format);

    if (is_just_framed(t)) {
        size_t opened = frame_open(out);
        t->codec->encode_push(p, out);
        return shut_frame(t, out, opened);
    }
    reset_scratch(&w->message);
    if (t->is_unidirectional)
        t->codec->encode_bare_push(p, &w->message);
    else
        t->codec->encode_push(p, &w->message);
    return append_message(w, t, out);
}

/* A client that cannot ask gets no replies; but connecting and pings are said in one way or
 * another. */
static void encode_one_way(const struct wire_traits *t, const struct reply *r,
                           struct buffer *message) {
    struct push connected = { .kind = PUSH_CONNECT };

    if (r->kind == REPLY_PING) {
        t->codec->encode_reply(r, message);
    } else if (r->kind == REPLY_CONNECT) {
        connected.connect = r->connect;
        t->codec->encode_bare_push(&connected, message);
    }
}

int wire_append_reply(struct wire *w, enum wire_format format, const struct reply *r,
                      struct buffer *out) {
    const struct wire_traits *t = wire_traits(format);

    if (is_just_framed(t)) {
        size_t opened = frame_open(out);
        t->codec->encode_reply(r, out);
        return shut_frame(t, out, opened);
    }
    reset_scratch(&w->message);
    if (t->is_unidirectional)
        encode_one_way(t, r, &w->message);
    else
        t->codec->encode_reply(r, &w->message);
    return append_message(w, t, out);
}
