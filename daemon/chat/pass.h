/*
 * What a node is asked over HTTP that only the one that keeps the chat can answer (/auth, /files,
 * /hooks): it is passed on there, and the answer back, both in pieces, so that a load balancer may
 * send anybody anywhere.
 *
 * Where it came from stands in a header, behind the secret that the keeper wrote into its lease: of
 * those who can ask it, only nodes that share its Redis know that. Whoever else writes such a
 * header is taken for what they are; and what has one is never passed on again.
 */
#pragma once

#include "daemon/transport/http_exchange.h"

enum {
    PASS_CONNECT_MS = 5000,
    PASS_PIECE_MS = 30 * 1000, /* for a piece to be taken, or to come */
    PASS_WAIT_MS = 60 * 1000,  /* for the answer to begin */
    PASS_PIECE_BYTES = 65536,  /* of memory that one on its way takes */
};

/* Answers x: with what the keeper answers, or 503 while there is none that can be reached. As
 * http_endpoint.serve(). */
SUSPENDS int chat_pass(struct http_exchange *x);

/* Was it passed on by another node? Then its visitor's address and whether they came by TLS. ret:
 * spans of the request. */
struct passed {
    struct str address;
    bool is_secure;
};
bool chat_was_passed(const struct http_exchange *x, struct passed *ret);
