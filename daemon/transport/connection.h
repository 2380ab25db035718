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

/* Allocated together with its task, by worker_accept(); freed with it. */
struct connection {
    struct session session; /* from the upgrade on; but from the beginning its worker, its outbox's
                               stream, which the connection owns, the connection's marks, and as
                               deadline that of the first request's head */
    struct frame_decoder decoder;
};

_Static_assert(offsetof(struct connection, session) == 0, "see session_task()");

/* The task. arg: a struct connection. */
SUSPENDS int connection_serve(void *arg);

/* What a request made of the connection. Zeroed: a WebSocket with JSON. */
struct connection_terms {
    enum wire_format format;
    enum session_pings pings;
    bool is_deflated;           /* WebSocket: permessage-deflate was agreed on */
    bool has_first;             /* first is there, though it may be empty */
    struct forwarded *headers;  /* for the session; NULL: none */
    char *login_cookie;         /* the same, of the chat, on the heap; NULL: none */
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

/* The same for one who has just come, and may have said nothing yet: then *ret_is_silent, and there
 * is no use for a stack. */
SUSPENDS MUST_CHECK int connection_greet(struct connection *conn,
                                         struct connection_terms *ret_terms, bool *ret_is_silent);

void connection_http_finish(struct worker *w); /* frees what was kept for further ones */
