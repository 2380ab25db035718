/*
 * Patches in the delta format of the Fossil version control system, as Centrifuge clients know it:
 * how to make a target from a source that the other side has.
 *
 *     patch   = LENGTH "\n" segment* CHECKSUM ";"       of the target
 *     segment = COUNT "@" OFFSET ","                    COUNT bytes of the source from OFFSET on
 *             | COUNT ":" COUNT bytes                   these bytes
 *
 * Numbers are in base 64, most significant digit first, of 0-9 A-Z _ a-z ~. The checksum is the sum
 * of the target's bytes taken as 32-bit big-endian words, the last one filled with zeros.
 */
#pragma once

#include "protocol/buffer.h"

/* Where which text stands in a source: made once per source, used for each target. Pure values; any
 * thread may read it. */
struct fossil_index;

/* source: borrowed until fossil_index_free(), at most 4 GiB - 1. NULL: no memory. */
struct fossil_index *fossil_index_new(struct bytes source);
struct fossil_index *fossil_index_free(struct fossil_index *index); /* takes NULL; returns NULL */

/*
 * Appends the patch from the index's source to target, if it is shorter than the target.
 *
 * is_text: source and target are valid UTF-8, and so shall the patch be: it goes through a JSON
 * string. No copied range cuts a character then.
 *
 * The work is bounded by a constant times the target's length, whatever the texts are.
 *
 * 0; -EMSGSIZE: it would not be shorter; -ENOMEM. After an error out is as before, but for room it
 * has grown by, and an error that it remembers.
 */
MUST_CHECK int fossil_encode(const struct fossil_index *index, struct bytes target, bool is_text,
                             struct buffer *out);

/*
 * Appends the target to out. max_bytes: of the target.
 *
 * 0; -EBADMSG: no patch of the format, or none of this source; -EMSGSIZE: the target would be
 * larger; -ENOMEM. After an error what has been appended is of no use.
 */
MUST_CHECK int fossil_decode(struct bytes source, struct bytes patch, size_t max_bytes,
                             struct buffer *out);

/* Is the byte one that no UTF-8 character begins with? */
static inline bool utf8_is_continuation(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}
