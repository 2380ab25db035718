/*
 * Rate limits: token buckets of each client, each user, each namespace and each API key.
 *
 * A bucket holds at most its burst, is full at first and fills steadily. Those of a client are its
 * session's. Those of users, namespaces and keys are shared by all workers and exact: however many
 * ask at once, together they get what the bucket holds and not one more. Where there is no limit
 * nothing is kept and nothing is locked.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct daemon;
struct namespace;
struct rates;
struct session;
struct worker;

enum rate_operation {
    RATE_PUBLISH,
    RATE_SUBSCRIBE,
    RATE_HISTORY,
    RATE_PRESENCE, /* presence and presence_stats */
    RATE_RPC,
    RATE_OPERATIONS_N,
};

/* An option: tokens a period, at most burst at once. tokens 0: no limit. */
struct rate_limit {
    uint32_t tokens;
    uint32_t per_ms;
    uint32_t burst; /* at least 1 */
};

struct rate_limits {
    struct rate_limit of[RATE_OPERATIONS_N];
};

/* Shared buckets; the daemon's. -ENOMEM. */
MUST_CHECK int rates_open(struct rates **ret);
struct rates *rates_close(struct rates *r); /* takes NULL; returns NULL */

/*
 * May the session do it now? Asks its own bucket, its user's and the namespace's (ns may be NULL:
 * rpc) and takes one token of each only if all have one; what is refused costs nothing and is
 * counted. Anonymous clients have no bucket of a user. Never suspends.
 *
 * 0; ERROR_TOO_MANY_REQUESTS (temporary): for the command's reply.
 */
MUST_CHECK int rate_allow(struct session *s, enum rate_operation op, const struct namespace *ns);

/* The session ends. */
void rate_forget(struct session *s);

/*
 * May an API call by this key happen now? cost: how many things it asks for (a batch, a broadcast:
 * its channels); one over the burst takes all there is. key: the secret itself, or a name for it;
 * only its hash is kept. ret_retry_ms: when not: when to try again.
 */
MUST_CHECK bool rate_allow_api(struct worker *w, struct str key, uint32_t cost,
                               int64_t *ret_retry_ms);

size_t rates_count(const struct rates *r); /* shared buckets in memory, for /metrics */
