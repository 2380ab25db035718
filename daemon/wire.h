/*
 * From replies and pushes to bytes for the socket: encoded by the codec, compressed if that was
 * agreed on, framed. One per worker; nothing here waits.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/codec.h"
#include "protocol/frame.h"

/* What connections of one kind can be sent the same bytes in. The unidirectional ones carry bare
 * pushes: a connect reply goes out as one, and there are no other replies. */
enum wire_format {
    WIRE_JSON, /* WebSocket */
    WIRE_JSON_DEFLATED,
    WIRE_PROTOBUF,
    WIRE_PROTOBUF_DEFLATED,
    WIRE_STREAM_JSON, /* chunks of a streamed HTTP answer */
    WIRE_STREAM_PROTOBUF,
    WIRE_SSE_JSON,        /* chunks, too: events */
    WIRE_UNI_JSON,        /* WebSocket */
    WIRE_UNI_STREAM_JSON, /* chunks */
    WIRE_UNI_SSE_JSON,    /* chunks */
    WIRE_FORMATS
};

/* What a format is made of. */
struct wire_traits {
    const struct codec *codec;
    struct str transport; /* as proxies and the API are told: "websocket", "uni_sse" */
    bool is_websocket;    /* frames; else chunks */
    bool is_deflated;
    bool is_event;          /* "data: …" */
    bool is_unidirectional; /* bare pushes */
};

const struct wire_traits *wire_traits(enum wire_format format); /* static */

/* Do the client's commands come by other requests? */
static inline bool wire_is_emulated(enum wire_format format) {
    const struct wire_traits *t = wire_traits(format);
    return !t->is_websocket && !t->is_unidirectional;
}

static inline const struct codec *wire_codec(enum wire_format format) {
    return wire_traits(format)->codec;
}

struct deflater;

struct wire {
    struct frame_pool *frames;
    struct deflater *deflater; /* made at first use */
    struct buffer message, deflated;
};

MUST_CHECK int wire_init(struct wire *w); /* -ENOMEM */
void wire_finish(struct wire *w);

/* Append one whole frame or chunk to out. What goes wrong is remembered by out, too. 0, -ENOMEM,
 * -EMSGSIZE.
 */
int wire_append_push(struct wire *w, enum wire_format format, const struct push *p,
                     struct buffer *out);
int wire_append_reply(struct wire *w, enum wire_format format, const struct reply *r,
                      struct buffer *out);

/* Appends WebSocket's own ping. */
void wire_append_ping(struct wire *w, struct buffer *out);

/* Appends the end of a streamed answer's body. */
void wire_append_end(enum wire_format format, struct buffer *out);

/* Appends bytes of a streamed answer's body as they are: what browsers want to see first. */
void wire_append_chunk(struct bytes bytes, struct buffer *out);
