/* Reactions: one of each emoji by each member. */
#pragma once

#include "storage/chat/room.h"

/* ret: all of the message's. CHAT_BAD_REQUEST (emoji): 1 to 64 bytes without spaces or control
 * characters. CHAT_CONFLICT (emoji): the message has too many different ones. CHAT_GONE. */
MUST_CHECK int chat_reaction_add(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                 uint64_t seq, struct str emoji, struct chat_reactions *ret,
                                 struct chat_change *ret_change);
MUST_CHECK int chat_reaction_remove(struct chat_tx *tx, const struct chat_actor *by,
                                    struct str room, uint64_t seq, struct str emoji,
                                    struct chat_reactions *ret, struct chat_change *ret_change);
