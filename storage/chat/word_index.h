/* The index of words (message_fts). For storage/chat/ only. */
#pragma once

#include "storage/chat/query.h"

/* What the index says of a message is taken out by the words that the message has: so out before a
 * change of its text or flags, and in after it. */
MUST_CHECK int word_index_add(struct chat_tx *tx, int64_t key);
MUST_CHECK int word_index_remove(struct chat_tx *tx, int64_t key);

/*
 * Words that were taken out are only crossed out, until what they are in is written anew. Does some
 * of that, so many pages of it. mark: 0 begins; then as it was left: 0: nothing is crossed out any
 * more that was so when it began.
 */
MUST_CHECK int word_index_purge(struct chat_tx *tx, int pages, int64_t *mark);
