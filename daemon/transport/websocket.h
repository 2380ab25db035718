/* The upgrade to WebSocket: which of the formats, whose origin. An endpoint, see
 * transport/http_exchange.h.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

bool websocket_is_served(const struct connection *conn, const struct config *c);
bool uni_websocket_is_served(const struct connection *conn, const struct config *c);
int websocket_serve(struct http_exchange *x);

/* The client only listens; the connect request is in cf_connect or the first message. */
int uni_websocket_serve(struct http_exchange *x);
