#include "storage/chat/sync.h"

#include <errno.h>

#include "storage/chat/check.h"
#include "storage/chat/member_row.h"
#include "storage/chat/message_row.h"
#include "storage/chat/user.h"
#include "storage/chat/user_row.h"

/* ---- all rooms ---- */

static int read_rooms(struct chat_tx *tx, const struct chat_actor *by, struct chat_rooms *ret) {
    struct arena_list list = { 0 };
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT " ROOM_COLUMNS " FROM member m JOIN room r ON r.key = m.room"
                  " WHERE m.user = ?1 AND m.role > 0 ORDER BY r.last_at DESC, r.key",
                  NUMBER(by->key));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_room *room = arena_list_add(chat_tx_arena(tx), &list, sizeof *room);
        r = room ? room_row_read(&rows, room) : -ENOMEM;
    }
    rows_end(&rows);
    *ret = (struct chat_rooms){ .items = list.items, .n = list.n };
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        r = room_fill(tx, by->key, &ret->items[i]);
    return r;
}

int chat_sync(struct chat_tx *tx, const struct chat_actor *by, struct chat_sync *ret) {
    int r = chat_user_by_key(tx, by->key, &ret->me);
    if (r == 0)
        r = chat_users_find(tx, by, (struct str){ 0 }, (struct str){ 0 }, 0, &ret->users);
    return r != 0 ? r : read_rooms(tx, by, &ret->rooms);
}

/* ---- one room ---- */

/* The members' last changes, in their order. */
static int read_members(struct chat_tx *tx, const struct chat_room *room, uint64_t since,
                        size_t limit, struct chat_members *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  "SELECT " USER_COLUMNS ", " MEMBER_COLUMNS
                  " FROM member m INDEXED BY member_ver JOIN user u ON u.key = m.user"
                  " WHERE m.room = ?1 AND m.ver > ?2 ORDER BY m.ver LIMIT ?3",
                  NUMBER(room->key), NUMBER((int64_t) since), NUMBER((int64_t) limit + 1));
    return member_rows_read(&rows, r, limit, ret);
}

static int read_messages(struct chat_tx *tx, const struct chat_room *room, uint64_t since,
                         size_t limit, struct chat_messages *ret) {
    struct rows rows;
    int r = QUERY(tx, &rows,
                  MESSAGE_SELECT "WHERE m.room = ?1 AND m.ver > ?2 ORDER BY m.ver LIMIT ?3",
                  NUMBER(room->key), NUMBER((int64_t) since), NUMBER((int64_t) limit + 1));
    return message_rows_read(tx, &rows, r, limit, ret);
}

/* Both lists go on only as far as the one that was cut: what follows there may have vers between.
 */
static void cut(struct chat_room_sync *s) {
    uint64_t to = s->room.ver;
    if (s->messages.has_after)
        to = s->messages.items[s->messages.n - 1].ver;
    if (s->members.has_more && s->members.items[s->members.n - 1].ver < to)
        to = s->members.items[s->members.n - 1].ver;
    while (s->messages.n > 0 && s->messages.items[s->messages.n - 1].ver > to)
        s->messages.n--;
    while (s->members.n > 0 && s->members.items[s->members.n - 1].ver > to)
        s->members.n--;
    s->has_more = to < s->room.ver && (s->messages.has_after || s->members.has_more);
    s->ver = s->has_more ? to : s->room.ver;
    s->messages.has_after = s->members.has_more = false;
}

int chat_room_sync(struct chat_tx *tx, const struct chat_actor *by, struct str room_id,
                   uint64_t since, size_t limit, struct chat_room_sync *ret) {
    int64_t set_ver = 0;
    *ret = (struct chat_room_sync){ 0 };
    int r = chat_room_get(tx, by, room_id, CHAT_ACT_FOLLOW, &ret->room);
    if (r != 0)
        return r;
    ret->ver = ret->room.ver;
    /* From the future: of a database that was put back. */
    ret->is_reset = since < ret->room.floor_ver || since > ret->room.ver;
    if (ret->is_reset || since == ret->room.ver)
        return 0;
    limit = chat_page_limit(tx, limit);
    r = FETCH(tx, &set_ver, "SELECT set_ver FROM room WHERE key = ?1", NUMBER(ret->room.key));
    if (r >= 0)
        r = read_messages(tx, &ret->room, since, limit, &ret->messages);
    if (r == 0)
        r = read_members(tx, &ret->room, since, limit, &ret->members);
    ret->has_room = (uint64_t) set_ver > since;
    if (r == 0)
        cut(ret);
    return r;
}
