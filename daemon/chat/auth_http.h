/* The endpoints below /auth/, as docs/chat-protocol.md has them. */
#pragma once

#include "daemon/transport/http_exchange.h"

/* On the listeners for clients, also where there is no chat: `GET /auth/state` says so. */
bool auth_is_served(const struct connection *conn, const struct config *c);
size_t auth_body_max(const struct config *c);
SUSPENDS int auth_serve(struct http_exchange *x);
