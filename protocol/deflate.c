#include "protocol/deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

/* What a sync flush ends with: left out on the wire (RFC 7692 section 7.2.1). */
static const uint8_t flush_tail[4] = { 0x00, 0x00, 0xff, 0xff };

enum {
    MEMORY_LEVEL = 5, /* 37 KB of state with a window of 12 bits */
    INFLATE_STEP = 16384,
    PIECE_MAX = 1 << 30, /* zlib counts in unsigned int */
};

struct deflater {
    z_stream streams[DEFLATE_WINDOW_DEFAULT + 1]; /* by window bits, made when first asked for */
    bool is_made[DEFLATE_WINDOW_DEFAULT + 1];
};

struct inflater {
    z_stream stream;
    bool is_made;
};

/* ---- compressing ---- */

struct deflater *deflater_new(void) {
    return calloc(1, sizeof(struct deflater));
}

struct deflater *deflater_free(struct deflater *d) {
    if (!d)
        return NULL;
    for (int bits = 0; bits <= DEFLATE_WINDOW_DEFAULT; bits++) {
        if (d->is_made[bits])
            deflateEnd(&d->streams[bits]);
    }
    free(d);
    return NULL;
}

static int deflater_stream(struct deflater *d, int window_bits, z_stream **ret) {
    int bits = window_bits > DEFLATE_WINDOW_DEFAULT ? DEFLATE_WINDOW_DEFAULT
               : window_bits < DEFLATE_WINDOW_MIN   ? DEFLATE_WINDOW_MIN
                                                    : window_bits;
    z_stream *z = &d->streams[bits];

    if (!d->is_made[bits]) {
        int r = deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, MEMORY_LEVEL,
                             Z_DEFAULT_STRATEGY);
        if (r != Z_OK)
            return -ENOMEM;
        d->is_made[bits] = true;
    }
    *ret = z;
    return 0;
}

int deflater_message(struct deflater *d, int window_bits, struct bytes message,
                     struct buffer *out) {
    if (message.len > PIECE_MAX)
        return 0;

    z_stream *z;
    int r = deflater_stream(d, window_bits, &z);
    if (r < 0)
        return r;

    /* Room for exactly what would be a gain: an output that needs more is given up. */
    size_t room = message.len + sizeof flush_tail;
    uint8_t *at = buffer_reserve(out, room);
    if (!at)
        return buffer_error(out);

    z->next_in = (Bytef *) (uintptr_t) message.data;
    z->avail_in = (uInt) message.len;
    z->next_out = at;
    z->avail_out = (uInt) room;
    r = deflate(z, Z_SYNC_FLUSH);
    /* Output space left over is the only sign that the flush is complete. */
    bool is_gain = r == Z_OK && z->avail_in == 0 && z->avail_out > 0;
    size_t len = room - z->avail_out;
    (void) deflateReset(z);

    if (!is_gain || len < sizeof flush_tail ||
        memcmp(at + len - sizeof flush_tail, flush_tail, sizeof flush_tail) != 0)
        return 0;
    len -= sizeof flush_tail;
    if (len >= message.len)
        return 0;
    buffer_added(out, len);
    return 1;
}

/* ---- inflating ---- */

struct inflater *inflater_new(void) {
    return calloc(1, sizeof(struct inflater));
}

struct inflater *inflater_free(struct inflater *i) {
    if (!i)
        return NULL;
    if (i->is_made)
        inflateEnd(&i->stream);
    free(i);
    return NULL;
}

/* Inflates one piece of a message's input, all of it. *total: inflated so far. */
static int inflater_feed(struct inflater *i, struct bytes piece, size_t max_bytes, size_t *total,
                         struct buffer *out) {
    z_stream *z = &i->stream;
    z->next_in = (Bytef *) (uintptr_t) piece.data;
    z->avail_in = (uInt) piece.len;

    for (;;) {
        /* One byte past the limit is asked for, so that exactly max_bytes is told from more. */
        size_t left = max_bytes - *total;
        size_t room = left < INFLATE_STEP ? left + 1 : INFLATE_STEP;
        uint8_t *at = buffer_reserve(out, room);
        if (!at)
            return buffer_error(out);
        z->next_out = at;
        z->avail_out = (uInt) room;

        int r = inflate(z, Z_SYNC_FLUSH);
        size_t made = room - z->avail_out;
        if (made > left)
            return -EMSGSIZE;
        buffer_added(out, made);
        *total += made;

        if (r == Z_STREAM_END) {
            /* A block with BFINAL ends the stream but not the message (RFC 7692 section 7.2.3.4).
             */
            if (inflateReset(z) != Z_OK)
                return -EBADMSG;
        } else if (r == Z_MEM_ERROR) {
            return -ENOMEM;
        } else if (r != Z_OK && r != Z_BUF_ERROR) {
            return -EBADMSG;
        }
        if (z->avail_in == 0 && z->avail_out > 0)
            return 0;
        if (r == Z_BUF_ERROR && made == 0)
            return -EBADMSG; /* no progress with room and input: cannot be */
    }
}

int inflater_message(struct inflater *i, struct bytes payload, size_t max_bytes,
                     struct buffer *out) {
    if (payload.len > PIECE_MAX)
        return -EMSGSIZE;
    if (!i->is_made) {
        if (inflateInit2(&i->stream, -DEFLATE_WINDOW_MAX) != Z_OK)
            return -ENOMEM;
        i->is_made = true;
    }

    z_stream *z = &i->stream;
    size_t total = 0;
    size_t before = out->len;
    int r = inflater_feed(i, payload, max_bytes, &total, out);

    /* Nothing taken since the stream began, or began anew: an empty message, or one that ends with
     * a final block and lacks the empty one that should follow. Harmless, and seen in the wild. */
    if (r == 0 && z->total_in != 0) {
        r = inflater_feed(i, bytes_of(flush_tail, sizeof flush_tail), max_bytes, &total, out);
        /* A complete message now ends between two blocks, which bit 7 tells; one that was cut
         * does not. */
        if (r == 0 && (z->data_type & 128) == 0)
            r = -EBADMSG;
    }
    (void) inflateReset(z);
    if (r < 0)
        out->len = before;
    return r;
}
