#include "storage/chat/member_row.h"

#include <errno.h>

#include "storage/chat/user_row.h"

int member_row_read(const struct rows *rows, struct chat_member *ret) {
    *ret = (struct chat_member){ .role = (enum chat_member_role) row_number(rows, USER_COLUMNS_N),
                                 .muted_until = row_number(rows, USER_COLUMNS_N + 1),
                                 .ver = (uint64_t) row_number(rows, USER_COLUMNS_N + 2) };
    return user_row_read(rows, &ret->user);
}

static int read_member(const struct rows *rows, void *item) {
    return member_row_read(rows, item);
}

int member_rows_read(struct rows *rows, int r, size_t limit, struct chat_members *ret) {
    struct arena_list list;
    *ret = (struct chat_members){ 0 };
    r = rows_collect(rows, r, limit, read_member, sizeof *ret->items, &list, &ret->has_more);
    ret->items = list.items;
    ret->n = list.n;
    return r;
}

int member_load(struct chat_tx *tx, int64_t room_key, int64_t user_key, struct chat_member *ret) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows,
                      "SELECT " USER_COLUMNS ", " MEMBER_COLUMNS
                      " FROM member m JOIN user u ON u.key = m.user"
                      " WHERE m.room = ?1 AND m.user = ?2",
                      NUMBER(room_key), NUMBER(user_key));
    if (r > 0)
        r = member_row_read(&rows, ret);
    else if (r == 0)
        r = CHAT_NOT_FOUND;
    rows_end(&rows);
    return r;
}

static int check_room_for(struct chat_tx *tx, const struct chat_room *room, int64_t user_key) {
    const struct chat_limits *limits = chat_tx_limits(tx);
    if (room->members_n >= limits->members_max)
        return chat_refuse(tx, CHAT_CONFLICT, "members", limits->members_max);
    int64_t n = 0;
    int r = FETCH(tx, &n, "SELECT count(*) FROM member WHERE user = ?1 AND role > 0",
                  NUMBER(user_key));
    if (r < 0)
        return r;
    return n >= limits->rooms_max_per_user
                   ? chat_refuse(tx, CHAT_CONFLICT, "rooms", limits->rooms_max_per_user)
                   : 0;
}

static int count_in_room(struct chat_tx *tx, struct chat_room *room, int by) {
    room->ver++;
    room->members_n = (unsigned) ((int) room->members_n + by);
    return RUN(tx, "UPDATE room SET ver = ?2, members_n = ?3 WHERE key = ?1", NUMBER(room->key),
               NUMBER((int64_t) room->ver), NUMBER(room->members_n));
}

int member_enter(struct chat_tx *tx, struct chat_room *room, int64_t user_key, enum chat_role team,
                 enum chat_member_role role) {
    int r = check_room_for(tx, room, user_key);
    if (r == 0)
        r = count_in_room(tx, room, 1);
    if (r != 0)
        return r;
    return RUN(tx,
               "INSERT INTO member(room, user, role, ver, read_seq, joined_at)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (room, user) DO UPDATE SET"
               " role = excluded.role, ver = excluded.ver, read_seq = excluded.read_seq,"
               " joined_at = excluded.joined_at, unread_mark = 0, notify = 0",
               NUMBER(room->key), NUMBER(user_key),
               NUMBER(team == CHAT_GUEST ? CHAT_ROOM_GUEST : role), NUMBER((int64_t) room->ver),
               NUMBER((int64_t) room->last_seq), NUMBER(chat_tx_now_ms(tx)));
}

int member_go(struct chat_tx *tx, struct chat_room *room, int64_t user_key) {
    int r = count_in_room(tx, room, -1);
    return r < 0 ? r
                 : RUN(tx, "UPDATE member SET role = 0, ver = ?3 WHERE room = ?1 AND user = ?2",
                       NUMBER(room->key), NUMBER(user_key), NUMBER((int64_t) room->ver));
}

int member_end_invites(struct chat_tx *tx, int64_t room_key, int64_t user_key) {
    return RUN(tx,
               "UPDATE invite SET revoked_at = ?3 WHERE room = ?1 AND by = ?2 AND revoked_at = 0",
               NUMBER(room_key), NUMBER(user_key), NUMBER(chat_tx_now_ms(tx)));
}

int member_check_ban(struct chat_tx *tx, int64_t room_key, int64_t user_key) {
    int64_t until = 0;
    int r = FETCH(tx, &until, "SELECT until FROM ban WHERE room = ?1 AND user = ?2",
                  NUMBER(room_key), NUMBER(user_key));
    bool is_banned = r > 0 && (until == 0 || until > chat_tx_now_ms(tx));
    return is_banned ? chat_refuse_until(tx, CHAT_BANNED, until) : r < 0 ? r : 0;
}
