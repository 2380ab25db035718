#include "daemon/keys/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "async/loop.h"
#include "async/offload.h"
#include "daemon/config/config.h"
#include "daemon/keys/denial.h"
#include "daemon/keys/jwks.h"
#include "daemon/keys/keyring.h"
#include "daemon/worker.h"

enum { CHECKER_THREADS = 2, CHECKS_WAITING_MAX = 1024 };

struct keys {
    struct config *config; /* a reference; the keyrings point into it */
    struct keyring *connection, *subscription;
    bool has_subscription; /* a block of its own */
    bool believes_all;
    unsigned refs;
};

int keys_new(struct config *c, struct keys **ret) {
    struct keyring_problem problem;
    struct keys *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->refs = 1;
    k->config = config_ref(c);
    k->has_subscription = c->client.has_subscription_token;
    k->believes_all = c->client.insecure_skip_token_signature;
    int r = keyring_new(&c->client.token, &k->connection, &problem);
    if (r == 0 && k->has_subscription)
        r = keyring_new(&c->client.subscription_token, &k->subscription, &problem);
    if (r < 0)
        keys_unref(k);
    else
        *ret = k;
    return r;
}

struct keys *keys_unref(struct keys *k) {
    if (k && --k->refs == 0) {
        keyring_free(k->connection);
        keyring_free(k->subscription);
        config_unref(k->config);
        free(k);
    }
    return NULL;
}

static void keys_unrefp(struct keys **k) {
    keys_unref(*k);
}

/* ---- signatures ---- */

struct check {
    const struct token_key *key;
    const struct token *token;
};

static int check_here(void *arg) {
    const struct check *c = arg;
    return token_key_verify(c->key, c->token->algorithm, c->token->text, c->token->signature);
}

static int put_off(struct worker *w, const char *why, const char **ret_why) {
    metrics_count(&w->metrics, COUNT_TOKENS_PUT_OFF);
    *ret_why = why;
    return -EAGAIN;
}

/* 0, -EKEYREJECTED, -EAGAIN: too many wait; -ENOMEM, -ECANCELED, -ETIMEDOUT. */
static int check_signature(struct worker *w, const struct token_key *key, const struct token *t,
                           const char **ret_why) {
    struct check c = { key, t };
    int r = 0;

    if (!token_key_is_slow(key, t->text.len)) {
        r = check_here(&c);
    } else {
        if (!w->checkers)
            r = pool_open(&(struct pool_options){ .name = "signatures",
                                                  .threads = CHECKER_THREADS,
                                                  .queue_max = CHECKS_WAITING_MAX },
                          &w->checkers);
        if (r == 0)
            r = offload(w->checkers, check_here, &c);
        if (r == -ENOBUFS || r == -EAGAIN)
            return put_off(w, "too many signatures wait to be checked", ret_why);
        metrics_count(&w->metrics, COUNT_TOKENS_OFF_LOOP);
    }
    *ret_why = r == -EKEYREJECTED ? "a token's signature is wrong"
               : r == -ENOMEM     ? "out of memory"
                                  : "the check of a token was cut short";
    return r;
}

static int check_by_any(struct worker *w, const struct keyring_choice *choice,
                        const char **ret_why) {
    int r = -EKEYREJECTED;

    *ret_why = "there is no key for a token";
    for (size_t i = 0; i < choice->n_keys && r == -EKEYREJECTED; i++)
        r = check_signature(w, choice->keys[i], &choice->token, ret_why);
    return r;
}

static int check_by_fetched(struct worker *w, const struct config_token *t,
                            const struct keyring_choice *choice, const char **ret_why) {
    struct token_key *key;

    int r = w->jwks ? 0 : jwks_open(w, &w->jwks);
    if (r == 0)
        r = jwks_find(w->jwks, t->jwks_ca_file, choice->url, choice->token.key_id,
                      choice->token.algorithm, &key, ret_why);
    if (r == -EAGAIN)
        metrics_count(&w->metrics, COUNT_TOKENS_PUT_OFF);
    if (r < 0)
        return r;
    r = check_signature(w, key, &choice->token, ret_why);
    token_key_unref(key);
    return r;
}

/* ---- tokens ---- */

static int prove(struct worker *w, struct keys *k, bool is_subscription, struct str text,
                 struct arena *a, struct keyring_choice *ret, const char **ret_why) {
    const struct config_client *c = &k->config->client;
    bool is_own = is_subscription && k->has_subscription;
    const struct keyring *ring = is_own ? k->subscription : k->connection;
    const struct config_token *t = is_own ? &c->subscription_token : &c->token;

    if (k->believes_all)
        return keyring_read(ring, text, a, ret, ret_why);
    if (!keyring_has_keys(ring)) {
        *ret_why = "no key is configured";
        return -EKEYREJECTED;
    }
    int r = keyring_choose(ring, text, loop_wall_ms() / 1000, a, ret, ret_why);
    if (r < 0)
        return r;
    return ret->url.len ? check_by_fetched(w, t, ret, ret_why) : check_by_any(w, ret, ret_why);
}

static int revoked(struct worker *w, const char **ret_why) {
    metrics_count(&w->metrics, COUNT_TOKENS_REVOKED);
    *ret_why = "a token was revoked";
    return -EKEYREVOKED;
}

int keys_verify_connection(struct worker *w, struct str token, struct arena *a,
                           struct connection_claims *ret, const char **ret_why) {
    CLEANUP(keys_unrefp) struct keys *k = w->keys;
    struct keyring_choice choice;

    k->refs++;
    int r = prove(w, k, false, token, a, &choice, ret_why);
    if (r == 0)
        r = token_read_connection(&choice.token, &choice.rules, loop_wall_ms() / 1000, a, ret,
                                  ret_why);
    if (r < 0)
        return r;
    const struct denial_token t = { .user = ret->user,
                                    .id = ret->id,
                                    .issued_at_s = ret->issued_at_s };
    return denial_is_token_revoked(w->daemon, &t) ? revoked(w, ret_why) : 0;
}

int keys_verify_subscription(struct worker *w, struct str token, struct arena *a,
                             struct subscription_claims *ret, const char **ret_why) {
    CLEANUP(keys_unrefp) struct keys *k = w->keys;
    struct keyring_choice choice;

    k->refs++;
    int r = prove(w, k, true, token, a, &choice, ret_why);
    if (r == 0)
        r = token_read_subscription(&choice.token, &choice.rules, loop_wall_ms() / 1000, a, ret,
                                    ret_why);
    if (r < 0)
        return r;
    const struct denial_token t = {
        .user = ret->user, .channel = ret->channel, .id = ret->id, .issued_at_s = ret->issued_at_s
    };
    return denial_is_token_revoked(w->daemon, &t) ? revoked(w, ret_why) : 0;
}
