/* Base 64 (RFC 4648), strict: no white space, no characters of the other alphabet, no bits left
 * over in the last character. */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum base64_alphabet {
    BASE64_STANDARD, /* §4, padded */
    BASE64_URL,      /* §5, without padding, as in JOSE */
};

void base64_encode(enum base64_alphabet alphabet, struct bytes data, struct buffer *out);

/* How much room base64_decode() may need. */
static inline size_t base64_decoded_max(size_t len) {
    return len / 4 * 3 + 3;
}

/* out: base64_decoded_max(text.len) bytes; may be where the text is. -EBADMSG: not base 64. */
MUST_CHECK int base64_decode(enum base64_alphabet alphabet, struct str text, uint8_t *out,
                             size_t *ret_len);
