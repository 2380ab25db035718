/*
 * Passwords: argon2id (RFC 9106) in PHC strings, which name their parameters, so that these can
 * grow and old strings stay good.
 *
 * Hashing takes long and much memory, on purpose: it runs on threads, through a gate that bounds
 * how many run at once in the whole daemon.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum {
    PASSWORD_SALT_SIZE = 16,
    PASSWORD_HASH_SIZE = 32,
    PASSWORD_TEXT_MAX = 160, /* of what is kept, terminator included */

    /* A password, in bytes: RFC 9106 would take more, but nobody types it. */
    PASSWORD_MIN = 8,
    PASSWORD_MAX = 1024,

    /* What a kept text may ask for: one that came from elsewhere must not take all memory. */
    PASSWORD_MEMORY_KIB_MAX = 256 * 1024,
    PASSWORD_PASSES_MAX = 16,
    PASSWORD_LANES_MAX = 4,
};

struct password_cost {
    uint32_t memory_kib, passes, lanes;
};

/* OWASP's recommendation of 2023: 19 MiB, two passes. */
#define PASSWORD_COST ((struct password_cost){ .memory_kib = 19 * 1024, .passes = 2, .lanes = 1 })

/* ---- on any thread; as slow as the cost says ---- */

/* salt: random. -ENOMEM; -EINVAL: libargon2 does not take the cost. */
MUST_CHECK int password_hash(struct str password, const struct password_cost *cost,
                             const uint8_t salt[static PASSWORD_SALT_SIZE],
                             char ret[static PASSWORD_TEXT_MAX]);

/* 0: it is the password. -EKEYREJECTED: it is not. -EBADMSG: the text is none of ours, or asks for
 * more than is allowed. -ENOMEM. */
MUST_CHECK int password_verify(struct str text, struct str password);

/* Was the text made with another cost than this? */
bool password_is_outdated(struct str text, const struct password_cost *cost);

/* ---- on a loop ---- */

struct password_gate; /* the daemon's; any thread */
struct pool;

/* at_once: how many are computed side by side: bounds memory. -ENOMEM. */
MUST_CHECK int password_gate_open(unsigned at_once, struct password_gate **ret);
struct password_gate *password_gate_close(struct password_gate *g); /* takes NULL; returns NULL */

/*
 * The same on a thread of the pool, which waits there for its turn. pool: the caller's loop's.
 * As above, and: -EAGAIN: too many wait. -ECANCELED, -ETIMEDOUT: not done.
 */
SUSPENDS MUST_CHECK int password_hash_off_loop(struct password_gate *g, struct pool *pool,
                                               struct str password,
                                               char ret[static PASSWORD_TEXT_MAX]);
SUSPENDS MUST_CHECK int password_verify_off_loop(struct password_gate *g, struct pool *pool,
                                                 struct str text, struct str password);

/* What is compared with where there is nobody: the same work, and never right. */
struct str password_nobody(const struct password_gate *g);
