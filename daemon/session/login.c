#include "daemon/session/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "daemon/log.h"
#include "daemon/session/impl.h"
#include "protocol/json.h"

struct str session_login(const struct session *s) {
    struct str id = session_token_id(s), prefix = SESSION_LOGIN_PREFIX;
    if (session_has_token(s) || !str_starts_with(id, prefix))
        return (struct str){ 0 };
    return (struct str){ id.data + prefix.len, id.len - prefix.len };
}

bool session_is_login_token(const struct session *s, struct str token) {
    return s->worker->daemon->chat && str_starts_with(token, AUTH_TOKEN_PREFIX);
}

struct str session_login_cookie(const struct session *s) {
    return str_of(s->more ? s->more->login_cookie : NULL);
}

void session_forget_login_cookie(struct session *s) {
    if (!s->more || !s->more->login_cookie)
        return;
    explicit_bzero(s->more->login_cookie, strlen(s->more->login_cookie));
    free(s->more->login_cookie);
    s->more->login_cookie = NULL;
}

/* ---- for as long as it is connected ---- */

/* Those who came together do not write together. Without memory it lasts as long as it did when it
 * came. */
void session_set_keeping(struct session *s) {
    struct worker *w = s->worker;
    int64_t every = auth_keep_every_ms(w->config);

    if (!w->daemon->chat || session_login(s).len == 0 || !session_more(s))
        return;
    int64_t in = every / 2 + (int64_t) loop_random_below((uint64_t) (every / 2 + 1));
    s->more->keep_login_at = wheel_tick_in(&w->wheel, in);
}

void session_keep_login(struct session *s) {
    char label[SESSION_LABEL_MAX];
    int r = auth_keep(s->worker, session_user(s), session_login(s));
    if (r < 0 && r != -ECANCELED)
        LOG_WARNING(s->worker->daemon->log, "that a login is used is noted later",
                    LOG_STR("client", session_label(s, label)), LOG_RESULT(r));
}

/* ---- by a login ---- */

static int copied(struct arena *a, struct bytes from, struct bytes *ret) {
    uint8_t *copy = arena_alloc(a, from.len ? from.len : 1);
    if (!copy)
        return -ENOMEM;
    if (from.len)
        memcpy(copy, from.data, from.len);
    *ret = bytes_of(copy, from.len);
    return 0;
}

static int copied_text(struct arena *a, struct str prefix, struct str text, struct str *ret) {
    char *copy = arena_alloc(a, prefix.len + text.len + 1);
    if (!copy)
        return -ENOMEM;
    if (prefix.len)
        memcpy(copy, prefix.data, prefix.len);
    if (text.len)
        memcpy(copy + prefix.len, text.data, text.len);
    *ret = (struct str){ copy, prefix.len + text.len };
    return 0;
}

static int write_info(struct arena *a, struct str name, struct bytes *ret) {
    struct buffer text = BUFFER_INIT;
    buffer_append_str(&text, STR("{\"name\":"));
    json_append_string(&text, name);
    buffer_append_byte(&text, '}');
    int r = buffer_error(&text);
    if (r == 0)
        r = copied(a, buffer_bytes(&text), ret);
    buffer_finish(&text);
    return r;
}

static int fill(struct arena *a, const struct auth_who *who, struct credentials *ret) {
    *ret = (struct credentials){ .source = CREDENTIALS_LOGIN };
    int r = copied_text(a, (struct str){ 0 }, who->user.id, &ret->user);
    if (r == 0)
        r = copied_text(a, SESSION_LOGIN_PREFIX, who->login.id, &ret->id);
    return r == 0 ? write_info(a, who->user.name, &ret->info) : r;
}

/* What a question to the database that could not be answered means to who connects. */
static int code_of(struct session *s, int r) {
    char label[SESSION_LABEL_MAX];
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r == -ENOMEM)
        return DISCONNECT_SERVER_ERROR;
    LOG_WARNING(s->worker->daemon->log, "a login could not be looked up",
                LOG_STR("client", session_label(s, label)), LOG_RESULT(r));
    return ERROR_INTERNAL;
}

/* The next of what the node that keeps the chat says of a login; each ends with a NUL. */
static struct str next_part(struct bytes *in) {
    const char *at = (const char *) in->data;
    size_t len = in->len ? strnlen(at, in->len) : 0, used = len < in->len ? len + 1 : len;
    *in = bytes_of(in->data + used, in->len - used);
    return (struct str){ at, len };
}

static int verify_elsewhere(struct session *s, struct str token, struct arena *a,
                            struct credentials *ret) {
    CLEANUP(chat_answer_finish) struct chat_answer answer = { 0 };

    int r = chat_remote_call(
            s->worker, &(struct chat_asked){ .method = CHAT_ASK_LOGIN, .data = str_bytes(token) },
            &answer);
    if (r == 0 && answer.refusal.code == DISCONNECT_INVALID_TOKEN)
        return DISCONNECT_INVALID_TOKEN;
    if (r < 0 || answer.refusal.code)
        return code_of(s, r < 0 ? r : -EAGAIN);
    struct bytes parts = buffer_bytes(&answer.out);
    struct str user = next_part(&parts), name = next_part(&parts), login = next_part(&parts);
    *ret = (struct credentials){ .source = CREDENTIALS_LOGIN };
    r = copied_text(a, (struct str){ 0 }, user, &ret->user);
    if (r == 0)
        r = copied_text(a, SESSION_LOGIN_PREFIX, login, &ret->id);
    if (r == 0)
        r = write_info(a, name, &ret->info);
    return r == 0 ? 0 : code_of(s, r);
}

int session_verify_login(struct session *s, struct str token, struct arena *a,
                         struct credentials *ret) {
    if (!chat_is_here(s->worker->daemon->chat))
        return verify_elsewhere(s, token, a, ret);
    CLEANUP(auth_who_finishp) struct auth_who *who = arena_alloc(a, sizeof *who);
    if (!who)
        return DISCONNECT_SERVER_ERROR;
    *who = (struct auth_who){ 0 };
    int r = auth_find(s->worker, token, who);
    if (r == CHAT_NOT_FOUND) {
        metrics_count(&s->worker->metrics, COUNT_AUTH_FAILURES);
        return DISCONNECT_INVALID_TOKEN;
    }
    if (r == 0)
        r = fill(a, who, ret);
    return r == 0 ? 0 : code_of(s, r);
}
