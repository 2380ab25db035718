/*
 * JSON web tokens (RFC 7519) in the compact form of JWS (RFC 7515 §7.1): what they claim, and
 * whether a key of ours signed it (token_key.h).
 *
 * What is acceptable is said by the verifier's key, never by the token: a token whose `alg` is not
 * one of that key's (`none` above all) is invalid. Time is an argument.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"
#include "protocol/token_key.h"

/* ---- in steps: where a key must be looked for, or a check is another thread's to make ---- */

/* A token taken apart; nothing in it is to be believed before token_key_verify() said so. */
struct token {
    enum token_algorithm algorithm;
    struct str key_id;      /* `kid`; empty: it names none */
    struct bytes text;      /* what was signed: of the token itself */
    struct bytes signature; /* in the arena, as the rest */
    struct bytes claims;    /* JSON, or so it says */
};

/* -EKEYREJECTED: it is none, or of an algorithm that is none of ours; -ENOMEM. */
MUST_CHECK int token_open(struct str text, struct arena *a, struct token *ret,
                          const char **ret_why);

/* Where a token says it comes from and whom it is for: to choose the key by. */
struct token_origin {
    struct str issuer;           /* `iss` */
    const struct str *audiences; /* `aud` */
    size_t n_audiences;
};

MUST_CHECK int token_read_origin(const struct token *t, struct arena *a, struct token_origin *ret,
                                 const char **ret_why); /* -EKEYREJECTED, -ENOMEM */

/* What a token must say, besides having been signed. Spans are borrowed. */
struct token_rules {
    struct str audience;   /* `aud` must be or hold it; empty: not looked at */
    struct str issuer;     /* `iss` must be it; empty: not looked at */
    struct str user_claim; /* whose value is the user; empty: `sub` */
};

struct connection_claims;
struct subscription_claims;

/* What a token claims whose signature is good. As token_verify_connection(), below. */
MUST_CHECK int token_read_connection(const struct token *t, const struct token_rules *rules,
                                     int64_t now_s, struct arena *a, struct connection_claims *ret,
                                     const char **ret_why);
MUST_CHECK int token_read_subscription(const struct token *t, const struct token_rules *rules,
                                       int64_t now_s, struct arena *a,
                                       struct subscription_claims *ret, const char **ret_why);

/* ---- in one: by one key that is at hand ---- */

struct token_options {
    struct bytes hmac_secret; /* not empty; copied */
    struct token_key *key;    /* in place of the secret; a reference is taken */
    unsigned algorithms;      /* bits of enum token_algorithm; 0: all of the key's */
    struct token_rules rules; /* copied */
};

struct token_verifier;

/* -EINVAL: no secret and no key; -ENOMEM. */
MUST_CHECK int token_verifier_new(const struct token_options *o, struct token_verifier **ret);
struct token_verifier *token_verifier_free(struct token_verifier *v); /* takes NULL; returns NULL */

/* A subscription's option that a token may set against its namespace's. */
struct token_override {
    bool is_set;
    bool value;
};

struct token_overrides {
    struct token_override presence;
    struct token_override join_leave;
    struct token_override force_recovery;
    struct token_override force_positioning;
    struct token_override force_push_join_leave;
};

/* A server-side subscription in a connection token: of `subs`, or if it has none of `channels`. */
struct token_sub {
    struct str channel;
    struct bytes info; /* info, or b64info decoded */
    struct bytes data; /* data, or b64data decoded */
    struct token_overrides overrides;
};

struct connection_claims {
    struct str user;   /* sub; empty: anonymous */
    struct bytes info; /* info, or b64info decoded */
    struct bytes meta;
    struct str id;       /* jti */
    int64_t issued_at_s; /* iat; 0: absent */
    int64_t expire_at_s; /* when the connection expires: expire_at, else exp; 0: never */
    const struct token_sub *subs;
    size_t n_subs;
};

struct subscription_claims {
    struct str user;
    struct str channel; /* never empty */
    struct str client;  /* empty: any */
    struct bytes info;
    struct bytes data;
    struct str id;
    int64_t issued_at_s;
    int64_t expire_at_s; /* when the subscription expires; 0: never */
    struct token_overrides overrides;
};

/*
 * Verifies a connection's or a subscription's token.
 *
 * What is handed out lives in the arena, even when the token is gone. Whether user, channel and
 * client of a subscription's are those of the connection is the caller's to compare. ret_why:
 * static text for a log, on error.
 *
 * 0, or: -EKEYEXPIRED: `exp` has passed or `nbf` has not come (ERROR_TOKEN_EXPIRED).
 * -EKEYREJECTED: anything else that is wrong with it (DISCONNECT_INVALID_TOKEN). -ENOMEM.
 */
MUST_CHECK int token_verify_connection(struct token_verifier *v, struct str token, int64_t now_s,
                                       struct arena *a, struct connection_claims *ret,
                                       const char **ret_why);
MUST_CHECK int token_verify_subscription(struct token_verifier *v, struct str token, int64_t now_s,
                                         struct arena *a, struct subscription_claims *ret,
                                         const char **ret_why);

/* Appends a token of these claims (a JSON object, as it stands) to out. key_id: `kid`; empty: none.
 * -EINVAL: the key cannot sign by this algorithm; -ENOMEM; -EMSGSIZE. */
MUST_CHECK int token_sign_by(const struct token_key *key, enum token_algorithm algorithm,
                             struct str key_id, struct bytes claims, struct buffer *out);

/* The same with a secret: HS256, HS384 or HS512. -EINVAL: no secret or another algorithm. */
MUST_CHECK int token_sign(enum token_algorithm algorithm, struct bytes secret, struct bytes claims,
                          struct buffer *out);
