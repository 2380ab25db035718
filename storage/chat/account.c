#include "storage/chat/account.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/query.h"
#include "storage/chat/setting.h"
#include "storage/chat/user.h"

enum { LOGIN_MIN = 2, LOGIN_MAX = 32 };

bool chat_account_login_is_good(struct str login) {
    if (login.len < LOGIN_MIN || login.len > LOGIN_MAX)
        return false;
    for (size_t i = 0; i < login.len; i++) {
        char c = login.data[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (i == 0 || (c != '_' && c != '.' && c != '-')))
            return false;
    }
    return true;
}

/* ---- reading ---- */

static int take(struct chat_tx *tx, struct rows *rows, int r, struct chat_account *ret) {
    struct chat_account account = { 0 };
    int64_t key = 0;

    if (r == 1) {
        key = row_number(rows, 0);
        r = row_keep_text(rows, 1, &account.password) < 0 ? -ENOMEM : 1;
    }
    rows_end(rows);
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    r = chat_user_by_key(tx, key, &account.user);
    if (r == 0)
        *ret = account;
    return r;
}

int chat_account_by_login(struct chat_tx *tx, struct str login, struct chat_account *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT key, password FROM user WHERE login = ?1", TEXT(login));
    return take(tx, &rows, r, ret);
}

int chat_account_by_id(struct chat_tx *tx, struct str id, struct chat_account *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT key, password FROM user WHERE id = ?1", TEXT(id));
    return take(tx, &rows, r, ret);
}

int chat_account_has_owner(struct chat_tx *tx, bool *ret) {
    int64_t found;
    int r = FETCH(tx, &found, "SELECT 1 FROM user WHERE role = ?1 LIMIT 1", NUMBER(CHAT_OWNER));
    if (r >= 0)
        *ret = r == 1;
    return r < 0 ? r : 0;
}

/* ---- changing ---- */

int chat_account_set_password(struct chat_tx *tx, int64_t user_key, struct str password) {
    return RUN(tx, "UPDATE user SET password = ?2 WHERE key = ?1", NUMBER(user_key),
               TEXT_OR_NULL(password));
}

int chat_arrival_enter(struct chat_tx *tx, struct chat_arrival *a, int64_t room_key,
                       struct str room, enum chat_member_role role) {
    int r = chat_member_put(tx, room_key, a->user.key, role, &a->rooms[a->n].member,
                            &a->rooms[a->n].change);
    if (r != 0)
        return r;
    a->rooms[a->n].key = room_key;
    a->rooms[a->n].id = room;
    a->n++;
    return 0;
}

int chat_arrival_enter_lobby(struct chat_tx *tx, struct chat_arrival *a) {
    struct rows rows;
    struct str id = { 0 };
    int64_t key = 0;

    int r = QUERY_ONE(tx, &rows,
                      "SELECT key, id FROM room WHERE slug = ?1 AND kind = ?2 AND archived_at = 0",
                      TEXT(CHAT_LOBBY), NUMBER(CHAT_ROOM_PUBLIC));
    if (r == 1) {
        key = row_number(&rows, 0);
        r = row_keep_text(&rows, 1, &id) < 0 ? -ENOMEM : 1;
    }
    rows_end(&rows);
    if (r <= 0)
        return r;
    r = chat_arrival_enter(tx, a, key, id, CHAT_ROOM_MEMBER);
    return r == CHAT_CONFLICT ? 0 : r; /* it is full */
}

static int add_user(struct chat_tx *tx, const struct chat_account_new *new, enum chat_role role,
                    struct chat_arrival *ret) {
    *ret = (struct chat_arrival){ 0 };
    int r = chat_user_add(
            tx, &(struct chat_user_new){ .login = new->login, .name = new->name, .role = role },
            &ret->user);
    if (r == 0 && new->password.len)
        r = chat_account_set_password(tx, ret->user.key, new->password);
    return r;
}

/* Without a login a user is a guest's, or an application's; not one that signs in. */
static int want_login(struct chat_tx *tx, const struct chat_account_new *new) {
    return chat_account_login_is_good(new->login)
                   ? 0
                   : chat_refuse(tx, CHAT_BAD_REQUEST, "login", LOGIN_MAX);
}

int chat_account_add(struct chat_tx *tx, const struct chat_account_new *new,
                     struct chat_arrival *ret) {
    if (new->login.len == 0)
        return add_user(tx, new, CHAT_GUEST, ret);
    int r = want_login(tx, new);
    if (r == 0)
        r = add_user(tx, new, CHAT_MEMBER, ret);
    return r == 0 ? chat_arrival_enter_lobby(tx, ret) : r;
}

int chat_account_register(struct chat_tx *tx, const struct chat_account_new *new,
                          struct chat_arrival *ret) {
    struct chat_settings settings;
    int r = chat_settings_get(tx, &settings);
    if (r == 0 && settings.registration != CHAT_REGISTER_OPEN)
        return CHAT_DENIED;
    if (r == 0)
        r = want_login(tx, new);
    return r == 0 ? chat_account_add(tx, new, ret) : r;
}

static int make_lobby(struct chat_tx *tx, const struct chat_user *user) {
    struct chat_actor owner;
    struct chat_room room;
    bool is_new;

    int r = chat_actor_load(tx, user->id, &owner);
    if (r == 0)
        r = chat_room_create(tx, &owner,
                             &(struct chat_room_new){ .kind = CHAT_ROOM_PUBLIC,
                                                      .name = STR("General"),
                                                      .slug = CHAT_LOBBY },
                             &room, &is_new);
    return r == CHAT_CONFLICT ? 0 : r; /* there is one: of an import, or of a lost owner */
}

int chat_account_set_up(struct chat_tx *tx, const struct chat_account_new *new,
                        struct chat_arrival *ret) {
    bool has_owner;
    int r = chat_account_has_owner(tx, &has_owner);
    if (r == 0 && has_owner)
        return CHAT_GONE;
    if (r == 0)
        r = want_login(tx, new);
    if (r == 0)
        r = add_user(tx, new, CHAT_OWNER, ret);
    if (r == 0)
        r = make_lobby(tx, &ret->user);
    return r == 0 ? chat_audit_add(tx, ret->user.key, "team.set_up", 0, ret->user.key, new->login)
                  : r;
}
