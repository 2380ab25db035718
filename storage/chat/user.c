#include "storage/chat/user.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/permission.h"
#include "storage/chat/user_row.h"

/* ---- rows ---- */

int user_row_read(const struct rows *rows, struct chat_user *ret) {
    *ret = (struct chat_user){ .key = row_number(rows, 0),
                               .role = (enum chat_role) row_number(rows, 5),
                               .status_until = row_number(rows, 8),
                               .last_seen_at = row_number(rows, 9),
                               .created_at = row_number(rows, 10),
                               .deactivated_at = row_number(rows, 11),
                               .is_bot = row_number(rows, 12) != 0 };
    int r = row_keep_text(rows, 1, &ret->id);
    if (r == 0)
        r = row_keep_text(rows, 2, &ret->login);
    if (r == 0)
        r = row_keep_text(rows, 3, &ret->name);
    if (r == 0)
        r = row_keep_text(rows, 4, &ret->avatar);
    if (r == 0 && (ret->status_until == 0 || ret->status_until > chat_tx_now_ms(rows->tx))) {
        r = row_keep_text(rows, 6, &ret->status_emoji);
        if (r == 0)
            r = row_keep_text(rows, 7, &ret->status_text);
    }
    return r;
}

static int read_user(const struct rows *rows, void *item) {
    return user_row_read(rows, item);
}

int user_rows_read(struct rows *rows, int r, size_t limit, struct chat_users *ret) {
    struct arena_list list;
    *ret = (struct chat_users){ 0 };
    r = rows_collect(rows, r, limit, read_user, sizeof *ret->items, &list, &ret->has_more);
    ret->items = list.items;
    ret->n = list.n;
    return r;
}

static int read_one(struct rows *rows, int r, struct chat_user *ret) {
    if (r > 0)
        r = user_row_read(rows, ret);
    else if (r == 0)
        r = CHAT_NOT_FOUND;
    rows_end(rows);
    return r;
}

int chat_user_get(struct chat_tx *tx, struct str id, struct chat_user *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " USER_COLUMNS " FROM user u WHERE u.id = ?1", TEXT(id));
    return read_one(&rows, r, ret);
}

int chat_user_by_key(struct chat_tx *tx, int64_t key, struct chat_user *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " USER_COLUMNS " FROM user u WHERE u.key = ?1",
                      NUMBER(key));
    return read_one(&rows, r, ret);
}

int chat_user_by_login(struct chat_tx *tx, struct str login, struct chat_user *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " USER_COLUMNS " FROM user u WHERE u.login = ?1",
                      TEXT(login));
    return read_one(&rows, r, ret);
}

int chat_user_key(struct chat_tx *tx, struct str id, int64_t *ret) {
    int r = FETCH(tx, ret, "SELECT key FROM user WHERE id = ?1", TEXT(id));
    return r > 0 ? 0 : r == 0 ? CHAT_NOT_FOUND : r;
}

int chat_user_active(struct chat_tx *tx, struct str id, int64_t *ret_key,
                     enum chat_role *ret_role) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT key, role FROM user WHERE id = ?1 AND deactivated_at = 0",
                      TEXT(id));
    if (r > 0) {
        *ret_key = row_number(&rows, 0);
        *ret_role = (enum chat_role) row_number(&rows, 1);
    }
    rows_end(&rows);
    return r > 0 ? 0 : r == 0 ? CHAT_NOT_FOUND : r;
}

int chat_user_id(struct chat_tx *tx, int64_t key, struct str *ret) {
    struct rows rows;
    *ret = (struct str){ 0 };
    int r = QUERY_ONE(tx, &rows, "SELECT id FROM user WHERE key = ?1", NUMBER(key));
    if (r > 0)
        r = row_keep_text(&rows, 0, ret);
    rows_end(&rows);
    return r;
}

int chat_actor_load(struct chat_tx *tx, struct str id, struct chat_actor *ret) {
    struct chat_user user;
    int r = chat_user_get(tx, id, &user);
    if (r != 0)
        return r;
    if (user.deactivated_at > 0)
        return CHAT_DENIED;
    *ret = (struct chat_actor){
        .key = user.key, .id = user.id, .name = user.name, .role = user.role, .is_bot = user.is_bot
    };
    return 0;
}

/* ---- adding ---- */

static int check_free(struct chat_tx *tx, const struct chat_user_new *new, struct str id) {
    int64_t key;
    int r = FETCH(tx, &key, "SELECT key FROM user WHERE id = ?1", TEXT(id));
    if (r > 0)
        return chat_refuse(tx, CHAT_CONFLICT, "id", 0);
    if (r == 0 && new->login.len > 0)
        r = FETCH(tx, &key, "SELECT key FROM user WHERE login = ?1", TEXT(new->login));
    return r > 0 ? chat_refuse(tx, CHAT_CONFLICT, "login", 0) : r;
}

static bool is_login(struct str s) {
    if (s.len < 2 || s.len > 32 || s.data[0] == '_' || s.data[0] == '.' || s.data[0] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}

int chat_user_add(struct chat_tx *tx, const struct chat_user_new *new, struct chat_user *ret) {
    char made[CHAT_NEW_ID];
    struct str id = new->id;
    if (id.len == 0) {
        chat_make_id(made, sizeof made);
        id = (struct str){ .data = made, .len = sizeof made };
    }
    int r = chat_check_user_id(tx, id);
    if (r == 0)
        r = chat_check_line(tx, "name", new->name, 1, CHAT_NAME_MAX);
    if (r == 0 && new->login.len > 0 && !is_login(new->login))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "login", 0);
    if (r == 0)
        r = check_free(tx, new, id);
    if (r != 0)
        return r;
    r = RUN(tx,
            "INSERT INTO user(id, login, name, role, is_bot, created_at)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            TEXT(id), TEXT_OR_NULL(new->login), TEXT(new->name),
            NUMBER(new->role ? new->role : CHAT_MEMBER), NUMBER(new->is_bot),
            NUMBER(chat_tx_now_ms(tx)));
    return r < 0 ? r : chat_user_by_key(tx, chat_inserted(tx), ret);
}

int chat_user_provision(struct chat_tx *tx, struct str id, struct str name, struct chat_user *ret,
                        bool *ret_is_changed) {
    bool is_changed = false;
    int r = chat_user_get(tx, id, ret);
    if (r == CHAT_NOT_FOUND) {
        struct chat_user_new new = { .id = id, .name = name.len > 0 ? name : id };
        is_changed = true;
        r = chat_user_add(tx, &new, ret);
    } else if (r == 0 && ret->login.len == 0 && name.len > 0 && !str_equal(name, ret->name)) {
        is_changed = true;
        r = chat_check_line(tx, "name", name, 1, CHAT_NAME_MAX);
        if (r == 0)
            r = RUN(tx, "UPDATE user SET name = ?2 WHERE key = ?1", NUMBER(ret->key), TEXT(name));
        if (r == 0)
            r = chat_user_by_key(tx, ret->key, ret);
    }
    if (r == 0 && ret_is_changed)
        *ret_is_changed = is_changed;
    return r;
}

/* ---- changing ---- */

/* One's own picture, in no message: whoever names another's file would show it to everybody. */
static int check_avatar(struct chat_tx *tx, const struct chat_actor *by, struct str id) {
    int64_t size;

    if (id.len == 0)
        return 0;
    int r = FETCH(tx, &size,
                  "SELECT size FROM attachment WHERE id = ?1 AND user = ?2 AND message IS NULL"
                  " AND type IN ('image/png', 'image/jpeg', 'image/gif', 'image/webp')",
                  TEXT(id), NUMBER(by->key));
    if (r <= 0)
        return r < 0 ? r : chat_refuse(tx, CHAT_BAD_REQUEST, "avatar", 0);
    return size > CHAT_AVATAR_MAX_BYTES
                   ? chat_refuse(tx, CHAT_TOO_LONG, "avatar", CHAT_AVATAR_MAX_BYTES)
                   : 0;
}

int chat_user_update(struct chat_tx *tx, const struct chat_actor *by,
                     const struct chat_user_change *change, struct chat_user *ret) {
    int r = 0;
    if (change->name) {
        r = chat_check_line(tx, "name", *change->name, 1, CHAT_NAME_MAX);
        if (r == 0)
            r = RUN(tx, "UPDATE user SET name = ?2 WHERE key = ?1", NUMBER(by->key),
                    TEXT(*change->name));
    }
    if (r == 0 && change->avatar) {
        r = check_avatar(tx, by, *change->avatar);
        if (r == 0)
            r = RUN(tx, "UPDATE user SET avatar = ?2 WHERE key = ?1", NUMBER(by->key),
                    TEXT(*change->avatar));
    }
    return r != 0 ? r : chat_user_by_key(tx, by->key, ret);
}

int chat_user_set_status(struct chat_tx *tx, const struct chat_actor *by, struct str emoji,
                         struct str text, int64_t until_ms, struct chat_user *ret) {
    int r = emoji.len > 0 ? chat_check_emoji(tx, emoji) : 0;
    if (r == 0)
        r = chat_check_line(tx, "text", text, 0, CHAT_NAME_MAX);
    if (r == 0)
        r = RUN(tx,
                "UPDATE user SET status_emoji = ?2, status_text = ?3, status_until = ?4"
                " WHERE key = ?1",
                NUMBER(by->key), TEXT(emoji), TEXT(text), NUMBER(until_ms));
    return r != 0 ? r : chat_user_by_key(tx, by->key, ret);
}

int chat_user_seen(struct chat_tx *tx, struct str id, int64_t at_ms) {
    return RUN(tx, "UPDATE user SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2",
               TEXT(id), NUMBER(at_ms));
}

static int check_last_owner(struct chat_tx *tx, const struct chat_user *user) {
    int64_t others = 0;
    if (user->role != CHAT_OWNER || user->deactivated_at > 0)
        return 0;
    int r = FETCH(tx, &others,
                  "SELECT count(*) FROM user WHERE role = ?1 AND deactivated_at = 0 AND key <> ?2",
                  NUMBER(CHAT_OWNER), NUMBER(user->key));
    return r < 0 ? r : others == 0 ? chat_refuse(tx, CHAT_CONFLICT, "role", 0) : 0;
}

static int set_role(struct chat_tx *tx, const struct chat_actor *by, const struct chat_user *user,
                    enum chat_role role) {
    static const char *const names[] = { "", "guest", "member", "admin", "owner" };
    if (role < CHAT_GUEST || role > CHAT_OWNER)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "role", 0);
    if (role == user->role)
        return 0;
    if (role == CHAT_OWNER && by->role != CHAT_OWNER)
        return CHAT_DENIED;
    int r = check_last_owner(tx, user);
    if (r == 0)
        r = RUN(tx, "UPDATE user SET role = ?2 WHERE key = ?1", NUMBER(user->key), NUMBER(role));
    return r != 0 ? r
                  : chat_audit_add(tx, by->key, "admin.role", 0, user->key, str_of(names[role]));
}

static int set_deactivated(struct chat_tx *tx, const struct chat_actor *by,
                           const struct chat_user *user, bool is_deactivated) {
    if (is_deactivated == (user->deactivated_at > 0))
        return 0;
    int r = is_deactivated ? check_last_owner(tx, user) : 0;
    if (r == 0)
        r = RUN(tx, "UPDATE user SET deactivated_at = ?2 WHERE key = ?1", NUMBER(user->key),
                NUMBER(is_deactivated ? chat_tx_now_ms(tx) : 0));
    return r != 0 ? r
                  : chat_audit_add(tx, by->key,
                                   is_deactivated ? "admin.deactivate" : "admin.activate", 0,
                                   user->key, (struct str){ 0 });
}

int chat_user_administer(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                         enum chat_role role, int deactivated, struct chat_user *ret) {
    if (!chat_team_permission(CHAT_TEAM_ADMIN, by->role))
        return CHAT_DENIED;
    struct chat_user user;
    int r = chat_user_get(tx, id, &user);
    if (r == 0 && user.role == CHAT_OWNER && by->role != CHAT_OWNER)
        r = CHAT_DENIED;
    if (r == 0 && role != 0)
        r = set_role(tx, by, &user, role);
    if (r == 0 && deactivated >= 0)
        r = set_deactivated(tx, by, &user, deactivated > 0);
    return r != 0 ? r : chat_user_by_key(tx, user.key, ret);
}
