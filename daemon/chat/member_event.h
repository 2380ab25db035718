/*
 * What is told when somebody comes to a room, or goes: the room by an event, and they themselves on
 * their own channel. In a work's run() only. For methods, and for whoever else makes members
 * (invites, the welcome room).
 */
#pragma once

#include "storage/chat/member.h"
#include "storage/chat/store.h"

/* room.added, with the room as they see it. */
MUST_CHECK int event_room_added(struct chat_tx *tx, struct str room, struct str user);

/* room.updated, the same: what it is to them has changed. */
MUST_CHECK int event_room_updated(struct chat_tx *tx, struct str room, struct str user);

/* member.added, and room.added. by: empty: they themselves. Nothing where nothing has changed. */
MUST_CHECK int event_member_added(struct chat_tx *tx, struct str room,
                                  const struct chat_member *member, struct str by,
                                  const struct chat_change *change);
MUST_CHECK int event_member_updated(struct chat_tx *tx, struct str room,
                                    const struct chat_member *member, struct str by,
                                    const struct chat_change *change);

/* member.removed, room.removed, and their connections leave the channel. reason: "left", "kicked",
 * "banned" or "removed". */
MUST_CHECK int event_member_removed(struct chat_tx *tx, struct str room, struct str user,
                                    struct str by, const char *reason,
                                    const struct chat_change *change);
