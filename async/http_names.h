/*
 * Addresses of the servers that requests go to: looked up by threads, one look-up for each name
 * however many ask, kept for a while; and used for longer when no name server answers. Left to
 * itself libcurl would start a thread for each request, and leave it behind when that is given up:
 * without a name server hundreds. For http_curl.c only.
 */
#pragma once

#include "async/endpoint.h"
#include "async/event.h"
#include "async/group.h"

enum {
    HTTP_NAMES_MAX = 256, /* of which the longest unused goes */
    HTTP_NAMES_FRESH_MS = 60 * 1000,
    HTTP_NAMES_STALE_MS = 3600 * 1000, /* still good while there is nothing newer */
    HTTP_NAMES_RETRY_MS = 1000,        /* after a look-up that failed */
};

struct http_names {
    struct list names; /* private, all */
    size_t n;
    struct group lookups;
    SUSPENDS int (*look_up)(const struct address_parts *parts, struct endpoint **ret,
                            size_t *ret_n);
};

void http_names_init(struct http_names *n);
SUSPENDS void http_names_finish(struct http_names *n); /* nobody may be asking */

/*
 * Appends the addresses of a host and port, as "1.2.3.4,[::1]", NUL-terminated; cut off behind the
 * last that fits. 0; -ENOENT, -EHOSTUNREACH: as resolve(); -ENOMEM; -ECANCELED, -ETIMEDOUT.
 */
SUSPENDS MUST_CHECK int http_names_get(struct http_names *n, const char *host, const char *port,
                                       char *buf, size_t cap);
