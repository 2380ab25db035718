/*
 * JSON web key sets (RFC 7517): the public keys by which somebody else signs.
 *
 * RSA, EC and OKP keys (RFC 7518 §6, RFC 8037 §2) for signatures. What is of another kind, for
 * another use, incomplete or unsound is passed over, as RFC 7517 §5 has it: one odd key does not
 * make the others void. Secrets (`oct`) are: who publishes a secret has none.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/token_key.h"

enum {
    JWK_SET_KEYS_MAX = 256, /* those behind are passed over */
    JWK_SET_BYTES_MAX = 512 * 1024,
};

struct jwk {
    struct str id; /* `kid`; empty: none */
    struct token_key *key;
};

/* Zeroed is empty. One thread's, but for what can be done with its keys. */
struct jwk_set {
    struct jwk *keys;
    size_t n;
    size_t passed_over;
};

/* 0; -EBADMSG: that is no key set, ret_why is static text; -EMSGSIZE: JWK_SET_BYTES_MAX; -ENOMEM.
 */
MUST_CHECK int jwk_set_decode(struct bytes text, struct jwk_set *ret, const char **ret_why);
void jwk_set_finish(struct jwk_set *s);

/*
 * The key for a token: the one of that id that is for that algorithm. A token that names no key
 * gets the only one that is for its algorithm, if there is only one. NULL: there is none. Borrowed.
 */
struct token_key *jwk_set_find(const struct jwk_set *s, struct str id,
                               enum token_algorithm algorithm);
