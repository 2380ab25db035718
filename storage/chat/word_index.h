/* The index of words (message_fts). For storage/chat/ only. */
#pragma once

#include "storage/chat/query.h"

/* What the index says of a message is taken out by the words that the message has: so out before a
 * change of its text or flags, and in after it. */
MUST_CHECK int word_index_add(struct chat_tx *tx, int64_t key);
MUST_CHECK int word_index_remove(struct chat_tx *tx, int64_t key);
