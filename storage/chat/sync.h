/* All of one's rooms at once, and what has changed in one since. */
#pragma once

#include "storage/chat/message.h"

struct chat_sync {
    struct chat_user me;
    struct chat_users users; /* whom they may know; at most users_max */
    struct chat_rooms rooms; /* theirs, the last written to first */
};
MUST_CHECK int chat_sync(struct chat_tx *tx, const struct chat_actor *by, struct chat_sync *ret);

struct chat_room_sync {
    uint64_t ver;                  /* up to here it is complete: where to go on */
    struct chat_messages messages; /* ascending by ver */
    struct chat_members members;   /* the same; of those who left only the user's id and key */
    bool has_room;                 /* its settings have changed */
    struct chat_room room;         /* as it is now, in any case */
    bool has_more;
    bool is_reset; /* too long ago: nothing else is set but ver, the room's */
};
/* Final states of what has changed after `since`, each once. */
MUST_CHECK int chat_room_sync(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                              uint64_t since, size_t limit, struct chat_room_sync *ret);
