#include "daemon/chat/remote_message.h"

#include <errno.h>

#include "storage/chat/types.h"

/* Integers are of four bytes, the least significant one first; spans have their length before them.
 */

static void put_number(struct buffer *out, uint32_t n) {
    for (int i = 0; i < 4; i++)
        buffer_append_byte(out, (uint8_t) (n >> (8 * i)));
}

static void put_span(struct buffer *out, struct bytes span) {
    put_number(out, (uint32_t) span.len);
    buffer_append_bytes(out, span);
}

static bool take_number(struct bytes *in, uint32_t *ret) {
    if (in->len < 4)
        return false;
    *ret = in->data[0] | (uint32_t) in->data[1] << 8 | (uint32_t) in->data[2] << 16 |
           (uint32_t) in->data[3] << 24;
    *in = bytes_of(in->data + 4, in->len - 4);
    return true;
}

static bool take_span(struct bytes *in, struct bytes *ret) {
    uint32_t len = 0;
    if (!take_number(in, &len) || in->len < len)
        return false;
    *ret = bytes_of(in->data, len);
    *in = bytes_of(in->data + len, in->len - len);
    return true;
}

static bool take_text(struct bytes *in, size_t max, struct str *ret) {
    struct bytes span;
    if (!take_span(in, &span) || span.len > max)
        return false;
    *ret = (struct str){ (const char *) span.data, span.len };
    return true;
}

void chat_asked_encode(const struct chat_asked *a, struct buffer *out) {
    put_span(out, str_bytes(a->user));
    put_span(out, str_bytes(a->room));
    put_span(out, a->data);
}

int chat_asked_decode(struct bytes in, struct chat_asked *ret) {
    struct chat_asked a = { 0 };
    bool is_good = take_text(&in, UINT16_MAX, &a.user) && take_text(&in, UINT16_MAX, &a.room) &&
                   take_span(&in, &a.data);
    if (!is_good)
        return -EBADMSG;
    *ret = a;
    return 0;
}

void chat_answer_encode(const struct chat_answer *a, struct buffer *out) {
    put_number(out, a->refusal.code);
    put_number(out, a->refusal.is_temporary);
    put_span(out, str_bytes(a->refusal.text));
    put_span(out, buffer_bytes(&a->out));
}

int chat_answer_decode(struct bytes in, struct chat_answer *ret) {
    uint32_t code = 0, is_temporary = 0;
    struct str why;
    struct bytes data;

    if (!take_number(&in, &code) || !take_number(&in, &is_temporary) ||
        !take_text(&in, CHAT_WHY_MAX, &why) || !take_span(&in, &data))
        return -EBADMSG;
    ret->refusal.code = code;
    ret->refusal.is_disconnect = code >= 3000;
    ret->refusal.is_temporary = is_temporary;
    if (why.len)
        memcpy(ret->why, why.data, why.len);
    ret->refusal.text = (struct str){ ret->why, why.len };
    buffer_append_bytes(&ret->out, data);
    return buffer_error(&ret->out);
}
