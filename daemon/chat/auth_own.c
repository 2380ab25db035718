/* What somebody asks of their own logins, and of the state of things. */
#include <errno.h>

#include "daemon/chat/auth_call.h"
#include "daemon/chat/auth_event.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/own.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"
#include "protocol/cookie.h"

/* ---- state ---- */

static int read_state(struct chat_work *w, struct chat_tx *tx) {
    return chat_settings_get(tx, &AUTH_CALL_OF(w)->settings);
}

static const char *registration_word(enum chat_registration registration) {
    switch (registration) {
    case CHAT_REGISTER_OPEN:
        return "open";
    case CHAT_REGISTER_CLOSED:
        return "closed";
    case CHAT_REGISTER_BY_INVITE:
    default:
        return "invite";
    }
}

/* Nobody is no error here; a cookie that is good no more goes, another is good for as long again.
 */
static int identify_softly(struct auth_call *c, bool *ret_is_known) {
    struct str token;
    bool has_cookie = cookie_find(&c->x->request->head, AUTH_COOKIE, &token) == 1;
    int r = auth_of_request(c->x, &c->who);

    *ret_is_known = r == 0;
    if (r != 0 && r != CHAT_NOT_FOUND)
        return auth_result(c, r);
    if (has_cookie && (r != 0 || c->who.login.key))
        auth_set_cookie(c, r == 0 ? token : (struct str){ 0 });
    return 0;
}

int auth_state(struct auth_call *c) {
    struct buffer *out = &c->x->out;
    bool is_known = false;

    int r = auth_read(c, read_state);
    if (r == 0)
        r = identify_softly(c, &is_known);
    if (r)
        return r;
    out_open(out, '{');
    out_bool(out, "enabled", true);
    out_bool(out, "setup", !c->auth->has_owner);
    struct chat_store *store = chat_enter(c->worker->daemon->chat);
    if (!store)
        return auth_result(c, -ENOTCONN);
    struct chat_limits limits = *chat_store_limits(store);
    chat_leave(c->worker->daemon->chat);
    if (is_known) {
        out_key(out, "user");
        chat_put_user(out, &c->who.user);
    }
    out_text(out, "registration", str_of(registration_word(c->settings.registration)));
    out_bool(out, "guests", c->settings.guests);
    out_text(out, "name", c->settings.name);
    chat_put_limits(out, &limits);
    out_close(out, '}');
    return 1;
}

/* ---- the end of a login ---- */

static void end(struct auth_call *c, struct str login, struct str except) {
    auth_end(c->worker,
             &(struct auth_ending){ .user = c->who.user.id, .login = login, .except = except });
}

static int remove_own(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_login_remove(tx, c->who.user.key, c->who.login.id);
    return r == CHAT_NOT_FOUND ? 0 : r;
}

/* Whoever has none is signed out as well. */
int auth_logout(struct auth_call *c) {
    int r = auth_of_request(c->x, &c->who);
    if (r != 0 && r != CHAT_NOT_FOUND)
        return auth_result(c, r);
    if (r == 0 && c->who.login.key) {
        r = auth_write(c, remove_own);
        if (r)
            return r;
        end(c, c->who.login.id, (struct str){ 0 });
    }
    auth_set_cookie(c, (struct str){ 0 });
    return auth_answer_nothing(c);
}

/* ---- the password ---- */

static int find_own_account(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    return chat_account_by_id(tx, c->who.user.id, &c->account);
}

static int change_password(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    struct chat_account now;
    int r = chat_account_by_id(tx, c->who.user.id, &now);
    if (r == 0 && !str_equal(now.password, c->password_before))
        return CHAT_DENIED; /* somebody else has changed it meanwhile */
    if (r == 0)
        r = chat_account_set_password(tx, now.user.key, str_of(c->password));
    return r == 0 ? chat_login_remove_others(tx, now.user.key, c->who.login.key) : r;
}

static int check_old(struct auth_call *c) {
    struct str kept = c->account.password;
    char *copy = arena_alloc(&c->x->arena, kept.len + 1);

    if (!copy)
        return -ENOMEM;
    if (kept.len == 0)
        return auth_refuse(c, 403, "this user has no password here", NULL);
    memcpy(copy, kept.data, kept.len);
    c->password_before = (struct str){ copy, kept.len };
    int r = auth_take_attempt(c, c->who.user.login);
    if (r)
        return r;
    r = auth_check_password(c, c->password_before, c->asked.old_password);
    if (r == 0)
        auth_give_attempt_back(c, c->who.user.login);
    if (r != -EKEYREJECTED)
        return r;
    metrics_count(&c->worker->metrics, COUNT_AUTH_FAILURES);
    return auth_refuse(c, 401, "that is not the password", "old");
}

int auth_password(struct auth_call *c) {
    const char *why;
    int r = auth_identify(c);
    if (r == 0 && (why = auth_password_problem(c->asked.new_password)))
        return auth_refuse(c, 400, why, "new");
    if (r == 0)
        r = auth_read(c, find_own_account);
    if (r == 0)
        r = check_old(c);
    if (r == 0)
        r = auth_hash_password(c, c->asked.new_password);
    if (r == 0)
        r = auth_write(c, change_password);
    if (r)
        return r;
    end(c, (struct str){ 0 }, c->who.login.id);
    return auth_answer_nothing(c);
}

/* ---- all of them ---- */

static int list_logins(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    return chat_login_list(tx, c->who.user.key, &c->logins);
}

int auth_sessions(struct auth_call *c) {
    int r = auth_identify(c);
    if (r == 0)
        r = auth_read(c, list_logins);
    if (r)
        return r;
    auth_put_logins(&c->x->out, &c->logins, c->who.login.key);
    return 1;
}

static int remove_one(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    return chat_login_remove(tx, c->who.user.key, c->asked.id);
}

static int remove_others(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    return chat_login_remove_others(tx, c->who.user.key, c->who.login.key);
}

int auth_revoke(struct auth_call *c) {
    if (c->asked.others ? c->asked.id.len > 0 : c->asked.id.len == 0)
        return auth_refuse(c, 400, "either id or others is needed", "id");
    int r = auth_identify(c);
    if (r == 0)
        r = auth_write(c, c->asked.others ? remove_others : remove_one);
    if (r)
        return r;
    if (c->asked.others)
        end(c, (struct str){ 0 }, c->who.login.id);
    else
        end(c, c->asked.id, (struct str){ 0 });
    if (str_equal(c->asked.id, c->who.login.id))
        auth_set_cookie(c, (struct str){ 0 });
    return auth_answer_nothing(c);
}
