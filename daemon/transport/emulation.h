/*
 * /emulation: commands of clients whose transport only carries bytes to them. The session they are
 * for may be any worker's. An endpoint, see transport/http_exchange.h.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

struct buffer;
struct node_message;
struct worker;

bool emulation_is_served(const struct connection *conn, const struct config *c);

/* Answers when the commands have been handled, so that a client cannot have more of them waiting
 * here than it has requests. */
int emulation_serve(struct http_exchange *x);

/* What came to another node, for a session of ours: of node_serve_fn. */
int emulation_serve_node(struct worker *w, const struct node_message *m, struct buffer *out);
