/* What tokens claim, read out of verified JSON. For token.c. */
#pragma once

#include "protocol/json.h"
#include "protocol/token.h"

/* Everything that either kind of token may claim. */
struct token_claims {
    struct str user;
    struct str channel;
    struct str client;
    struct str issuer;
    struct str id;
    struct bytes info;
    struct bytes data;
    struct bytes meta;
    bool has_channel;
    bool has_audience; /* the one we want is among them */
    bool has_expiry;
    bool has_expire_at;
    bool has_not_before;
    bool has_subs;
    int64_t expiry_s;
    int64_t expire_at_s;
    int64_t not_before_s;
    int64_t issued_at_s;
    struct token_overrides overrides;
    struct token_sub *subs;
    size_t n_subs, subs_cap;
};

/* Reads claims into a zeroed ret; what is wrong is remembered by the cursor. */
void token_decode_claims(struct json *j, struct arena *a, const struct token_rules *rules,
                         struct token_claims *ret);
