/*
 * Who is in a room. All that change it take a ver of the room; ret_member is the member as it is
 * then.
 */
#pragma once

#include "storage/chat/room.h"

/* CHAT_CONFLICT (members, rooms): there are too many. CHAT_BANNED. */
MUST_CHECK int chat_member_add(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                               struct str user, struct chat_member *ret_member,
                               struct chat_change *ret);
MUST_CHECK int chat_member_remove(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                  struct str user, struct chat_change *ret);
/* CHAT_CONFLICT (role): the room would have no owner left. */
MUST_CHECK int chat_member_update(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                  struct str user, enum chat_member_role role,
                                  struct chat_member *ret_member, struct chat_change *ret);
MUST_CHECK int chat_member_join(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                struct chat_room *ret_room, struct chat_member *ret_member,
                                struct chat_change *ret);
/* The last owner who leaves hands the room on, to the mod or member who has been there longest:
 * ret_heir, whose ver comes first; role CHAT_NO_MEMBER: to nobody. */
MUST_CHECK int chat_member_leave(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                 struct chat_member *ret_heir, struct chat_change *ret);

/* When somebody was put out of a room (removed, kicked, banned): if it has no owner left, it goes
 * on in the same way, with the ver after theirs. */
MUST_CHECK int chat_member_hand_on(struct chat_tx *tx, struct str room,
                                   struct chat_member *ret_heir);

/* after: the id of the last user of the page before. */
MUST_CHECK int chat_member_list(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                                struct str after, size_t limit, struct chat_members *ret);

MUST_CHECK int chat_notify_set(struct chat_tx *tx, const struct chat_actor *by, struct str room,
                               enum chat_notify level);

/* For events: ids of all members of a room, and of the rooms a user is in. By their keys; no one is
 * asked. */
struct chat_ids {
    struct str *items;
    size_t n;
};
MUST_CHECK int chat_member_ids(struct chat_tx *tx, int64_t room_key, struct chat_ids *ret);
MUST_CHECK int chat_room_ids_of(struct chat_tx *tx, int64_t user_key, struct chat_ids *ret);

/* By an invite, by the program: without asking who may, bans included. No change if they are in. */
MUST_CHECK int chat_member_put(struct chat_tx *tx, int64_t room_key, int64_t user_key,
                               enum chat_member_role role, struct chat_member *ret_member,
                               struct chat_change *ret);
