/* connect and refresh: who the client is, for how long, and what the server subscribes it to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/backend/webhook.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/session.h"
#include "daemon/keys/denial.h"
#include "daemon/session/control.h"
#include "daemon/session/grant.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "daemon/session/login.h"
#include "daemon/session/proxy.h"
#include "daemon/session/single.h"
#include "daemon/transport/forwarded.h"
#include "protocol/utf8.h"

static char *put(char *at, const void *from, size_t len) {
    if (len)
        memcpy(at, from, len);
    return at + len;
}

static const struct identity nobody_known = { 0 };

const struct identity *identity_new(const struct credentials *who, const struct identity *old) {
    struct str name = utf8_truncate(who->name, UINT8_MAX),
               version = utf8_truncate(who->version, UINT8_MAX);
    bool has_token = who->source == CREDENTIALS_TOKEN || (old && old->has_token);

    if (!has_token && who->user.len + who->info.len + who->meta.len + name.len + version.len == 0)
        return &nobody_known;
    if (who->user.len > UINT16_MAX || who->id.len > UINT16_MAX || who->info.len > UINT32_MAX / 2 ||
        who->meta.len > UINT32_MAX / 2)
        return NULL;
    struct identity *i = malloc(sizeof *i + who->user.len + who->info.len + who->meta.len +
                                who->id.len + name.len + version.len);
    if (!i)
        return NULL;
    i->issued_at_s =
            who->issued_at_s > 0 && who->issued_at_s < UINT32_MAX ? (uint32_t) who->issued_at_s : 0;
    i->user_len = (uint16_t) who->user.len;
    i->info_len = (uint32_t) who->info.len;
    i->meta_len = (uint32_t) who->meta.len;
    i->token_id_len = (uint16_t) who->id.len;
    i->name_len = (uint8_t) name.len;
    i->version_len = (uint8_t) version.len;
    char *at = put(i->text, who->user.data, who->user.len);
    at = put(at, who->info.data, who->info.len);
    at = put(at, who->meta.data, who->meta.len);
    at = put(at, who->id.data, who->id.len);
    at = put(at, name.data, name.len);
    (void) put(at, version.data, version.len);
    i->has_token = has_token;
    return i;
}

void identity_free(const struct identity *i) {
    if (i != &nobody_known)
        free((void *) (uintptr_t) i);
}

/* ---- a connect on its way ---- */

struct connecting {
    struct session *session;
    uint32_t id; /* of the command; 0 of a bare request */
    const struct command_connect *asked;
    struct command_reader *reader;
    struct config *config; /* a reference */
    struct arena arena;
    struct credentials who;
    enum chat_role chat_role; /* 0: is not of the chat */
    struct str login;         /* the token of the chat's that it came by; empty: by none */
    uint64_t endings;         /* of logins, when it was looked up */
    struct refusal refusal;   /* if a step gave 1 */
    struct client_text client;
    struct server_sub *subs;
    size_t n_subs, capacity;
    struct grant *grants;
    struct grant_budget budget; /* of all */
    struct reply_sub *results;
};

static void connecting_finish(struct connecting *c) {
    for (size_t i = 0; c->grants && i < c->n_subs; i++)
        grant_finish(&c->grants[i]);
    free(c->grants);
    free(c->results);
    free(c->subs);
    arena_finish(&c->arena);
    config_unref(c->config);
}

/* The steps below: 0: go on. 1: refused, as c->refusal says. < 0: as session_handle(). */
static int refused(struct connecting *c, uint32_t code) {
    c->refusal = refusal_of(code);
    return code != 0;
}

static int result_of(struct connecting *c, int r) {
    if (r == 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -ECONNABORTED)
        return r;
    if (r == -ESTALE)
        return refused(c, DISCONNECT_INSUFFICIENT_STATE);
    if (r == -ENOMEM)
        metrics_count(&c->session->worker->metrics, COUNT_OUT_OF_MEMORY);
    return refused(c, ERROR_INTERNAL);
}

/* ---- who is it? ---- */

static int from_token(struct connecting *c) {
    int code = session_verify(c->session, c->asked->token, &c->arena, &c->who);
    return code < 0 ? code : refused(c, (uint32_t) code);
}

/* A login of the chat: what was ended before this is seen, what is later by recheck_user(). */
static int from_login(struct connecting *c, struct str token) {
    c->login = token;
    int code = session_verify_login(c->session, token, &c->arena, &c->who);
    return code < 0 ? code : refused(c, (uint32_t) code);
}

/* While it connected: whose login has ended, or who was put out, is not in the hub yet, and was not
 * told. Nothing suspends between this and enter(). */
static int recheck_user(struct connecting *c) {
    const struct daemon *d = c->session->worker->daemon;
    struct credentials who;
    int code = 0;

    while (code == 0 && c->endings != auth_endings(d)) {
        c->endings = auth_endings(d);
        if (c->login.len)
            code = session_verify_login(c->session, c->login, &c->arena, &who);
        else
            code = chat_admit(c->session, &c->who, &c->chat_role);
    }
    return code < 0 ? result_of(c, code) : refused(c, (uint32_t) code);
}

/* The application behind the connect proxy, which may know nobody. */
static int from_proxy(struct connecting *c) {
    int r = session_proxy_connect(c->session, c->config, c->reader, c->asked, &c->arena, &c->who,
                                  &c->refusal);
    return r < 0 ? result_of(c, r) : c->refusal.code != 0;
}

static int nobody(struct connecting *c) {
    const struct config_client *client = &c->config->client;
    return client->insecure || client->allow_anonymous_without_token
                   ? 0
                   : refused(c, DISCONNECT_BAD_REQUEST);
}

/* A reverse proxy in front has found out who it is, and is trusted to say it. */
static bool from_header(struct connecting *c) {
    struct str name = c->config->client.user_id_http_header;
    const struct session_more *more = c->session->more;
    struct str user = name.len ? forwarded_of_request(more ? more->headers : NULL, name) : name;
    if (user.len == 0 || !utf8_is_valid(str_bytes(user)))
        return false;
    c->who.source = CREDENTIALS_HEADER;
    c->who.user = user;
    return true;
}

/* Blocked, or by a token that has been revoked: an error code, a disconnect code, or 0. */
static uint32_t denial_of(const struct connecting *c) {
    const struct daemon *d = c->session->worker->daemon;
    const struct credentials *who = &c->who;

    if (denial_is_user_blocked(d, who->user))
        return DISCONNECT_PERMISSION_DENIED;
    return who->source == CREDENTIALS_TOKEN &&
                           denial_is_token_revoked(
                                   d, &(struct denial_token){ .user = who->user,
                                                              .id = who->id,
                                                              .issued_at_s = who->issued_at_s })
                   ? ERROR_TOKEN_EXPIRED
                   : 0;
}

/* Reference §4.2: the token, else the header of a proxy in front, else the application, else
 * nobody, where nobody is let in. And of the chat, a token of its own or its page's cookie. */
static int find_credentials(struct connecting *c) {
    const struct config_client *client = &c->config->client;

    c->who = (struct credentials){ .source = CREDENTIALS_NOBODY };
    c->endings = auth_endings(c->session->worker->daemon);
    int r = result_of(c, session_keep_headers(c->session, c->config, c->reader, c->asked));
    struct str cookie = session_login_cookie(c->session);
    if (r == 0 && session_is_login_token(c->session, c->asked->token))
        r = from_login(c, c->asked->token);
    else if (r == 0 && c->asked->token.len > 0)
        r = from_token(c);
    else if (r == 0 && cookie.len > 0)
        r = from_login(c, cookie);
    else if (r == 0 && !from_header(c) && client->connect_proxy_enabled)
        r = from_proxy(c);
    if (r == 0 && c->who.source == CREDENTIALS_NOBODY)
        r = nobody(c);
    c->who.is_server_refreshed = client->refresh_proxy_enabled;
    if (r == 0 && client->insecure)
        c->who.expire_at_s = 0;
    return r == 0 ? refused(c, denial_of(c)) : r;
}

/* Over all workers, comparing and counting in one: of two who come at once only one is the last. */
static int count_user(struct connecting *c) {
    struct session *s = c->session;
    uint32_t limit = c->config->client.user_connection_limit;

    if (limit == 0 || c->who.user.len == 0)
        return 0;
    int r = user_counts_add(s->worker->daemon->user_counts, c->who.user, limit);
    if (r == -EDQUOT) {
        metrics_count(&s->worker->metrics, COUNT_USER_LIMIT);
        return refused(c, DISCONNECT_CONNECTION_LIMIT);
    }
    s->is_user_counted = r == 0;
    return result_of(c, r);
}

/* It is one of the chat's people, or becomes one. */
static int enter_chat(struct connecting *c) {
    int code = chat_admit(c->session, &c->who, &c->chat_role);
    return code < 0 ? result_of(c, code) : refused(c, (uint32_t) code);
}

static int identify(struct connecting *c) {
    struct session *s = c->session;
    int code = session_fit(s, &c->arena, &c->who.data);
    if (code)
        return code < 0 ? result_of(c, code) : refused(c, (uint32_t) code);
    c->who.name = c->asked->name;
    c->who.version = c->asked->version;
    s->identity = identity_new(&c->who, NULL);
    if (!s->identity)
        return refused(c, DISCONNECT_SERVER_ERROR);
    s->connected_at_s = (uint32_t) (loop_wall_ms() / 1000);
    s->is_server_refreshed = c->who.is_server_refreshed;
    uint64_t hash = session_subs_hash(s, c->who.subs, c->who.n_subs);
    if (c->who.source != CREDENTIALS_TOKEN || hash == 0)
        return 0;
    struct session_more *more = session_more(s);
    if (!more)
        return refused(c, DISCONNECT_SERVER_ERROR);
    more->token_subs = hash;
    return 0;
}

/* ---- what the server subscribes it to ---- */

static struct server_sub *find_sub(struct connecting *c, struct str channel) {
    for (size_t i = 0; i < c->n_subs; i++)
        if (str_equal(c->subs[i].channel, channel))
            return &c->subs[i];
    return NULL;
}

static int add_sub(struct connecting *c, const struct server_sub *sub) {
    if (find_sub(c, sub->channel)) /* named twice, or by several: the first counts */
        return 0;
    if (c->n_subs >= c->config->client.channel_limit) {
        metrics_count(&c->session->worker->metrics, COUNT_CHANNEL_LIMIT);
        return refused(c, DISCONNECT_CHANNEL_LIMIT);
    }
    if (c->n_subs == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 4;
        struct server_sub *more = realloc(c->subs, capacity * sizeof *more);
        if (!more)
            return result_of(c, -ENOMEM);
        c->subs = more;
        c->capacity = capacity;
    }
    c->subs[c->n_subs++] = *sub;
    return 0;
}

/* The user's own channel: "#42", or "ns:#42". */
static int add_personal(struct connecting *c) {
    const struct config_personal_channel *p = &c->config->client.personal_channel;
    struct str user = c->who.user, ns = p->channel_namespace;

    if (!p->enabled || user.len == 0)
        return 0;
    size_t len = (ns.len ? ns.len + 1 : 0) + 1 + user.len;
    char *name = arena_alloc(&c->arena, len), *at = name;
    if (!name)
        return result_of(c, -ENOMEM);
    if (ns.len) {
        at = put(at, ns.data, ns.len);
        *at++ = ':';
    }
    *at++ = '#';
    (void) put(at, user.data, user.len);
    return add_sub(c,
                   &(struct server_sub){ .channel = { name, len }, .source = SERVER_SUB_PERSONAL });
}

/* May the client have a channel that it names in its connect? As if it subscribed without a token,
 * where that is not the backend's to say: it would be asked of a subscription, and whom it let in
 * has what it gave. */
static bool may_have(struct connecting *c, struct str channel, const struct namespace *ns) {
    struct asker who = { .user = c->who.user };
    const struct namespace *found = NULL;

    if (c->who.source == CREDENTIALS_PROXY || ns->subscribe_proxy ||
        chat_is_room(c->session->worker, channel))
        return false;
    return permission_namespace(c->config, channel, &found) == 0 && found == ns &&
           ns->type == SUBSCRIPTION_STREAM && permission_subscribes(c->config, ns, channel, who);
}

/* A position to go on from, of a channel that the server subscribes to anyway, or the client may
 * have. Others are not for it, without a word. */
static int add_requested(struct connecting *c, const struct command_subscribe *asked) {
    if (asked->channel.len == 0)
        return refused(c, DISCONNECT_BAD_REQUEST);
    struct server_sub *sub = find_sub(c, asked->channel);
    if (!sub) {
        const struct namespace *ns = config_namespace_of(c->config, asked->channel);
        if (!ns)
            return refused(c, DISCONNECT_BAD_REQUEST);
        if (!may_have(c, asked->channel, ns))
            return 0;
        int r = add_sub(
                c, &(struct server_sub){ .channel = asked->channel, .source = SERVER_SUB_REQUEST });
        if (r)
            return r;
        sub = &c->subs[c->n_subs - 1];
    }
    if (asked->recover && !sub->has_since) {
        sub->has_since = true;
        sub->since_offset = asked->offset;
        sub->since_epoch = asked->epoch;
    }
    return 0;
}

static int collect_subs(struct connecting *c) {
    struct command_map map = c->asked->subs;
    struct command_subscribe asked;
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->who.n_subs; i++)
        r = add_sub(c, &c->who.subs[i]);
    if (r == 0)
        r = add_personal(c);
    while (r == 0 && (r = command_next_sub(c->reader, &map, &asked)) > 0)
        r = add_requested(c, &asked);
    if (r == -EBADMSG)
        return refused(c, DISCONNECT_BAD_REQUEST);
    return r < 0 ? result_of(c, r) : r;
}

/* One after the other: each keeps what is published from its place in this on. */
static int prepare_subs(struct connecting *c) {
    if (c->n_subs == 0)
        return 0;
    c->grants = calloc(c->n_subs, sizeof *c->grants);
    c->results = calloc(c->n_subs, sizeof *c->results);
    if (!c->grants || !c->results)
        return result_of(c, -ENOMEM);
    c->budget.to_read = c->budget.to_say = session_reply_max(c->session);

    for (size_t i = 0; i < c->n_subs; i++) {
        struct grant *g = &c->grants[i];
        int code = server_sub_check(c->session, c->config, c->subs[i].channel, &g->ns);
        if (code == 0)
            code = session_fit(c->session, &c->arena, &c->subs[i].data);
        if (code)
            return code < 0 ? result_of(c, code) : refused(c, (uint32_t) code);
        g->session = c->session;
        g->config = c->config;
        g->budget = &c->budget;
        server_sub_fill(&c->subs[i], g);
        int r = grant_prepare(g);
        if (r < 0)
            return result_of(c, r);
    }
    return 0;
}

static int settle_subs(struct connecting *c) {
    for (size_t i = 0; i < c->n_subs; i++) {
        c->results[i].channel = c->subs[i].channel;
        int r = grant_settle(&c->grants[i], &c->results[i].result);
        if (r < 0)
            return result_of(c, r);
    }
    return 0;
}

/* ---- one connection of a user ---- */

static bool is_single(const struct connecting *c) {
    const struct config_personal_channel *p = &c->config->client.personal_channel;
    return p->enabled && p->single_connection && c->who.user.len > 0;
}

/* Before anybody can find it. */
static int number_session(struct connecting *c) {
    return is_single(c) ? result_of(c, single_number(c->session)) : 0;
}

static int end_others(struct connecting *c) {
    if (is_single(c))
        single_end_others(c->session, c->who.user);
    return c->session->state == SESSION_CLOSING ? -ECONNABORTED : 0;
}

/* ---- then it is connected ---- */

void session_set_expiry(struct session *s, int64_t expire_at_s) {
    struct worker *w = s->worker;
    s->expires = expire_at_s != 0;
    s->deadline = 0;
    if (s->more)
        s->more->renew_at = 0;
    /* Without memory it is not renewed, and ends after its grace. */
    if (s->expires && s->is_server_refreshed && session_more(s))
        s->more->renew_at = wheel_tick_in(&w->wheel, expire_at_s * 1000 - loop_wall_ms());
    if (s->expires)
        s->deadline = wheel_tick_in(&w->wheel, expire_at_s * 1000 - loop_wall_ms() +
                                                       w->config->client.expired_close_ms);
}

static void start_pings(struct session *s) {
    struct worker *w = s->worker;
    const struct config_client *c = &w->config->client;
    int64_t interval = c->ping_interval_ms;
    if (interval <= 0)
        return;
    s->ping_every = (uint16_t) ((interval + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS); /* 1 h at most */
    s->answers_pings = c->pong_timeout_ms > 0 && s->pings != PINGS_ONE_WAY;
    /* Anywhere in the second half of the interval: those who came together are not pinged together.
     */
    int64_t first = interval / 2 + (int64_t) loop_random_below((uint64_t) (interval / 2 + 1));
    s->ping_at = wheel_tick_in(&w->wheel, first);
}

static int name_session(struct connecting *c, struct reply_connect *r) {
    struct session *s = c->session;
    const struct wire_traits *t = wire_traits(session_format(s));
    if (t->is_websocket && !t->is_unidirectional)
        return 0;
    int e = hub_name_session(s->worker, s, &r->session);
    if (e == 0 && !t->is_unidirectional) /* commands come by other requests */
        r->node = (struct str){ s->worker->daemon->node_id, NODE_ID_LEN };
    return result_of(c, e);
}

static void reply_connected(struct connecting *c, struct reply_connect *r) {
    const struct config_client *client = &c->session->worker->config->client;

    r->client = session_client(c->session, &c->client);
    r->version = STR(PARLEY_VERSION);
    r->data = c->who.data;
    r->subs = c->results;
    r->n_subs = c->n_subs;
    /* WebSocket's own pings are none of the client's business, and only it can answer others. */
    if (c->session->pings != PINGS_FRAME)
        r->ping_s = (uint32_t) c->session->ping_every * WHEEL_TICK_MS / 1000;
    r->pong = c->session->pings == PINGS_COMMAND && c->session->answers_pings;
    if (c->who.expire_at_s && !c->session->is_server_refreshed) {
        r->expires = true;
        r->ttl_s = session_ttl_s(c->who.expire_at_s, loop_wall_ms() / 1000);
    }
    if (client->includes_server_time)
        r->time_ms = loop_wall_ms();
    struct reply reply = { .kind = REPLY_CONNECT, .id = c->id, .connect = *r };
    session_reply(c->session, &reply);
}

/* Nothing suspends here: from the reply on the client gets everything, and nothing before it. */
static int enter(struct connecting *c) {
    struct session *s = c->session;
    struct worker *w = s->worker;
    struct reply_connect result = { 0 };

    int r = settle_subs(c);
    if (r == 0)
        r = name_session(c, &result);
    if (r == 0)
        r = number_session(c);
    if (r == 0) /* again: from here on whoever is denied is found in the hub */
        r = refused(c, denial_of(c));
    if (r == 0)
        r = result_of(c, hub_add(w, s));
    if (r)
        return r;
    if (w->config->client.user_connection_limit && !s->is_user_counted && c->who.user.len)
        s->is_user_counted = /* a reload has set the limit since it began */
                user_counts_add(w->daemon->user_counts, c->who.user, 0) == 0;
    s->state = SESSION_CONNECTED;
    chat_session_entered(s, c->chat_role);
    metrics_count(&w->metrics, COUNT_CONNECTED);
    metrics_gauge_add(&w->metrics, GAUGE_CLIENTS, 1);
    s->is_announced = webhooks_connected(w->daemon->webhooks, s);
    metrics_client(&w->metrics, wire_traits(session_format(s))->transport, true);

    start_pings(s);
    reply_connected(c, &result);
    session_set_expiry(s, c->who.expire_at_s);
    session_set_keeping(s);
    for (size_t i = 0; i < c->n_subs; i++)
        grant_begin(&c->grants[i]);
    session_schedule(s);
    return 0;
}

/* First, in one go, those that would get something already; the others' end may wait. */
static void leave_channels(struct connecting *c) {
    struct session *s = c->session;
    for (size_t i = 0; c->grants && i < c->n_subs; i++)
        if (c->grants[i].is_settled)
            grant_finish(&c->grants[i]);
    for (unsigned i = s->n_subs; i-- > 0;)
        if (session_sub(s, i)->is_listed)
            subscription_drop(s, session_sub(s, i));
    for (size_t i = 0; c->grants && i < c->n_subs; i++)
        grant_finish(&c->grants[i]);
}

/* What had begun is undone: nobody is connected. */
static int turn_away(struct connecting *c) {
    struct session *s = c->session;
    leave_channels(c);
    session_forget_user(s);
    if (!c->refusal.is_disconnect)
        s->state = SESSION_REFUSED;
    return session_refuse(s, c->id, c->refusal);
}

int session_connect(struct session *s, uint32_t id, struct command_reader *reader,
                    const struct command_connect *asked) {
    CLEANUP(connecting_finish)
    struct connecting c = { .session = s,
                            .id = id,
                            .asked = asked,
                            .reader = reader,
                            .config = config_ref(s->worker->config) };

    int r = find_credentials(&c);
    if (r == 0)
        r = enter_chat(&c);
    if (r == 0)
        r = identify(&c);
    if (r == 0)
        r = count_user(&c);
    if (r == 0)
        r = collect_subs(&c);
    if (r == 0)
        r = prepare_subs(&c);
    if (r == 0)
        r = recheck_user(&c);
    session_forget_login_cookie(s);
    if (r == 0)
        r = enter(&c);
    if (r == 0)
        r = end_others(&c);
    return r > 0 ? turn_away(&c) : r;
}

/* ---- refresh ---- */

/* What the connect was given the server subscribed to: with another set the client has to come
 * again. */
static bool has_same_subs(const struct session *s, const struct credentials *who) {
    uint64_t then = s->more ? s->more->token_subs : 0;
    return session_subs_hash(s, who->subs, who->n_subs) == then;
}

int session_refresh(struct session *s, uint32_t id, const struct command_refresh *c) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct credentials who;

    if (c->token.len == 0 || s->is_server_refreshed)
        return session_end(s, DISCONNECT_BAD_REQUEST);
    int code = session_verify(s, c->token, &arena, &who);
    if (code < 0)
        return code;
    if (code == ERROR_INTERNAL)
        return session_error(s, id, ERROR_INTERNAL);
    if (code == ERROR_TOKEN_EXPIRED)
        return session_end(s, DISCONNECT_EXPIRED);
    if (code)
        return session_end(s, (uint32_t) code);
    if (!str_equal(who.user, session_user(s)))
        return session_end(s, DISCONNECT_INVALID_TOKEN);
    if (denial_is_user_blocked(s->worker->daemon, who.user))
        return session_end(s, DISCONNECT_PERMISSION_DENIED);
    if (!has_same_subs(s, &who))
        return session_end(s, DISCONNECT_INSUFFICIENT_STATE);
    if (session_renew_identity(s, &who) < 0)
        return session_end(s, DISCONNECT_SERVER_ERROR);

    if (s->worker->config->client.insecure)
        who.expire_at_s = 0;
    session_set_expiry(s, who.expire_at_s);
    session_schedule(s);
    struct reply reply = { .kind = REPLY_REFRESH, .id = id };
    if (who.expire_at_s) {
        reply.refresh.expires = true;
        reply.refresh.ttl_s = session_ttl_s(who.expire_at_s, loop_wall_ms() / 1000);
    }
    session_reply(s, &reply);
    return 0;
}
