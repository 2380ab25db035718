/*
 * What the transports have in common: letting a client in, and what its connect request is. Their
 * endpoints are transport/websocket.h, transport/stream.h, transport/emulation.h.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

/* May another connection begin now (client.connection_rate_limit)? If not 503 is answered. Also
 * keeps of the request what is asked for later (forwarded.h).
 * 1; 0: answered; -ENOMEM. */
MUST_CHECK int transport_admit(struct http_exchange *x);

/* Does the chat's own page ask, with the cookie of a login? *ret: the cookie. */
bool transport_has_login(const struct http_exchange *x, struct str *ret);

/* 403, counted. Returns 0. */
int transport_refuse_origin(struct http_exchange *x, struct str origin);

/*
 * For requests that no upgrade keeps other pages from making: those of a page of an origin that is
 * neither allowed nor our own are refused. The browser would keep the answer from that page, but
 * what the request asks for would be done, in the name of whom its cookies are.
 * 1; 0: answered.
 */
MUST_CHECK int transport_check_origin(struct http_exchange *x);

/* The value of a query's parameter, decoded, appended to out. 1; 0: there is none; -EINVAL: a bad
 * escape, or what is no UTF-8; -ENOMEM. */
MUST_CHECK int transport_query(struct str query, struct str name, struct buffer *out);

/* Is the parameter exactly this? */
bool transport_query_is(struct str query, struct str name, struct str value);

/* Does the request's body come in Protobuf: Content-Type: application/octet-stream? */
bool transport_has_binary_body(const struct http_request *r);

/* Can this be a connect request of a unidirectional client? 0, -EBADMSG, -ENOMEM. */
MUST_CHECK int transport_check_connect(struct bytes request);
