#include "storage/chat/reaction.h"

#include "storage/chat/check.h"
#include "storage/chat/message_row.h"

static int begin(struct chat_tx *tx, const struct chat_actor *by, struct str room_id, uint64_t seq,
                 struct str emoji, struct chat_room *ret_room, struct chat_message *ret) {
    int r = room_load(tx, by, room_id, CHAT_ACT_REACT, ret_room);
    if (r == 0)
        r = chat_check_emoji(tx, emoji);
    if (r == 0)
        r = message_load_seq(tx, ret_room->key, seq, ret);
    if (r == 0 && message_is_deleted(ret))
        r = CHAT_GONE;
    return r;
}

static int end(struct chat_tx *tx, const struct chat_message *m, bool is_changed,
               struct chat_reactions *ret, struct chat_change *ret_change) {
    *ret_change = (struct chat_change){ .ver = m->ver, .is_changed = is_changed };
    return message_reactions(tx, m->key, ret);
}

/* 1: has reacted so; 0: has not, and may. */
static int find(struct chat_tx *tx, const struct chat_actor *by, const struct chat_message *m,
                struct str emoji) {
    int64_t n = 0, max = chat_tx_limits(tx)->reactions_max;
    int r = FETCH(tx, &n, "SELECT 1 FROM reaction WHERE message = ?1 AND emoji = ?2 AND user = ?3",
                  NUMBER(m->key), TEXT(emoji), NUMBER(by->key));
    if (r != 0)
        return r;
    r = FETCH(tx, &n,
              "SELECT count(DISTINCT emoji) FROM reaction WHERE message = ?1 AND emoji <> ?2",
              NUMBER(m->key), TEXT(emoji));
    return r < 0 ? r : n >= max ? chat_refuse(tx, CHAT_CONFLICT, "emoji", max) : 0;
}

int chat_reaction_add(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                      uint64_t seq, struct str emoji, struct chat_reactions *ret,
                      struct chat_change *ret_change) {
    struct chat_room room;
    struct chat_message m;
    int r = begin(tx, by, room_id, seq, emoji, &room, &m);
    if (r == 0)
        r = message_check_mute(tx, &room);
    if (r == 0)
        r = find(tx, by, &m, emoji);
    if (r == 1)
        return end(tx, &m, false, ret, ret_change);
    m.flags |= MESSAGE_REACTIONS;
    if (r == 0)
        r = message_bump(tx, &room, &m);
    if (r == 0)
        r = RUN(tx, "INSERT INTO reaction(message, emoji, user, place) VALUES (?1, ?2, ?3, ?4)",
                NUMBER(m.key), TEXT(emoji), NUMBER(by->key), NUMBER((int64_t) m.ver));
    return r != 0 ? r : end(tx, &m, true, ret, ret_change);
}

int chat_reaction_remove(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                         uint64_t seq, struct str emoji, struct chat_reactions *ret,
                         struct chat_change *ret_change) {
    struct chat_room room;
    struct chat_message m;
    int64_t left = 0;
    int r = begin(tx, by, room_id, seq, emoji, &room, &m);
    if (r == 0)
        r = RUN(tx, "DELETE FROM reaction WHERE message = ?1 AND emoji = ?2 AND user = ?3",
                NUMBER(m.key), TEXT(emoji), NUMBER(by->key));
    if (r != 0)
        return r;
    if (chat_changes(tx) == 0)
        return end(tx, &m, false, ret, ret_change);
    r = FETCH(tx, &left, "SELECT 1 FROM reaction WHERE message = ?1 LIMIT 1", NUMBER(m.key));
    if (r == 0)
        m.flags &= ~(unsigned) MESSAGE_REACTIONS;
    if (r >= 0)
        r = message_bump(tx, &room, &m);
    return r != 0 ? r : end(tx, &m, true, ret, ret_change);
}
