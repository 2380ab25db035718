/*
 * Frames cut anywhere say what they say in one piece, keep the limits, and leave nothing lent.
 * Input: a byte of flags, a byte that seeds the cuts, then what a peer sends.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/frame.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

static const struct frame_limits limits = { .max_message = 3000, .max_inflated = 9000 };

static void tell(struct buffer *out, const struct frame_event *ev) {
    bool is_control = ev->opcode >= FRAME_CLOSE;

    assert(ev->opcode == FRAME_TEXT || ev->opcode == FRAME_BINARY || is_control);
    assert(ev->payload.len <= (is_control         ? FRAME_CONTROL_MAX
                               : ev->was_deflated ? limits.max_inflated
                                                  : limits.max_message));
    if (ev->opcode == FRAME_TEXT || ev->opcode == FRAME_CLOSE)
        assert(utf8_is_valid(ev->payload));
    if (ev->opcode == FRAME_CLOSE)
        assert(ev->close_code == FRAME_CLOSE_NONE || frame_close_code_is_valid(ev->close_code));
    buffer_printf(out, "%d %u %d %zu:", ev->opcode, ev->close_code, ev->was_deflated,
                  ev->payload.len);
    buffer_append_bytes(out, ev->payload);
}

/* seed 0: in one piece. */
static struct buffer story_of(struct frame_pool *pool, unsigned flags, struct bytes in,
                              uint32_t seed) {
    struct frame_decoder d;
    struct buffer out = BUFFER_INIT;
    int r = 0;

    frame_decoder_init(&d, flags & 1 ? FRAME_CLIENT : FRAME_SERVER, flags & 2);
    for (size_t at = 0; at < in.len && r == 0;) {
        size_t n = in.len - at;
        if (seed) {
            seed = seed * 1664525 + 1013904223;
            size_t step = (seed >> 24) % ((seed >> 16) % 4 == 0 ? 40 : 4) + 1;
            n = n < step ? n : step;
        }
        uint8_t *copy = malloc(n);
        assert(copy);
        memcpy(copy, in.data + at, n);
        struct bytes piece = bytes_of(copy, n);
        struct frame_event ev;
        while ((r = frame_next(&d, pool, &limits, &piece, &ev)) > 0)
            tell(&out, &ev);
        assert(r < 0 || piece.len == 0);
        free(copy);
        at += n;
    }
    assert(frame_pool_lent(pool) == (r == 0 && !frame_decoder_is_idle(&d)));
    if (r < 0) {
        struct bytes more = bytes_of("x", 1);
        struct frame_event ev;
        assert(frame_next(&d, pool, &limits, &more, &ev) == r);
        assert(r == -EPROTO || r == -EILSEQ || r == -EMSGSIZE || r == -EBADMSG);
    }
    buffer_printf(&out, "%d %d", r, frame_decoder_is_idle(&d));
    frame_decoder_finish(&d);
    assert(frame_pool_lent(pool) == 0);
    return out;
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;

    struct frame_pool *pool = frame_pool_new(2);
    assert(pool);
    struct bytes in = bytes_of(data + 2, size - 2);
    struct buffer whole = story_of(pool, data[0], in, 0);
    struct buffer cut = story_of(pool, data[0], in, data[1] + 1U);
    assert(bytes_equal(buffer_bytes(&whole), buffer_bytes(&cut)));
    buffer_finish(&whole);
    buffer_finish(&cut);
    frame_pool_free(pool);
    return 0;
}
