/* Which part of a file a request wants (RFC 9110 section 14). Pure. */
#pragma once

#include "protocol/http.h"

struct byte_range {
    uint64_t from, len;
};

enum byte_range_kind {
    BYTE_RANGE_ALL,  /* none is asked for, or in a way that is not ours: the whole file is an answer
                      */
    BYTE_RANGE_PART, /* *ret: 206 */
    BYTE_RANGE_NONE  /* it lies behind the end: 416 */
};

/* etag: of the file, with its quotes; an If-Range that names another one asks for all of it. */
enum byte_range_kind byte_range_of(const struct http_head *head, struct str etag, uint64_t size,
                                   struct byte_range *ret);

/* Does an If-None-Match name it? */
bool byte_range_is_known(const struct http_head *head, struct str etag);
