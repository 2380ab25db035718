/* Messages inside: how they are read. For storage/chat/ only. */
#pragma once

#include "storage/chat/message.h"
#include "storage/chat/room_row.h"

/* message.flags: what there is of it in other tables. 8 and 16 are in the schema's view as well. */
enum {
    MESSAGE_REACTIONS = 1,
    MESSAGE_MENTIONS = 2,
    MESSAGE_MENTIONS_ALL = 4,
    MESSAGE_FILE = 8,
    MESSAGE_LINK = 16,
    MESSAGE_REVISIONS = 32,
};

#define MESSAGE_SELECT                                                                             \
    "SELECT m.key, m.room, r.id, m.seq, m.ver, m.author, u.id, m.at, m.client_id, m.body,"         \
    " m.reply_to, m.flags, m.meta, m.edited_at, m.deleted_at, d.id, m.reason, m.pinned_at"         \
    " FROM message m JOIN room r ON r.key = m.room JOIN user u ON u.key = m.author"                \
    " LEFT JOIN user d ON d.key = m.deleted_by "

/* Reads all rows of a MESSAGE_SELECT, at most limit, ends them, and then reads what else there is
 * of them. ret->has_after: there was one more. */
MUST_CHECK int message_rows_read(struct chat_tx *tx, struct rows *rows, int r, size_t limit,
                                 struct chat_messages *ret);

MUST_CHECK int message_load(struct chat_tx *tx, int64_t key, struct chat_message *ret);
/* CHAT_NOT_FOUND. */
MUST_CHECK int message_load_seq(struct chat_tx *tx, int64_t room_key, uint64_t seq,
                                struct chat_message *ret);
MUST_CHECK int message_reactions(struct chat_tx *tx, int64_t key, struct chat_reactions *ret);

/* The room's next ver is the message's. */
MUST_CHECK int message_bump(struct chat_tx *tx, struct chat_room *room, struct chat_message *m);

/* All that there is of it in other tables goes. */
MUST_CHECK int message_strip(struct chat_tx *tx, int64_t key, int64_t room_key, uint64_t seq,
                             unsigned flags);
/* Leaves a stub, with a ver of the room. by: the key of who deletes it. */
MUST_CHECK int message_bury(struct chat_tx *tx, struct chat_room *room, struct chat_message *m,
                            int64_t by, struct str reason);

/* May not speak here, until when: CHAT_MUTED. */
MUST_CHECK int message_check_mute(struct chat_tx *tx, const struct chat_room *room);

static inline bool message_is_deleted(const struct chat_message *m) {
    return m->deleted_at > 0;
}
