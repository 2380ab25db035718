#include "daemon/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/config.h"
#include "daemon/worker.h"

struct keys {
    struct token_verifier *tokens; /* NULL: no secret is configured */
    unsigned refs;
};

int keys_new(struct worker *w, const struct config *c, struct keys *previous, struct keys **ret) {
    const struct config_token *t = &c->client.token;
    (void) w;
    (void) previous;

    struct keys *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->refs = 1;
    if (t->hmac_secret_key.len) {
        int r = token_verifier_new(
                &(struct token_options){ .hmac_secret = str_bytes(t->hmac_secret_key),
                                         .rules.audience = t->audience,
                                         .rules.issuer = t->issuer },
                &k->tokens);
        if (r < 0) {
            free(k);
            return r;
        }
    }
    *ret = k;
    return 0;
}

struct keys *keys_unref(struct keys *k) {
    if (k && --k->refs == 0) {
        token_verifier_free(k->tokens);
        free(k);
    }
    return NULL;
}

static int none(const char **ret_why) {
    *ret_why = "no secret is configured";
    return -EKEYREJECTED;
}

int keys_verify_connection(struct worker *w, struct str token, struct arena *a,
                           struct connection_claims *ret, const char **ret_why) {
    struct keys *k = w->keys;
    return k->tokens ? token_verify_connection(k->tokens, token, loop_wall_ms() / 1000, a, ret,
                                               ret_why)
                     : none(ret_why);
}

int keys_verify_subscription(struct worker *w, struct str token, struct arena *a,
                             struct subscription_claims *ret, const char **ret_why) {
    struct keys *k = w->keys;
    return k->tokens ? token_verify_subscription(k->tokens, token, loop_wall_ms() / 1000, a, ret,
                                                 ret_why)
                     : none(ret_why);
}
