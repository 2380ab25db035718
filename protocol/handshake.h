/*
 * The WebSocket handshake (RFC 6455 section 4) and the agreement on permessage-deflate (RFC 7692),
 * both ends, without I/O or randomness.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"
#include "protocol/http.h"

enum {
    HANDSHAKE_KEY_BYTES = 16,
    HANDSHAKE_KEY_TEXT = 24,    /* of the key, in base64 */
    HANDSHAKE_ACCEPT_TEXT = 28, /* of the answer to it */
    HANDSHAKE_HEADERS_MAX = 4,  /* further headers a caller may add; more: -EINVAL */
};

struct handshake_options {
    const struct str *subprotocols; /* those we speak; borrowed; NULL if count is 0 */
    size_t subprotocol_count;
    bool allows_deflate; /* server: accept an offer; client: make one */
};

/* What both ends agreed on. */
struct handshake {
    struct str subprotocol; /* one of the options' strings; empty: none */
    bool is_deflated;       /* permessage-deflate, neither side taking context over */
    bool limits_window; /* the client asked for a smaller window: send_window_bits is answered */
    uint8_t send_window_bits; /* for deflater_message() */
    char accept[HANDSHAKE_ACCEPT_TEXT];
};

/* Does a request ask for an upgrade to WebSocket at all? Then handshake_check() judges it. */
bool handshake_is_asked(const struct http_request *r);

/*
 * The server's side. Of the subprotocols the first of the client's that we speak is chosen; none is
 * no error, nor is a Sec-WebSocket-Protocol header with an empty value. Offers of
 * permessage-deflate that are malformed, repeat a parameter or ask for what we cannot do are
 * declined; the first other is taken. Origin is the caller's to judge.
 *
 * 0, or: -EBADMSG: answer 400. -EPROTONOSUPPORT: another version of WebSocket, answer 426.
 * handshake_write_refusal() does either.
 */
MUST_CHECK int handshake_check(const struct http_request *r, const struct handshake_options *o,
                               struct handshake *ret);

/* Appends the 101 response. headers: further ones, or NULL. Errors as http_write_answer(). */
MUST_CHECK int handshake_write_answer(const struct handshake *h, const struct http_header *headers,
                                      size_t count, struct buffer *out);

/* Appends the response to a failed handshake_check(). The connection is closed after it. */
MUST_CHECK int handshake_write_refusal(int error, struct buffer *out);

/* ---- client ---- */

/* key: HANDSHAKE_KEY_BYTES unpredictable bytes, kept for handshake_check_answer(). */
MUST_CHECK int handshake_write_request(struct str host, struct str target,
                                       const uint8_t key[static HANDSHAKE_KEY_BYTES],
                                       const struct handshake_options *o,
                                       const struct http_header *headers, size_t count,
                                       struct buffer *out);

/* Judges a complete response. 0, or: -ECONNREFUSED: the status is not 101 (see it there). -EBADMSG:
 * it breaks the protocol, or agrees to what was not offered. */
MUST_CHECK int handshake_check_answer(const struct http_response *r,
                                      const uint8_t key[static HANDSHAKE_KEY_BYTES],
                                      const struct handshake_options *o, struct handshake *ret);
