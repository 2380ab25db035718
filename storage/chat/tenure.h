/* Which of its owners' a database is: a number that each one raises before it writes anything else.
 */
#pragma once

#include "storage/chat/store.h"

MUST_CHECK int chat_tenure_get(struct chat_tx *tx, uint64_t *ret_generation); /* 0: of none */
MUST_CHECK int chat_tenure_put(struct chat_tx *tx, uint64_t generation);
