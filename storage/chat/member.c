#include "storage/chat/member.h"

#include <errno.h>

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/member_row.h"
#include "storage/chat/user_row.h"

/* ---- into it ---- */

static int settle(struct chat_tx *tx, const struct chat_room *room, int64_t user_key,
                  bool is_changed, struct chat_member *ret_member, struct chat_change *ret) {
    *ret = (struct chat_change){ .ver = room->ver, .is_changed = is_changed };
    return member_load(tx, room->key, user_key, ret_member);
}

int chat_member_put(struct chat_tx *tx, int64_t room_key, int64_t user_key,
                    enum chat_member_role role, struct chat_member *ret_member,
                    struct chat_change *ret) {
    struct chat_room room;
    int64_t team = 0;
    int r = room_load_by_key(tx, room_key, user_key, &room);
    if (r != 0)
        return r;
    bool is_in = room.mine.role != CHAT_NO_MEMBER;
    if (!is_in) {
        r = FETCH(tx, &team, "SELECT role FROM user WHERE key = ?1", NUMBER(user_key));
        r = r == 0  ? CHAT_NOT_FOUND
            : r < 0 ? r
                    : member_enter(tx, &room, user_key, (enum chat_role) team, role);
    }
    return r != 0 ? r : settle(tx, &room, user_key, !is_in, ret_member, ret);
}

int chat_member_add(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                    struct str user, struct chat_member *ret_member, struct chat_change *ret) {
    struct chat_room room;
    int64_t user_key = 0;
    enum chat_role team = CHAT_GUEST;
    int r = room_load(tx, by, room_id, CHAT_ACT_ADD_MEMBER, &room);
    if (r == 0)
        r = chat_user_active(tx, user, &user_key, &team);
    if (r == 0)
        r = chat_user_check_known(tx, by, user_key);
    if (r == 0)
        r = member_check_ban(tx, room.key, user_key);
    return r != 0 ? r : chat_member_put(tx, room.key, user_key, CHAT_ROOM_MEMBER, ret_member, ret);
}

int chat_member_join(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                     struct chat_room *ret_room, struct chat_member *ret_member,
                     struct chat_change *ret) {
    int r = room_load(tx, by, room_id, CHAT_ACT_JOIN, ret_room);
    if (r == 0)
        r = member_check_ban(tx, ret_room->key, by->key);
    if (r == 0)
        r = chat_member_put(tx, ret_room->key, by->key, CHAT_ROOM_MEMBER, ret_member, ret);
    if (r == 0)
        r = room_load_by_key(tx, ret_room->key, by->key, ret_room);
    return r != 0 ? r : room_fill(tx, by->key, ret_room);
}

/* ---- out of it ---- */

int chat_member_remove(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                       struct str user, struct chat_change *ret) {
    struct chat_room room;
    struct chat_member member;
    int64_t user_key = 0;
    int r = room_load(tx, by, room_id, CHAT_ACT_REMOVE_MEMBER, &room);
    if (r == 0)
        r = chat_user_key(tx, user, &user_key);
    if (r == 0)
        r = member_load(tx, room.key, user_key, &member);
    if (r == 0 && member.role == CHAT_NO_MEMBER)
        r = CHAT_NOT_FOUND;
    if (r == 0 && chat_rank(room.kind, room.mine.role, by->role) <=
                          chat_rank(room.kind, member.role, member.user.role))
        r = CHAT_DENIED;
    if (r == 0)
        r = member_go(tx, &room, user_key);
    if (r == 0)
        r = member_end_invites(tx, room.key, user_key);
    if (r == 0)
        r = chat_audit_add(tx, by->key, "member.remove", room.key, user_key, (struct str){ 0 });
    *ret = (struct chat_change){ .ver = room.ver, .is_changed = true };
    return r;
}

static int set_role(struct chat_tx *tx, struct chat_room *room, int64_t user_key,
                    enum chat_member_role role) {
    int r = room_bump(tx, room);
    return r < 0 ? r
                 : RUN(tx, "UPDATE member SET role = ?3, ver = ?4 WHERE room = ?1 AND user = ?2",
                       NUMBER(room->key), NUMBER(user_key), NUMBER(role),
                       NUMBER((int64_t) room->ver));
}

static int count_other_owners(struct chat_tx *tx, int64_t room_key, int64_t user_key,
                              int64_t *ret) {
    int r = FETCH(tx, ret,
                  "SELECT count(*) FROM member WHERE room = ?1 AND role = ?2 AND user <> ?3",
                  NUMBER(room_key), NUMBER(CHAT_ROOM_OWNER), NUMBER(user_key));
    return r < 0 ? r : 0;
}

/* Who a room without an owner goes to. 1, or 0: nobody is there. */
static int find_heir(struct chat_tx *tx, int64_t room_key, int64_t leaver, int64_t *ret) {
    return FETCH(tx, ret,
                 "SELECT user FROM member WHERE room = ?1 AND user <> ?2 AND role >= ?3"
                 " ORDER BY role DESC, joined_at, user LIMIT 1",
                 NUMBER(room_key), NUMBER(leaver), NUMBER(CHAT_ROOM_MEMBER));
}

int chat_member_hand_on(struct chat_tx *tx, struct str room_id, struct chat_member *ret_heir) {
    struct chat_room room;
    int64_t key = 0, owners = 0, heir = 0;
    *ret_heir = (struct chat_member){ .role = CHAT_NO_MEMBER };
    int r = FETCH(tx, &key, "SELECT key FROM room WHERE id = ?1 AND kind IN (?2, ?3)",
                  TEXT(room_id), NUMBER(CHAT_ROOM_PUBLIC), NUMBER(CHAT_ROOM_PRIVATE));
    if (r <= 0)
        return r;
    r = count_other_owners(tx, key, 0, &owners);
    if (r < 0 || owners > 0)
        return r;
    r = find_heir(tx, key, 0, &heir);
    if (r <= 0)
        return r;
    r = room_load_by_key(tx, key, heir, &room);
    if (r == 0)
        r = set_role(tx, &room, heir, CHAT_ROOM_OWNER);
    return r == 0 ? member_load(tx, key, heir, ret_heir) : r;
}

int chat_member_leave(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                      struct chat_member *ret_heir, struct chat_change *ret) {
    struct chat_room room;
    int64_t others = 1, heir = 0;
    *ret_heir = (struct chat_member){ .role = CHAT_NO_MEMBER };
    int r = room_load(tx, by, room_id, CHAT_ACT_LEAVE, &room);
    if (r == 0 && room.mine.role == CHAT_ROOM_OWNER)
        r = count_other_owners(tx, room.key, by->key, &others);
    if (r == 0 && others == 0) {
        r = find_heir(tx, room.key, by->key, &heir);
        r = r > 0 ? set_role(tx, &room, heir, CHAT_ROOM_OWNER) : r;
    }
    if (r == 0 && heir != 0)
        r = member_load(tx, room.key, heir, ret_heir);
    if (r == 0)
        r = member_go(tx, &room, by->key);
    *ret = (struct chat_change){ .ver = room.ver, .is_changed = true };
    return r;
}

/* ---- inside ---- */

static int check_role(struct chat_tx *tx, const struct chat_actor *by, const struct chat_room *room,
                      const struct chat_member *member, enum chat_member_role role) {
    if (role < CHAT_ROOM_GUEST || role > CHAT_ROOM_OWNER ||
        (member->user.role == CHAT_GUEST && role != CHAT_ROOM_GUEST))
        return chat_refuse(tx, CHAT_BAD_REQUEST, "role", 0);
    if (member->role == CHAT_NO_MEMBER)
        return CHAT_NOT_FOUND;
    bool is_self = member->user.key == by->key;
    if (!is_self && chat_rank(room->kind, room->mine.role, by->role) <
                            chat_rank(room->kind, member->role, member->user.role))
        return CHAT_DENIED;
    if (member->role != CHAT_ROOM_OWNER || role == CHAT_ROOM_OWNER)
        return 0;
    int64_t others = 0;
    int r = count_other_owners(tx, room->key, member->user.key, &others);
    return r < 0 ? r : others == 0 ? chat_refuse(tx, CHAT_CONFLICT, "role", 0) : 0;
}

int chat_member_update(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                       struct str user, enum chat_member_role role, struct chat_member *ret_member,
                       struct chat_change *ret) {
    struct chat_room room;
    int64_t user_key = 0;
    int r = room_load(tx, by, room_id, CHAT_ACT_SET_ROLE, &room);
    if (r == 0)
        r = chat_user_key(tx, user, &user_key);
    if (r == 0)
        r = member_load(tx, room.key, user_key, ret_member);
    if (r == 0)
        r = check_role(tx, by, &room, ret_member, role);
    if (r != 0)
        return r;
    bool is_changed = role != ret_member->role;
    if (is_changed)
        r = set_role(tx, &room, user_key, role);
    if (r == 0 && is_changed)
        r = chat_audit_add(tx, by->key, "member.role", room.key, user_key, (struct str){ 0 });
    return r != 0 ? r : settle(tx, &room, user_key, is_changed, ret_member, ret);
}

int chat_member_list(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                     struct str after, size_t limit, struct chat_members *ret) {
    struct chat_room room;
    int64_t after_key = 0;
    int r = room_load(tx, by, room_id, CHAT_ACT_READ, &room);
    if (r != 0)
        return r;
    if (after.len > 0) /* who is in the room, or was: of others it does not tell whether they are */
        r = FETCH(tx, &after_key,
                  "SELECT m.user FROM user u JOIN member m ON m.user = u.key AND m.room = ?1"
                  " WHERE u.id = ?2",
                  NUMBER(room.key), TEXT(after));
    if (after.len > 0 && r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    limit = chat_page_limit(tx, limit);
    struct rows rows;
    r = QUERY(tx, &rows,
              "SELECT " USER_COLUMNS ", " MEMBER_COLUMNS
              " FROM member m JOIN user u ON u.key = m.user"
              " WHERE m.room = ?1 AND m.user > ?2 AND m.role > 0 ORDER BY m.user LIMIT ?3",
              NUMBER(room.key), NUMBER(after_key), NUMBER((int64_t) limit + 1));
    return member_rows_read(&rows, r, limit, ret);
}

int chat_notify_set(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                    enum chat_notify level) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_FOLLOW, &room);
    if (r == 0 && level > CHAT_NOTIFY_NONE)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "level", 0);
    return r != 0 ? r
                  : RUN(tx, "UPDATE member SET notify = ?3 WHERE room = ?1 AND user = ?2",
                        NUMBER(room.key), NUMBER(by->key), NUMBER(level));
}

/* ---- for events ---- */

static int read_ids(struct chat_tx *tx, struct rows *rows, int r, struct chat_ids *ret) {
    struct arena_list list = { 0 };
    while (r == 0 && (r = rows_next(rows)) > 0) {
        struct str *id = arena_list_add(chat_tx_arena(tx), &list, sizeof *id);
        r = id ? row_keep_text(rows, 0, id) : -ENOMEM;
    }
    rows_end(rows);
    *ret = (struct chat_ids){ .items = list.items, .n = list.n };
    return r;
}

int chat_member_ids(struct chat_tx *tx, int64_t room_key, struct chat_ids *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT u.id FROM member m JOIN user u ON u.key = m.user"
                  " WHERE m.room = ?1 AND m.role > 0",
                  NUMBER(room_key));
    return read_ids(tx, &rows, r, ret);
}

int chat_room_ids_of(struct chat_tx *tx, int64_t user_key, struct chat_ids *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT r.id FROM member m JOIN room r ON r.key = m.room"
                  " WHERE m.user = ?1 AND m.role > 0",
                  NUMBER(user_key));
    return read_ids(tx, &rows, r, ret);
}
