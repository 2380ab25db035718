/* The upgrade to WebSocket: which of the formats, whose origin. An endpoint, see http_exchange.h.
 */
#pragma once

#include "daemon/http_exchange.h"

int websocket_serve(struct http_exchange *x);
