#include "daemon/wire.h"

#include <errno.h>

#include "protocol/deflate.h"

enum { FRAME_CONTEXTS_KEPT = 64, SCRATCH_KEPT = 256 * 1024 };

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

static int append_frame(struct wire *w, enum wire_format format, struct buffer *out) {
    struct frame f = { .opcode = FRAME_TEXT };
    struct bytes payload = buffer_bytes(&w->message);
    int r = buffer_error(&w->message);
    if (r < 0)
        return r;

    if (format == WIRE_JSON_DEFLATED && payload.len >= DEFLATE_WORTHWHILE) {
        if (!w->deflater)
            w->deflater = deflater_new();
        reset_scratch(&w->deflated);
        r = w->deflater
                    ? deflater_message(w->deflater, DEFLATE_WINDOW_DEFAULT, payload, &w->deflated)
                    : -ENOMEM;
        if (r < 0)
            return r;
        if (r > 0) {
            f.is_deflated = true;
            payload = buffer_bytes(&w->deflated);
        }
    }

    uint8_t header[FRAME_HEADER_MAX];
    size_t len = frame_header(w->frames, &f, payload.len, header);
    buffer_append(out, header, len);
    buffer_append_bytes(out, payload);
    return buffer_error(out);
}

int wire_append_push(struct wire *w, enum wire_format format, const struct push *p,
                     struct buffer *out) {
    reset_scratch(&w->message);
    codec_json.encode_push(p, &w->message);
    return append_frame(w, format, out);
}

int wire_append_reply(struct wire *w, enum wire_format format, const struct reply *r,
                      struct buffer *out) {
    reset_scratch(&w->message);
    codec_json.encode_reply(r, &w->message);
    return append_frame(w, format, out);
}
