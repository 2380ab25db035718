#include "daemon/subscription.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/channel.h"
#include "daemon/keeper.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "daemon/recovery.h"
#include "daemon/session_impl.h"
#include "daemon/wire_page.h"

struct subscription *subscription_find(struct session *s, struct str channel) {
    for (unsigned i = 0; i < s->n_subs; i++)
        if (str_equal(channel_name(s->subs[i].channel), channel))
            return &s->subs[i];
    return NULL;
}

static struct subscription *find_by_channel(struct session *s, const struct channel *c) {
    for (unsigned i = 0; i < s->n_subs; i++)
        if (s->subs[i].channel == c)
            return &s->subs[i];
    return NULL;
}

void subscription_moved(struct session *s, struct channel *c, uint32_t index) {
    struct subscription *sub = find_by_channel(s, c);
    sub->index = index;
    sub->is_listed = true;
}

struct client_info subscription_client_info(const struct session *s,
                                            const struct subscription *sub) {
    struct client_info info = session_info(s);
    if (sub->info)
        info.chan_info = bytes_of(sub->info->data, sub->info->len);
    return info;
}

/* Joins and leaves are for whoever is there to hear: without memory they are not heard. */
static void announce(struct session *s, const struct subscription *sub,
                     enum publication_kind kind) {
    struct client_info info = subscription_client_info(s, sub);
    struct publication *p = publication_new(&(struct publication_parts){
            .kind = kind, .channel = channel_name(sub->channel), .info = &info });
    if (!p || engine_broadcast(s->worker->daemon->engine, p) < 0)
        LOG_WARNING(s->worker->daemon->log, "a join or leave was lost", LOG_RESULT(-ENOMEM));
    publication_unref(p);
}

/* ---- ending ---- */

/* Out of channel and session; the caller releases the channel. */
static struct channel *take_out(struct session *s, struct subscription *sub) {
    struct channel *c = sub->channel;

    if (sub->is_listed)
        channel_remove(c, sub->index);
    if (sub->emits_joins && sub->is_listed)
        announce(s, sub, PUBLICATION_LEAVE);
    free(sub->info);
    *sub = s->subs[--s->n_subs];
    if (s->n_subs == 0) {
        free(s->subs);
        s->subs = NULL;
        s->subs_capacity = 0;
    }
    metrics_gauge_add(&s->worker->metrics, GAUGE_SUBSCRIPTIONS, -1);
    return c;
}

void subscription_end(struct session *s, struct subscription *sub) {
    struct worker *w = s->worker;
    bool has_presence = sub->has_presence;
    struct channel *c = take_out(s, sub);

    if (has_presence &&
        engine_presence_remove(w->daemon->engine, channel_name(c), session_client(s)) < 0)
        keeper_remove_presence(w, channel_name(c), session_client(s));
    channel_release(c);
}

void subscription_drop(struct session *s, struct subscription *sub) {
    bool has_presence = sub->has_presence;
    struct channel *c = take_out(s, sub);

    if (has_presence)
        keeper_remove_presence(s->worker, channel_name(c), session_client(s));
    channel_release(c);
}

static void drop_with_push(struct session *s, struct subscription *sub, uint32_t code) {
    struct channel *c = sub->channel;
    c->users++; /* its name is in the push */
    subscription_drop(s, sub);
    metrics_count_unsubscribe(&s->worker->metrics, code);
    session_push(s, &(struct push){
                            .kind = PUSH_UNSUBSCRIBE,
                            .channel = channel_name(c),
                            .unsubscribe = { .code = code, .reason = unsubscribe_reason(code) } });
    channel_release(c);
}

void session_lost(struct session *s, struct channel *c) {
    struct subscription *sub = find_by_channel(s, c);
    metrics_count(&s->worker->metrics, COUNT_POSITION_LOST);
    drop_with_push(s, sub, UNSUBSCRIBE_INSUFFICIENT_STATE);
}

void subscriptions_expire(struct session *s, uint32_t now) {
    s->subs_expire_at = 0;
    for (unsigned i = s->n_subs; i-- > 0;) {
        struct subscription *sub = &s->subs[i];
        if (sub->expire_at == 0)
            continue;
        if (sub->expire_at <= now)
            drop_with_push(s, sub, UNSUBSCRIBE_EXPIRED);
        else if (s->subs_expire_at == 0 || sub->expire_at < s->subs_expire_at)
            s->subs_expire_at = sub->expire_at;
    }
}

static void set_expiry(struct session *s, struct subscription *sub, int64_t expire_at_s) {
    struct worker *w = s->worker;
    sub->expire_at = 0;
    if (expire_at_s == 0)
        return;
    sub->expire_at = wheel_tick_in(&w->wheel, expire_at_s * 1000 - loop_wall_ms() +
                                                      w->config->client.expired_sub_close_ms);
    if (s->subs_expire_at == 0 || sub->expire_at < s->subs_expire_at)
        s->subs_expire_at = sub->expire_at;
    session_schedule(s);
}

/* ---- may it? ---- */

/* What a subscribe command has been granted. */
struct grant {
    struct session *session;
    uint32_t id;
    const struct command_subscribe *asked;
    struct config *config; /* a reference */
    const struct namespace *ns;
    struct arena arena;
    struct subscription_claims claims; /* of the token, if has_token */
    bool has_token;
    bool is_positioned, is_recoverable, wants_joins, has_presence, emits_joins;
    int64_t started_us;
};

static void grant_finish(struct grant *g) {
    config_unref(g->config);
    arena_finish(&g->arena);
}

/* 0: it is one for this channel and this client. Else an error code, or a disconnect code; < 0: the
 * wait was cut short. */
static int verify(struct session *s, struct str token, struct str channel, struct arena *a,
                  struct subscription_claims *ret) {
    struct worker *w = s->worker;
    const char *why = NULL;

    int r = keys_verify_subscription(w, token, a, ret, &why);
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    int64_t now_s = loop_wall_ms() / 1000;
    if (r == 0 && (session_one_line(a, &ret->info) < 0 || session_one_line(a, &ret->data) < 0)) {
        r = -EKEYREJECTED;
        why = "info or data is not JSON";
    }
    if (r == -ENOMEM)
        return DISCONNECT_SERVER_ERROR;
    if (r < 0)
        LOG_INFO(w->daemon->log, "subscription token refused", LOG_STR("client", session_client(s)),
                 LOG_STR("channel", channel), LOG_TEXT("why", why));
    if (r == -EAGAIN)
        return ERROR_INTERNAL;
    if (r == -EKEYEXPIRED || r == -EKEYREVOKED ||
        (r == 0 && ret->expire_at_s && ret->expire_at_s <= now_s))
        return ERROR_TOKEN_EXPIRED;
    if (r < 0)
        return ERROR_PERMISSION_DENIED;
    if (!str_equal(ret->channel, channel) || !str_equal(ret->user, session_user(s)) ||
        (ret->client.len && !str_equal(ret->client, session_client(s))))
        return DISCONNECT_INVALID_TOKEN;
    return 0;
}

/* Reference §5.1, in its order. 0, an error code or a disconnect code, or < 0. */
static int judge(struct grant *g) {
    struct session *s = g->session;
    const struct command_subscribe *c = g->asked;
    struct metrics *m = &s->worker->metrics;

    if (c->channel.len > g->config->channel_max_length) {
        metrics_count(m, COUNT_CHANNEL_LENGTH);
        return ERROR_BAD_REQUEST;
    }
    if (subscription_find(s, c->channel))
        return ERROR_ALREADY_SUBSCRIBED;
    if (s->n_subs >= g->config->client.channel_limit) {
        metrics_count(m, COUNT_CHANNEL_LIMIT);
        return ERROR_LIMIT_EXCEEDED;
    }
    int code = permission_namespace(g->config, c->channel, &g->ns);
    if (code)
        return code;
    if (c->type != 0)
        return ERROR_PERMISSION_DENIED;

    struct asker who = { .user = session_user(s) };
    g->has_token = c->token.len > 0;
    if (g->has_token)
        code = verify(s, c->token, c->channel, &g->arena, &g->claims);
    else if (!permission_subscribes(g->config, g->ns, c->channel, who))
        code = ERROR_PERMISSION_DENIED;
    if (code)
        return code;
    if (c->delta.len && !str_equal(c->delta, STR("fossil")))
        return DISCONNECT_BAD_REQUEST;
    return c->tags_filter.len ? ERROR_BAD_REQUEST : 0;
}

static bool overridden(struct token_override o, bool otherwise) {
    return o.is_set ? o.value : otherwise;
}

/* What the client asked for and may have, and what the namespace gives unasked. */
static void choose_options(struct grant *g) {
    const struct command_subscribe *c = g->asked;
    const struct namespace *ns = g->ns;
    const struct token_overrides *o = &g->claims.overrides;
    struct asker who = { .user = session_user(g->session), .is_subscribed = true };

    bool reads = permission_has(g->config, &ns->history, who);
    if (namespace_has_history(ns)) {
        g->is_recoverable = (c->recoverable && (ns->allow_recovery || reads)) ||
                            overridden(o->force_recovery, ns->force_recovery);
        g->is_positioned = g->is_recoverable ||
                           (c->positioned && (ns->allow_positioning || reads)) ||
                           overridden(o->force_positioning, ns->force_positioning);
    }

    bool has_joins = overridden(o->join_leave, ns->join_leave);
    bool sees = permission_has(g->config, &ns->presence_of, who);
    g->has_presence = overridden(o->presence, ns->presence);
    g->emits_joins = has_joins;
    g->wants_joins = has_joins && ((c->join_leave && sees) ||
                                   overridden(o->force_push_join_leave, ns->force_push_join_leave));
}

/* ---- starting ---- */

static int make_room(struct session *s) {
    if (s->n_subs < s->subs_capacity)
        return 0;
    unsigned capacity = s->subs_capacity ? s->subs_capacity * 2u : 1u;
    struct subscription *subs = realloc(s->subs, capacity * sizeof *subs);
    if (!subs)
        return -ENOMEM;
    s->subs = subs;
    s->subs_capacity = (uint16_t) capacity;
    return 0;
}

/* In the session's list, not in the channel's yet. Takes the caller's hold of the channel on
 * success. */
static int insert(struct grant *g, struct channel *c) {
    struct session *s = g->session;
    struct sub_info *info = NULL;
    struct bytes text = g->claims.info;

    if (g->has_token && text.len) {
        info = malloc(sizeof *info + text.len);
        if (!info)
            return -ENOMEM;
        info->len = (uint32_t) text.len;
        memcpy(info->data, text.data, text.len);
    }
    if (make_room(s) < 0) {
        free(info);
        return -ENOMEM;
    }
    s->subs[s->n_subs++] = (struct subscription){
        .channel = c,
        .info = info,
        .has_presence = g->has_presence,
        .emits_joins = g->emits_joins,
    };
    metrics_gauge_add(&s->worker->metrics, GAUGE_SUBSCRIPTIONS, 1);
    return 0;
}

static void reply_subscribed(struct grant *g, const struct page *page, const struct joiner *joiner,
                             const struct recovery *recovery) {
    struct reply reply = { .kind = REPLY_SUBSCRIBE, .id = g->id };
    struct reply_subscribe *r = &reply.subscribe;
    struct wire_page items = {
        .page = page->items ? page->items + recovery->first_page : NULL,
        .n_page = recovery->n_page,
        .live = joiner->items ? joiner->items + recovery->first_live : NULL,
        .n_live = recovery->n_live,
    };

    r->recoverable = g->is_recoverable;
    r->positioned = g->is_positioned;
    if (g->is_positioned) {
        r->epoch = str_of(page->top.epoch);
        r->offset = recovery->offset;
    }
    r->was_recovering = g->asked->recover && g->is_recoverable;
    r->recovered = recovery->recovered;
    r->publications = wire_page_list(&items);
    if (g->has_token) {
        r->data = g->claims.data;
        r->expires = g->claims.expire_at_s != 0;
        if (r->expires)
            r->ttl_s = session_ttl_s(g->claims.expire_at_s, loop_wall_ms() / 1000);
    }
    session_reply(g->session, &reply);
}

/* Everything has been read: nothing suspends from here on, so that no publication gets between the
 * reply and the place in the channel. */
static int finish(struct grant *g, struct channel *c, const struct page *page,
                  const struct joiner *joiner, const struct recovery *recovery) {
    struct session *s = g->session;
    struct subscriber_options options = {
        .flags = (g->is_positioned ? SUBSCRIBER_POSITIONED : 0) |
                 (g->wants_joins ? SUBSCRIBER_JOINS : 0),
        .next = recovery->next,
        .epoch = g->is_positioned ? str_of(page->top.epoch) : (struct str){ 0 },
    };

    int r = channel_add(c, s, &options);
    if (r < 0)
        return r;
    struct subscription *sub = find_by_channel(s, c);
    reply_subscribed(g, page, joiner, recovery);
    if (g->has_token)
        set_expiry(s, sub, g->claims.expire_at_s);
    if (sub->emits_joins)
        announce(s, sub, PUBLICATION_JOIN);
    if (sub->has_presence && !s->presence_at) {
        s->presence_at = wheel_tick_in(&s->worker->wheel, g->config->client.presence_update_ms);
        session_schedule(s);
    }
    if (g->is_positioned)
        keeper_watch_positions(s->worker);
    return 0;
}

/* Reads what the reply needs, while what is published is kept aside. */
static int read_and_finish(struct grant *g, struct channel *c) {
    struct session *s = g->session;
    CLEANUP(page_finish) struct page page = { 0 };
    CLEANUP(joiner_finish) struct joiner joiner = { 0 };
    struct recovery recovery = { 0 };
    struct recovery_request request = {
        .is_asked = g->asked->recover && g->is_recoverable,
        .mode = g->ns->recovery_mode,
        .limit = g->config->client.recovery_max,
        .max_bytes = session_reply_max(s),
        .offset = g->asked->offset,
        .epoch = g->asked->epoch,
    };

    if (g->is_positioned) {
        channel_join(c, &joiner);
        struct history_query q = recovery_query(&request, channel_name(c), g->ns->keep);
        int r = engine_history(s->worker->daemon->engine, &q, &page);
        if (r < 0)
            return r;
        r = joiner.is_overrun ? -ESTALE
                              : recovery_decide(&request, &page, joiner.items, joiner.n, &recovery);
        if (r < 0)
            return session_end(s, DISCONNECT_INSUFFICIENT_STATE);
    }
    if (request.is_asked)
        metrics_count(&s->worker->metrics,
                      recovery.recovered ? COUNT_RECOVERED : COUNT_UNRECOVERED);
    if (request.is_asked && !recovery.recovered &&
        (g->asked->flag & SUBSCRIBE_FLAG_REJECT_UNRECOVERED))
        return -ENODATA;
    return finish(g, c, &page, &joiner, &recovery);
}

static int start(struct grant *g) {
    struct session *s = g->session;
    struct worker *w = s->worker;
    struct channel *c;

    int r = channel_hold(&w->channels, g->asked->channel, &c);
    if (r < 0)
        return r;
    r = insert(g, c);
    if (r < 0) {
        channel_release(c);
        return r;
    }
    if (g->has_presence) {
        struct client_info info = subscription_client_info(s, find_by_channel(s, c));
        keeper_keep_presence(w, channel_name(c), info.client);
        r = engine_presence_set(w->daemon->engine, channel_name(c), &info,
                                g->config->client.presence_ttl_ms);
    }
    if (r == 0)
        r = read_and_finish(g, c);
    if (r < 0)
        subscription_end(s, find_by_channel(s, c));
    return r;
}

int subscription_start(struct session *s, uint32_t id, const struct command_subscribe *c) {
    CLEANUP(grant_finish)
    struct grant g = {
        .session = s,
        .id = id,
        .asked = c,
        .config = config_ref(s->worker->config),
        .started_us = loop_now_us(),
    };

    int code = judge(&g);
    if (code < 0)
        return code;
    if (code >= 3000)
        return session_end(s, (uint32_t) code);
    if (code > 0)
        return session_error(s, id, (uint32_t) code);

    choose_options(&g);
    int r = start(&g);
    if (r == -ENODATA)
        return session_error(s, id, ERROR_UNRECOVERABLE_POSITION);
    if (r == -ECONNABORTED)
        return r;
    if (r < 0)
        return session_failed(s, id, r);
    metrics_observe(&s->worker->metrics, TIME_SUBSCRIBE, (uint64_t) (loop_now_us() - g.started_us));
    return 0;
}

int subscription_refresh(struct session *s, uint32_t id, const struct command_sub_refresh *c) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct subscription_claims claims;

    struct subscription *sub = subscription_find(s, c->channel);
    if (!sub)
        return session_error(s, id, ERROR_PERMISSION_DENIED);
    if (c->token.len == 0)
        return session_error(s, id, ERROR_BAD_REQUEST);
    int code = verify(s, c->token, c->channel, &arena, &claims);
    if (code < 0)
        return code;
    sub = subscription_find(s, c->channel); /* it may have ended meanwhile */
    if (!sub)
        return session_error(s, id, ERROR_PERMISSION_DENIED);
    if (code >= 3000)
        return session_end(s, (uint32_t) code);
    if (code > 0)
        return session_error(s, id, (uint32_t) code);

    set_expiry(s, sub, claims.expire_at_s);
    struct reply reply = { .kind = REPLY_SUB_REFRESH, .id = id };
    if (claims.expire_at_s) {
        reply.sub_refresh.expires = true;
        reply.sub_refresh.ttl_s = session_ttl_s(claims.expire_at_s, loop_wall_ms() / 1000);
    }
    session_reply(s, &reply);
    return 0;
}
