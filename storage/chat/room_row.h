/* Rooms inside: how they are read, asked for, counted. For storage/chat/ only. */
#pragma once

#include "storage/chat/query.h"
#include "storage/chat/room.h"

/* Of `room r LEFT JOIN member m ON m.room = r.key AND m.user = ?1`. */
#define ROOM_COLUMNS                                                                               \
    "r.key, r.id, r.kind, r.name, r.slug, r.topic, r.ver, r.last_seq, r.last_at, r.members_n,"     \
    " r.pins_n, r.archived_at, r.slow_s, r.retain_d, r.receipts, r.created_at, r.floor_seq,"       \
    " r.floor_ver, m.role, m.read_seq, m.unread_mark, m.notify, m.muted_until"
#define ROOM_AND_MINE " FROM room r LEFT JOIN member m ON m.room = r.key AND m.user = ?1 "

MUST_CHECK int room_row_read(const struct rows *rows, struct chat_room *ret);

/* As chat_room_check(), and an archived one refuses what changes it. */
MUST_CHECK int room_load(struct chat_tx *tx, const struct chat_actor *by, struct str id,
                         enum chat_action action, struct chat_room *ret);
/* Whoever asks; user_key: whose membership is read, 0: nobody's. CHAT_NOT_FOUND. */
MUST_CHECK int room_load_by_key(struct chat_tx *tx, int64_t key, int64_t user_key,
                                struct chat_room *ret);

/* The next ver, in the row and in room->ver. */
MUST_CHECK int room_bump(struct chat_tx *tx, struct chat_room *room);

/* Counts of a member, and the users of direct rooms and groups. */
MUST_CHECK int room_fill(struct chat_tx *tx, int64_t user_key, struct chat_room *room);
MUST_CHECK int room_count_unread(struct chat_tx *tx, int64_t user_key, int64_t room_key,
                                 struct chat_membership *m);

static inline int room_may(const struct chat_room *room, const struct chat_actor *by,
                           enum chat_action action) {
    return chat_permission(action, room->kind, room->mine.role, by->role);
}
