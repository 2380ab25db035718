#include "storage/chat/read.h"

#include "storage/chat/room_row.h"
#include "storage/chat/user_row.h"

static int state(struct chat_tx *tx, int64_t user_key, struct chat_room *room,
                 struct chat_unread *ret) {
    int r = room_count_unread(tx, user_key, room->key, &room->mine);
    *ret = (struct chat_unread){ .room = room->id,
                                 .read_seq = room->mine.read_seq,
                                 .ver = room->ver,
                                 .last_seq = room->last_seq,
                                 .last_at = room->last_at,
                                 .unread = room->mine.unread,
                                 .mentions = room->mine.mentions,
                                 .unread_mark = room->mine.unread_mark,
                                 .receipts = room->receipts };
    return r;
}

static int set(struct chat_tx *tx, int64_t user_key, struct chat_room *room, uint64_t seq,
               bool is_marked) {
    room->mine.read_seq = seq;
    room->mine.unread_mark = is_marked;
    return RUN(tx,
               "UPDATE member SET read_seq = ?3, unread_mark = ?4 WHERE room = ?1 AND user = ?2",
               NUMBER(room->key), NUMBER(user_key), NUMBER((int64_t) seq), NUMBER(is_marked));
}

int chat_read_mark(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                   uint64_t seq, struct chat_unread *ret, bool *ret_is_changed) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_FOLLOW, &room);
    if (r != 0)
        return r;
    seq = seq > room.last_seq ? room.last_seq : seq;
    seq = seq < room.mine.read_seq ? room.mine.read_seq : seq;
    bool is_changed = seq != room.mine.read_seq || room.mine.unread_mark;
    if (is_changed)
        r = set(tx, by->key, &room, seq, false);
    if (ret_is_changed)
        *ret_is_changed = is_changed;
    return r != 0 ? r : state(tx, by->key, &room, ret);
}

int chat_read_mark_unread(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                          uint64_t seq, struct chat_unread *ret) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_FOLLOW, &room);
    if (r == 0 && (seq == 0 || seq > room.last_seq))
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "seq", 0);
    if (r == 0)
        r = set(tx, by->key, &room, seq - 1, true);
    return r != 0 ? r : state(tx, by->key, &room, ret);
}

int chat_read_state(struct chat_tx *tx, struct str room_id, struct str user,
                    struct chat_unread *ret) {
    struct chat_room room;
    int64_t user_key = 0, room_key = 0;
    int r = chat_user_key(tx, user, &user_key);
    if (r != 0)
        return r;
    r = FETCH(tx, &room_key, "SELECT key FROM room WHERE id = ?1", TEXT(room_id));
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    r = room_load_by_key(tx, room_key, user_key, &room);
    if (r == 0 && room.mine.role == CHAT_NO_MEMBER)
        r = CHAT_NOT_FOUND;
    return r != 0 ? r : state(tx, user_key, &room, ret);
}
