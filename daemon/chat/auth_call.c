#include "daemon/chat/auth_call.h"

#include <errno.h>
#include <stdio.h>

#include "async/deadline.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/own.h"
#include "daemon/chat/throttle.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "protocol/cookie.h"

enum {
    COOKIE_S = 400 * 24 * 3600, /* what browsers allow; when a login ends the server knows */
};

/* ---- the database ---- */

static void begin(struct auth_call *c, int (*run)(struct chat_work *, struct chat_tx *)) {
    chat_work_finish(&c->work);
    c->work = CHAT_WORK(run);
}

int auth_read(struct auth_call *c, int (*run)(struct chat_work *, struct chat_tx *)) {
    begin(c, run);
    return auth_result(c, chat_read(c->worker->daemon->chat, &c->work));
}

/* What has begun is waited for: of what ended, connections have to end. */
int auth_write(struct auth_call *c, int (*run)(struct chat_work *, struct chat_tx *)) {
    begin(c, run);
    SHIELD(INT64_MAX / 2);
    return auth_result(c, chat_write(c->worker->daemon->chat, &c->work));
}

int auth_identify(struct auth_call *c) {
    int r = auth_of_request(c->x, &c->who);
    return r == CHAT_NOT_FOUND ? auth_refuse(c, 401, "not signed in", NULL) : auth_result(c, r);
}

/* ---- attempts ---- */

static struct throttle_limit limit_of(const struct auth_call *c, enum throttle_kind kind) {
    const struct config_chat *chat = &c->x->config->chat;
    return (struct throttle_limit){ .attempts = kind == THROTTLE_LOGIN ? chat->login_attempts
                                                                       : chat->address_attempts,
                                    .window_ms = chat->login_window_ms };
}

static int64_t take(struct auth_call *c, enum throttle_kind kind, struct str name) {
    struct throttle_limit limit = limit_of(c, kind);
    return throttle_take(c->auth->throttle, kind, name, &limit, loop_now());
}

static void give_back(struct auth_call *c, enum throttle_kind kind, struct str name) {
    struct throttle_limit limit = limit_of(c, kind);
    throttle_give_back(c->auth->throttle, kind, name, &limit);
}

int auth_take_attempt(struct auth_call *c, struct str login) {
    char address[THROTTLE_ADDRESS_MAX];
    struct str from = throttle_address(c->address, address);

    int64_t wait_ms = take(c, THROTTLE_ADDRESS, from);
    if (wait_ms == 0 && login.len) {
        wait_ms = take(c, THROTTLE_LOGIN, login);
        if (wait_ms)
            give_back(c, THROTTLE_ADDRESS, from);
    }
    if (wait_ms == 0)
        return 0;
    metrics_count(&c->worker->metrics, COUNT_AUTH_THROTTLED);
    char *seconds = arena_alloc(&c->x->arena, 24);
    if (!seconds)
        return -ENOMEM;
    int len = snprintf(seconds, 24, "%lld", (long long) ((wait_ms + 999) / 1000));
    http_exchange_header(c->x, STR("Retry-After"), (struct str){ seconds, (size_t) len });
    return auth_refuse(c, 429, "too many attempts", NULL);
}

void auth_give_attempt_back(struct auth_call *c, struct str login) {
    char address[THROTTLE_ADDRESS_MAX];
    give_back(c, THROTTLE_ADDRESS, throttle_address(c->address, address));
    if (login.len)
        give_back(c, THROTTLE_LOGIN, login);
}

/* ---- passwords ---- */

static int busy(struct auth_call *c) {
    http_exchange_header(c->x, STR("Retry-After"), STR("2"));
    return auth_refuse(c, 503, "too many are signing in", NULL);
}

int auth_hash_password(struct auth_call *c, struct str typed) {
    int r = auth_hash(c->worker, typed, c->password);
    return r == -EAGAIN ? busy(c) : r;
}

int auth_check_password(struct auth_call *c, struct str kept, struct str typed) {
    int r = auth_verify(c->worker, kept, typed);
    if (r == -EAGAIN)
        return busy(c);
    return r == -EBADMSG ? -EKEYREJECTED : r;
}

int auth_check_new(struct auth_call *c) {
    const struct auth_request *q = &c->asked;
    const char *why;

    if ((why = auth_name_problem(q->name)))
        return auth_refuse(c, 400, why, "name");
    if (q->guest)
        return 0;
    if ((why = auth_login_problem(q->login)))
        return auth_refuse(c, 400, why, "login");
    if ((why = auth_password_problem(q->password)))
        return auth_refuse(c, 400, why, "password");
    return 0;
}

/* ---- signed in ---- */

int auth_add_login(struct auth_call *c, struct chat_tx *tx) {
    struct str agent = { 0 };
    (void) http_head_find(&c->x->request->head, STR("User-Agent"), &agent);
    return chat_login_add(tx, c->arrival.user.key,
                          &(struct chat_login_new){
                                  .hash = c->token_hash,
                                  .agent = agent,
                                  .address = c->address,
                                  .expires_at = auth_expiry_of(c->x->config, chat_tx_now_ms(tx)) },
                          &c->login);
}

void auth_set_cookie(struct auth_call *c, struct str token) {
    struct buffer text = BUFFER_INIT;
    char *copy = NULL;
    int r = cookie_write(&(struct cookie){ .name = AUTH_COOKIE,
                                           .value = token,
                                           .max_age_s = token.len ? COOKIE_S : 0,
                                           .is_secure = visitor_is_secure(c->x) },
                         &text);
    if (r == 0 && buffer_error(&text) == 0)
        copy = arena_alloc(&c->x->arena, text.len);
    if (copy) {
        memcpy(copy, text.data, text.len);
        http_exchange_header(c->x, STR("Set-Cookie"), (struct str){ copy, text.len });
    }
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buffer_finish(&text);
}

int auth_answer_signed_in(struct auth_call *c, const struct chat_user *user, struct str room) {
    struct buffer *out = &c->x->out;

    out_open(out, '{');
    out_key(out, "user");
    chat_put_user(out, user);
    out_text_if(out, "room", room);
    if (c->token[0] && c->asked.token)
        out_text(out, "token", str_of(c->token));
    out_close(out, '}');
    if (c->token[0] && !c->asked.token)
        auth_set_cookie(c, str_of(c->token));
    return 1;
}

int auth_answer_nothing(struct auth_call *c) {
    buffer_append_str(&c->x->out, STR("{}"));
    return 1;
}
