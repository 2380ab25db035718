/*
 * UTF-8 as it arrives: says at the first byte that cannot be part of any valid text that it is not.
 * RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#pragma once

#include "protocol/bytes.h"

/* Where a text is between two pieces. Zeroed: at its beginning. */
struct utf8 {
    uint8_t left;      /* bytes that the character under way still needs; 0: between characters */
    uint8_t low, high; /* what the next of them may be */
};

/* Takes the next piece, cut anywhere. False: the text is bad, whatever would follow. */
MUST_CHECK bool utf8_feed(struct utf8 *u, struct bytes piece);

/* May the text end here? */
static inline bool utf8_is_complete(const struct utf8 *u) {
    return u->left == 0;
}

/* A whole text at once. */
MUST_CHECK bool utf8_is_valid(struct bytes text);

/* The longest beginning of valid text s of at most max bytes that cuts no character. */
struct str utf8_truncate(struct str s, size_t max);
