/*
 * Who is kept out, whatever token they bring: blocked users, revoked tokens, all tokens issued
 * before some time. Kept by the engine, so that it outlives a restart; known to all workers.
 *
 * Checks are look-ups in memory and may be made on any thread. What is expired is forgotten.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct daemon;
struct engine;
struct denial_register;
struct worker;

/* Reads what the engine keeps. The daemon's, before its workers start. -EIO, -ENOMEM. */
SUSPENDS MUST_CHECK int denials_open(struct engine *e, struct denial_register **ret);
struct denial_register *denials_close(struct denial_register *r); /* takes NULL; returns NULL */

enum { DENIAL_NAME_MAX = 2048 }; /* bytes of a user, token id or channel; longer: -EMSGSIZE */

/*
 * Each is durable and known to every worker when it returns 0. Call on a worker's loop. What is
 * denied twice has the later end. expire_at_s: wall clock; 0: stays for ever.
 * is_learnt: another node, which shares the engine, has it there already.
 *
 * -EINVAL: a name is empty, or the end has passed; -EMSGSIZE. -ENOSPC: too many are there; -EIO,
 * -ENOMEM, -ENOBUFS: it has not happened. -ECANCELED, -ETIMEDOUT: it may have happened or not.
 */

/* Live sessions of the user are disconnected (3507, for good) before it returns. */
SUSPENDS MUST_CHECK int denial_block_user(struct worker *w, struct str user, int64_t expire_at_s,
                                          bool is_learnt);
/* 0 if not, too. */
SUSPENDS MUST_CHECK int denial_unblock_user(struct worker *w, struct str user, bool is_learnt);

/* id: the token's `jti`. Live sessions that came with it are disconnected (3005: a client comes
 * back, and is asked for another token). */
SUSPENDS MUST_CHECK int denial_revoke_token(struct worker *w, struct str id, int64_t expire_at_s,
                                            bool is_learnt);

/*
 * Tokens of a user, for a channel, or of a user for a channel, whose `iat` is before
 * issued_before_s (0: now) or missing. channel empty: connection and subscription tokens alike;
 * else subscription tokens for it. user empty: of anybody. Live sessions that came with such a
 * connection token are disconnected (3005).
 */
SUSPENDS MUST_CHECK int denial_invalidate_tokens(struct worker *w, struct str user,
                                                 struct str channel, int64_t issued_before_s,
                                                 int64_t expire_at_s, bool is_learnt);

/* Other nodes' denials may have been missed: the engine's are read again, and whom they mean is put
 * out. 0, or as engine_denials(). */
SUSPENDS MUST_CHECK int denials_read_again(struct worker *w);

/* ---- checks ---- */

bool denial_is_user_blocked(const struct daemon *d, struct str user);

/* What a token says of itself. */
struct denial_token {
    struct str user;
    struct str channel;  /* of subscription tokens */
    struct str id;       /* jti; empty: none */
    int64_t issued_at_s; /* iat; 0: unknown */
};

bool denial_is_token_revoked(const struct daemon *d, const struct denial_token *t);

size_t denial_count(const struct daemon *d); /* for /metrics; with some that have expired */
