#include "storage/chat/room_row.h"

#include <errno.h>

#include "storage/chat/member_row.h"
#include "storage/chat/user_row.h"

enum { GROUP_USERS_SHOWN = 50 };

int room_row_read(const struct rows *rows, struct chat_room *ret) {
    *ret = (struct chat_room){
        .key = row_number(rows, 0),
        .kind = (enum chat_room_kind) row_number(rows, 2),
        .ver = (uint64_t) row_number(rows, 6),
        .last_seq = (uint64_t) row_number(rows, 7),
        .last_at = row_number(rows, 8),
        .members_n = (unsigned) row_number(rows, 9),
        .pins_n = (unsigned) row_number(rows, 10),
        .archived_at = row_number(rows, 11),
        .slow_s = (unsigned) row_number(rows, 12),
        .retain_d = (unsigned) row_number(rows, 13),
        .receipts = row_number(rows, 14) != 0,
        .created_at = row_number(rows, 15),
        .floor_seq = (uint64_t) row_number(rows, 16),
        .floor_ver = (uint64_t) row_number(rows, 17),
    };
    enum chat_member_role role = (enum chat_member_role) row_number(rows, 18);
    if (role != CHAT_NO_MEMBER)
        ret->mine = (struct chat_membership){ .role = role,
                                              .read_seq = (uint64_t) row_number(rows, 19),
                                              .unread_mark = row_number(rows, 20) != 0,
                                              .notify = (enum chat_notify) row_number(rows, 21),
                                              .muted_until = row_number(rows, 22) };
    int r = row_keep_text(rows, 1, &ret->id);
    if (r == 0)
        r = row_keep_text(rows, 3, &ret->name);
    if (r == 0)
        r = row_keep_text(rows, 4, &ret->slug);
    return r < 0 ? r : row_keep_text(rows, 5, &ret->topic);
}

static int read_one(struct rows *rows, int r, struct chat_room *ret) {
    if (r > 0)
        r = room_row_read(rows, ret);
    else if (r == 0)
        r = CHAT_NOT_FOUND;
    rows_end(rows);
    return r;
}

int room_load_by_key(struct chat_tx *tx, int64_t key, int64_t user_key, struct chat_room *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " ROOM_COLUMNS ROOM_AND_MINE "WHERE r.key = ?2",
                      NUMBER(user_key), NUMBER(key));
    return read_one(&rows, r, ret);
}

int chat_room_check(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                    enum chat_action action, struct chat_room *ret) {
    struct chat_room room;
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT " ROOM_COLUMNS ROOM_AND_MINE "WHERE r.id = ?2",
                      NUMBER(by->key), TEXT(id));
    r = read_one(&rows, r, &room);
    /* Who was sent away from a public room does not look in from outside either. */
    if (r == 0 && room.mine.role == CHAT_NO_MEMBER && room.kind == CHAT_ROOM_PUBLIC)
        r = member_check_ban(tx, room.key, by->key);
    if (r == 0)
        r = room_may(&room, by, action);
    if (r == 0 && ret)
        *ret = room;
    return r;
}

int room_load(struct chat_tx *tx, const struct chat_actor *by, struct str id,
              enum chat_action action, struct chat_room *ret) {
    int r = chat_room_check(tx, by, id, action, ret);
    if (r != 0)
        return r;
    return ret->archived_at > 0 && chat_action_changes(action) ? CHAT_ARCHIVED : 0;
}

int room_bump(struct chat_tx *tx, struct chat_room *room) {
    room->ver++;
    return RUN(tx, "UPDATE room SET ver = ?2 WHERE key = ?1", NUMBER(room->key),
               NUMBER((int64_t) room->ver));
}

/* ---- counts ---- */

/* Both stop at CHAT_UNREAD_MAX, so that a room that was never read costs no more than another. */
int room_count_unread(struct chat_tx *tx, int64_t user_key, int64_t room_key,
                      struct chat_membership *m) {
    int64_t unread = 0, mentions = 0;
    int r = FETCH(tx, &unread,
                  "SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_unread"
                  " WHERE room = ?1 AND seq > ?2 AND author <> ?3 AND deleted_at = 0 LIMIT ?4)",
                  NUMBER(room_key), NUMBER((int64_t) m->read_seq), NUMBER(user_key),
                  NUMBER(CHAT_UNREAD_MAX));
    if (r < 0)
        return r;
    m->unread = (unsigned) unread;
    m->mentions = 0;
    if (unread == 0)
        return 0; /* nobody's own, and deleted ones are not in the table of mentions */
    r = FETCH(tx, &mentions,
              "SELECT count(*) FROM (SELECT seq FROM mention WHERE user = ?3 AND room = ?1"
              "   AND seq > ?2 AND author <> ?3"
              "  UNION SELECT seq FROM mention WHERE user = 0 AND room = ?1 AND seq > ?2"
              "   AND author <> ?3 LIMIT ?4)",
              NUMBER(room_key), NUMBER((int64_t) m->read_seq), NUMBER(user_key),
              NUMBER(CHAT_UNREAD_MAX));
    m->mentions = (unsigned) mentions;
    return r < 0 ? r : 0;
}

int room_fill(struct chat_tx *tx, int64_t user_key, struct chat_room *room) {
    int r = 0;
    if (room->mine.role != CHAT_NO_MEMBER)
        r = room_count_unread(tx, user_key, room->key, &room->mine);
    if (r < 0 || (room->kind != CHAT_ROOM_DIRECT && room->kind != CHAT_ROOM_GROUP))
        return r;
    /* Who is alone in a direct room is their own peer. */
    bool is_with_peer = room->kind == CHAT_ROOM_DIRECT && room->members_n > 1;
    struct rows rows;
    r = QUERY(tx, &rows,
              "SELECT " USER_COLUMNS " FROM member m JOIN user u ON u.key = m.user"
              " WHERE m.room = ?1 AND m.role > 0 AND m.user <> ?2 ORDER BY m.user LIMIT ?3",
              NUMBER(room->key), NUMBER(is_with_peer ? user_key : 0),
              NUMBER(GROUP_USERS_SHOWN + 1));
    return user_rows_read(&rows, r, GROUP_USERS_SHOWN, &room->others);
}
