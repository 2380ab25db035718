/*
 * A publication as columns: data as it is, and what not every publication has in one more blob.
 *
 * extra = 1 (format), info, tag ...
 * info  = 0 | 1 span(user) span(client) span(conn_info) span(chan_info)
 * tag   = span(key) span(value)
 * span  = length as LEB128, bytes
 */
#pragma once

#include "protocol/buffer.h"
#include "storage/publication.h"

/* Appends; nothing when there is neither info nor tag. buffer_error() tells. */
void row_encode_extra(const struct publication *p, struct buffer *out);

/* Builds the publication of a row, without its position and time. extra may be empty.
 * -EBADMSG: the blob is damaged. -ENOMEM. */
MUST_CHECK int row_decode(struct str channel, struct bytes data, struct bytes extra,
                          struct publication **ret);
