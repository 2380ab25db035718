#include "storage/chat/pin.h"

#include "storage/chat/message_row.h"

static int set(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, uint64_t seq,
               bool is_pinned, struct chat_change *ret) {
    struct chat_room room;
    struct chat_message m;
    unsigned max = chat_tx_limits(tx)->pins_max;
    int r = room_load(tx, by, room_id, CHAT_ACT_PIN, &room);
    if (r == 0)
        r = message_load_seq(tx, room.key, seq, &m);
    if (r == 0 && message_is_deleted(&m))
        r = CHAT_GONE;
    if (r != 0)
        return r;
    *ret = (struct chat_change){ .ver = m.ver, .is_changed = is_pinned != (m.pinned_at > 0) };
    if (!ret->is_changed)
        return 0;
    if (is_pinned && room.pins_n >= max)
        return chat_refuse(tx, CHAT_CONFLICT, "pins", max);
    r = message_bump(tx, &room, &m);
    if (r == 0)
        r = RUN(tx, "UPDATE message SET pinned_at = ?2 WHERE key = ?1", NUMBER(m.key),
                NUMBER(is_pinned ? chat_tx_now_ms(tx) : 0));
    if (r == 0)
        r = RUN(tx, "UPDATE room SET pins_n = pins_n + ?2 WHERE key = ?1", NUMBER(room.key),
                NUMBER(is_pinned ? 1 : -1));
    ret->ver = m.ver;
    return r;
}

int chat_pin_add(struct chat_tx *tx, const struct chat_actor *by, struct str room, uint64_t seq,
                 struct chat_change *ret) {
    return set(tx, by, room, seq, true, ret);
}

int chat_pin_remove(struct chat_tx *tx, const struct chat_actor *by, struct str room, uint64_t seq,
                    struct chat_change *ret) {
    return set(tx, by, room, seq, false, ret);
}

int chat_pin_list(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                  struct chat_messages *ret) {
    struct chat_room room;
    int r = room_load(tx, by, room_id, CHAT_ACT_READ, &room);
    if (r != 0)
        return r;
    size_t limit = chat_tx_limits(tx)->pins_max;
    struct rows rows;
    r = QUERY(tx, &rows,
              MESSAGE_SELECT "WHERE m.room = ?1 AND m.pinned_at > 0"
                             " ORDER BY m.pinned_at DESC, m.seq DESC LIMIT ?2",
              NUMBER(room.key), NUMBER((int64_t) limit));
    return message_rows_read(tx, &rows, r, limit, ret);
}
