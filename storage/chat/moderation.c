#include "storage/chat/moderation.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/member_row.h"
#include "storage/chat/user.h"
#include "storage/chat/user_row.h"

/* The room and the other one, whom `by` is above; who never was a member has no role. */
static int begin(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                 struct str user, struct str reason, enum chat_action action,
                 struct chat_room *ret_room, struct chat_member *ret) {
    int r = room_load(tx, by, room_id, action, ret_room);
    if (r == 0)
        r = chat_check_line(tx, "reason", reason, 0, CHAT_REASON_MAX);
    *ret = (struct chat_member){ .role = CHAT_NO_MEMBER };
    if (r == 0)
        r = chat_user_get(tx, user, &ret->user);
    if (r != 0)
        return r;
    struct chat_member member;
    r = member_load(tx, ret_room->key, ret->user.key, &member);
    if (r == 0)
        *ret = member;
    else if (r != CHAT_NOT_FOUND)
        return r;
    return chat_rank(ret_room->kind, ret_room->mine.role, by->role) >
                           chat_rank(ret_room->kind, ret->role, ret->user.role)
                   ? 0
                   : CHAT_DENIED;
}

int chat_kick(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, struct str user,
              struct str reason, struct chat_change *ret) {
    struct chat_room room;
    struct chat_member member;
    int r = begin(tx, by, room_id, user, reason, CHAT_ACT_REMOVE_MEMBER, &room, &member);
    if (r == 0 && member.role == CHAT_NO_MEMBER)
        r = CHAT_NOT_FOUND;
    if (r == 0)
        r = member_go(tx, &room, member.user.key);
    if (r == 0)
        r = member_end_invites(tx, room.key, member.user.key);
    if (r == 0)
        r = chat_audit_add(tx, by->key, "moderation.kick", room.key, member.user.key, reason);
    *ret = (struct chat_change){ .ver = room.ver, .is_changed = true };
    return r;
}

/* ---- bans ---- */

int chat_ban(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, struct str user,
             int64_t until_ms, struct str reason, struct chat_change *ret) {
    struct chat_room room;
    struct chat_member member;
    int r = begin(tx, by, room_id, user, reason, CHAT_ACT_BAN, &room, &member);
    if (r == 0 && until_ms != 0 && until_ms <= chat_tx_now_ms(tx))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "until", 0);
    if (r == 0)
        r = RUN(tx,
                "INSERT OR REPLACE INTO ban(room, user, by, at, until, reason)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                NUMBER(room.key), NUMBER(member.user.key), NUMBER(by->key),
                NUMBER(chat_tx_now_ms(tx)), NUMBER(until_ms), TEXT(reason));
    bool is_in = r == 0 && member.role != CHAT_NO_MEMBER;
    if (is_in)
        r = member_go(tx, &room, member.user.key);
    if (r == 0)
        r = member_end_invites(tx, room.key, member.user.key);
    if (r == 0)
        r = chat_audit_add(tx, by->key, "moderation.ban", room.key, member.user.key, reason);
    *ret = (struct chat_change){ .ver = room.ver, .is_changed = is_in };
    return r;
}

int chat_unban(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, struct str user,
               struct chat_change *ret) {
    struct chat_room room;
    int64_t user_key = 0;
    int r = room_load(tx, by, room_id, CHAT_ACT_BAN, &room);
    if (r == 0)
        r = chat_user_key(tx, user, &user_key);
    if (r == 0)
        r = RUN(tx, "DELETE FROM ban WHERE room = ?1 AND user = ?2", NUMBER(room.key),
                NUMBER(user_key));
    if (r == 0 && chat_changes(tx) > 0)
        r = chat_audit_add(tx, by->key, "moderation.unban", room.key, user_key, (struct str){ 0 });
    *ret = (struct chat_change){ .ver = room.ver };
    return r;
}

static int read_ban(const struct rows *rows, struct chat_ban_entry *ret) {
    *ret = (struct chat_ban_entry){ .at = row_number(rows, 2), .until_ms = row_number(rows, 3) };
    int r = row_keep_text(rows, 0, &ret->user);
    if (r == 0)
        r = row_keep_text(rows, 1, &ret->by);
    return r < 0 ? r : row_keep_text(rows, 4, &ret->reason);
}

int chat_bans_list(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                   struct chat_bans *ret) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_BAN, &room);
    if (r != 0)
        return r;
    struct arena_list list = { 0 };
    struct rows rows;
    r = QUERY(tx, &rows,
              "SELECT u.id, b.id, x.at, x.until, x.reason FROM ban x JOIN user u ON u.key = x.user"
              " LEFT JOIN user b ON b.key = x.by"
              " WHERE x.room = ?1 AND (x.until = 0 OR x.until > ?2) ORDER BY x.at DESC, x.user"
              " LIMIT ?3",
              NUMBER(room.key), NUMBER(chat_tx_now_ms(tx)),
              NUMBER(chat_tx_limits(tx)->members_max));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_ban_entry *entry = arena_list_add(chat_tx_arena(tx), &list, sizeof *entry);
        r = entry ? read_ban(&rows, entry) : -ENOMEM;
    }
    rows_end(&rows);
    *ret = (struct chat_bans){ .items = list.items, .n = list.n };
    return r;
}

/* ---- muting ---- */

int chat_mute(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, struct str user,
              int64_t until_ms, struct str reason, struct chat_change *ret) {
    struct chat_room room;
    struct chat_member member;
    int r = begin(tx, by, room_id, user, reason, CHAT_ACT_MUTE, &room, &member);
    if (r == 0 && member.role == CHAT_NO_MEMBER)
        r = CHAT_NOT_FOUND;
    if (r == 0 && until_ms != 0 && until_ms <= chat_tx_now_ms(tx))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "until", 0);
    if (r != 0)
        return r;
    bool is_changed = until_ms != member.muted_until;
    if (is_changed)
        r = room_bump(tx, &room);
    if (r == 0 && is_changed)
        r = RUN(tx, "UPDATE member SET muted_until = ?3, ver = ?4 WHERE room = ?1 AND user = ?2",
                NUMBER(room.key), NUMBER(member.user.key), NUMBER(until_ms),
                NUMBER((int64_t) room.ver));
    if (r == 0 && is_changed)
        r = chat_audit_add(tx, by->key, until_ms ? "moderation.mute" : "moderation.unmute",
                           room.key, member.user.key, reason);
    *ret = (struct chat_change){ .ver = room.ver, .is_changed = is_changed };
    return r;
}
