/*
 * The HTTP server API: what an application's backend asks of the daemon. One request holds one
 * command (POST /api/METHOD, its parameters in the body), several (POST /api/batch), or lines of
 * commands (POST /api, as older libraries send them). What there is: api/schema.h.
 */
#pragma once

#include "async/base.h"

struct config;
struct connection;
struct buffer;
struct http_exchange;
struct node_message;
struct worker;

/* For the table of endpoints. */
bool api_is_served(const struct connection *conn, const struct config *c);
int api_admit(struct http_exchange *x); /* who has no key has no body read */
SUSPENDS int api_serve(struct http_exchange *x);

/* Another node's command, for what is here: of node_serve_fn. */
SUSPENDS int api_serve_node(struct worker *w, const struct node_message *m, struct buffer *out);
