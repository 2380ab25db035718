/* How far members have read. Counts are exact, up to CHAT_UNREAD_MAX. */
#pragma once

#include "storage/chat/room.h"

struct chat_unread {
    struct str room; /* id */
    uint64_t read_seq, ver, last_seq;
    int64_t last_at;
    unsigned unread, mentions;
    bool unread_mark, receipts; /* receipts: the room shows how far its members have read */
};

/* Only grows; past the last message it is the last one. Takes the mark of unread away.
 * ret_is_changed: may be NULL. */
MUST_CHECK int chat_read_mark(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                              uint64_t seq, struct chat_unread *ret, bool *ret_is_changed);
/* seq and all after it are unread. */
MUST_CHECK int chat_read_mark_unread(struct chat_tx *tx, const struct chat_actor *by,
                                     struct str room, uint64_t seq, struct chat_unread *ret);

/* For unread.changed: how it stands for this member. CHAT_NOT_FOUND: is none. */
MUST_CHECK int chat_read_state(struct chat_tx *tx, struct str room, struct str user,
                               struct chat_unread *ret);
