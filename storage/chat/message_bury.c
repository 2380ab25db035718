/* What becomes of a message that is deleted, or whose time is over. */
#include "storage/chat/message_row.h"

#include "storage/chat/mention.h"
#include "storage/chat/word_index.h"

/* Its files leave the disk when this has been committed: whoever serves them looks here. */
static int drop_attachments(struct chat_tx *tx, int64_t key) {
    int r = RUN(tx,
                "INSERT OR IGNORE INTO attachment_gone(id, sha256)"
                " SELECT id, sha256 FROM attachment WHERE message = ?1",
                NUMBER(key));
    return r < 0 ? r : RUN(tx, "DELETE FROM attachment WHERE message = ?1", NUMBER(key));
}

int message_strip(struct chat_tx *tx, int64_t key, int64_t room_key, uint64_t seq, unsigned flags) {
    int r = word_index_remove(tx, key);
    if (r == 0 && flags & MESSAGE_REVISIONS)
        r = RUN(tx, "DELETE FROM revision WHERE message = ?1", NUMBER(key));
    if (r == 0 && flags & MESSAGE_REACTIONS)
        r = RUN(tx, "DELETE FROM reaction WHERE message = ?1", NUMBER(key));
    if (r == 0 && flags & (MESSAGE_MENTIONS | MESSAGE_MENTIONS_ALL))
        r = mention_forget(tx, room_key, seq);
    if (r == 0 && flags & MESSAGE_FILE)
        r = drop_attachments(tx, key);
    return r;
}

int message_bury(struct chat_tx *tx, struct chat_room *room, struct chat_message *m, int64_t by,
                 struct str reason) {
    int r = message_strip(tx, m->key, m->room_key, m->seq, m->flags);
    if (r == 0 && m->pinned_at > 0)
        r = RUN(tx, "UPDATE room SET pins_n = pins_n - 1 WHERE key = ?1", NUMBER(room->key));
    m->flags = 0;
    if (r == 0)
        r = message_bump(tx, room, m);
    return r != 0 ? r
                  : RUN(tx,
                        "UPDATE message SET body = NULL, meta = NULL, reply_to = 0, edited_at = 0,"
                        " pinned_at = 0, deleted_at = ?2, deleted_by = ?3, reason = ?4"
                        " WHERE key = ?1",
                        NUMBER(m->key), NUMBER(chat_tx_now_ms(tx)), NUMBER(by),
                        TEXT_OR_NULL(reason));
}
