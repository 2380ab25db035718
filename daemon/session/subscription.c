#include "daemon/session/subscription.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/channel.h"
#include "daemon/keeper.h"
#include "daemon/log.h"
#include "daemon/map/poll_room.h"
#include "daemon/map/presence.h"
#include "daemon/map/subscribe.h"
#include "daemon/session/impl.h"
#include "daemon/session/proxy.h"

struct subscription *subscription_find(struct session *s, struct str channel) {
    for (unsigned i = 0; i < s->n_subs; i++)
        if (str_equal(channel_name(session_sub(s, i)->channel), channel))
            return session_sub(s, i);
    return NULL;
}

struct subscription *subscription_of(struct session *s, const struct channel *c) {
    for (unsigned i = 0; i < s->n_subs; i++)
        if (session_sub(s, i)->channel == c)
            return session_sub(s, i);
    return NULL;
}

/* The array has room for the power of two that is not below their number. */
int subscription_add(struct session *s, const struct subscription *sub) {
    if (s->n_subs == UINT16_MAX)
        return -ENOMEM;
    if (s->n_subs == 0) {
        s->subs.one = *sub;
        s->n_subs = 1;
        return 0;
    }
    if ((s->n_subs & (s->n_subs - 1)) == 0) {
        struct subscription *old = s->n_subs == 1 ? NULL : s->subs.many;
        struct subscription *many = realloc(old, 2 * s->n_subs * sizeof *many);
        if (!many)
            return -ENOMEM;
        if (s->n_subs == 1)
            many[0] = s->subs.one;
        s->subs.many = many;
    }
    s->subs.many[s->n_subs++] = *sub;
    s->outbox.hears_many = true;
    return 0;
}

/* The last takes its place. */
static void subscription_remove(struct session *s, struct subscription *sub) {
    struct subscription *many = s->subs.many;
    if (s->n_subs-- == 1)
        return;
    *sub = many[s->n_subs];
    if (s->n_subs == 1) {
        s->subs.one = many[0];
        s->outbox.hears_many = false;
        free(many);
    }
}

void subscription_moved(struct session *s, struct channel *c, uint32_t index) {
    struct subscription *sub = subscription_of(s, c);
    sub->index = index;
    sub->is_listed = true;
}

struct client_info subscription_client_info(const struct session *s, const struct subscription *sub,
                                            struct client_text *text) {
    struct client_info info = session_info(s, text);
    if (sub->terms)
        info.chan_info = bytes_of(sub->terms->info, sub->terms->info_len);
    return info;
}

struct sub_terms *sub_terms_new(struct bytes info) {
    struct sub_terms *t = malloc(sizeof *t + info.len);
    if (!t)
        return NULL;
    *t = (struct sub_terms){ .info_len = (uint32_t) info.len };
    if (info.len)
        memcpy(t->info, info.data, info.len);
    return t;
}

int subscription_set_info(struct subscription *sub, struct bytes text) {
    if (text.len == 0)
        return 0;
    struct sub_terms *t = sub_terms_new(text);
    if (!t)
        return -ENOMEM;
    t->expire_at = subscription_expires_at(sub);
    free(sub->terms);
    sub->terms = t;
    return 0;
}

/* Joins and leaves are for whoever is there to hear: without memory they are not heard. */
void subscription_announce(struct session *s, const struct subscription *sub,
                           enum publication_kind kind) {
    struct client_text text;
    struct client_info info = subscription_client_info(s, sub, &text);
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

    if (sub->is_catching_up)
        catch_up_drop(s, c);
    if (c->room)
        poll_leave(s, c);
    if (sub->is_listed)
        channel_remove(c, sub->index);
    map_presence_leave(s, sub);
    if (sub->emits_joins && sub->is_listed)
        subscription_announce(s, sub, PUBLICATION_LEAVE);
    free(sub->terms);
    subscription_remove(s, sub);
    metrics_gauge_add(&s->worker->metrics, GAUGE_SUBSCRIPTIONS, -1);
    return c;
}

void subscription_end(struct session *s, struct subscription *sub) {
    struct worker *w = s->worker;
    bool has_presence = sub->has_presence;
    struct channel *c = take_out(s, sub);
    struct client_text text;
    struct str client = session_client(s, &text);

    if (has_presence && engine_presence_remove(w->daemon->engine, channel_name(c), client) < 0)
        keeper_remove_presence(w, channel_name(c), client);
    channel_release(c);
}

void subscription_drop(struct session *s, struct subscription *sub) {
    bool has_presence = sub->has_presence;
    struct channel *c = take_out(s, sub);
    struct client_text text;

    if (has_presence)
        keeper_remove_presence(s->worker, channel_name(c), session_client(s, &text));
    channel_release(c);
}

static void push_unsubscribed(struct session *s, struct str channel, uint32_t code,
                              struct str reason) {
    metrics_count_unsubscribe(&s->worker->metrics, code);
    session_push(s, &(struct push){ .kind = PUSH_UNSUBSCRIBE,
                                    .channel = channel,
                                    .unsubscribe = { .code = code, .reason = reason } });
}

static void drop_told(struct session *s, struct subscription *sub, uint32_t code) {
    struct channel *c = sub->channel;
    c->users++; /* its name is in the push */
    subscription_drop(s, sub);
    push_unsubscribed(s, channel_name(c), code, unsubscribe_reason(code));
    channel_release(c);
}

void subscription_end_told(struct session *s, struct subscription *sub, uint32_t code,
                           struct str reason) {
    struct channel *c = sub->channel;
    c->users++;
    subscription_end(s, sub);
    if (s->state == SESSION_CONNECTED)
        push_unsubscribed(s, channel_name(c), code, reason);
    channel_release(c);
}

void session_lost(struct session *s, struct channel *c) {
    struct subscription *sub = subscription_of(s, c);
    metrics_count(&s->worker->metrics, COUNT_POSITION_LOST);
    if (!sub->is_server_side) {
        drop_told(s, sub, UNSUBSCRIBE_INSUFFICIENT_STATE);
        return;
    }
    /* Nothing newer may reach the client before it goes: it would come back for what follows
     * that. */
    subscription_drop(s, sub);
    session_disconnect(s, DISCONNECT_INSUFFICIENT_STATE);
}

/* ---- time ---- */

void subscription_expire(struct session *s, struct subscription *sub) {
    if (sub->is_catching_up)
        session_disconnect(s, DISCONNECT_SLOW);
    else if (sub->is_server_side)
        session_disconnect(s, DISCONNECT_SUB_EXPIRED);
    else
        drop_told(s, sub, UNSUBSCRIBE_EXPIRED);
}

/* When to do something about it: at the end of its grace, or of its time if the backend is to be
 * asked then. */
static uint32_t due_at(const struct session *s, const struct subscription *sub) {
    uint32_t grace = (uint32_t) (s->worker->config->client.expired_sub_close_ms / WHEEL_TICK_MS);
    uint32_t expire_at = subscription_expires_at(sub);
    if (!sub->is_server_refreshed || sub->is_renewing || expire_at <= grace)
        return expire_at;
    return expire_at - grace;
}

static void expires_next(struct session *s, const struct subscription *sub) {
    uint32_t due = due_at(s, sub), *next = &s->more->subs_expire_at;
    if (*next == 0 || due < *next)
        *next = due;
}

void subscriptions_expire(struct session *s, uint32_t now) {
    bool renews = false;

    s->more->subs_expire_at = 0;
    for (unsigned i = s->n_subs; i-- > 0 && s->state == SESSION_CONNECTED;) {
        struct subscription *sub = session_sub(s, i);
        if (subscription_expires_at(sub) == 0)
            continue;
        if (sub->terms->expire_at <= now && sub->is_renewing && s->is_waiting)
            sub->terms->expire_at = wheel_tick_in(&s->worker->wheel, 1000);
        if (sub->terms->expire_at <= now) {
            subscription_expire(s, sub);
            continue;
        }
        if (due_at(s, sub) <= now)
            sub->is_renewing = renews = true;
        expires_next(s, sub);
    }
    if (renews && s->state == SESSION_CONNECTED)
        session_renew(s);
}

/* What cannot be made to end when it has to ends at once. */
static bool can_expire(struct session *s, struct subscription *sub) {
    if (!sub->terms)
        sub->terms = sub_terms_new(bytes_of(NULL, 0));
    if (sub->terms && session_more(s))
        return true;
    metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
    session_disconnect(s, DISCONNECT_SERVER_ERROR);
    return false;
}

void subscription_limit_catch_up(struct session *s, struct subscription *sub, int64_t ms) {
    if (!can_expire(s, sub))
        return;
    sub->terms->expire_at = wheel_tick_in(&s->worker->wheel, ms);
    uint32_t *next = &s->more->subs_expire_at;
    if (*next == 0 || sub->terms->expire_at < *next)
        *next = sub->terms->expire_at;
    session_schedule(s);
}

void subscription_set_expiry(struct session *s, struct subscription *sub, int64_t expire_at_s) {
    struct worker *w = s->worker;
    if (sub->terms)
        sub->terms->expire_at = 0;
    if (expire_at_s == 0 || w->config->client.insecure || !can_expire(s, sub))
        return;
    sub->terms->expire_at =
            wheel_tick_in(&w->wheel, expire_at_s * 1000 - loop_wall_ms() +
                                             w->config->client.expired_sub_close_ms);
    expires_next(s, sub);
    session_schedule(s);
}
