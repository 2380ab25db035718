/*
 * One HTTP request with its whole body, and the place for the answer: what an endpoint is handed.
 *
 * The connection reads the body first (Content-Length or chunked, Expect: 100-continue answered),
 * refuses what the endpoint's entry in the table refuses (404, 405, 413), and writes what the
 * endpoint has filled in. Endpoints run in the connection's task and may suspend; meanwhile the
 * connection, the request, the body and the configuration stay as they are. Loop thread only.
 */
#pragma once

#include <sys/types.h>

#include "async/base.h"
#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/http.h"

struct config;
struct connection;
struct connection_terms;
struct http_exchange;
struct worker;

enum { HTTP_EXCHANGE_HEADERS_MAX = 16 };

/* What serve() returns beside 0 and -errno: the connection is no longer one of requests but of a
 * session (transports only). */
enum { HTTP_EXCHANGE_TAKEN = 1 };

enum http_endpoint_flag {
    HTTP_GET = 1, /* and HEAD: the body is then not sent */
    HTTP_POST = 2,
    HTTP_ANY_METHOD = 4, /* serve() looks at request->method itself */
    HTTP_PREFIX = 8,     /* what lies behind the path and a '/' too */
    HTTP_CORS = 16,      /* pages of allowed origins may call it; preflights are answered for it */
    HTTP_SECRET = 64,    /* what lies behind the path lets somebody in: it is not logged */
    HTTP_STREAMED = 32,  /* serve() reads the body itself, piece by piece: http_exchange_read() */
};

/* An entry of the table in transport/http_routes.c. */
struct http_endpoint {
    struct str path; /* fixed, or empty: path_of() */
    struct str (*path_of)(const struct config *c);

    /* Is there such an endpoint for this request: on this listener, by this configuration?
     * NULL: on all but internal listeners. */
    bool (*is_served)(const struct connection *conn, const struct config *c);
    size_t (*max_body)(const struct config *c); /* bytes; more: 413. NULL: bodies are refused */
    unsigned flags;                             /* enum http_endpoint_flag */

    /* Before a body is read, which costs memory: 1: go on. 0: the answer is filled in; < 0: as
     * serve(). NULL: whoever asks may. Does not suspend. */
    int (*admit)(struct http_exchange *x);

    /* 0: the answer is filled in. < 0: answered with 500; but -ECANCELED and -ETIMEDOUT end the
     * connection. HTTP_EXCHANGE_TAKEN. */
    SUSPENDS int (*serve)(struct http_exchange *x);
};

struct http_exchange {
    struct connection *conn;
    struct worker *worker;
    struct config *config; /* the exchange's reference: worker->config may change meanwhile */
    const struct http_endpoint *endpoint;
    const struct http_request *request;
    struct bytes body;

    /* the answer */
    int status;                                            /* 200 to begin with */
    struct str content_type;                               /* empty: there is none */
    struct http_header headers[HTTP_EXCHANGE_HEADERS_MAX]; /* static text, or of request or arena */
    size_t n_headers;
    struct buffer out;              /* its body */
    struct arena arena;             /* freed when the answer has been written */
    bool closes;                    /* no other request may follow */
    bool is_whole;                  /* the request has come; from now on it is answered */
    bool is_raw;                    /* out is all of the answer, its head included */
    bool is_begun;                  /* the head has been sent: http_exchange_begin() */
    uint64_t unsent;                /* then: bytes of the body that are still to be sent */
    struct connection_terms *terms; /* transports: what the connection becomes */
};

/* Adds a header to the answer. An endpoint adds at most 8; the rest are the connection's own. */
void http_exchange_header(struct http_exchange *x, struct str name, struct str value);

/* An answer of the status and its words alone, as plain text. Returns 0. */
int http_exchange_status(struct http_exchange *x, int status);

/*
 * Of an endpoint with HTTP_STREAMED: the next of the body, at most cap bytes (above 0). Expect:
 * 100-continue is answered by the first call. Each call has http_server.body_timeout. What is not
 * read is dropped with the connection.
 *
 * > 0: bytes; 0: that was all. -EMSGSIZE: more than max_body() says. -EBADMSG: bad chunks. -EPIPE:
 * the peer went away before the end; -ETIMEDOUT, stream errors.
 */
SUSPENDS MUST_CHECK ssize_t http_exchange_read(struct http_exchange *x, void *buf, size_t cap);

/*
 * Sends the answer's head, of status, content_type and headers; from now on the answer cannot be
 * another one. len bytes follow by http_exchange_send(); fewer end the connection. To a HEAD
 * nothing is to follow. Each piece is sent within http_server.handshake_timeout, or the peer is too
 * slow.
 */
SUSPENDS MUST_CHECK int http_exchange_begin(struct http_exchange *x, uint64_t len);
SUSPENDS MUST_CHECK int http_exchange_send(struct http_exchange *x, struct bytes piece);

/* The part of the path behind the endpoint's own and a '/'; empty if it is the path itself. */
struct str http_exchange_rest(const struct http_exchange *x);

/* The path as logs may have it. Of the request. */
struct str http_exchange_label(const struct http_exchange *x);

/* The entry for a path. NULL: there is none (the web page's files, or 404). */
const struct http_endpoint *http_route(const struct connection *conn, const struct config *c,
                                       struct str path);

/* ---- for is_served() ---- */

bool http_on_every_listener(const struct connection *conn, const struct config *c);
bool http_on_internal_listeners(const struct connection *conn, const struct config *c);
