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
    const uint8_t *p = data.data;
    size_t left = data.len;
    for (; left >= 3; p += 3, left -= 3) {
        uint32_t group = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];
        *to++ = (uint8_t) digits[group >> 18];
        *to++ = (uint8_t) digits[group >> 12 & 63];
        *to++ = (uint8_t) digits[group >> 6 & 63];
        *to++ = (uint8_t) digits[group & 63];
    }
    if (left > 0) {
        uint32_t group = (uint32_t) p[0] << 16 | (left > 1 ? (uint32_t) p[1] << 8 : 0);
        *to++ = (uint8_t) digits[group >> 18];
        *to++ = (uint8_t) digits[group >> 12 & 63];
        if (left > 1)
            *to++ = (uint8_t) digits[group >> 6 & 63];
        for (; alphabet == BASE64_STANDARD && left < 3; left++)
            *to++ = '=';
    }
    buffer_added(out, (size_t) (to - begin));
}

/* What digits are worth, 64 added; 0: none. */
#define LETTERS_AND_FIGURES                                                                        \
    ['A'] = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84,    \
    85, 86, 87, 88, 89, ['a'] = 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104,   \
    105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, ['0'] = 116, 117, 118, 119, 120, 121,   \
    122, 123, 124, 125
static const uint8_t standard_values[256] = { LETTERS_AND_FIGURES, ['+'] = 126, ['/'] = 127 };
static const uint8_t url_values[256] = { LETTERS_AND_FIGURES, ['-'] = 126, ['_'] = 127 };

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

    const uint8_t *values = alphabet == BASE64_URL ? url_values : standard_values;
    const uint8_t *p = (const uint8_t *) text.data, *end = p + len;
    uint8_t *to = out;
    uint8_t all = 64;
    uint32_t group = 0;
    for (; end - p >= 4; p += 4) {
        uint8_t a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
        all &= a & b & c & d;
        *to++ = (uint8_t) (a << 2 | (b & 63) >> 4);
        *to++ = (uint8_t) (b << 4 | (c & 63) >> 2);
        *to++ = (uint8_t) (c << 6 | (d & 63));
    }
    for (; p < end; p++) {
        all &= values[*p];
        group = group << 6 | (values[*p] & 63);
    }
    if (!all)
        return -EBADMSG;

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
