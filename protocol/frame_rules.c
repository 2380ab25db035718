/* The rules of RFC 6455 section 5 and 7 about one frame. */
#include <errno.h>

#include "protocol/frame_impl.h"
#include "protocol/utf8.h"

int frame_head_read(struct bytes in, struct frame_head *ret) {
    if (in.len < 2)
        return 0;
    unsigned len = in.data[1] & 0x7fU;
    unsigned len_bytes = len == 127 ? 8 : len == 126 ? 2 : 0;
    if (in.len < 2 + len_bytes)
        return 0;

    struct frame_head h = { .is_final = (in.data[0] & 0x80) != 0,
                            .rsv = (in.data[0] >> 4) & 7,
                            .opcode = in.data[0] & 15,
                            .is_masked = (in.data[1] & 0x80) != 0,
                            .len = len_bytes ? 0 : len };
    for (unsigned i = 0; i < len_bytes; i++)
        h.len = h.len << 8 | in.data[2 + i];
    *ret = h;
    return 1;
}

size_t frame_head_write(const struct frame_head *h, uint8_t ret[static FRAME_HEADER_MAX]) {
    const unsigned mask = h->is_masked ? 0x80 : 0;

    ret[0] = (uint8_t) ((h->is_final ? 0x80 : 0) | h->rsv << 4 | h->opcode);
    if (h->len <= 125) {
        ret[1] = (uint8_t) (mask | h->len);
        return 2;
    }
    if (h->len <= 0xffff) {
        ret[1] = (uint8_t) (mask | 126);
        ret[2] = (uint8_t) (h->len >> 8);
        ret[3] = (uint8_t) h->len;
        return 4;
    }
    ret[1] = (uint8_t) (mask | 127);
    for (unsigned i = 0; i < 8; i++)
        ret[2 + i] = (uint8_t) (h->len >> 8 * (7 - i));
    return 10;
}

void frame_mask(uint8_t *to, struct bytes payload, const uint8_t mask[static FRAME_MASK_BYTES]) {
    uint8_t twice[8];
    uint64_t masks, words[2];
    size_t i = 0;

    memcpy(twice, mask, FRAME_MASK_BYTES);
    memcpy(twice + FRAME_MASK_BYTES, mask, FRAME_MASK_BYTES);
    memcpy(&masks, twice, sizeof masks);
    for (; payload.len - i >= sizeof words; i += sizeof words) {
        memcpy(words, payload.data + i, sizeof words);
        words[0] ^= masks;
        words[1] ^= masks;
        memcpy(to + i, words, sizeof words);
    }
    for (; i < payload.len; i++)
        to[i] = payload.data[i] ^ twice[i % 8];
}

int frame_judge(const struct frame_decoder *d, const struct frame_limits *limits,
                const struct frame_state *s, const struct frame_head *h) {
    if (h->is_masked != (d->role == FRAME_SERVER))
        return -EPROTO; /* section 5.1 */

    switch (h->opcode) {
    case FRAME_CLOSE:
    case FRAME_PING:
    case FRAME_PONG:
        if (h->rsv != 0 || !h->is_final || h->len > FRAME_CONTROL_MAX)
            return -EPROTO; /* section 5.5, RFC 7692 section 6 */
        return 0;
    case FRAME_TEXT:
    case FRAME_BINARY:
        if (s->in_message)
            return -EPROTO; /* section 5.4: fragments of messages are not mixed */
        if (h->rsv != 0 && (h->rsv != FRAME_RSV1 || !d->is_deflated))
            return -EPROTO; /* section 5.2 */
        break;
    case FRAME_CONTINUATION:
        if (!s->in_message)
            return -EPROTO;
        if (h->rsv != 0)
            return -EPROTO; /* RFC 7692 section 6: RSV1 belongs to the first fragment */
        break;
    default:
        return -EPROTO; /* section 5.2: reserved opcodes */
    }

    uint64_t before = s->in_message ? s->message_size : 0;
    if (h->len > limits->max_message || before > limits->max_message - h->len)
        return -EMSGSIZE;
    return 0;
}

bool frame_close_code_is_valid(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

enum frame_close_code frame_close_code_of(int error) {
    switch (error) {
    case -EPROTO:
        return FRAME_CLOSE_PROTOCOL_ERROR;
    case -EILSEQ:
    case -EBADMSG:
        return FRAME_CLOSE_BAD_DATA;
    case -EMSGSIZE:
        return FRAME_CLOSE_TOO_BIG;
    default:
        return FRAME_CLOSE_INTERNAL;
    }
}

int frame_read_close(struct bytes payload, struct frame_event *ret) {
    ret->close_code = FRAME_CLOSE_NONE;
    ret->payload = (struct bytes){ 0 };
    if (payload.len == 0)
        return 0;
    if (payload.len == 1)
        return -EPROTO; /* section 5.5.1 */

    unsigned code = (unsigned) payload.data[0] << 8 | payload.data[1];
    if (!frame_close_code_is_valid(code))
        return -EPROTO; /* section 7.4 */
    ret->close_code = (uint16_t) code;
    ret->payload = bytes_of(payload.data + 2, payload.len - 2);
    return utf8_is_valid(ret->payload) ? 0 : -EILSEQ;
}
