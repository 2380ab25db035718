/*
 * permessage-deflate (RFC 7692) for one message at a time: both sides agree never to take context
 * over, so no message needs anything of another, one compressor serves all connections of a thread,
 * and a compressed broadcast is the same bytes for everyone.
 *
 * Each object belongs to one thread. The zlib state is made at first use and kept.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum {
    DEFLATE_WINDOW_MIN = 9,      /* bits; zlib cannot do 8 without a header (RFC 7692 allows it) */
    DEFLATE_WINDOW_MAX = 15,     /* bits */
    DEFLATE_WINDOW_DEFAULT = 12, /* bits; larger windows gain nothing on chat sizes */
    DEFLATE_WORTHWHILE = 200,    /* bytes; below it compressing costs more than it saves */
};

struct deflater;
struct inflater;

struct deflater *deflater_new(void);                /* NULL: no memory */
struct deflater *deflater_free(struct deflater *d); /* takes NULL; returns NULL */

/*
 * Appends message, compressed, as the payload of frames whose first has RSV1 set.
 * window_bits: DEFLATE_WINDOW_MIN to _MAX, what the receiver agreed to; more than
 * DEFLATE_WINDOW_DEFAULT is never used.
 *
 * 1: appended. 0: it would not shrink; nothing is appended, send it as it is. -ENOMEM, -EMSGSIZE:
 * out is full.
 */
MUST_CHECK int deflater_message(struct deflater *d, int window_bits, struct bytes message,
                                struct buffer *out);

struct inflater *inflater_new(void);                /* NULL: no memory */
struct inflater *inflater_free(struct inflater *i); /* takes NULL; returns NULL */

/*
 * Appends what a peer compressed, its window of any size. payload: of all the message's frames.
 * max_bytes: of the inflated message; more is never produced, nor memory for it taken.
 *
 * 0, or: -EBADMSG: not what a compressor writes. -EMSGSIZE: larger than max_bytes. -ENOMEM.
 */
MUST_CHECK int inflater_message(struct inflater *i, struct bytes payload, size_t max_bytes,
                                struct buffer *out);
