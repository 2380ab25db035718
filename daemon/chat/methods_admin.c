/* admin.*: for the team's owners and admins. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/chat/auth.h"
#include "daemon/chat/auth_request.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/encode.h"
#include "daemon/chat/event.h"
#include "daemon/chat/json_out.h"
#include "daemon/chat/method.h"
#include "daemon/chat/online.h"
#include "daemon/chat/own.h"
#include "daemon/chat/page.h"
#include "storage/chat/account.h"
#include "storage/chat/audit.h"
#include "storage/chat/count.h"
#include "storage/chat/login.h"
#include "storage/chat/permission.h"
#include "storage/chat/setting.h"
#include "storage/chat/user.h"

static int judge(struct chat_call *c) {
    return chat_team_permission(CHAT_TEAM_ADMIN, c->by.role) ? 0 : CHAT_DENIED;
}

/* ---- people ---- */

int chat_run_admin_users(struct chat_call *c, struct chat_tx *tx) {
    struct chat_users all;
    unsigned logins_n = 0;

    int r = judge(c);
    if (r == 0)
        r = chat_users_find(tx, &c->by, c->in.q, c->in.after_text, chat_limit_of(c, tx), &all);
    if (r != 0)
        return r;
    out_key(&c->out, "users");
    out_open(&c->out, '[');
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        out_next(&c->out);
        chat_put_user(&c->out, &all.items[i]);
        c->out.len--; /* into the object */
        out_int(&c->out, "created_at", all.items[i].created_at);
        r = chat_login_count(tx, all.items[i].key, &logins_n);
        out_uint(&c->out, "logins_n", logins_n);
        out_close(&c->out, '}');
    }
    if (r != 0)
        return r;
    out_close(&c->out, ']');
    out_flag_if(&c->out, "more", all.has_more);
    return 0;
}

/* A password takes long to compute, and costs: not on the store's thread, and for admins only. */
static int load_by(struct chat_work *w, struct chat_tx *tx) {
    struct chat_call *c = CONTAINER_OF(w, struct chat_call, work);
    return chat_actor_load(tx, c->user, &c->by);
}

int chat_before_admin_user(struct chat_call *c) {
    if (!chat_has(c, FIELD_PASSWORD))
        return 0;
    int (*run)(struct chat_work *, struct chat_tx *) = c->work.run;
    c->work.run = load_by;
    int r = chat_read(c->chat, &c->work);
    if (r == 0)
        r = judge(c);
    chat_work_finish(&c->work);
    c->work = CHAT_WORK(run);
    if (r != 0)
        return r == CHAT_NOT_FOUND ? CHAT_DENIED : r;
    if (auth_password_problem(c->in.password)) {
        c->work.refusal.field = "password";
        return CHAT_BAD_REQUEST;
    }
    c->password = malloc(PASSWORD_TEXT_MAX);
    return c->password ? auth_hash(c->worker, c->in.password, c->password) : -ENOMEM;
}

/* Whoever has it may know the old one, or be signed in by it. */
static int set_password(struct chat_call *c, struct chat_tx *tx, const struct chat_user *user) {
    if (!c->password)
        return 0;
    if (user->login.len == 0) /* comes by other means */
        return chat_refuse(tx, CHAT_BAD_REQUEST, "password", 0);
    if (user->role == CHAT_OWNER && c->by.role != CHAT_OWNER)
        return CHAT_DENIED;
    int r = chat_account_set_password(tx, user->key, str_of(c->password));
    if (r == 0)
        r = chat_login_remove_others(tx, user->key, 0);
    if (r == 0)
        r = chat_audit_add(tx, c->by.key, "user.password", 0, user->key, STR(""));
    return r == 0 ? event_order(tx,
                                &(struct chat_order){ .kind = ORDER_SIGN_OUT, .user = user->id })
                  : r;
}

/* Who comes back signs in anew. */
static int put_out(struct chat_tx *tx, const struct chat_user *user) {
    int r = chat_login_remove_others(tx, user->key, 0);
    return r == 0 ? event_order(tx, &(struct chat_order){ .kind = ORDER_END, .user = user->id })
                  : r;
}

int chat_run_admin_user(struct chat_call *c, struct chat_tx *tx) {
    int deactivated = chat_has(c, FIELD_DEACTIVATED) ? c->in.deactivated : -1;
    enum chat_role role = (enum chat_role) 0;
    struct chat_user user;

    if (chat_has(c, FIELD_ROLE) && !chat_role_of(c->in.role, &role))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "role", 0);
    int r = judge(c);
    if (r == 0)
        r = chat_user_administer(tx, &c->by, c->in.user, role, deactivated, &user);
    if (r == 0)
        r = event_order(tx, &(struct chat_order){ .kind = ORDER_USER, .user = user.id });
    if (r == 0)
        r = set_password(c, tx, &user);
    if (r == 0 && user.deactivated_at != 0)
        r = put_out(tx, &user);
    if (r != 0)
        return r;
    out_key(&c->out, "user");
    chat_put_user(&c->out, &user);
    return 0;
}

/* ---- the team ---- */

static const char *const REGISTRATION[] = { [CHAT_REGISTER_BY_INVITE] = "invite",
                                            [CHAT_REGISTER_OPEN] = "open",
                                            [CHAT_REGISTER_CLOSED] = "closed" };

static bool registration_of(struct str word, enum chat_registration *ret) {
    for (size_t i = 0; i < ELEMENTS_OF(REGISTRATION); i++) {
        if (str_equal(word, str_of(REGISTRATION[i]))) {
            *ret = (enum chat_registration) i;
            return true;
        }
    }
    return false;
}

int chat_run_admin_settings(struct chat_call *c, struct chat_tx *tx) {
    const struct chat_request *in = &c->in;
    struct chat_settings s;

    int r = judge(c);
    if (r == 0)
        r = chat_settings_get(tx, &s);
    if (r != 0)
        return r;
    if (chat_has(c, FIELD_REGISTRATION) && !registration_of(in->registration, &s.registration))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "registration", 0);
    if (chat_has(c, FIELD_NAME) && in->name.len == 0)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "name", 0);
    s.name = chat_has(c, FIELD_NAME) ? in->name : s.name;
    s.guests = chat_has(c, FIELD_GUESTS) ? in->guests : s.guests;
    s.retain_d = chat_has(c, FIELD_RETAIN_D) ? in->retain_d : s.retain_d;
    if (in->has &
        (HAS(FIELD_REGISTRATION) | HAS(FIELD_NAME) | HAS(FIELD_GUESTS) | HAS(FIELD_RETAIN_D)))
        r = chat_settings_put(tx, &c->by, &s);
    if (r != 0)
        return r;
    out_key(&c->out, "settings");
    out_open(&c->out, '{');
    out_text(&c->out, "name", s.name);
    out_text(&c->out, "registration", str_of(REGISTRATION[s.registration]));
    out_bool(&c->out, "guests", s.guests);
    out_uint(&c->out, "retain_d", s.retain_d);
    out_close(&c->out, '}');
    return 0;
}

int chat_run_admin_audit(struct chat_call *c, struct chat_tx *tx) {
    struct chat_audit all;

    int r = chat_audit_list(tx, &c->by, (int64_t) c->in.before, chat_limit_of(c, tx), &all);
    if (r != 0)
        return r;
    out_key(&c->out, "entries");
    out_open(&c->out, '[');
    for (size_t i = 0; i < all.n; i++) {
        const struct chat_audit_entry *e = &all.items[i];
        out_next(&c->out);
        out_open(&c->out, '{');
        out_int(&c->out, "id", e->id);
        out_int(&c->out, "at", e->at);
        out_text(&c->out, "user", e->user);
        out_text(&c->out, "action", e->action);
        out_text_if(&c->out, "room", e->room);
        out_text_if(&c->out, "target", e->target);
        out_text_if(&c->out, "detail", e->detail);
        out_close(&c->out, '}');
    }
    out_close(&c->out, ']');
    out_flag_if(&c->out, "more", all.has_more);
    return 0;
}

int chat_run_admin_stats(struct chat_call *c, struct chat_tx *tx) {
    struct chat_counts n;

    int r = judge(c);
    if (r == 0)
        r = chat_counts_get(tx, &n);
    if (r != 0)
        return r;
    out_uint(&c->out, "users", n.users);
    out_uint(&c->out, "rooms", n.rooms);
    out_uint(&c->out, "messages", n.messages);
    out_uint(&c->out, "bytes", n.bytes);
    out_uint(&c->out, "files_bytes", n.files_bytes);
    out_uint(&c->out, "online", chat_online_count(c->chat->online));
    out_text(&c->out, "version", STR(PARLEY_VERSION));
    return 0;
}
