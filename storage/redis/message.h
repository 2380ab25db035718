/*
 * What is kept and what travels: a publication as bytes.
 *
 * publication = 1 (format), flags, time_ms (eight bytes, the least first), span(data), extra
 * flags       = kind (0 data, 1 join, 2 leave) | 4: data is JSON of one line
 * place       = OFFSET ":" EPOCH; "0:" where nothing is kept
 * message     = place ":" publication
 * info        = USERLENGTH ":" user, span(conn_info), chan_info: of presence, by client
 *
 * span and extra are those of storage/row.h. Whatever else comes is refused.
 */
#pragma once

#include "protocol/buffer.h"
#include "storage/publication.h"

void message_encode_publication(const struct publication *p, struct buffer *out);

/* The whole, of something that is not kept. */
void message_encode_unkept(const struct publication *p, struct buffer *out);

/* -EBADMSG; -ENOMEM. */
MUST_CHECK int message_decode_publication(struct str channel, struct bytes b,
                                          struct publication **ret); /* without its position */
MUST_CHECK int message_decode(struct str channel, struct bytes b, struct publication **ret);

/* Takes a place off the front of b, without what follows it. -EBADMSG. */
MUST_CHECK int message_take_place(struct bytes *b, struct position *ret);
MUST_CHECK int message_take_number(struct bytes *b, uint64_t *ret); /* decimal */

void message_put_span(struct buffer *out, struct bytes b);
MUST_CHECK int message_take_span(struct bytes *b, struct bytes *ret); /* -EBADMSG */

void message_encode_info(const struct client_info *info, struct buffer *out);
/* ret: borrows both. */
MUST_CHECK int message_decode_info(struct bytes client, struct bytes b, struct client_info *ret);
