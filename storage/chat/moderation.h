/*
 * Keeping order. Who does it has to be above the other one: in the room, owners above mods above
 * the rest. All of it is in the audit log.
 */
#pragma once

#include "storage/chat/room.h"

/* Removed, but may come back. */
MUST_CHECK int chat_kick(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                         struct str user, struct str reason, struct chat_change *ret);
/* Removed if in it (ret->is_changed), and kept out until then; 0: for ever. */
MUST_CHECK int chat_ban(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                        struct str user, int64_t until_ms, struct str reason,
                        struct chat_change *ret);
MUST_CHECK int chat_unban(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                          struct str user, struct chat_change *ret);
/* until_ms: INT64_MAX: for ever. 0: no longer. */
MUST_CHECK int chat_mute(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                         struct str user, int64_t until_ms, struct str reason,
                         struct chat_change *ret);

struct chat_ban_entry {
    struct str user, by, reason; /* ids */
    int64_t at, until_ms;        /* 0: for ever */
};
struct chat_bans {
    struct chat_ban_entry *items;
    size_t n;
};
MUST_CHECK int chat_bans_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                              struct chat_bans *ret);
