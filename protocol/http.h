/*
 * HTTP/1.1 (RFC 9110, 9112) without I/O: strict reading of requests and responses, bodies, and
 * writing.
 *
 * Reading is refused where two readers could disagree: bare LF, space before a colon, folded
 * lines, repeated Host or Content-Length, Content-Length beside Transfer-Encoding, control
 * characters.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum { HTTP_HEADERS_MAX = 64 };

struct http_limits {
    size_t max_line;    /* bytes of the request or status line; more: -ENAMETOOLONG */
    size_t max_head;    /* bytes of line and headers together; more: -E2BIG. Below 2^31 */
    size_t max_headers; /* at most HTTP_HEADERS_MAX; more: -E2BIG */
};

struct http_header {
    struct str name;
    struct str value;
};

/* ---- heads: what requests and responses share ---- */

/* The headers of a message: spans into the caller's bytes, kept as offsets while those may still
 * move. */
struct http_head {
    const char *base; /* private, all */
    uint32_t line_at; /* where the next line begins */
    uint32_t scanned; /* no LF before */
    uint16_t count;
    bool has_line;
    int16_t error;
    struct {
        uint32_t name_at, name_len, value_at, value_len;
    } fields[HTTP_HEADERS_MAX];
};

/* The first header of that name, compared without case: 1, or 0. Value is without spaces around it.
 */
int http_head_find(const struct http_head *h, struct str name, struct str *ret_value);
size_t http_head_count(const struct http_head *h, struct str name); /* how many have that name */
size_t http_head_size(const struct http_head *h);                   /* how many there are */
struct http_header http_head_at(const struct http_head *h, size_t index);

/* Is the token in one of that name's comma separated lists? Compared without case. */
bool http_head_has_token(const struct http_head *h, struct str name, struct str token);

/*
 * Iterator over the elements of the comma separated lists of all headers of a name (RFC 9110
 * section 5.6.1), empty ones left out, commas inside quoted strings not counted. 1: *ret is the
 * next; 0: end.
 */
struct http_list {
    const struct http_head *head;
    struct str name;
    size_t index;    /* private */
    struct str rest; /* private */
};

struct http_list http_list_of(const struct http_head *h, struct str name);
int http_list_next(struct http_list *l, struct str *ret);

/* ---- requests ---- */

/* About 1 KB: on the heap, for as long as the request is looked at. All spans lie in the bytes last
 * given to http_request_parse(). */
struct http_request {
    struct http_head head;
    uint8_t version_minor; /* HTTP/1.x: 0 or 1 */
    bool is_chunked;
    bool has_length;
    bool keeps_alive;        /* may another request follow on this connection? */
    bool expects_continue;   /* the peer waits for a 100 before it sends the body */
    uint64_t content_length; /* if has_length */
    struct str method;
    struct str target;          /* as sent */
    struct str path;            /* of the target, still percent-encoded; "*" for OPTIONS * */
    struct str query;           /* behind the '?'; empty if none */
    struct str host;            /* the Host header, or the target's authority; empty in HTTP/1.0 */
    size_t size;                /* bytes of the head: the body begins there */
    uint32_t line_at, line_len; /* private */
};

void http_request_init(struct http_request *r);

/*
 * Looks at all bytes of the connection so far. Called again with more (at another place, if they
 * were moved) until it does not return 0; lines seen before are not read again.
 *
 * 1: the head is complete, r->size bytes of in are used. 0: needs more.
 * -EBADMSG: not HTTP. -ENAMETOOLONG, -E2BIG: over a limit. -EPROTONOSUPPORT: another version.
 * -ENOSYS: a transfer coding other than chunked, or CONNECT. http_status_of() says what to answer.
 */
MUST_CHECK int http_request_parse(struct http_request *r, const struct http_limits *limits,
                                  struct bytes in);

/* 400, 413, 414, 431, 501, 505 for the errors of the readers here; 500 for others. */
int http_status_of(int error);

/* ---- targets ---- */

/*
 * Decodes %XX; and '+' as a space if is_query. to may be the place of in itself.
 * The length written (at most in.len), or -EINVAL: a bad escape, or %00. -ENOBUFS: cap is too
 * small.
 */
MUST_CHECK int http_percent_decode(struct str in, bool is_query, char *to, size_t cap,
                                   size_t *ret_len);

/* The first value of that name in a query, still encoded: 1, or 0. The name is compared undecoded.
 */
int http_query_find(struct str query, struct str name, struct str *ret_value);

/* ---- responses, as a client reads them ---- */

struct http_response {
    struct http_head head;
    uint8_t version_minor;
    bool is_chunked;
    bool has_length;
    bool keeps_alive;
    uint64_t content_length;
    int status;        /* 100 to 999 */
    struct str reason; /* may be empty */
    size_t size;       /* bytes of the head */
    uint32_t line_len; /* private */
};

void http_response_init(struct http_response *r);
/* As http_request_parse(). */
MUST_CHECK int http_response_parse(struct http_response *r, const struct http_limits *limits,
                                   struct bytes in);

/* ---- bodies ---- */

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_END };

struct http_body {
    enum http_body_kind kind;
    bool is_done;  /* all of it was read */
    uint8_t state; /* private, all below */
    int16_t error;
    uint16_t line_len;
    uint64_t left; /* of the body or the chunk */
    uint64_t total;
    size_t max_bytes;
};

/* -EMSGSIZE: the announced length is above max_bytes. */
MUST_CHECK int http_request_body(const struct http_request *r, size_t max_bytes,
                                 struct http_body *ret);
/* request_was_head: the response is one to HEAD and has no body whatever it says. */
MUST_CHECK int http_response_body(const struct http_response *r, bool request_was_head,
                                  size_t max_bytes, struct http_body *ret);

/*
 * Advances *in. 1: *ret_piece is the next piece of content, a span of in. 0: b->is_done, the body
 * has ended and *in begins with what follows it; or not, then *in is empty and more is needed.
 * -EBADMSG: bad chunks. -EMSGSIZE: more than max_bytes. Trailers are checked and dropped.
 */
MUST_CHECK int http_body_next(struct http_body *b, struct bytes *in, struct bytes *ret_piece);

/* ---- writing ---- */

/* The status's words: "Not Found"; "" if unknown. */
struct str http_reason_of(int status);

struct http_answer {
    int status;
    const struct http_header
            *headers; /* borrowed; Content-Length and Connection are not among them */
    size_t header_count;
    struct bytes body;
    bool closes;  /* says Connection: close */
    bool is_head; /* the request was HEAD: the body's length is said, the body is not sent */
};

/*
 * Appends a whole response, with Content-Length (but not to 1xx, 204, 304).
 * -EINVAL: a header's name is no token or its value has control characters; nothing is appended.
 * -ENOMEM, -EMSGSIZE: out is full.
 */
MUST_CHECK int http_write_answer(struct buffer *out, const struct http_answer *a);

/* Only the head, for a body that is sent by other means: a body_len below 0 says no Content-Length.
 */
MUST_CHECK int http_write_head(struct buffer *out, const struct http_answer *a, int64_t body_len);

/* Appends a request without a body. Host is written first. Errors as above; -EINVAL too for a
 * method, target or host that would not be read as one. */
MUST_CHECK int http_write_request(struct buffer *out, struct str method, struct str target,
                                  struct str host, const struct http_header *headers, size_t count);

/* ---- tokens ---- */

bool http_is_token(struct str s);                   /* RFC 9110 section 5.6.2 */
size_t http_token_length(struct str s);             /* of the token it begins with; 0: none */
bool http_equal_nocase(struct str a, struct str b); /* ASCII */
