/*
 * A server of the Centrifuge protocol that does what a test tells it to: the other end for clients.
 * Built from the shipped layers. One task at a time.
 */
#pragma once

#include "async/stream.h"
#include "protocol/codec.h"

struct peer;

/*
 * Reads a WebSocket handshake from s, which it takes over whatever happens, and answers it.
 * -EBADMSG: it is none; else what reading and writing say.
 */
SUSPENDS MUST_CHECK int peer_accept(struct stream *s, struct peer **ret);
SUSPENDS struct peer *peer_free(struct peer *p); /* cuts; takes NULL; returns NULL */

/* What the client asked for in its handshake. */
struct str peer_target(const struct peer *p);

/* The next command, good until the next call. 1; 0: the client said goodbye; -errno. */
SUSPENDS MUST_CHECK int peer_next(struct peer *p, struct command *ret);

SUSPENDS MUST_CHECK int peer_send_text(struct peer *p, const char *message); /* one frame */
SUSPENDS MUST_CHECK int peer_send_bytes(struct peer *p, struct bytes raw);   /* not even a frame */
SUSPENDS MUST_CHECK int peer_send_ping(struct peer *p);                      /* WebSocket's own */
SUSPENDS MUST_CHECK int peer_reply(struct peer *p, const struct reply *reply);
SUSPENDS MUST_CHECK int peer_push(struct peer *p, const struct push *push);
SUSPENDS MUST_CHECK int peer_close(struct peer *p, uint16_t code, const char *reason);

/* Takes the connect command and lets the client in; ping_s: what it is told of pings, 0 none.
 * ret_connect (may be NULL) is good until the next peer_next(). -EPROTO: something else came. */
SUSPENDS MUST_CHECK int peer_let_in(struct peer *p, uint32_t ping_s,
                                    struct command_connect *ret_connect);
