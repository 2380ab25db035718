/*
 * Where a request really comes from: over which address, whether it was encrypted, and from a page
 * of which site. Reverse proxies of http_server.trusted_proxies are believed what they say of it
 * (X-Forwarded-For, X-Forwarded-Proto); nobody else is.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

enum { VISITOR_ADDRESS_MAX = 64 };

/* The address without its port: "192.0.2.1", "2001:db8::1", "unix". In buf, or of the request. */
struct str visitor_address(const struct http_exchange *x, char buf[static VISITOR_ADDRESS_MAX]);

/* Did it come by TLS? */
bool visitor_is_secure(const struct http_exchange *x);

/*
 * Is it of no page of another site: of one of ours (Origin is the request's own host, or
 * chat.url), or of no page at all? Browsers say which, where it matters: in Origin with all that
 * may change something or open a WebSocket, else in Sec-Fetch-Site. A page of another port, or one
 * that came unencrypted where this request is encrypted, is another site's.
 */
bool visitor_is_own_page(const struct http_exchange *x);
