/* How much there is, for admins. */
#pragma once

#include "storage/chat/store.h"

struct chat_counts {
    uint64_t users;    /* people and bots that are not deactivated */
    uint64_t rooms;    /* archived ones included */
    uint64_t messages; /* that were ever sent and whose rooms keep them: by their seqs */
    uint64_t bytes;    /* of chat.db */
    uint64_t files_bytes;
};

/* Looks at rows of rooms, users and attachments, not at each message. */
MUST_CHECK int chat_counts_get(struct chat_tx *tx, struct chat_counts *ret);
