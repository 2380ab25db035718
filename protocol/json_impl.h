/* What json.c and json_text.c share; for nobody else. */
#pragma once

#include <endian.h>
#ifdef __SSE2__ /* every x86-64 */
#include <emmintrin.h>
#endif

#include "protocol/json.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Length of the UTF-8 sequence at p that starts with a byte >= 0x80, or 0 (Unicode, table 3-7). */
static inline size_t json_utf8_sequence(const unsigned char *p, const unsigned char *end) {
    size_t left = (size_t) (end - p);
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        if (p[0] == 0xe0)
            low = 0xa0;
        else if (p[0] == 0xed)
            high = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        if (p[0] == 0xf0)
            low = 0x90;
        else if (p[0] == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }

    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/*
 * The bytes of a word, in the text's order, that a string's body must stop for: a quote, a
 * backslash, a control character, the start of something that is not ASCII. Of the bits that are
 * set the lowest is true.
 *
 * Sixteen bytes at once where the processor has them: as signed numbers, controls and what is not
 * ASCII are all that is below a space. Or eight: x - 1 borrows into the top bit where x is 0, so
 * the xors find their character and the subtraction of 0x20 the controls. A borrow that runs on can
 * only mark bytes after the first hit, which is all that is looked at.
 */
#ifdef __SSE2__
static inline unsigned json_stops_in_16(const char *p) {
    __m128i at = _mm_loadu_si128((const __m128i *) (const void *) p);
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(at, _mm_set1_epi8('"')),
                                _mm_cmpeq_epi8(at, _mm_set1_epi8('\\')));
    hits = _mm_or_si128(hits, _mm_cmplt_epi8(at, _mm_set1_epi8(' ')));
    return (unsigned) _mm_movemask_epi8(hits);
}
#endif

static inline uint64_t json_stops_in_8(const char *p) {
    const uint64_t each = UINT64_C(0x0101010101010101), tops = each * 0x80;
    uint64_t w;

    memcpy(&w, p, 8);
    w = le64toh(w);
    return (((w ^ each * '"') - each) | ((w ^ each * '\\') - each) | (w - each * 0x20) | w) & tops;
}

/* The first byte from p on that a string's body must stop for. What is no whole word at the end is
 * looked at as the end of one that begins before it, in what has been passed. */
static inline const char *json_plain_end(const char *p, const char *end) {
#ifdef __SSE2__
    if (end - p >= 16) {
        unsigned stops;
        do {
            stops = json_stops_in_16(p);
            if (stops)
                return p + __builtin_ctz(stops);
            p += 16;
        } while (end - p >= 16);
        stops = json_stops_in_16(end - 16);
        return stops ? end - 16 + __builtin_ctz(stops) : end;
    }
#endif
    if (end - p >= 8) {
        uint64_t stops;
        do {
            stops = json_stops_in_8(p);
            if (stops)
                return p + __builtin_ctzll(stops) / 8;
            p += 8;
        } while (end - p >= 8);
        stops = json_stops_in_8(end - 8);
        return stops ? end - 8 + __builtin_ctzll(stops) / 8 : end;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char) *p;
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80)
            break;
    }
    return p;
}

static inline int json_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Valid text without the white space between its tokens; out: text.len bytes. Its length. */
size_t json_compact_to(struct bytes text, char *out);
