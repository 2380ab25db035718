/*
 * Key sets fetched from where issuers publish them (RFC 7517), kept, and fetched again: in the
 * background when they are no longer young, and at once when a token names a key that is not there,
 * but not more often than every few seconds.
 *
 * A set is fetched by one request, whoever else waits for it. While an endpoint fails its last set
 * holds, for a while (client.jwks.…). A worker's: each has its own sets; loop thread only.
 */
#pragma once

#include "async/base.h"
#include "protocol/token_key.h"

struct jwks;
struct worker;

enum {
    JWKS_RETRY_MIN_MS = 1000, /* after a failure; doubled by each further one */
    JWKS_RETRY_MAX_MS = 60 * 1000,
    JWKS_SETS_MAX = 64,   /* of different URLs */
    JWKS_FETCHES_MAX = 4, /* at a time */
    JWKS_REDIRECTS_MAX = 3,
};

MUST_CHECK int jwks_open(struct worker *w, struct jwks **ret); /* -ENOMEM */
/* The worker's tasks have ended. Takes NULL; returns NULL. */
struct jwks *jwks_close(struct jwks *j);

/*
 * The key of that id, or the only one for that algorithm if id is empty. ca_file: authorities for
 * the URL; empty: the system's. *ret_key: a reference of the caller's. ret_why: static text, on
 * error.
 *
 * 0, or: -EKEYREJECTED: there is no such key in a set that was fetched after the question was
 * asked. -EAGAIN: that cannot be said at the moment: the endpoint fails, or was asked only just
 * now. -ECANCELED, -ETIMEDOUT, -ENOMEM.
 */
SUSPENDS MUST_CHECK int jwks_find(struct jwks *j, struct str ca_file, struct str url,
                                  struct str key_id, enum token_algorithm algorithm,
                                  struct token_key **ret_key, const char **ret_why);
