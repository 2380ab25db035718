#include "protocol/utf8.h"

/* Begins a character: what its first byte says about the second (RFC 3629 section 4). */
static bool utf8_lead(struct utf8 *u, uint8_t byte) {
    u->low = 0x80;
    u->high = 0xbf;
    if (byte < 0x80) {
        u->left = 0;
    } else if (byte < 0xc2) {
        return false; /* a continuation, or an overlong form of ASCII */
    } else if (byte < 0xe0) {
        u->left = 1;
    } else if (byte < 0xf0) {
        u->left = 2;
        if (byte == 0xe0)
            u->low = 0xa0; /* shorter forms exist below */
        else if (byte == 0xed)
            u->high = 0x9f; /* surrogates above */
    } else if (byte < 0xf5) {
        u->left = 3;
        if (byte == 0xf0)
            u->low = 0x90;
        else if (byte == 0xf4)
            u->high = 0x8f; /* past U+10FFFF above */
    } else {
        return false;
    }
    return true;
}

static uint64_t load64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

bool utf8_feed(struct utf8 *u, struct bytes piece) {
    static const uint64_t high_bits = UINT64_C(0x8080808080808080);
    if (piece.len == 0)
        return true; /* no bytes may have no place, and then there is no end to compute */

    const uint8_t *p = piece.data;
    const uint8_t *end = p + piece.len;

    while (p < end) {
        if (u->left == 0) {
            while (end - p >= 16 && ((load64(p) | load64(p + 8)) & high_bits) == 0)
                p += 16;
            if (end - p >= 8 && (load64(p) & high_bits) == 0)
                p += 8;
            while (p < end && *p < 0x80)
                p++;
            if (p == end)
                break;
            if (!utf8_lead(u, *p++))
                return false;
        } else {
            if (*p < u->low || *p > u->high)
                return false;
            u->low = 0x80;
            u->high = 0xbf;
            u->left--;
            p++;
        }
    }
    return true;
}

bool utf8_is_valid(struct bytes text) {
    struct utf8 u = { 0 };
    return utf8_feed(&u, text) && utf8_is_complete(&u);
}

struct str utf8_truncate(struct str s, size_t max) {
    if (s.len <= max)
        return s;
    while (max > 0 && ((uint8_t) s.data[max] & 0xc0) == 0x80)
        max--;
    return (struct str){ .data = s.data, .len = max };
}
