/*
 * Streamed answers: HTTP streaming and Server-Sent Events, with /emulation for the way back or
 * unidirectional. Endpoints, see transport/http_exchange.h.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

bool http_stream_is_served(const struct connection *conn, const struct config *c);
bool sse_is_served(const struct connection *conn, const struct config *c);
bool uni_http_stream_is_served(const struct connection *conn, const struct config *c);
bool uni_sse_is_served(const struct connection *conn, const struct config *c);
bool init_is_served(const struct connection *conn, const struct config *c);

int http_stream_serve(struct http_exchange *x);
int sse_serve(struct http_exchange *x);
int uni_http_stream_serve(struct http_exchange *x);
int uni_sse_serve(struct http_exchange *x);

/* /connection/init: an answer for its headers' sake, such as cookies of a proxy in front. */
int init_serve(struct http_exchange *x);
