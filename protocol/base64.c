#include "protocol/base64.h"

#include <errno.h>

static const char standard_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(enum base64_alphabet alphabet, struct bytes data, struct buffer *out) {
    const char *digits = alphabet == BASE64_URL ? url_digits : standard_digits;
    if (data.len > SIZE_MAX / 4) {
        out->error = -EMSGSIZE;
        return;
    }

    uint8_t *begin = buffer_reserve(out, (data.len + 2) / 3 * 4);
    if (!begin)
        return;

    uint8_t *to = begin;
    for (size_t i = 0; i < data.len; i += 3) {
        size_t n = data.len - i;
        uint32_t group = (uint32_t) data.data[i] << 16;
        if (n > 1)
            group |= (uint32_t) data.data[i + 1] << 8;
        if (n > 2)
            group |= data.data[i + 2];

        *to++ = (uint8_t) digits[group >> 18];
        *to++ = (uint8_t) digits[group >> 12 & 63];
        if (n > 1)
            *to++ = (uint8_t) digits[group >> 6 & 63];
        else if (alphabet == BASE64_STANDARD)
            *to++ = '=';
        if (n > 2)
            *to++ = (uint8_t) digits[group & 63];
        else if (alphabet == BASE64_STANDARD)
            *to++ = '=';
    }
    buffer_added(out, (size_t) (to - begin));
}

static int digit_value(char c, enum base64_alphabet alphabet) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (alphabet == BASE64_URL ? '-' : '+'))
        return 62;
    if (c == (alphabet == BASE64_URL ? '_' : '/'))
        return 63;
    return -1;
}

int base64_decode(enum base64_alphabet alphabet, struct str text, uint8_t *out, size_t *ret_len) {
    size_t len = text.len;

    if (alphabet == BASE64_STANDARD) {
        if (len % 4)
            return -EBADMSG;
        for (int i = 0; i < 2 && len && text.data[len - 1] == '='; i++)
            len--;
    }
    if (len % 4 == 1)
        return -EBADMSG;

    uint8_t *to = out;
    uint32_t group = 0;
    for (size_t i = 0; i < len; i++) {
        int value = digit_value(text.data[i], alphabet);
        if (value < 0)
            return -EBADMSG;
        group = group << 6 | (uint32_t) value;
        if (i % 4 == 3) {
            *to++ = (uint8_t) (group >> 16);
            *to++ = (uint8_t) (group >> 8);
            *to++ = (uint8_t) group;
            group = 0;
        }
    }

    /* The last group's unused bits must be zero, or two texts would mean the same bytes. */
    if (len % 4 == 2) {
        if (group & 0xf)
            return -EBADMSG;
        *to++ = (uint8_t) (group >> 4);
    } else if (len % 4 == 3) {
        if (group & 0x3)
            return -EBADMSG;
        *to++ = (uint8_t) (group >> 10);
        *to++ = (uint8_t) (group >> 2);
    }
    *ret_len = (size_t) (to - out);
    return 0;
}
