/*
 * Signatures with which an application lets a client track keys of a shared poll: issued at,
 * expires at (Unix time, decimal) and, in lower-case hex, an HMAC-SHA256 by the application's
 * secret, with colons between them. What is signed: both times, the user, the channel, and the
 * SHA-256 of the keys, as hex; NUL bytes between them, and between two keys.
 */
#pragma once

#include "protocol/command.h"

enum { POLL_SIGNATURE_MAX = 128 }; /* bytes; those of ours are 86 */

struct poll_secret {
    struct str current;
    struct str previous; /* empty: none; believed, too */
};

/* Whose keys. */
struct poll_grant {
    struct str user, channel;
    const struct tracked_key *keys;
    size_t n_keys;
};

/* 0: it is right, and good until *ret_expires_s (which may have passed). -EKEYREJECTED: it is not.
 * -ENOMEM. */
MUST_CHECK int poll_signature_check(struct str signature, const struct poll_secret *secret,
                                    const struct poll_grant *g, int64_t *ret_expires_s);
