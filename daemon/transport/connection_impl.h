/* A connection while it speaks HTTP. For connection_*.c only. */
#pragma once

#include "daemon/transport/connection.h"
#include "daemon/transport/http_exchange.h"

/* What reading requests needs; given back when the connection is a session's. Kept for the next
 * one: memory that came and went between that of connections which stay would leave holes between
 * them. */
struct opening {
    struct opening *next; /* of those not lent */
    struct worker *worker;
    struct http_request request;
    struct http_exchange exchange;
    struct buffer in;    /* from the request's first byte on; not moved while the request is used */
    struct buffer ahead; /* what follows, if it was read together with the body */
    struct buffer body;
    struct buffer out;
    bool has_body; /* it has begun to be read: what follows it is in ahead */

    /* A body that the endpoint reads in pieces. */
    struct http_body pieces;
    struct bytes left; /* of in, not read yet */
};

/*
 * Reads the body of o->request into o->body; answers Expect: 100-continue.
 * 0; -EMSGSIZE: more than max_bytes. -EBADMSG: bad chunks. -EPIPE: the peer went away; stream
 * errors.
 */
SUSPENDS MUST_CHECK int connection_read_body(struct connection *conn, struct opening *o,
                                             size_t max_bytes);

/* The body of o->request will be read by http_exchange_read(). -EMSGSIZE: it says that it is
 * longer. */
MUST_CHECK int connection_body_begin(struct opening *o, size_t max_bytes);

/* Answers o->request, which has been read with its body. HTTP_EXCHANGE_TAKEN; 0: answered;
 * *ret_goes_on: another request may follow. < 0: the connection is over. */
SUSPENDS MUST_CHECK int connection_exchange(struct connection *conn, struct opening *o,
                                            struct connection_terms *terms, bool *ret_goes_on);

/* Sends o->out and behind it body; empties out. Within http_server.handshake_timeout. */
SUSPENDS MUST_CHECK int connection_write_out(struct connection *conn, struct opening *o,
                                             struct bytes body);

/* Until the session's deadline, as long as that is the connection's own. */
int64_t connection_time_left_ms(const struct connection *conn);

/* As frame_next(). */
MUST_CHECK int connection_next_frame(struct connection *conn, struct bytes *in,
                                     struct frame_event *ret);

/* ---- goodbyes (transport/connection_goodbye.c) ---- */

/* Cancelled or not, the peer hears why the connection ends, and others hear that it has gone.
 * opening: what it was to be, while its connect request has not been handled, which may be answered
 * by HTTP; or NULL. why: < 0, or 0. true: the peer is to be listened to until it has gone as well,
 * for connection_time_left_ms(), which takes no stack. */
SUSPENDS bool connection_say_goodbye(struct connection *conn,
                                     const struct connection_terms *opening, int why);

/* There is something to be heard from it, or its time is over. true: that was not the end. */
bool connection_hear_goodbye(struct connection *conn);

/* What comes after the end is decoded for the peer's close frame alone. */
void connection_skip(struct connection *conn, struct bytes in);
