/* What the readers of heads and bodies share; private to http_*.c. */
#pragma once

#include "protocol/http.h"

enum {
    HTTP_IS_TOKEN = 1,  /* RFC 9110 section 5.6.2 */
    HTTP_IS_VALUE = 2,  /* section 5.5: visible, space, tab, and what is above ASCII */
    HTTP_IS_TARGET = 4, /* in a request target: what RFC 3986 allows, and of what browsers leave
                           unencoded in queries all but quotes and angle brackets */
    HTTP_IS_HOST = 8,   /* RFC 3986 section 3.2.2, and the port's colon */
};

extern const uint8_t http_classes[256];

static inline bool http_all_in(struct str s, uint8_t class) {
    const uint8_t *p = (const uint8_t *) s.data, *c = http_classes;
    uint8_t all = class;
    size_t i = 0;
    for (; s.len - i >= 4; i += 4)
        all &= c[p[i]] & c[p[i + 1]] & c[p[i + 2]] & c[p[i + 3]];
    for (; i < s.len; i++)
        all &= c[p[i]];
    return all != 0;
}

bool http_is_value(struct str s); /* the same of HTTP_IS_VALUE, for long texts */

/* What decides how long a message is and what follows it. */
struct http_framing {
    uint64_t content_length;
    bool has_length;
    bool is_chunked;
    bool keeps_alive;
};

/* The next line of the head, without its CRLF. 1; 0: not there yet. */
int http_head_line(struct http_head *h, const struct http_limits *limits, struct bytes in,
                   struct str *ret);
/* The field lines behind the first line, up to the empty one. 1: all there. */
int http_head_fields(struct http_head *h, const struct http_limits *limits, struct bytes in);
/* Judges Content-Length, Transfer-Encoding and Connection (RFC 9112 section 6, 9.3). */
int http_head_framing(const struct http_head *h, unsigned version_minor, struct http_framing *ret);
/* "HTTP/1.0" or "HTTP/1.1". */
int http_version(struct str s, uint8_t *ret_minor);
