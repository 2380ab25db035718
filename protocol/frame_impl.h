/* What is true of frames whatever library reads them; private to frame*.c. */
#pragma once

#include "protocol/frame.h"

enum { FRAME_RSV1 = 4 }; /* of the three reserved bits as one number */

/* What a header says. */
struct frame_head {
    bool is_final;
    bool is_masked;
    uint8_t rsv;
    uint8_t opcode;
    uint64_t len;
};

static inline bool frame_is_control(unsigned opcode) {
    return (opcode & 8) != 0;
}

/* How many bytes a header of this kind has (RFC 6455 section 5.2). */
static inline unsigned frame_head_size(const struct frame_head *h) {
    return 2U + (h->len > 0xffff ? 8U : h->len > 125 ? 2U : 0U) + (h->is_masked ? 4U : 0U);
}

/* Reads a header as far as its length. 1; 0: it is not complete that far. */
int frame_head_read(struct bytes in, struct frame_head *ret);

/* Writes as much of one. Returns its length. */
size_t frame_head_write(const struct frame_head *h, uint8_t ret[static FRAME_HEADER_MAX]);

/* Copies a frame's payload from its beginning, with the mask put on or taken off. */
void frame_mask(uint8_t *to, struct bytes payload, const uint8_t mask[static FRAME_MASK_BYTES]);

/* The message under way, as far as rules about the next frame need it. */
struct frame_state {
    bool in_message;
    uint64_t message_size; /* as announced by its frames so far */
};

/* May this frame come here? 0, -EPROTO, -EMSGSIZE. */
int frame_judge(const struct frame_decoder *d, const struct frame_limits *limits,
                const struct frame_state *s, const struct frame_head *h);

/* A close frame's payload. 0, -EPROTO, -EILSEQ. */
int frame_read_close(struct bytes payload, struct frame_event *ret);
