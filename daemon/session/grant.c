#include "daemon/session/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/delta.h"
#include "daemon/keeper.h"
#include "daemon/map/presence.h"
#include "daemon/session/subscription.h"
#include "protocol/tags_filter.h"

static bool overridden(struct token_override o, bool otherwise) {
    return o.is_set ? o.value : otherwise;
}

/* What the client asked for and may have, and what the namespace gives unasked. */
static void choose_options(struct grant *g) {
    const struct namespace *ns = g->ns;
    const struct token_overrides *o = &g->overrides;
    struct asker who = { .user = session_user(g->session), .is_subscribed = true };

    bool reads = permission_has(g->config, &ns->history, who);
    if (g->is_map) {
        g->is_positioned = g->is_recoverable = g->has_stream;
    } else if (namespace_has_history(ns)) {
        g->is_recoverable = (g->wants_recoverable && (ns->allow_recovery || reads)) ||
                            overridden(o->force_recovery, ns->force_recovery);
        g->is_positioned = g->is_recoverable ||
                           (g->wants_positioned && (ns->allow_positioning || reads)) ||
                           overridden(o->force_positioning, ns->force_positioning);
    }

    g->has_delta = g->wants_delta && ns->allows_delta && !g->filter;

    bool has_joins = overridden(o->join_leave, ns->join_leave);
    bool sees = permission_has(g->config, &ns->presence_of, who);
    g->has_presence = overridden(o->presence, ns->presence);
    g->emits_joins = has_joins;
    g->has_joins = has_joins && ((g->wants_joins && sees) ||
                                 overridden(o->force_push_join_leave, ns->force_push_join_leave));
}

/* In the session's list, not in the channel's yet. Takes the hold of the channel on success. */
static int insert(struct grant *g, struct channel *c) {
    struct session *s = g->session;
    struct subscription sub = {
        .channel = c,
        .has_presence = g->has_presence,
        .is_server_side = g->is_server_side,
        .is_server_refreshed = g->is_server_refreshed,
    };

    if (g->info.len) {
        sub.terms = sub_terms_new(g->info);
        if (!sub.terms)
            return -ENOMEM;
    }
    int r = subscription_add(s, &sub);
    if (r < 0) {
        free(sub.terms);
        return r;
    }
    metrics_gauge_add(&s->worker->metrics, GAUGE_SUBSCRIPTIONS, 1);
    return 0;
}

static int set_presence(struct grant *g) {
    struct session *s = g->session;
    struct client_text text;
    struct client_info info = subscription_client_info(s, subscription_of(s, g->held), &text);
    keeper_keep_presence(s->worker, channel_name(g->held), info.client);
    return engine_presence_set(s->worker->daemon->engine, channel_name(g->held), &info,
                               g->config->client.presence_ttl_ms);
}

/* Gives up what was read, where others have more to say than fits. */
static void keep_to_budget(struct grant *g) {
    size_t bytes =
            wire_page_bytes(&(struct wire_page){ .page = g->page.items, .n_page = g->page.n });
    if (!g->budget || bytes <= g->budget->to_read) {
        if (g->budget)
            g->budget->to_read -= bytes;
        return;
    }
    while (g->page.n > 0)
        publication_unref(g->page.items[--g->page.n]);
}

/* Reads what the answer needs, while what is published is kept aside. */
static int read_history(struct grant *g) {
    g->request = (struct recovery_request){
        .is_asked = g->is_recoverable && (g->recovers || (g->ns->auto_cache_recover &&
                                                          g->ns->recovery_mode == RECOVERY_CACHE)),
        .mode = g->ns->recovery_mode,
        .filter = g->filter,
        .as_strings = g->has_delta && wire_codec(session_format(g->session))->is_text,
        .limit = g->config->client.recovery_max,
        .max_bytes = session_reply_max(g->session),
        .offset = g->since_offset,
        .epoch = g->since_epoch,
    };
    channel_join(g->held, &g->joiner);
    struct history_query q = recovery_query(&g->request, channel_name(g->held), g->ns->keep);
    int r = engine_history(g->session->worker->daemon->engine, &q, &g->page);
    if (r == 0)
        keep_to_budget(g);
    return r;
}

int grant_hold(struct grant *g) {
    struct channel *c;

    choose_options(g);
    int r = channel_hold(&g->session->worker->channels, g->channel, &c);
    if (r < 0)
        return r;
    r = insert(g, c);
    if (r < 0) {
        channel_release(c);
        return r;
    }
    g->held = c;
    g->channel = channel_name(c);
    return 0;
}

int grant_enter(struct grant *g) {
    return g->has_presence ? set_presence(g) : 0;
}

int grant_prepare(struct grant *g) {
    int r = grant_hold(g);
    if (r == 0)
        r = grant_enter(g);
    if (r == 0 && g->is_positioned)
        r = read_history(g);
    return r;
}

/* What was recovered, as the client wants it. */
static int list_recovered(struct grant *g, struct wire_publications *ret) {
    const struct recovery *r = &g->recovery;
    int e;

    g->items = (struct wire_page){
        .page = g->page.items ? g->page.items + r->first_page : NULL,
        .n_page = r->n_page,
        .live = g->joiner.items ? g->joiner.items + r->first_live : NULL,
        .n_live = r->n_live,
        .is_text = wire_codec(session_format(g->session))->is_text,
    };
    if (g->has_delta)
        e = delta_chain(&g->items, &g->arena, ret);
    else if (g->filter)
        e = wire_page_filtered(&g->items, g->filter, &g->arena, ret);
    else
        e = wire_page_list(&g->items, ret);
    return e == -EPROTOTYPE ? session_end(g->session, DISCONNECT_INAPPROPRIATE_PROTOCOL) : e;
}

/* What its patches are made on from then on. */
static struct publication *last_recovered(const struct grant *g) {
    size_t n = g->items.n_page + g->items.n_live;
    return n ? wire_page_at(&g->items, n - 1) : NULL;
}

void grant_fill_expiry(const struct grant *g, struct reply_subscribe *ret) {
    if (g->expire_at_s && !g->is_server_refreshed) {
        ret->expires = true;
        ret->ttl_s = session_ttl_s(g->expire_at_s, loop_wall_ms() / 1000);
    }
}

static int fill_reply(struct grant *g, struct reply_subscribe *r) {
    *r = (struct reply_subscribe){ .recoverable = g->is_recoverable,
                                   .positioned = g->is_positioned,
                                   .was_recovering = g->request.is_asked,
                                   .recovered = g->recovery.recovered,
                                   .data = g->data };
    r->delta = g->has_delta;
    int e = list_recovered(g, &r->publications);
    if (e < 0)
        return e;
    if (g->is_positioned) {
        r->epoch = str_of(g->page.top.epoch);
        r->offset = g->recovery.offset;
    }
    grant_fill_expiry(g, r);
    return 0;
}

/* Nothing suspends from here until the client has been told, so that no publication gets between
 * the answer and the place in the channel. */
int grant_settle(struct grant *g, struct reply_subscribe *ret) {
    struct session *s = g->session;
    int r = 0;

    if (g->budget && g->budget->to_say < g->request.max_bytes)
        g->request.max_bytes = g->budget->to_say ? g->budget->to_say : 1; /* 0 is no limit */
    if (g->is_positioned)
        r = g->joiner.is_overrun ? -ESTALE
                                 : recovery_decide(&g->request, &g->page, g->joiner.items,
                                                   g->joiner.n, &g->recovery);
    if (r < 0)
        return r;
    if (g->request.is_asked)
        metrics_count(&s->worker->metrics,
                      g->recovery.recovered ? COUNT_RECOVERED : COUNT_UNRECOVERED);
    if (g->recovers && g->request.is_asked && !g->recovery.recovered && g->rejects_unrecovered)
        return -ENODATA;

    r = fill_reply(g, ret);
    if (r < 0)
        return r;
    struct subscriber_options options = {
        .flags = (g->is_positioned ? SUBSCRIBER_POSITIONED : 0) |
                 (g->has_joins ? SUBSCRIBER_JOINS : 0) | (g->has_delta ? SUBSCRIBER_DELTA : 0),
        .next = g->recovery.next,
        .epoch = g->is_positioned ? str_of(g->page.top.epoch) : (struct str){ 0 },
        .filter = g->filter,
        .base = g->has_delta ? last_recovered(g) : NULL,
    };
    r = channel_add(g->held, s, &options);
    if (r == 0)
        g->filter = NULL;
    g->is_settled = r == 0;
    if (g->budget) {
        size_t said = wire_page_bytes(&g->items);
        g->budget->to_say -= said < g->budget->to_say ? said : g->budget->to_say;
    }
    return r;
}

void grant_begin(struct grant *g) {
    struct session *s = g->session;
    /* Telling the client may have been its end (nothing can be told any more), and the end of its
     * subscriptions comes later: it is still there. */
    struct subscription *sub = subscription_of(s, g->held);

    subscription_set_expiry(s, sub, g->expire_at_s);
    if (g->emits_joins) {
        sub->emits_joins = true;
        subscription_announce(s, sub, PUBLICATION_JOIN);
    }
    map_presence_enter(s, sub, g->ns);
    if ((g->has_presence || sub->is_in_maps) && !s->presence_at) {
        s->presence_at = wheel_tick_in(&s->worker->wheel, g->config->client.presence_update_ms);
        session_schedule(s);
    }
    if (g->is_positioned)
        keeper_watch_positions(s->worker);
}

void grant_finish(struct grant *g) {
    g->filter = tags_filter_free(g->filter);
    arena_finish(&g->arena);
    if (!g->session)
        return;
    /* Others wait for nothing of ours: first what the channel knows of this memory. */
    joiner_finish(&g->joiner);
    page_finish(&g->page);
    if (g->held && !g->is_settled)
        subscription_end(g->session, subscription_of(g->session, g->held));
    g->held = NULL;
    g->session = NULL;
}
