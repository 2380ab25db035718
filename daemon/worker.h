/*
 * A worker: connections that share a loop, the channels they are subscribed to, and everything they
 * share. Several workers may share one loop (simulation does that): all state hangs from here.
 */
#pragma once

#include <stdatomic.h>

#include "async/group.h"
#include "async/inbox.h"
#include "async/loop.h"
#include "async/semaphore.h"
#include "daemon/backend/outbound.h"
#include "daemon/channel.h"
#include "daemon/metrics.h"
#include "daemon/outbox.h"
#include "daemon/probe.h"
#include "daemon/session/hub.h"
#include "daemon/wheel.h"
#include "daemon/wire.h"
#include "protocol/frame.h"
#include "storage/engine.h"

enum { INPUT_BYTES = 16384, INPUTS_KEPT = 16 };

/* Where a connection reads into; lent for as long as it has something to read. */
struct input {
    struct input *next;
    uint8_t bytes[INPUT_BYTES];
};

struct chat_files;
struct config;
struct daemon;
struct keeper_job;
struct keys;
struct jwks;
struct opening;
struct pool;
struct proxies;
struct publish_op;
struct publishes;
struct stream;
struct tls;

/* Sessions whose presence is to be renewed, by their places; first come, first served. */
struct keeper_line {
    uint32_t *places;
    size_t first, n, capacity;
};

/* The longest stalls of the loop, in this window of time and the one before. */
struct worker_stall {
    int64_t now_us, before_us;
    int64_t since_ms;
};

struct worker {
    struct daemon *daemon;
    unsigned index;
    struct config *config;         /* a reference; replaced as a whole by a reload */
    struct keys *keys;             /* whose tokens are believed */
    struct jwks *jwks;             /* keys of others; NULL until one is needed */
    size_t passes;                 /* requests on their way to the node that keeps the chat */
    struct chat_files *chat_files; /* what people upload; NULL until somebody does */
    struct pool *checkers;         /* of signatures that take long; NULL until there is one */
    struct pool *hashers;          /* of passwords; the same */
    struct tls *tls;               /* for new connections; NULL: TLS is off */

    struct inbox *inbox;
    struct engine_sink sink;
    bool has_sink;
    struct wire wire;
    struct frame_limits frame_limits, uni_frame_limits;
    struct channels channels;
    struct outbox_set outboxes;
    struct wheel wheel;
    struct turn_hook flush;
    unsigned turn_ends;
    struct batch_pool batches;
    struct buffer scratch; /* frames on their way into an outbox; within one call */

    struct outbound outbound; /* HTTP to other servers */
    struct proxies *proxies;  /* limits of the configuration's */

    struct semaphore poll_slots; /* requests of shared polls at once, this worker's share */

    struct group connections, tasks;
    struct hub hub;
    size_t n_connections;
    _Atomic uint32_t coming; /* connections that others have handed over and it has not seen yet */
    size_t n_exchanges;      /* HTTP requests that have come and are being answered */
    bool is_draining;

    /* keeper.c: presence and positions, kept up by one task that exists while there is work */
    struct keeper_line presence_due;
    struct list removals; /* presence that is to be removed, in its order */
    struct table removals_by_name;
    struct session *keeper_session; /* whose presence is being renewed; NULLed when it goes */
    struct timer check;             /* when to compare positions again */
    bool is_keeping, is_check_due;
    bool is_check_forced; /* of all, whatever their interval */
    bool is_check_wanted; /* soon: some could not be compared */

    size_t publishes_running;
    struct publish_op *publish_ops; /* session/publish.c's, not in use */
    size_t n_publish_ops;
    struct publishes *spare_publishes;
    struct input *inputs; /* not lent */
    size_t n_inputs;
    struct opening *openings; /* transport/connection_http.c's, not lent */
    size_t n_openings;
    struct probe probe; /* for /health */
    struct timer beat;
    struct worker_stall stall;
    _Atomic int64_t turned_ms; /* when the beat last came round; read by other threads */
    struct metrics metrics;
};

enum accept_flag { ACCEPT_PLAIN = 0, ACCEPT_TLS = 1, ACCEPT_INTERNAL = 2 };

/* On the worker's loop, in the task that owns it. -ENOMEM, -ENOSPC. */
SUSPENDS MUST_CHECK int worker_open(struct worker *w, struct daemon *d, unsigned index);

/* Ends what is left of connections and tasks. Takes a zeroed one. */
SUSPENDS void worker_close(struct worker *w);

/* A connection begins; the worker owns the stream on success. -ENOMEM; -EBUSY: far too many
 * connections (a few over the limit are answered with 503); -ECANCELED: the worker ends. */
MUST_CHECK int worker_accept(struct worker *w, struct stream *s, unsigned accept_flags);

/* Tells the clients to go elsewhere (3001), spread over spread_ms, and waits until all have gone.
 */
SUSPENDS int worker_drain(struct worker *w, int64_t spread_ms);

/* Takes over a configuration: one more reference is taken. tls: shared, not taken; NULL: it stays.
 * -ENOMEM: the old ones stay. */
MUST_CHECK int worker_configure(struct worker *w, struct config *c, const struct tls *tls);

/* Of a limit of the whole daemon on what workers do side by side: an even part, at least 1. */
size_t worker_share(const struct worker *w, size_t total);

void worker_connection_ended(struct worker *w);

struct input *worker_lend_input(struct worker *w);           /* NULL: no memory */
void worker_return_input(struct worker *w, struct input *i); /* takes NULL */

/* For /metrics: what is counted elsewhere is copied into the worker's metrics. On its loop. */
void worker_collect(struct worker *w);
