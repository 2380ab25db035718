/*
 * Messages whose time is over: their rows go, in batches, and the room's floors rise. Who comes
 * from below a floor opens the room anew.
 */
#pragma once

#include "storage/chat/store.h"

/* One batch: at most so many messages, of any rooms. ret_has_more: call again. ret_n: how many
 * went. Gives freed pages back to the file system. The store calls it by itself
 * (chat_store_tick()). */
enum { CHAT_RETENTION_BATCH = 500 };
MUST_CHECK int chat_retention_run(struct chat_tx *tx, size_t max, size_t *ret_n,
                                  bool *ret_has_more);
