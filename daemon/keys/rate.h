/*
 * Rate limits: token buckets of each client in each namespace, of all in a namespace, of each user
 * and of each API key.
 *
 * A bucket holds at most its burst, is full at first and fills steadily. Those of a client are its
 * session's. The others are shared by all workers and exact: however many ask at once,
 * together they get what the bucket holds and not one more (times are rounded to nanoseconds, the
 * workers' clocks are the system's one). Where there is no limit nothing is kept and nothing
 * locked.
 *
 * A flood of commands, whatever they are, is the session's own matter: client.command_rate, 3013.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct config_rate;
struct namespace;
struct rates;
struct session;
struct session_more;
struct worker;

enum rate_operation {
    RATE_PUBLISH,
    RATE_SUBSCRIBE,
    RATE_HISTORY,
    RATE_PRESENCE, /* presence and presence_stats */
    RATE_RPC,
};

/* The shared buckets; the daemon's. -ENOMEM. */
MUST_CHECK int rates_open(struct rates **ret);
struct rates *rates_close(struct rates *r); /* takes NULL; returns NULL */

/*
 * May the session do it now? Asks its own bucket for the operation in the namespace (ns NULL: rpc)
 * its user's and the namespace's, and takes one token of each, or of none. What is refused is
 * counted. The anonymous have no bucket of a user. Never suspends.
 *
 * 0; ERROR_TOO_MANY_REQUESTS, which is temporary: for the command's reply.
 */
MUST_CHECK int rate_allow(struct session *s, enum rate_operation op, const struct namespace *ns);

void rate_forget(struct session_more *m); /* the session ends */

/*
 * May an API call come by this key now? cost: how many things it asks for (a batch's commands, a
 * broadcast's channels); more than the burst cost the burst. key: only its hash is kept.
 * ret_retry_ms: if not, when it may. ERROR_TOO_MANY_REQUESTS or status 429 is the caller's to say.
 */
MUST_CHECK bool rate_allow_api(struct worker *w, struct str key, const struct config_rate *limit,
                               uint32_t cost, int64_t *ret_retry_ms);

/* May the user make such a call of the chat now? Wherever they are connected. ret_retry_ms: if not,
 * when they may. Counted. */
MUST_CHECK bool rate_allow_chat(struct worker *w, unsigned chat_rate, struct str user,
                                int64_t *ret_retry_ms);

size_t rates_count(struct rates *r); /* shared buckets that are not full, and some that are */
