/*
 * WebSocket frames and messages (RFC 6455 section 5, RFC 7692), both ends, without I/O: bytes in
 * any split go in, whole messages and control frames come out; and the way back.
 *
 * A decoder is small enough to be part of an idle connection. What it needs while a message is half
 * read (a few KB and the message so far) is lent by a pool and goes back between messages.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum frame_role {
    FRAME_SERVER, /* we are the server: what arrives must be masked, what we send is not */
    FRAME_CLIENT, /* the other way round */
};

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

/* RFC 6455 section 7.4.1 and the IANA registry. */
enum frame_close_code {
    FRAME_CLOSE_NORMAL = 1000,
    FRAME_CLOSE_GOING_AWAY = 1001,
    FRAME_CLOSE_PROTOCOL_ERROR = 1002,
    FRAME_CLOSE_UNSUPPORTED = 1003,
    FRAME_CLOSE_NONE = 1005, /* never on the wire: a close frame without a code */
    FRAME_CLOSE_BAD_DATA = 1007,
    FRAME_CLOSE_POLICY = 1008,
    FRAME_CLOSE_TOO_BIG = 1009,
    FRAME_CLOSE_INTERNAL = 1011,
};

enum {
    FRAME_HEADER_MAX = 14, /* 10 from a server */
    FRAME_CONTROL_MAX = 125,
    FRAME_REASON_MAX = 123,
    FRAME_MASK_BYTES = 4,
};

/* ---- the pool ---- */

struct frame_pool;

/* One thread's. keep: contexts not lent that are kept for the next borrower. NULL: no memory. */
struct frame_pool *frame_pool_new(size_t keep);
struct frame_pool *frame_pool_free(
        struct frame_pool *p);                      /* all returned; takes NULL; returns NULL */
size_t frame_pool_lent(const struct frame_pool *p); /* contexts out now */

/* ---- decoding ---- */

struct frame_limits {
    size_t max_message;  /* bytes on the wire, summed over a message's frames */
    size_t max_inflated; /* bytes of a message after inflating; 0: ten times max_message */
};

struct frame_context;

/* One direction of a connection. Small, and all private. */
struct frame_decoder {
    struct frame_context *context; /* NULL: between messages */
    int16_t error;
    uint8_t role; /* enum frame_role */
    bool is_deflated;
    bool is_closed;
};

struct frame_event {
    enum frame_opcode opcode; /* never FRAME_CONTINUATION */
    struct bytes payload; /* the message (a text's UTF-8 is checked), the ping's or pong's data, the
                             close's reason (valid UTF-8) */
    uint16_t close_code;  /* of a close; FRAME_CLOSE_NONE if it carried none */
    bool was_deflated;    /* the message came compressed; payload is inflated */
};

/* is_deflated: permessage-deflate was agreed on. Cannot fail: nothing is taken from the pool yet.
 */
void frame_decoder_init(struct frame_decoder *d, enum frame_role role, bool is_deflated);
void frame_decoder_finish(
        struct frame_decoder *d); /* gives back what it holds; takes a zeroed one */

/*
 * pool: where to borrow from; always the same for one decoder. limits: may differ from call to
 * call.
 *
 * Takes bytes from the front of *in, which it advances past them, until there is an event.
 * ret->payload lies in the decoder's memory and is good until the next call on the same decoder,
 * even if others of the pool are used in between; *in is never referred to afterwards.
 *
 * Call it until it returns 0: only then it has given back what the last event lay in.
 *
 * 1: *ret is an event. 0: *in is empty and more is needed (or a close came: all after it is
 * dropped). -EPROTO: a rule is broken. -EILSEQ: a text is not UTF-8, said at its first bad byte.
 * -EBADMSG: a compressed message is not one. -EMSGSIZE: a limit, said when a frame's header shows
 * it. -ENOMEM. An error is final: it is returned from then on.
 */
MUST_CHECK int frame_next(struct frame_decoder *d, struct frame_pool *pool,
                          const struct frame_limits *limits, struct bytes *in,
                          struct frame_event *ret);

/* Is nothing half read? Then the peer's end of stream cuts no frame or message. */
bool frame_decoder_is_idle(const struct frame_decoder *d);

/* The code to close with after frame_next() failed. */
enum frame_close_code frame_close_code_of(int error);

/* May a peer send this code (RFC 6455 section 7.4)? */
bool frame_close_code_is_valid(unsigned code);

/* ---- encoding ---- */

/* A frame to be built. Zeroed but for the opcode: a whole, plain frame of a server. */
struct frame {
    enum frame_opcode opcode;
    bool has_more;       /* FIN is not set: fragments follow */
    bool is_deflated;    /* RSV1: payload is compressed; on a message's first frame only */
    const uint8_t *mask; /* client: FRAME_MASK_BYTES unpredictable bytes; server: NULL */
};

/* Appends header and payload. The caller looks at buffer_error(). */
void frame_encode(const struct frame *f, struct bytes payload, struct buffer *out);

/*
 * Only the header, for a payload of payload_len bytes that already lies somewhere. Returns its
 * length: 2, 4, 10, or with a mask 4 more.
 */
size_t frame_header(const struct frame *f, uint64_t payload_len,
                    uint8_t ret[static FRAME_HEADER_MAX]);

/*
 * For a payload that is written straight into out: frame_open() leaves room for the header, the
 * caller appends the payload, frame_shut() puts the header in front of it. ret of frame_open() is
 * handed to frame_shut(). The payload is moved, by a few bytes, only if it is shorter than 126
 * bytes or longer than 64 KiB.
 * Unmasked frames.
 */
MUST_CHECK size_t frame_open(struct buffer *out);
void frame_shut(const struct frame *f, struct buffer *out, size_t opened);

/* Appends a close frame. code FRAME_CLOSE_NONE: without a code and reason. reason: valid UTF-8, cut
 * between characters to FRAME_REASON_MAX bytes. mask: as in struct frame. */
void frame_encode_close(uint16_t code, struct str reason, const uint8_t *mask, struct buffer *out);
