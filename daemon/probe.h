/*
 * Proof that publications arrive: one of our own is published through the engine as any other is,
 * kept (so that it is on the disk where others would be), and has to reach every worker's loop in
 * time.
 *
 * Of a worker; loop thread only. However often it is asked, it probes once a second.
 */
#pragma once

#include "async/event.h"
#include "async/future.h"
#include "daemon/config/config.h"
#include "storage/engine.h"

struct worker;

enum {
    PROBE_CHANNEL_MAX = 64,
    PROBE_TIMEOUT_MS = 2000, /* from publishing to the last worker */
    PROBE_FRESH_MS = 1000,   /* for which a result is good */
};

struct probe_result {
    int error;      /* 0: it arrived everywhere. -ETIMEDOUT: it did not; else the engine's */
    size_t missing; /* workers it has not reached */
    int64_t took_us;
};

struct probe {
    /* private, all */
    _Atomic uint64_t seen[CONFIG_WORKERS_MAX]; /* here: the last one of each worker's */
    char channel[PROBE_CHANNEL_MAX];           /* of this node; no client and no API can name it */
    uint8_t channel_len;
    bool is_attached;
    bool is_running;
    bool is_publishing; /* request is the engine's */
    bool has_result;
    uint64_t number; /* of the newest */
    int64_t ended_ms;
    struct probe_result result;
    struct publish_request request;
    struct future published;
    struct event ended; /* pulsed */
};

/* With the worker, which has its sink. -ENOMEM. */
SUSPENDS MUST_CHECK int probe_open(struct worker *w);
/* Before its sink goes; no publish of it is under way. Takes one that was never opened. */
void probe_close(struct worker *w);

/* For the sink's deliver: was it one? Then it has been noted. */
bool probe_take(struct worker *w, const struct publication *p);

/* A result that is no older than PROBE_FRESH_MS. 0; -ENOMEM, -ECANCELED; -ETIMEDOUT: a deadline of
 * the caller's. */
SUSPENDS MUST_CHECK int probe_ask(struct worker *w, struct probe_result *ret);
