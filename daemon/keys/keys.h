/*
 * Whose tokens are believed: the keys of the configuration and those of a JWKS endpoint, and the
 * check of a token by them.
 *
 * One per worker and configuration, used on that worker's loop only. Keys that were fetched are the
 * worker's (jwks.h), and outlive a reload.
 */
#pragma once

#include "async/base.h"
#include "protocol/token.h"

struct config;
struct keys;
struct worker;

/* Of a configuration, whose reference is taken; fetches nothing yet. -EINVAL: a key or a pattern is
 * none, which checking the configuration says (keyring.h); -ENOMEM. */
MUST_CHECK int keys_new(struct config *c, struct keys **ret);

/* What uses them goes on and keeps them until it is done. Takes NULL; returns NULL. */
struct keys *keys_unref(struct keys *k);

/*
 * Verifies a connection's or a subscription's token by the worker's keys (worker.keys), and that it
 * has not been revoked (denial.h). Whether its user is blocked is the session's to ask, who may
 * come by another way than a token.
 *
 * Suspends where a key must be fetched, and while a signature is checked that takes long: that is
 * done by another thread. What is handed out lives in the arena. ret_why: static text for a log, on
 * error.
 *
 * 0, or: -EKEYEXPIRED: `exp` has passed or `nbf` has not come; -EKEYREVOKED: it was revoked, or
 * issued before those of its user or channel were: both ERROR_TOKEN_EXPIRED, the application may
 * give out another. -EKEYREJECTED: anything else that is wrong with it (DISCONNECT_INVALID_TOKEN).
 * -EAGAIN: the key cannot be had at the moment (ERROR_INTERNAL, which is temporary).
 * -ECANCELED, -ETIMEDOUT: the wait was cut short. -ENOMEM.
 */
SUSPENDS MUST_CHECK int keys_verify_connection(struct worker *w, struct str token, struct arena *a,
                                               struct connection_claims *ret, const char **ret_why);
SUSPENDS MUST_CHECK int keys_verify_subscription(struct worker *w, struct str token,
                                                 struct arena *a, struct subscription_claims *ret,
                                                 const char **ret_why);
