/* subscribe and sub_refresh: may the client, and how long. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/session.h"
#include "daemon/keys/rate.h"
#include "daemon/map/poll.h"
#include "daemon/map/poll_room.h"
#include "daemon/map/poll_session.h"
#include "daemon/map/subscribe.h"
#include "daemon/publish.h"
#include "daemon/session/grant.h"
#include "daemon/session/impl.h"
#include "daemon/session/proxy.h"
#include "protocol/codec.h"
#include "protocol/tags_filter.h"

/* A subscribe command on its way. */
struct asking {
    struct session *session;
    uint32_t id;
    const struct command_subscribe *asked;
    struct config *config; /* a reference */
    struct arena arena;
    struct grant grant;
    struct refusal refusal; /* the backend's own; code 0: none */
    bool is_of_chat;
    uint64_t parted; /* of chat_may_follow() */
};

static void asking_finish(struct asking *a) {
    grant_finish(&a->grant);
    arena_finish(&a->arena);
    config_unref(a->config);
}

/* ---- may it? ---- */

/* A valid token is permission enough. */
static int judge_token(struct asking *a) {
    struct subscription_claims claims;
    int code = session_verify_subscription(a->session, a->asked->token, a->asked->channel,
                                           &a->arena, &claims);
    if (code)
        return code;
    a->grant.info = claims.info;
    a->grant.data = claims.data;
    a->grant.overrides = claims.overrides;
    a->grant.is_server_refreshed = a->grant.ns->sub_refresh_proxy;
    a->grant.expire_at_s = a->config->client.insecure ? 0 : claims.expire_at_s;
    return 0;
}

/* What the rules say of a client without a token, and the application where the rules ask it. */
static int judge_rules(struct asking *a) {
    struct asker who = { .user = session_user(a->session) };

    a->grant.is_server_refreshed = a->grant.ns->sub_refresh_proxy;
    if (a->grant.ns->subscribe_proxy && !permission_is_by_name(a->asked->channel)) {
        int r = session_proxy_subscribe(a->session, a->asked, &a->arena, &a->grant, &a->refusal);
        if (a->config->client.insecure)
            a->grant.expire_at_s = 0;
        return r < 0 ? r : (int) a->refusal.code;
    }
    return permission_subscribes(a->config, a->grant.ns, a->asked->channel, who)
                   ? 0
                   : ERROR_PERMISSION_DENIED;
}

/* A filter, checked, in a->grant. */
static int judge_filter(struct asking *a) {
    const struct codec *codec = wire_codec(session_format(a->session));
    const struct filter_node *root = NULL;
    const char *why = NULL;

    if (!a->grant.ns->allow_tags_filter)
        return ERROR_BAD_REQUEST;
    int r = codec->decode_filter(a->asked->tags_filter, &a->arena, &root, &why);
    if (r == 0)
        r = tags_filter_new(root, &a->grant.filter, &why);
    return r == 0 ? 0 : r == -ENOMEM ? DISCONNECT_SERVER_ERROR : ERROR_BAD_REQUEST;
}

/* Reference §5.1, in its order. 0, an error code or a disconnect code; < 0: the wait was cut short.
 */
static int judge(struct asking *a) {
    struct session *s = a->session;
    const struct command_subscribe *c = a->asked;
    struct metrics *m = &s->worker->metrics;

    if (c->channel.len > a->config->channel_max_length) {
        metrics_count(m, COUNT_CHANNEL_LENGTH);
        return ERROR_BAD_REQUEST;
    }
    if (subscription_find(s, c->channel))
        return ERROR_ALREADY_SUBSCRIBED;
    if (s->n_subs >= a->config->client.channel_limit) {
        metrics_count(m, COUNT_CHANNEL_LIMIT);
        return ERROR_LIMIT_EXCEEDED;
    }
    int code = permission_namespace(a->config, c->channel, &a->grant.ns);
    if (code)
        return code;
    if (c->type != a->grant.ns->type)
        return ERROR_PERMISSION_DENIED;
    code = rate_allow(s, RATE_SUBSCRIBE, a->grant.ns); /* before what costs: tokens, the backend */
    if (code)
        return code;
    a->is_of_chat = chat_is_room(s->worker, c->channel);
    if (a->is_of_chat) /* nobody else can let it in */
        code = chat_may_follow(s, c->channel, &a->parted);
    else
        code = c->token.len > 0 ? judge_token(a) : judge_rules(a);
    if (code)
        return code;
    if (c->delta.len && !str_equal(c->delta, STR("fossil")))
        return DISCONNECT_BAD_REQUEST;
    return c->tags_filter.len ? judge_filter(a) : 0;
}

/* ---- then it is ---- */

static void ask_for(struct asking *a) {
    const struct command_subscribe *c = a->asked;
    struct grant *g = &a->grant;

    g->channel = c->channel;
    g->wants_positioned = c->positioned;
    g->wants_recoverable = c->recoverable;
    g->wants_joins = c->join_leave;
    g->recovers = c->recover;
    g->since_offset = c->offset;
    g->since_epoch = c->epoch;
    g->wants_delta = c->delta.len > 0 && g->ns->type != SUBSCRIPTION_POLL;
    g->rejects_unrecovered = c->flag & SUBSCRIBE_FLAG_REJECT_UNRECOVERED;
}

static int start(struct asking *a) {
    struct session *s = a->session;
    struct reply reply = { .kind = REPLY_SUBSCRIBE, .id = a->id };

    char epoch[POLL_EPOCH_MAX];
    bool is_poll = a->grant.ns->type == SUBSCRIPTION_POLL;

    int r = grant_prepare(&a->grant);
    if (r == 0 && is_poll)
        r = poll_enter(s, a->grant.held, a->grant.ns);
    if (r == 0)
        r = grant_settle(&a->grant, &reply.subscribe);
    if (r == 0 && is_poll) {
        reply.subscribe.type = SUBSCRIPTION_POLL;
        reply.subscribe.epoch = poll_room_epoch(a->grant.held, epoch);
    }
    if (r == -ESTALE)
        return session_end(s, DISCONNECT_INSUFFICIENT_STATE);
    if (r == -ENODATA)
        return session_error(s, a->id, ERROR_UNRECOVERABLE_POSITION);
    if (r < 0)
        return session_failed(s, a->id, r);
    session_reply(s, &reply);
    grant_begin(&a->grant);
    if (a->is_of_chat)
        chat_followed(s, a->asked->channel, a->parted);
    return 0;
}

/* The next page of a map, unless the client begins anew. */
static bool goes_on(struct session *s, const struct command_subscribe *c, struct catch_up **ret) {
    struct catch_up *u = catch_up_find(s, c->channel);

    if (u && c->phase == MAP_PHASE_STATE && catch_up_is_begun_by(c)) {
        subscription_end(s, subscription_find(s, c->channel));
        u = NULL;
    }
    *ret = u;
    return u;
}

int subscription_start(struct session *s, uint32_t id, const struct command_subscribe *c) {
    struct catch_up *u;

    if (c->type != SUBSCRIPTION_STREAM && goes_on(s, c, &u))
        return catch_up_go_on(u, id, c);

    CLEANUP(asking_finish)
    struct asking a = { .session = s,
                        .id = id,
                        .asked = c,
                        .config = config_ref(s->worker->config),
                        .grant = { .session = s } };
    int64_t started_us = loop_now_us();

    a.grant.config = a.config;
    int code = judge(&a);
    if (code < 0)
        return code;
    if (code > 0)
        return session_refuse(s, id, a.refusal.code ? a.refusal : refusal_of((uint32_t) code));

    ask_for(&a);
    int r = namespace_is_map(a.grant.ns) ? catch_up_begin(s, id, c, &a.grant) : start(&a);
    if (r == 0)
        metrics_observe(&s->worker->metrics, TIME_SUBSCRIBE,
                        (uint64_t) (loop_now_us() - started_us));
    return r;
}

/* ---- sub_refresh ---- */

static void reply_refreshed(struct session *s, uint32_t id, int64_t expire_at_s) {
    struct reply reply = { .kind = REPLY_SUB_REFRESH, .id = id };
    if (expire_at_s) {
        reply.sub_refresh.expires = true;
        reply.sub_refresh.ttl_s = session_ttl_s(expire_at_s, loop_wall_ms() / 1000);
    }
    session_reply(s, &reply);
}

int subscription_refresh(struct session *s, uint32_t id, const struct command_sub_refresh *c) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct subscription_claims claims;

    struct subscription *sub = subscription_find(s, c->channel);
    if (!sub)
        return session_error(s, id, ERROR_PERMISSION_DENIED);
    if (c->type != SUB_REFRESH_TOKEN)
        return poll_refresh(s, id, c);
    if (c->token.len == 0)
        return session_error(s, id, ERROR_BAD_REQUEST);
    if (sub->is_server_side || sub->is_server_refreshed) /* not the client's to move */
        return session_end(s, DISCONNECT_BAD_REQUEST);
    int code = session_verify_subscription(s, c->token, c->channel, &arena, &claims);
    if (code < 0)
        return code;
    if (code > 0)
        return session_refuse(s, id, refusal_of((uint32_t) code));

    sub = subscription_find(s, c->channel);
    if (!sub) /* it ended meanwhile, and the client has been told */
        return session_error(s, id, ERROR_PERMISSION_DENIED);
    if (subscription_set_info(sub, claims.info) < 0)
        return session_end(s, DISCONNECT_SERVER_ERROR);
    subscription_set_expiry(s, sub, claims.expire_at_s);
    reply_refreshed(s, id, s->worker->config->client.insecure ? 0 : claims.expire_at_s);
    return 0;
}
