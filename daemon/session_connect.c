/* connect and refresh: who the client is, and for how long. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keys.h"
#include "daemon/log.h"
#include "daemon/session_impl.h"

/* A UUID of version 4 (RFC 9562 §5.4). */
static void make_client_id(char id[static CLIENT_ID_LEN]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t random[16];

    loop_random(random, sizeof random);
    random[6] = (uint8_t) (0x40 | (random[6] & 0x0f));
    random[8] = (uint8_t) (0x80 | (random[8] & 0x3f));
    for (size_t i = 0, at = 0; i < sizeof random; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            id[at++] = '-';
        id[at++] = digits[random[i] >> 4];
        id[at++] = digits[random[i] & 15];
    }
}

static struct identity *identity_new(struct str user, struct bytes info) {
    if (user.len > UINT16_MAX || info.len > UINT32_MAX / 2)
        return NULL;
    struct identity *i = malloc(sizeof *i + user.len + info.len);
    if (!i)
        return NULL;
    i->user_len = (uint16_t) user.len;
    i->info_len = (uint32_t) info.len;
    if (user.len)
        memcpy(i->text, user.data, user.len);
    if (info.len)
        memcpy(i->text + user.len, info.data, info.len);
    return i;
}

/* 0: *ret is who. Otherwise the reply or the disconnect it deserves: an error code, or a disconnect
 * code. < 0: the wait was cut short. */
static int verify(struct session *s, struct str token, struct arena *a,
                  struct connection_claims *ret) {
    struct worker *w = s->worker;
    const char *why = NULL;

    int r = keys_verify_connection(w, token, a, ret, &why);
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    int64_t now_s = loop_wall_ms() / 1000;
    if (r == 0 && session_one_line(a, &ret->info) < 0) {
        r = -EKEYREJECTED;
        why = "info is not JSON";
    }
    if (r < 0) {
        char label[SESSION_LABEL_MAX];
        LOG_INFO(w->daemon->log, "connection token refused",
                 LOG_STR("client", session_label(s, label)), LOG_TEXT("why", why));
    }
    if (r == -EAGAIN)
        return ERROR_INTERNAL;
    if (r == -EKEYEXPIRED || r == -EKEYREVOKED ||
        (r == 0 && ret->expire_at_s && ret->expire_at_s <= now_s))
        return ERROR_TOKEN_EXPIRED;
    if (r == -ENOMEM)
        return DISCONNECT_SERVER_ERROR;
    if (r < 0)
        return DISCONNECT_INVALID_TOKEN;
    if (ret->user.len == 0 && w->config->client.disallow_anonymous_tokens)
        return DISCONNECT_PERMISSION_DENIED;
    return 0;
}

/* Without a token: anybody in insecure mode, the anonymous where they are let in. */
static int credentials(struct session *s, struct str token, struct arena *a,
                       struct connection_claims *ret) {
    const struct config_client *c = &s->worker->config->client;

    *ret = (struct connection_claims){ 0 };
    if (c->insecure)
        return 0;
    if (token.len > 0)
        return verify(s, token, a, ret);
    return c->allow_anonymous_without_token ? 0 : DISCONNECT_BAD_REQUEST;
}

/* The grace is on top of what the token says. */
static void set_expiry(struct session *s, int64_t expire_at_s) {
    struct worker *w = s->worker;
    s->expires = expire_at_s != 0;
    s->deadline = 0;
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
    s->ping_every_ms = (uint32_t) interval; /* an hour at most */
    s->answers_pings = c->pong_timeout_ms > 0;
    /* Anywhere in the second half of the interval: those who came together are not pinged together.
     */
    int64_t first = interval / 2 + (int64_t) loop_random_below((uint64_t) (interval / 2 + 1));
    s->ping_at = wheel_tick_in(&w->wheel, first);
}

static void reply_connected(struct session *s, uint32_t id, int64_t expire_at_s) {
    const struct config_client *c = &s->worker->config->client;
    struct reply reply = { .kind = REPLY_CONNECT, .id = id };

    reply.connect.client = session_client(s);
    reply.connect.version = STR(PARLEY_VERSION);
    reply.connect.ping_s = (uint32_t) (c->ping_interval_ms / 1000);
    reply.connect.pong = reply.connect.ping_s > 0 && c->pong_timeout_ms > 0;
    if (expire_at_s) {
        reply.connect.expires = true;
        reply.connect.ttl_s = session_ttl_s(expire_at_s, loop_wall_ms() / 1000);
    }
    if (c->includes_server_time)
        reply.connect.time_ms = loop_wall_ms();
    session_reply(s, &reply);
}

int session_connect(struct session *s, uint32_t id, const struct command_connect *c) {
    struct worker *w = s->worker;
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct connection_claims who;

    int code = credentials(s, c->token, &arena, &who);
    if (code < 0)
        return code;
    if (code >= 3000)
        return session_end(s, (uint32_t) code);
    if (code > 0) {
        s->state = SESSION_REFUSED;
        return session_error(s, id, (uint32_t) code);
    }

    s->identity = identity_new(who.user, who.info);
    if (!s->identity)
        return session_end(s, DISCONNECT_SERVER_ERROR);
    make_client_id(s->identity->client);
    s->state = SESSION_CONNECTED;
    metrics_count(&w->metrics, COUNT_CONNECTED);
    metrics_gauge_add(&w->metrics, GAUGE_CLIENTS, 1);

    reply_connected(s, id, who.expire_at_s);
    set_expiry(s, who.expire_at_s);
    start_pings(s);
    session_schedule(s);
    return 0;
}

int session_refresh(struct session *s, uint32_t id, const struct command_refresh *c) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct connection_claims who;

    if (c->token.len == 0)
        return session_end(s, DISCONNECT_BAD_REQUEST);
    int code = verify(s, c->token, &arena, &who);
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

    struct identity *identity = identity_new(who.user, who.info);
    if (!identity)
        return session_end(s, DISCONNECT_SERVER_ERROR);
    memcpy(identity->client, s->identity->client, CLIENT_ID_LEN);
    free(s->identity);
    s->identity = identity;

    set_expiry(s, who.expire_at_s);
    session_schedule(s);
    struct reply reply = { .kind = REPLY_REFRESH, .id = id };
    if (who.expire_at_s) {
        reply.refresh.expires = true;
        reply.refresh.ttl_s = session_ttl_s(who.expire_at_s, loop_wall_ms() / 1000);
    }
    session_reply(s, &reply);
    return 0;
}
