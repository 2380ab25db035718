/*
 * One block of token settings, made usable: its keys, its patterns, the URL of its key set. Made of
 * a configuration, immutable, of the thread that made it.
 */
#pragma once

#include "async/base.h"
#include "protocol/token.h"

struct config_token;
struct keyring;

/* What cannot be used, and why, for the operator. */
struct keyring_problem {
    const char *option; /* below the block: "rsa_public_key"; NULL: not about one */
    char why[200];
};

/* t: borrowed for as long as the keyring lives. 0; -ENOMEM; -EINVAL: *ret_problem says why. */
MUST_CHECK int keyring_new(const struct config_token *t, struct keyring **ret,
                           struct keyring_problem *ret_problem);
struct keyring *keyring_free(struct keyring *k); /* takes NULL; returns NULL */

bool keyring_has_keys(const struct keyring *k); /* or somewhere to get them from */

enum { KEYRING_CHOICE_MAX = 2 };

/* By what a token is to be checked. Spans live in the arena. */
struct keyring_choice {
    struct token token;
    struct token_rules rules;
    struct token_key *keys[KEYRING_CHOICE_MAX]; /* any of them will do; the keyring's */
    size_t n_keys;
    struct str url; /* the key is in this set; empty: keys has it. NUL-terminated */
};

/* Takes a token apart and asks no more of it: where everything is believed. Errors as below. */
MUST_CHECK int keyring_read(const struct keyring *k, struct str token, struct arena *a,
                            struct keyring_choice *ret, const char **ret_why);

/*
 * Takes a token apart, compares issuer and audience with what is wanted, and says which key is for
 * it. Nothing has been proved by that. now_s: a key may be acceptable until some time only.
 * 0; -EKEYREJECTED: ret_why is static text; -ENOMEM.
 */
MUST_CHECK int keyring_choose(const struct keyring *k, struct str token, int64_t now_s,
                              struct arena *a, struct keyring_choice *ret, const char **ret_why);
