/*
 * Webhooks: what happens in the daemon (clients connect and disconnect, channels become occupied
 * and vacated) is told to services of the operator's, over HTTP.
 *
 * An event goes into a line in memory, from there, in order and many at a time, into the engine's
 * queue, where it stays until the service has taken it. So it is delivered at least once, whoever
 * ends in between; events of one subject (a client, a channel) in their order. What stood when the
 * process ended without saying so (a connection, an occupied channel) is ended by the next one.
 *
 * The lines are bounded by webhooks.queue_max: when they are full new events are dropped and
 * counted, except ends of what was told to have begun. See docs/webhooks.md.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct config;
struct daemon;
struct session;
struct webhooks;

/* On the main loop, with the engine open. Ends what the process before left standing. As
 * engine_events_next(). */
SUSPENDS MUST_CHECK int webhooks_open(struct daemon *d, struct webhooks **ret);

/* No worker is left. What waits in memory goes into the engine, if it takes it; deliveries under
 * way are cut short, and made again by the next process. Takes NULL; returns NULL. */
SUSPENDS struct webhooks *webhooks_close(struct webhooks *w);

/* Takes over a configuration; a reference is taken. Main loop. -ENOMEM, -EIO: the old one stays. */
SUSPENDS MUST_CHECK int webhooks_configure(struct webhooks *w, struct config *c);

/* Does the configuration want to hear of channels? Then workers tell of them. */
bool webhooks_want_channels(const struct config *c);

/* ---- what happened: any thread, never suspends; w may be NULL ---- */

/* true: webhooks_disconnected() is to follow. */
bool webhooks_connected(struct webhooks *w, const struct session *s);
void webhooks_disconnected(struct webhooks *w, const struct session *s);

/* A worker's first subscriber has come: 0, -ENOMEM; its last one has left, if the former gave 0. */
MUST_CHECK int webhooks_entered(struct webhooks *w, struct str channel);
void webhooks_left(struct webhooks *w, struct str channel);

struct webhook_stats {
    uint64_t events;       /* that some endpoint wants, one for each */
    uint64_t dropped;      /* of them: the queue was full, or memory */
    uint64_t delivered;    /* taken by their endpoints */
    uint64_t requests;     /* made */
    uint64_t failed;       /* of them: without an answer, or not with 2xx */
    uint64_t store_errors; /* the engine did not take or forget events; tried again */
    uint64_t waiting;      /* in memory, for the engine */
};

void webhooks_stats(const struct webhooks *w, struct webhook_stats *ret); /* any thread */
