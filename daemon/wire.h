/*
 * From replies and pushes to bytes for the socket: encoded by the codec, compressed if that was
 * agreed on, framed. One per worker; nothing here waits.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/codec.h"
#include "protocol/frame.h"

/* What connections of one kind can be sent the same bytes in. */
enum wire_format { WIRE_JSON, WIRE_JSON_DEFLATED, WIRE_FORMATS };

struct deflater;

struct wire {
    struct frame_pool *frames;
    struct deflater *deflater; /* made at first use */
    struct buffer message, deflated;
};

MUST_CHECK int wire_init(struct wire *w); /* -ENOMEM */
void wire_finish(struct wire *w);

/* Append one whole frame to out. What goes wrong is remembered by out, too. 0, -ENOMEM, -EMSGSIZE.
 */
int wire_append_push(struct wire *w, enum wire_format format, const struct push *p,
                     struct buffer *out);
int wire_append_reply(struct wire *w, enum wire_format format, const struct reply *r,
                      struct buffer *out);
