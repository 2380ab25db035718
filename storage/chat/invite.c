#include "storage/chat/invite.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/query.h"
#include "storage/chat/setting.h"
#include "storage/chat/user.h"

enum { CODE_MAX = 64 };

#define INVITE_COLUMNS                                                                             \
    "i.key, i.code, i.room, i.guests, i.uses, i.uses_max, i.created_at, i.expires_at, u.id,"       \
    "  u.name, r.id, r.name"
#define INVITE_TABLES                                                                              \
    " FROM invite i JOIN user u ON u.key = i.by LEFT JOIN room r ON r.key = i.room"
/* ?1: now. Who made it, and the room, have to be there still. */
#define INVITE_IS_GOOD                                                                             \
    "i.revoked_at = 0 AND (i.expires_at = 0 OR i.expires_at > ?1)"                                 \
    "  AND (i.uses_max = 0 OR i.uses > 0) AND u.deactivated_at = 0"                                \
    "  AND (i.room IS NULL OR r.archived_at = 0)"

static int take_row(struct rows *rows, struct chat_invite *ret) {
    *ret = (struct chat_invite){ .key = row_number(rows, 0),
                                 .room_key = row_number(rows, 2),
                                 .guests = row_number(rows, 3) != 0,
                                 .uses_left = (unsigned) row_number(rows, 4),
                                 .uses_max = (unsigned) row_number(rows, 5),
                                 .created_at = row_number(rows, 6),
                                 .expires_at = row_number(rows, 7) };
    int r = row_keep_text(rows, 1, &ret->code);
    if (r == 0)
        r = row_keep_text(rows, 8, &ret->by);
    if (r == 0)
        r = row_keep_text(rows, 9, &ret->by_name);
    if (r == 0)
        r = row_keep_text(rows, 10, &ret->room);
    return r == 0 ? row_keep_text(rows, 11, &ret->room_name) : r;
}

/* ---- making ---- */

/* May they have invites made there, and use up what others made? */
static int check_maker(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                       int64_t *ret_room_key) {
    struct chat_room found;

    *ret_room_key = 0;
    if (room.len == 0)
        return chat_team_permission(CHAT_TEAM_INVITE, by->role) ? 0 : CHAT_DENIED;
    int r = chat_room_check(tx, by, room, CHAT_ACT_INVITE, &found);
    if (r == 0)
        *ret_room_key = found.key;
    return r;
}

static int check_guests(struct chat_tx *tx, const struct chat_invite_new *new) {
    struct chat_settings settings;

    if (!new->guests)
        return 0;
    if (new->room.len == 0)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "room", 0);
    int r = chat_settings_get(tx, &settings);
    return r == 0 && !settings.guests ? CHAT_DENIED : r;
}

static int check_number(struct chat_tx *tx, const struct chat_actor *by) {
    int64_t n = 0;
    int r = FETCH(tx, &n, "SELECT count(*)" INVITE_TABLES " WHERE i.by = ?2 AND " INVITE_IS_GOOD,
                  NUMBER(chat_tx_now_ms(tx)), NUMBER(by->key));
    if (r < 0)
        return r;
    return n < CHAT_INVITES_MAX ? 0 : chat_refuse(tx, CHAT_CONFLICT, "invites", CHAT_INVITES_MAX);
}

int chat_invite_create(struct chat_tx *tx, const struct chat_actor *by,
                       const struct chat_invite_new *new, struct chat_invite *ret) {
    int64_t room_key, now = chat_tx_now_ms(tx);

    if (new->expires_at &&new->expires_at <= now)
        return chat_refuse(tx, CHAT_BAD_REQUEST, "expires_at", 0);
    int r = check_maker(tx, by, new->room, &room_key);
    if (r == 0)
        r = check_guests(tx, new);
    if (r == 0)
        r = check_number(tx, by);
    if (r == 0)
        r = RUN(tx,
                "INSERT INTO invite(code, by, room, guests, uses, uses_max, created_at,"
                "  expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)",
                TEXT(new->code), NUMBER(by->key), NUMBER_OR_NULL(room_key), NUMBER(new->guests),
                NUMBER(new->uses), NUMBER(now), NUMBER(new->expires_at));
    if (r == 0)
        r = chat_audit_add(tx, by->key, "invite.create", room_key, 0,
                           new->guests ? STR("guests") : STR(""));
    return r == 0 ? chat_invite_get(tx, new->code, ret) : r;
}

/* ---- looking ---- */

int chat_invite_get(struct chat_tx *tx, struct str code, struct chat_invite *ret) {
    struct chat_invite invite;
    struct rows rows;
    bool is_good = false;

    if (code.len == 0 || code.len > CODE_MAX)
        return CHAT_NOT_FOUND;
    int r = QUERY_ONE(tx, &rows,
                      "SELECT " INVITE_COLUMNS ", " INVITE_IS_GOOD INVITE_TABLES
                      " WHERE i.code = ?2",
                      NUMBER(chat_tx_now_ms(tx)), TEXT(code));
    if (r == 1) {
        is_good = row_number(&rows, 12) != 0;
        r = take_row(&rows, &invite) < 0 ? -ENOMEM : 1;
    }
    rows_end(&rows);
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    if (!is_good)
        return CHAT_GONE;
    *ret = invite;
    return 0;
}

#define INVITES_WHERE(condition)                                                                   \
    "SELECT " INVITE_COLUMNS INVITE_TABLES " WHERE " condition INVITE_IS_GOOD " ORDER BY i.key "   \
                                                                              "DESC"

/* One statement for each way to ask, so that each has its index. */
static int begin_list(struct chat_tx *tx, struct rows *rows, int64_t room_key, int64_t by_key) {
    struct sql_value now = NUMBER(chat_tx_now_ms(tx));
    if (room_key)
        return QUERY(tx, rows, INVITES_WHERE("i.room = ?2 AND "), now, NUMBER(room_key));
    if (by_key)
        return QUERY(tx, rows, INVITES_WHERE("i.by = ?2 AND "), now, NUMBER(by_key));
    return QUERY(tx, rows, INVITES_WHERE(""), now);
}

int chat_invite_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                     struct chat_invites *ret) {
    struct arena_list list = { 0 };
    struct rows rows;
    int64_t room_key = 0;
    bool is_admin = chat_team_permission(CHAT_TEAM_ADMIN, by->role);

    int r = room.len ? check_maker(tx, by, room, &room_key) : 0;
    if (r)
        return r;
    r = begin_list(tx, &rows, room_key, is_admin ? 0 : by->key);
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_invite *one =
                arena_list_add(chat_tx_arena(tx), &list, sizeof(struct chat_invite));
        r = one ? take_row(&rows, one) : -ENOMEM;
    }
    rows_end(&rows);
    if (r == 0)
        *ret = (struct chat_invites){ list.items, list.n };
    return r;
}

int chat_invite_revoke(struct chat_tx *tx, const struct chat_actor *by, struct str code) {
    struct chat_invite invite;
    int64_t room_key;

    int r = chat_invite_get(tx, code, &invite);
    if (r == CHAT_GONE) /* it lets nobody in, which is what was wanted */
        return 0;
    if (r == 0 && !str_equal(invite.by, by->id))
        r = check_maker(tx, by, invite.room, &room_key) == 0 ? 0 : CHAT_NOT_FOUND;
    if (r == 0)
        r = RUN(tx, "UPDATE invite SET revoked_at = ?2 WHERE key = ?1", NUMBER(invite.key),
                NUMBER(chat_tx_now_ms(tx)));
    return r == 0 ? chat_audit_add(tx, by->key, "invite.revoke", invite.room_key, 0, STR("")) : r;
}

/* ---- using ---- */

static int use(struct chat_tx *tx, const struct chat_invite *invite) {
    return RUN(tx, "UPDATE invite SET uses = uses - 1 WHERE key = ?1 AND uses_max > 0",
               NUMBER(invite->key));
}

static int check_lets_guests_in(struct chat_tx *tx, const struct chat_invite *invite) {
    struct chat_settings settings;

    if (!invite->guests)
        return CHAT_DENIED;
    int r = chat_settings_get(tx, &settings);
    return r == 0 && !settings.guests ? CHAT_DENIED : r;
}

static bool has_entered(const struct chat_arrival *a, int64_t room_key) {
    for (size_t i = 0; i < a->n; i++)
        if (a->rooms[i].key == room_key)
            return true;
    return false;
}

int chat_invite_accept(struct chat_tx *tx, struct str code, const struct chat_account_new *new,
                       struct chat_arrival *ret) {
    struct chat_invite invite;
    bool is_guest = new->login.len == 0;

    int r = chat_invite_get(tx, code, &invite);
    if (r == 0 && is_guest)
        r = check_lets_guests_in(tx, &invite);
    if (r == 0)
        r = use(tx, &invite);
    if (r == 0)
        r = chat_account_add(tx, new, ret);
    if (r == 0 && invite.room_key && !has_entered(ret, invite.room_key))
        r = chat_arrival_enter(tx, ret, invite.room_key, invite.room,
                               is_guest ? CHAT_ROOM_GUEST : CHAT_ROOM_MEMBER);
    return r == 0 ? chat_audit_add(tx, ret->user.key, "invite.accept", invite.room_key,
                                   ret->user.key, invite.by)
                  : r;
}

static int check_ban(struct chat_tx *tx, int64_t room_key, int64_t user_key) {
    int64_t until = 0;
    int r = FETCH(tx, &until,
                  "SELECT until FROM ban WHERE room = ?1 AND user = ?2"
                  "  AND (until = 0 OR until > ?3)",
                  NUMBER(room_key), NUMBER(user_key), NUMBER(chat_tx_now_ms(tx)));
    return r <= 0 ? r : chat_refuse_until(tx, CHAT_BANNED, until);
}

int chat_invite_accept_by(struct chat_tx *tx, struct str code, const struct chat_actor *user,
                          struct chat_arrival *ret) {
    struct chat_invite invite;
    int64_t is_in = 0;
    bool is_guest = user->role == CHAT_GUEST;

    *ret = (struct chat_arrival){ 0 };
    int r = chat_invite_get(tx, code, &invite);
    if (r == 0)
        r = chat_user_by_key(tx, user->key, &ret->user);
    if (r == 0 && is_guest)
        r = check_lets_guests_in(tx, &invite);
    if (r || !invite.room_key)
        return r;
    r = FETCH(tx, &is_in, "SELECT 1 FROM member WHERE room = ?1 AND user = ?2 AND role > 0",
              NUMBER(invite.room_key), NUMBER(user->key));
    if (r < 0)
        return r;
    r = is_in ? 0 : check_ban(tx, invite.room_key, user->key);
    if (r == 0 && !is_in)
        r = use(tx, &invite);
    return r == 0 ? chat_arrival_enter(tx, ret, invite.room_key, invite.room,
                                       is_guest ? CHAT_ROOM_GUEST : CHAT_ROOM_MEMBER)
                  : r;
}
