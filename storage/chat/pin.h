/* Messages that a room has pinned. */
#pragma once

#include "storage/chat/message.h"

/* CHAT_CONFLICT (pins): too many. CHAT_GONE. */
MUST_CHECK int chat_pin_add(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                            uint64_t seq, struct chat_change *ret);
MUST_CHECK int chat_pin_remove(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                               uint64_t seq, struct chat_change *ret);
MUST_CHECK int chat_pin_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                             struct chat_messages *ret); /* the last pinned one first */
