/* Whom a message mentions: @login, or @all for everybody in the room. For storage/chat/ only. */
#pragma once

#include "storage/chat/message_row.h"

/* Notes those whom the text names and who are in the room, but the author. may_all: does @all
 * count? ret_flags: MESSAGE_MENTIONS, MESSAGE_MENTIONS_ALL. */
MUST_CHECK int mention_note(struct chat_tx *tx, int64_t room_key, uint64_t seq, int64_t author,
                            struct str text, bool may_all, unsigned *ret_flags);
MUST_CHECK int mention_forget(struct chat_tx *tx, int64_t room_key, uint64_t seq);
