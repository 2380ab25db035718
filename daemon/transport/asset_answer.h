/*
 * Serving the files of the web page (RFC 9110): the form the client accepts, validators, caching,
 * and headers that let the page do what it needs and nothing else.
 */
#pragma once

#include "daemon/transport/assets.h"
#include "protocol/buffer.h"
#include "protocol/http.h"

/*
 * Appends the answer to a GET or HEAD of r->path. closes: it says that the connection ends.
 * 1: answered. 0: there is no such file; nothing was appended. -ENOMEM, -EMSGSIZE.
 */
MUST_CHECK int assets_answer(const struct asset_table *t, const struct http_request *r, bool closes,
                             struct buffer *out);
