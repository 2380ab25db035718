/* What the daemon answers to plain HTTP requests: health, metrics, the web page. */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"
#include "protocol/http.h"

struct connection;

/* Appends the answer to the request. closes: it says that the connection ends. 0, -ENOMEM,
 * -EMSGSIZE. */
MUST_CHECK int http_pages_answer(const struct connection *conn, const struct http_request *r,
                                 bool closes, struct buffer *out);
