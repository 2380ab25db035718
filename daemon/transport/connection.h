/*
 * One transport: a stream that speaks HTTP and then, mostly, WebSocket. A task per connection,
 * dormant while nothing arrives: then it holds no stack, no buffer and no half-read frame.
 */
#pragma once

#include "async/base.h"
#include "daemon/session/session.h"
#include "protocol/buffer.h"
#include "protocol/frame.h"

struct stream;
struct worker;

/* Allocated by worker_accept(); its task frees it. */
struct connection {
    struct session session; /* from the upgrade on; but its worker and its outbox's stream, which
                               the connection owns, from the beginning */
    struct frame_decoder decoder;
    bool is_tls;        /* the handshake of TLS comes first; then: the stream is encrypted */
    bool is_internal;   /* from a listener that serves operators, not clients */
    bool is_over_limit; /* to be told 503 */
    bool is_websocket;  /* else: a streamed answer */
    bool has_session;
    bool has_heard_close;
    bool has_closed_too; /* heard after we had decided to end it */
    uint16_t heard_code;
    struct connection_terms *opening; /* until the connect request has been handled; or NULL */
};

/* The task. arg: a struct connection. */
SUSPENDS int connection_serve(void *arg);

/* What a request made of the connection. Zeroed: a WebSocket with JSON. */
struct connection_terms {
    enum wire_format format;
    enum session_pings pings;
    bool is_deflated;           /* WebSocket: permessage-deflate was agreed on */
    bool has_first;             /* first is there, though it may be empty */
    struct forwarded *headers;  /* for the session; NULL: none */
    struct buffer head;         /* of the answer, not sent yet */
    struct buffer headers_text; /* streamed answers: lines for whatever answer there will be */
    struct buffer first;        /* the connect request, if it came with the HTTP request */
    struct buffer rest;         /* what came behind the request */
};

void connection_terms_finish(struct connection_terms *t); /* for CLEANUP */

/*
 * Serves HTTP requests until one makes a session of the connection (transport/connection_http.c).
 * 1: it has. 0: the connection has served its purpose. < 0: it broke or ran out of time.
 */
SUSPENDS MUST_CHECK int connection_serve_http(struct connection *conn,
                                              struct connection_terms *ret_terms);

void connection_http_finish(struct worker *w); /* frees what was kept for further ones */
