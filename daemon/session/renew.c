/*
 * Connections and subscriptions that expire, where their renewal is the backend's business: it is
 * asked when their time is over, in an errand of the session; the client is told of nothing. The
 * grace of the configuration is how long the answer may take.
 */
#include <errno.h>

#include "async/task.h"
#include "daemon/channel.h"
#include "daemon/log.h"
#include "daemon/session/control.h"
#include "daemon/session/login.h"
#include "daemon/session/proxy.h"

enum verdict {
    VERDICT_GONE, /* the session ends */
    VERDICT_OVER, /* it has expired */
    VERDICT_PROLONGED,
    VERDICT_UNKNOWN, /* nobody could say: for a while it stays as it is */
};

static int64_t for_a_while_s(struct session *s) {
    metrics_count(&s->worker->metrics, COUNT_PROXY_PROLONGED);
    return loop_wall_ms() / 1000 + PROXY_PROLONG_S;
}

/* An error is no verdict either: the backend has other ways to say no. */
static enum verdict judge(struct session *s, int r, const struct proxy_answer *answer) {
    const struct proxy_result *result = &answer->result;

    if (s->state != SESSION_CONNECTED || r == -ECANCELED)
        return VERDICT_GONE;
    if (r < 0)
        return VERDICT_UNKNOWN;
    if (answer->refusal.is_disconnect) {
        session_disconnect_with(s, answer->refusal.code, answer->refusal.text);
        return VERDICT_GONE;
    }
    if (answer->refusal.code)
        return VERDICT_UNKNOWN;
    bool has_passed = result->expire_at_s != 0 && result->expire_at_s <= loop_wall_ms() / 1000;
    return !result->is_there || result->is_expired || has_passed ? VERDICT_OVER : VERDICT_PROLONGED;
}

/* ---- the connection ---- */

static void take_identity(struct session *s, const struct proxy_result *result) {
    struct credentials who = { .info = result->info,
                               .meta = result->meta,
                               .id = session_token_id(s),
                               .issued_at_s = session_token_issued_at_s(s) };
    if ((result->info.len || result->meta.len) && session_renew_identity(s, &who) < 0)
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
}

static void renew_connection(struct session *s) {
    const struct config_client *client = &s->worker->config->client;
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct proxy_request request = { .kind = PROXY_REFRESH };
    struct proxy_answer answer = { 0 };

    s->more->renews_connection = false;
    if (!client->refresh_proxy_enabled) /* no longer: its grace has begun */
        return;
    int r = session_ask_proxy(s, &client->refresh_proxy, &request, &arena, &answer);
    int64_t until_s = answer.result.expire_at_s;
    switch (judge(s, r, &answer)) {
    case VERDICT_PROLONGED:
        take_identity(s, &answer.result);
        break;
    case VERDICT_UNKNOWN:
        until_s = for_a_while_s(s);
        break;
    case VERDICT_OVER:
        session_disconnect(s, DISCONNECT_EXPIRED);
        return;
    case VERDICT_GONE:
    default:
        return;
    }
    session_set_expiry(s, until_s);
    session_schedule(s);
}

/* ---- subscriptions ---- */

static struct subscription *next_to_renew(struct session *s) {
    for (unsigned i = 0; i < s->n_subs; i++)
        if (session_sub(s, i)->is_renewing)
            return session_sub(s, i);
    return NULL;
}

/* The backend does not answer: nor will it for the others, who have no time to wait for that. */
static void prolong_all(struct session *s) {
    struct subscription *sub;
    while ((sub = next_to_renew(s)) != NULL) {
        sub->is_renewing = false;
        subscription_set_expiry(s, sub, for_a_while_s(s));
    }
}

/* The subscription may have ended while the backend was asked. */
static enum verdict renew_subscription(struct session *s, struct str channel) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    const struct namespace *ns = config_namespace_of(s->worker->config, channel);
    struct proxy_request request = { .kind = PROXY_SUB_REFRESH, .channel = channel };
    struct proxy_answer answer = { 0 };

    if (!ns || !ns->sub_refresh_proxy) {
        subscription_find(s, channel)->is_renewing = false;
        return VERDICT_PROLONGED;
    }
    int r = session_ask_proxy(s, ns->sub_refresh_proxy, &request, &arena, &answer);
    enum verdict verdict = judge(s, r, &answer);
    struct subscription *sub = subscription_find(s, channel);
    if (!sub || verdict == VERDICT_GONE || verdict == VERDICT_UNKNOWN)
        return verdict;
    sub->is_renewing = false;
    if (session_sub_refresh_server(s, channel, verdict == VERDICT_OVER, answer.result.expire_at_s,
                                   answer.result.has_info, answer.result.info) < 0)
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
    return verdict;
}

/* A task that was cancelled asks nobody any more. */
static void renew_subscriptions(struct session *s) {
    struct subscription *sub;
    while (s->state == SESSION_CONNECTED && !task_cancelled() && (sub = next_to_renew(s)) != NULL) {
        struct channel *c = sub->channel;
        c->users++; /* its name is needed for longer than the subscription may last */
        if (renew_subscription(s, channel_name(c)) == VERDICT_UNKNOWN)
            prolong_all(s);
        channel_release(c);
    }
}

/* ---- the login ---- */

static void keep_login(struct session *s) {
    s->more->keeps_login = false;
    session_keep_login(s);
}

/* ---- the errand ---- */

static void run(struct session *s, struct session_errand *e) {
    (void) e;
    do { /* more may fall due meanwhile */
        if (s->more->renews_connection)
            renew_connection(s);
        renew_subscriptions(s);
        if (s->more->keeps_login && s->state == SESSION_CONNECTED)
            keep_login(s);
    } while (s->state == SESSION_CONNECTED && !task_cancelled() &&
             (s->more->renews_connection || s->more->keeps_login || next_to_renew(s)));
    s->more->is_renewing = false;
}

static void drop(struct session_errand *e) {
    CONTAINER_OF(e, struct session_more, renewal)->is_renewing = false;
}

void session_renew(struct session *s) {
    struct session_more *more = s->more; /* what falls due is noted there */
    if (more->is_renewing)
        return;
    more->is_renewing = true;
    more->renewal = (struct session_errand){ .run = run, .drop = drop };
    (void) session_post(s, &more->renewal);
}
