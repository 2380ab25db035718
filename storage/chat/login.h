/*
 * Logins: what somebody who has signed in is known by, until it is revoked or over. Of its token
 * only the SHA-256 is here.
 */
#pragma once

#include "storage/chat/store.h"

enum { CHAT_LOGIN_HASH_SIZE = 32, CHAT_LOGINS_MAX = 100 /* of one user */ };

struct chat_login {
    int64_t key;
    struct str id; /* what it is revoked by; no secret */
    int64_t created_at, last_seen_at, expires_at;
    struct str agent, address; /* of the request it was made by, as that said */
    struct str pushed_out;     /* of a new one: the id of another that had to go; or empty */
};

struct chat_logins {
    struct chat_login *items; /* newest first */
    size_t n;
};

struct chat_login_new {
    const uint8_t *hash; /* CHAT_LOGIN_HASH_SIZE */
    struct str agent, address;
    int64_t expires_at; /* 0: never */
};

/* Those of the user whose time is over go, and past CHAT_LOGINS_MAX the one that was not seen for
 * longest: ret->pushed_out, whose connections are to end. */
MUST_CHECK int chat_login_add(struct chat_tx *tx, int64_t user_key,
                              const struct chat_login_new *new, struct chat_login *ret);

/* CHAT_NOT_FOUND: there is none, it is over, or its user is deactivated. */
MUST_CHECK int chat_login_find(struct chat_tx *tx, const uint8_t hash[static CHAT_LOGIN_HASH_SIZE],
                               struct chat_login *ret, struct chat_user *ret_user);

/* They only grow. */
MUST_CHECK int chat_login_seen(struct chat_tx *tx, int64_t key, int64_t at_ms, int64_t expires_at);

/* The same of a user's login by its id; of one that is gone, or over, it is nothing. */
MUST_CHECK int chat_login_used(struct chat_tx *tx, struct str user, struct str id, int64_t at_ms,
                               int64_t expires_at);

MUST_CHECK int chat_login_list(struct chat_tx *tx, int64_t user_key, struct chat_logins *ret);
MUST_CHECK int chat_login_count(struct chat_tx *tx, int64_t user_key, unsigned *ret);

/* CHAT_NOT_FOUND: none of that user's. */
MUST_CHECK int chat_login_remove(struct chat_tx *tx, int64_t user_key, struct str id);
/* All but one; keep_key 0: all. */
MUST_CHECK int chat_login_remove_others(struct chat_tx *tx, int64_t user_key, int64_t keep_key);
