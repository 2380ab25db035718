#include "daemon/session/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/task.h"
#include "daemon/log.h"
#include "daemon/session/grant.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "protocol/utf8.h"

enum { ERRANDS_PER_TURN = 64 };

/* ---- errands ---- */

static bool has_errands(const struct session *s) {
    return s->more && s->more->errands;
}

static struct session_errand *take_errand(struct session *s) {
    if (!has_errands(s))
        return NULL;
    struct session_errand *last = s->more->errands, *first = last->next;
    if (first == last)
        s->more->errands = NULL;
    else
        last->next = first->next;
    first->next = NULL;
    return first;
}

int session_post(struct session *s, struct session_errand *e) {
    if (s->state == SESSION_CLOSING) {
        e->drop(e);
        return -ESHUTDOWN;
    }
    struct session_more *more = session_more(s);
    if (!more) {
        metrics_count(&s->worker->metrics, COUNT_OUT_OF_MEMORY);
        session_disconnect(s, DISCONNECT_SERVER_ERROR);
        e->drop(e);
        return -ESHUTDOWN;
    }
    if (more->errands) {
        e->next = more->errands->next;
        more->errands->next = e;
    } else {
        e->next = e;
    }
    more->errands = e;
    /* Dormant, it wakes; at work on a command, it will find the errand behind it, or not go dormant
     * again before it was run. */
    task_wake(session_task(s));
    return 0;
}

void session_run_errands(struct session *s) {
    if (s->runs_errands)
        return;
    s->runs_errands = true;
    for (int n = 0; has_errands(s) && s->state == SESSION_CONNECTED; n++) {
        if (n == ERRANDS_PER_TURN) { /* others have their turn, and the client's commands */
            task_wake(session_task(s));
            break;
        }
        struct session_errand *e = take_errand(s);
        /* Replies of publishes under way belong to commands before it. */
        if (publishes_wait(s) < 0 || s->state != SESSION_CONNECTED) {
            e->drop(e);
            break;
        }
        bool was_at_work = session_begin_work(s);
        e->run(s, e);
        session_end_work(s, was_at_work);
    }
    s->runs_errands = false;
}

void session_drop_errands(struct session *s) {
    struct session_errand *e;
    while ((e = take_errand(s)))
        e->drop(e);
}

/* ---- subscriptions ---- */

/* The checks of a channel that is not the client's choice. 0 or an error code. */
int server_sub_check(const struct session *s, const struct config *c, struct str channel,
                     const struct namespace **ret) {
    if (channel.len > c->channel_max_length) {
        metrics_count(&s->worker->metrics, COUNT_CHANNEL_LENGTH);
        return ERROR_BAD_REQUEST;
    }
    int code = permission_namespace(c, channel, ret);
    if (code)
        return code;
    return (*ret)->type == SUBSCRIPTION_STREAM ? 0 : ERROR_BAD_REQUEST;
}

void server_sub_fill(const struct server_sub *sub, struct grant *g) {
    g->channel = sub->channel;
    g->info = sub->info;
    g->data = sub->data;
    g->expire_at_s = g->config->client.insecure ? 0 : sub->expire_at_s;
    g->overrides = sub->overrides;
    g->is_server_side = true;
    g->is_server_refreshed = sub->is_server_refreshed || g->ns->sub_refresh_proxy;
    g->recovers = sub->has_since;
    g->since_offset = sub->since_offset;
    g->since_epoch = sub->since_epoch;
    if (sub->cache_recover && !sub->has_since && g->ns->recovery_mode == RECOVERY_CACHE)
        g->recovers = true;
}

/* A subscribe push has no room for publications: they follow it as if they came now. */
static void push_subscribed(struct grant *g, const struct reply_subscribe *r) {
    struct push push = { .kind = PUSH_SUBSCRIBE,
                         .channel = channel_name(g->held),
                         .subscribe = { .recoverable = r->recoverable,
                                        .positioned = r->positioned,
                                        .epoch = r->epoch,
                                        .offset = r->offset,
                                        .data = r->data } };
    session_push(g->session, &push);

    push.kind = PUSH_PUBLICATION;
    for (size_t i = 0; i < r->publications.n; i++) {
        push.publication = wire_publications_at(&r->publications, i);
        session_push(g->session, &push);
    }
}

static int subscribe(struct grant *g) {
    struct reply_subscribe result;

    int r = grant_prepare(g);
    if (r == 0)
        r = grant_settle(g, &result);
    if (r == -ESTALE) /* a client cannot come back to this subscription alone */
        return session_end(g->session, DISCONNECT_INSUFFICIENT_STATE);
    if (r < 0)
        return r;
    push_subscribed(g, &result);
    grant_begin(g);
    return 0;
}

int session_subscribe_server(struct session *s, const struct server_sub *sub) {
    CLEANUP(config_unrefp) struct config *config = config_ref(s->worker->config);
    struct metrics *m = &s->worker->metrics;
    const struct namespace *ns;

    int code = server_sub_check(s, config, sub->channel, &ns);
    if (code)
        return code;
    if (subscription_find(s, sub->channel))
        return ERROR_ALREADY_SUBSCRIBED;
    if (s->n_subs >= config->client.channel_limit) {
        metrics_count(m, COUNT_CHANNEL_LIMIT);
        return ERROR_LIMIT_EXCEEDED;
    }
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    CLEANUP(grant_finish) struct grant grant = { .session = s, .config = config, .ns = ns };
    server_sub_fill(sub, &grant);
    code = session_fit(s, &arena, &grant.data);
    if (code > 0)
        return session_end(s, (uint32_t) code);
    return code < 0 ? code : subscribe(&grant);
}

void session_unsubscribe_server(struct session *s, struct str channel, uint32_t code,
                                struct str reason) {
    if (reason.len == 0)
        reason = unsubscribe_reason(code);
    if (channel.len == 0) {
        while (s->n_subs > 0 && s->state == SESSION_CONNECTED)
            subscription_end_told(s, session_sub(s, s->n_subs - 1u), code, reason);
        return;
    }
    struct subscription *sub = subscription_find(s, channel);
    if (sub)
        subscription_end_told(s, sub, code, reason);
}

/* ---- the end ---- */

void session_disconnect_with(struct session *s, uint32_t code, struct str reason) {
    if (s->state == SESSION_CLOSING)
        return;
    struct str usual = disconnect_reason(code);
    struct session_more *more = str_equal(reason, usual) ? NULL : session_more(s);
    reason = utf8_truncate(reason, CLOSE_REASON_MAX);
    char *copy = more ? malloc(reason.len + 1) : NULL;
    if (copy) { /* without memory the code has to do */
        if (reason.len)
            memcpy(copy, reason.data, reason.len);
        more->reason = copy;
        more->reason_len = (uint8_t) reason.len;
    }
    session_disconnect(s, code);
}

struct str session_close_reason(const struct session *s) {
    const struct session_more *more = s->more;
    return more && more->reason ? (struct str){ more->reason, more->reason_len }
                                : disconnect_reason(s->close_code);
}

/* ---- refresh ---- */

struct retired {
    struct retired *next;
    const struct identity *identity;
};

bool session_begin_work(struct session *s) {
    bool was = s->is_at_work;
    s->is_at_work = true;
    return was;
}

void session_end_work(struct session *s, bool was_at_work) {
    s->is_at_work = was_at_work;
    while (!was_at_work && s->more && s->more->retired) {
        struct retired *r = s->more->retired;
        s->more->retired = r->next;
        identity_free(r->identity);
        free(r);
    }
}

/* A place for the identity of now, once it is that of before. NULL: no memory. */
static struct retired *retired_new(struct session *s) {
    struct retired *r = session_more(s) ? malloc(sizeof *r) : NULL;
    if (r)
        *r = (struct retired){ .identity = s->identity };
    return r;
}

int session_renew_identity(struct session *s, const struct credentials *who) {
    struct credentials all = *who;
    const struct identity *old = s->identity;

    /* What is not said anew stays as it was. */
    all.user = session_user(s);
    all.name = session_library(s);
    all.version = session_library_version(s);
    if (all.info.len == 0)
        all.info = session_conn_info(s);
    if (all.meta.len == 0)
        all.meta = session_meta(s);
    struct retired *retired = s->is_at_work ? retired_new(s) : NULL;
    const struct identity *i = s->is_at_work && !retired ? NULL : identity_new(&all, old);
    if (!i) {
        free(retired);
        return -ENOMEM;
    }
    s->identity = i;
    if (retired) {
        retired->next = s->more->retired;
        s->more->retired = retired;
    } else {
        identity_free(old);
    }
    return 0;
}

int session_refresh_server(struct session *s, bool expired, int64_t expire_at_s, bool has_info,
                           struct bytes info) {
    if (s->state != SESSION_CONNECTED)
        return 0;
    if (expired) {
        session_disconnect(s, DISCONNECT_EXPIRED);
        return 0;
    }
    if (has_info) {
        struct credentials who = { .info = info,
                                   .id = session_token_id(s),
                                   .issued_at_s = session_token_issued_at_s(s) };
        int r = session_renew_identity(s, &who);
        if (r < 0)
            return r;
    }
    session_set_expiry(s, expire_at_s);
    session_schedule(s);
    if (s->is_server_refreshed)
        return 0;
    struct push push = { .kind = PUSH_REFRESH };
    if (s->expires) {
        push.refresh.expires = true;
        push.refresh.ttl_s = session_ttl_s(expire_at_s, loop_wall_ms() / 1000);
    }
    session_push(s, &push);
    return 0;
}

int session_sub_refresh_server(struct session *s, struct str channel, bool expired,
                               int64_t expire_at_s, bool has_info, struct bytes info) {
    struct subscription *sub = subscription_find(s, channel);
    if (!sub)
        return -ENOENT;
    if (expired) {
        subscription_expire(s, sub);
        return 0;
    }
    int r = has_info ? subscription_set_info(sub, info) : 0;
    if (r < 0)
        return r;
    subscription_set_expiry(s, sub, expire_at_s);
    return 0;
}

/* ---- what is kept ---- */

static const char *meta_at(const struct identity *i) {
    return i->text + i->user_len + i->info_len;
}

static const char *token_id_at(const struct identity *i) {
    return meta_at(i) + i->meta_len;
}

static const char *name_at(const struct identity *i) {
    return token_id_at(i) + i->token_id_len;
}

struct bytes session_meta(const struct session *s) {
    return bytes_of(meta_at(s->identity), s->identity->meta_len);
}

struct str session_token_id(const struct session *s) {
    return (struct str){ token_id_at(s->identity), s->identity->token_id_len };
}

int64_t session_token_issued_at_s(const struct session *s) {
    return s->identity->issued_at_s;
}

bool session_has_token(const struct session *s) {
    return s->identity->has_token;
}

int64_t session_connected_ms(const struct session *s) {
    return (int64_t) s->connected_at_s * 1000;
}

struct str session_library(const struct session *s) {
    return (struct str){ name_at(s->identity), s->identity->name_len };
}

struct str session_library_version(const struct session *s) {
    const struct identity *i = s->identity;
    return (struct str){ name_at(i) + i->name_len, i->version_len };
}
