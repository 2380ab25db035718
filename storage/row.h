/*
 * A publication as columns: data as it is, and what not every publication has in one more blob.
 *
 * extra = 1 (format), info, tag ...
 *       | 2 (format), flags, [span(key) score], [version], info, tag ...
 * flags = 1: wants a delta, 2: key is removed, 4: has a key, with its score; 8: has a version
 * info  = 0 | 1 span(user) span(client) span(conn_info) span(chan_info)
 * tag   = span(key) span(value)
 * span  = length as LEB128, bytes
 * score, version: eight bytes, the least first
 *
 * The second format is written where the first cannot say it.
 */
#pragma once

#include "protocol/buffer.h"
#include "storage/publication.h"

/* has_key_columns: key, score and version have columns of their own, and stay out.
 * Appends; nothing when there is nothing to say. buffer_error() tells. */
void row_encode_extra(const struct publication *p, bool has_key_columns, struct buffer *out);

struct row {
    struct str channel;
    struct bytes data;
    struct bytes extra; /* may be empty */
    /* where they are columns */
    struct str key;
    int64_t score;
    uint64_t version;
};

/* Builds the publication of a row, without its position and time.
 * -EBADMSG: the blob is damaged. -ENOMEM. */
MUST_CHECK int row_decode(const struct row *row, struct publication **ret);
