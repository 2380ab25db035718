/*
 * A client of the Centrifuge protocol over one WebSocket connection. It does not reconnect: who
 * holds it does, and knows what to recover. One task reads, one task at a time writes.
 */
#pragma once

#include "async/stream.h"
#include "async/tls.h"
#include "clients/cli/url.h"
#include "protocol/codec.h"

struct client;

enum { CLIENT_WHY_MAX = 256 };

struct client_options {
    const struct url *url;
    const struct tls *tls; /* for wss:// */
    struct stream *stream; /* connected already, taken over whatever happens; NULL: to be reached by
                              the URL */
    struct str token;      /* empty: none */
    struct bytes subs;  /* of the connect command, as the codec has them: channels that the server
                           is to subscribe us to, and since when. Empty: none */
    bool is_protobuf;   /* instead of JSON; payloads are then any bytes */
    int64_t timeout_ms; /* for reaching the server and being let in, and for each reply; 0: 10 s */
    size_t max_message; /* bytes of a message from the server; 0: 16 MiB */
};

/* Why there is no connection, or no longer. */
struct client_end {
    int error;                /* -errno; 0: the server closed */
    uint32_t code;            /* the server's close or error code; 0: none */
    bool is_final;            /* trying again would not help */
    char why[CLIENT_WHY_MAX]; /* a sentence without its full stop */
};

/*
 * Connects and is let in. All of options are borrowed for the client's life.
 * 0, or -errno with *ret_end saying why: -ECONNREFUSED and the like; -EACCES: the server does not
 * want us; -EPROTO: that is no such server; -ECANCELED, -ETIMEDOUT: the caller's.
 */
SUSPENDS MUST_CHECK int client_open(const struct client_options *o, struct client **ret,
                                    struct client_end *ret_end);
SUSPENDS struct client *client_close(struct client *c); /* says goodbye; takes NULL; returns NULL */
SUSPENDS void client_closep(struct client **c);         /* for CLEANUP */

/* What the server said of the connection. Until client_close(). */
const struct reply_connect *client_result(const struct client *c);

/* Encodes a command and gives it an id (which it returns); it is sent by the next client_flush().
 * 0: no memory. */
MUST_CHECK uint32_t client_queue(struct client *c, struct command *command);
size_t client_queued(const struct client *c); /* bytes */
SUSPENDS MUST_CHECK int client_flush(struct client *c);

/*
 * The next reply or push; pings are answered on the way. What it points to is good until the next
 * call. 1; 0: the connection has ended; -errno: it is broken. Then *ret_end says why.
 */
SUSPENDS MUST_CHECK int client_next(struct client *c, struct reply *ret,
                                    struct client_end *ret_end);

/* Sends a command and waits for its reply. Pushes that come before it go to on_push (may be NULL).
 * Returns as client_next(); an error reply is a reply. */
SUSPENDS MUST_CHECK int client_call(struct client *c, struct command *command,
                                    void (*on_push)(void *arg, const struct push *push), void *arg,
                                    struct reply *ret, struct client_end *ret_end);

/* How long to wait before the n-th try (from 0): exponential from 200 ms to 20 s, with full jitter.
 */
int64_t client_backoff_ms(unsigned n);
