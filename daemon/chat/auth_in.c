/* The ways in: the owner's link, a password, an invite, registration where it is open. */
#include <errno.h>

#include "daemon/chat/auth_call.h"
#include "daemon/chat/auth_event.h"
#include "daemon/chat/welcome.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/transport/transport.h"
#include "daemon/worker.h"

static int succeeded(struct auth_call *c, struct str room) {
    if (c->login.pushed_out.len > 0) /* of too many */
        auth_end(c->worker,
                 &(struct auth_ending){ .user = c->arrival.user.id, .login = c->login.pushed_out });
    metrics_count(&c->worker->metrics, COUNT_AUTH_LOGINS);
    return auth_answer_signed_in(c, &c->arrival.user, room);
}

/* The room that an invite was for; it is entered last. */
static struct str last_room(const struct auth_call *c) {
    return c->arrival.n ? c->arrival.rooms[c->arrival.n - 1].id : (struct str){ 0 };
}

/* Everything that takes long, before the transaction. */
static int prepare_new(struct auth_call *c) {
    c->new = (struct chat_account_new){ .name = c->asked.name };
    if (!c->asked.guest) {
        int r = auth_hash_password(c, c->asked.password);
        if (r)
            return r;
        c->new.login = c->asked.login;
        c->new.password = str_of(c->password);
    }
    return auth_make_token(c->token, c->token_hash);
}

/* With the login, and what others are told. */
static int arrive(struct auth_call *c, struct chat_tx *tx) {
    int r = auth_add_login(c, tx);
    return r == 0 ? auth_emit_arrival(tx, &c->arrival) : r;
}

/* ---- the owner ---- */

static int set_up(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_account_set_up(tx, &c->new, &c->arrival);
    if (r == 0)
        r = chat_welcome_team(tx);
    return r == 0 ? arrive(c, tx) : r;
}

static int check_code(struct auth_call *c) {
    uint8_t hash[SECRET_HASH_SIZE];

    if (c->auth->has_owner)
        return auth_refuse(c, 410, "there is an owner", NULL);
    int r = secret_hash(c->asked.code, hash);
    if (r < 0)
        return r;
    if (secret_equal(hash, c->auth->setup_hash))
        return 0;
    metrics_count(&c->worker->metrics, COUNT_AUTH_FAILURES);
    return auth_refuse(c, 404, "the link is not this start's: see the newest log", "code");
}

int auth_setup(struct auth_call *c) {
    c->asked.guest = false;
    int r = auth_take_attempt(c, (struct str){ 0 });
    if (r == 0)
        r = check_code(c);
    if (r == 0)
        r = auth_check_new(c);
    if (r == 0)
        r = prepare_new(c);
    if (r == 0)
        r = auth_write(c, set_up);
    if (r)
        return r;
    c->auth->has_owner = true;
    LOG_NOTICE(c->worker->daemon->log, "the chat has an owner", LOG_STR("login", c->asked.login));
    return succeeded(c, last_room(c));
}

/* ---- a password ---- */

static int find_account(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_account_by_login(tx, c->asked.login, &c->account);
    return r == CHAT_NOT_FOUND ? 0 : r;
}

/* It may have changed while it was checked. */
static int sign_in(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_account_by_login(tx, c->asked.login, &c->account);
    if (r == 0 &&
        (c->account.user.deactivated_at || !str_equal(c->account.password, c->password_before)))
        return CHAT_NOT_FOUND;
    if (r == 0 && c->password[0])
        r = chat_account_set_password(tx, c->account.user.key, str_of(c->password));
    c->arrival.user = c->account.user;
    return r == 0 ? auth_add_login(c, tx) : r;
}

/* Nobody learns which of the two it was. */
static int wrong(struct auth_call *c) {
    metrics_count(&c->worker->metrics, COUNT_AUTH_FAILURES);
    return auth_refuse(c, 401, "login and password do not belong together", NULL);
}

/* What it is kept as was made with other parameters than today's. */
static int renew_password(struct auth_call *c) {
    struct password_cost cost = PASSWORD_COST;
    if (!password_is_outdated(c->password_before, &cost))
        return 0;
    return auth_hash_password(c, c->asked.password);
}

static int keep_password_before(struct auth_call *c) {
    struct str kept = c->account.user.deactivated_at ? (struct str){ 0 } : c->account.password;
    char *copy = arena_alloc(&c->x->arena, kept.len + 1);
    if (!copy)
        return -ENOMEM;
    if (kept.len)
        memcpy(copy, kept.data, kept.len);
    c->password_before = (struct str){ copy, kept.len };
    return 0;
}

int auth_login(struct auth_call *c) {
    const struct auth_request *q = &c->asked;

    if (q->login.len == 0 || q->password.len == 0)
        return auth_refuse(c, 400, "login and password are needed",
                           q->login.len == 0 ? "login" : "password");
    int r = auth_take_attempt(c, q->login);
    if (r == 0)
        r = auth_read(c, find_account);
    if (r == 0)
        r = keep_password_before(c);
    if (r == 0)
        r = auth_check_password(c, c->password_before, q->password);
    if (r == -EKEYREJECTED)
        return wrong(c);
    if (r)
        return r;
    auth_give_attempt_back(c, q->login);
    r = renew_password(c);
    if (r == 0)
        r = auth_make_token(c->token, c->token_hash);
    if (r == 0)
        r = auth_write(c, sign_in);
    if (r == 1 && c->x->status == 404)
        return wrong(c);
    return r ? r : succeeded(c, (struct str){ 0 });
}

/* ---- by oneself ---- */

static int read_settings(struct chat_work *w, struct chat_tx *tx) {
    return chat_settings_get(tx, &AUTH_CALL_OF(w)->settings);
}

static int sign_up(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_account_register(tx, &c->new, &c->arrival);
    return r == 0 ? arrive(c, tx) : r;
}

int auth_register(struct auth_call *c) {
    c->asked.guest = false;
    int r = auth_take_attempt(c, (struct str){ 0 }); /* one that succeeds counts as well */
    if (r == 0)
        r = auth_read(c, read_settings);
    if (r == 0 && c->settings.registration != CHAT_REGISTER_OPEN)
        return auth_refuse(c, 403, "people come by invites here", NULL);
    if (r == 0)
        r = auth_check_new(c);
    if (r == 0)
        r = prepare_new(c);
    if (r == 0)
        r = auth_write(c, sign_up);
    return r ? r : succeeded(c, last_room(c));
}

/* ---- invites ---- */

static int read_invite(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_settings_get(tx, &c->settings);
    return r == 0 ? chat_invite_get(tx, c->asked.code, &c->invite) : r;
}

/* Codes that are none count as attempts. */
static int find_invite(struct auth_call *c) {
    int r = auth_take_attempt(c, (struct str){ 0 });
    if (r != 0)
        return r;
    r = auth_read(c, read_invite);
    if (r == 0 || c->x->status != 404)
        auth_give_attempt_back(c, (struct str){ 0 });
    else if (r == 1)
        metrics_count(&c->worker->metrics, COUNT_AUTH_FAILURES);
    return r;
}

int auth_invite(struct auth_call *c) {
    struct buffer code = BUFFER_INIT;
    char *copy = NULL;
    int r = transport_query(c->x->request->query, STR("code"), &code);
    if (r == 1 && code.len)
        copy = arena_alloc(&c->x->arena, code.len);
    if (copy) {
        memcpy(copy, code.data, code.len);
        c->asked.code = (struct str){ copy, code.len };
    }
    buffer_finish(&code);
    if (r < 0 && r != -EINVAL)
        return r;
    r = find_invite(c);
    if (r)
        return r;
    auth_put_invite_card(&c->x->out, &c->settings, &c->invite);
    return 1;
}

static int accept_new(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    int r = chat_invite_accept(tx, c->asked.code, &c->new, &c->arrival);
    return r == 0 ? arrive(c, tx) : r;
}

static int accept_known(struct chat_work *w, struct chat_tx *tx) {
    struct auth_call *c = AUTH_CALL_OF(w);
    struct chat_actor actor;
    int r = chat_actor_load(tx, c->who.user.id, &actor);
    if (r == 0)
        r = chat_invite_accept_by(tx, c->asked.code, &actor, &c->arrival);
    return r == 0 ? auth_emit_arrival(tx, &c->arrival) : r;
}

/* Who is signed in says nothing but the code. */
static int accept_by_known(struct auth_call *c) {
    int r = auth_identify(c);
    if (r == 0)
        r = auth_write(c, accept_known);
    return r ? r : auth_answer_signed_in(c, &c->arrival.user, last_room(c));
}

int auth_accept(struct auth_call *c) {
    int r = find_invite(c);
    if (r)
        return r;
    if (!c->asked.guest && c->asked.login.len == 0 && c->asked.password.len == 0)
        return accept_by_known(c);
    if (c->asked.guest && !(c->invite.guests && c->settings.guests))
        return auth_refuse(c, 403, "the invite lets in no guests", NULL);
    r = auth_check_new(c);
    if (r == 0)
        r = auth_take_attempt(c, (struct str){ 0 }); /* for the account, which stays taken */
    if (r == 0)
        r = prepare_new(c);
    if (r == 0)
        r = auth_write(c, accept_new);
    return r ? r : succeeded(c, c->invite.room_key ? last_room(c) : (struct str){ 0 });
}
