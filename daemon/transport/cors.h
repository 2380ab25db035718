/*
 * Which web pages may call us (the Fetch standard's CORS protocol): pages of the origins that may
 * open WebSockets. Others are not refused; their browsers keep the answer from them.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

/* Adds to the answer what an allowed origin needs. Always says that the answer depends on it. */
void cors_allow(struct http_exchange *x);

/* Answers a preflight: 204, and how long that is good for. */
void cors_preflight(struct http_exchange *x);
