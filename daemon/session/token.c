/* Tokens: what they say of this client, or what they deserve. */
#include <errno.h>

#include "daemon/keys/keys.h"
#include "daemon/log.h"
#include "daemon/session/impl.h"

static void log_refused(struct session *s, const char *what, struct str channel, const char *why) {
    char label[SESSION_LABEL_MAX];
    LOG_INFO(s->worker->daemon->log, what, LOG_STR("client", session_label(s, label)),
             LOG_STR("channel", channel), LOG_TEXT("why", why ? why : ""));
}

/* Info is for whoever asks. (Data is for this client alone: session_fit().) */
static int fit_info(struct arena *a, struct bytes *info, const char **why) {
    int r = session_one_line(a, info);
    if (r != -EBADMSG)
        return r;
    *why = "info is not JSON";
    return -EKEYREJECTED;
}

/* 0, or the code for a token that was not accepted; < 0: the wait was cut short. */
static int code_of(int r, uint32_t invalid) {
    switch (r) {
    case 0:
    case -ECANCELED:
    case -ETIMEDOUT:
        return r;
    case -EAGAIN: /* the key cannot be had now */
        return ERROR_INTERNAL;
    case -EKEYEXPIRED:
    case -EKEYREVOKED:
        return ERROR_TOKEN_EXPIRED;
    case -ENOMEM:
        return DISCONNECT_SERVER_ERROR;
    default:
        return (int) invalid;
    }
}

static bool has_passed(int64_t expire_at_s) {
    return expire_at_s != 0 && expire_at_s <= loop_wall_ms() / 1000;
}

static int take_subs(struct arena *a, const struct connection_claims *claims,
                     struct credentials *ret, const char **why) {
    struct server_sub *subs = NULL;
    if (claims->n_subs) {
        subs = arena_alloc(a, claims->n_subs * sizeof *subs);
        if (!subs)
            return -ENOMEM;
    }
    for (size_t i = 0; i < claims->n_subs; i++) {
        const struct token_sub *from = &claims->subs[i];
        subs[i] = (struct server_sub){
            .channel = from->channel,
            .info = from->info,
            .data = from->data,
            .overrides = from->overrides,
            .source = SERVER_SUB_TOKEN,
        };
        int r = fit_info(a, &subs[i].info, why);
        if (r < 0)
            return r;
    }
    ret->subs = subs;
    ret->n_subs = claims->n_subs;
    return 0;
}

int session_verify(struct session *s, struct str token, struct arena *a, struct credentials *ret) {
    struct connection_claims claims;
    const char *why = NULL;

    int r = keys_verify_connection(s->worker, token, a, &claims, &why);
    if (r == 0)
        r = fit_info(a, &claims.info, &why);
    *ret = (struct credentials){ .source = CREDENTIALS_TOKEN };
    if (r == 0)
        r = take_subs(a, &claims, ret, &why);
    if (r == 0 && has_passed(claims.expire_at_s))
        r = -EKEYEXPIRED;
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r < 0) {
        log_refused(s, "connection token refused", (struct str){ 0 }, why);
        return code_of(r, DISCONNECT_INVALID_TOKEN);
    }
    if (claims.user.len == 0 && s->worker->config->client.disallow_anonymous_tokens)
        return DISCONNECT_PERMISSION_DENIED;

    ret->user = claims.user;
    ret->info = claims.info;
    ret->meta = claims.meta;
    ret->id = claims.id;
    ret->issued_at_s = claims.issued_at_s;
    ret->expire_at_s = claims.expire_at_s;
    return 0;
}

int session_verify_subscription(struct session *s, struct str token, struct str channel,
                                struct arena *a, struct subscription_claims *ret) {
    const char *why = NULL;
    struct client_text client;

    int r = keys_verify_subscription(s->worker, token, a, ret, &why);
    if (r == 0)
        r = fit_info(a, &ret->info, &why);
    if (r == 0 && has_passed(ret->expire_at_s))
        r = -EKEYEXPIRED;
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r < 0) {
        log_refused(s, "subscription token refused", channel, why);
        return code_of(r, ERROR_PERMISSION_DENIED);
    }
    if (!str_equal(ret->channel, channel) || !str_equal(ret->user, session_user(s)) ||
        (ret->client.len && !str_equal(ret->client, session_client(s, &client))))
        return DISCONNECT_INVALID_TOKEN;
    r = session_fit(s, a, &ret->data);
    return r < 0 ? DISCONNECT_SERVER_ERROR : r;
}

uint64_t session_subs_hash(const struct session *s, const struct server_sub *subs, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += table_hash(&s->worker->hub.seed, str_bytes(subs[i].channel)) | 1;
    return sum;
}
