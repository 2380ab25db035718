/* What the daemon answers to plain HTTP requests: health, metrics, the web page. Endpoints, see
 * transport/http_exchange.h. */
#pragma once

#include "daemon/transport/http_exchange.h"

bool health_is_served(const struct connection *conn, const struct config *c);
bool metrics_is_served(const struct connection *conn, const struct config *c);
int health_serve(struct http_exchange *x);
int metrics_serve(struct http_exchange *x);

/* Where no endpoint is: the web page's files, 404, 405. */
int http_pages_serve(struct http_exchange *x);
