/* Members inside. For storage/chat/ only. */
#pragma once

#include "storage/chat/member.h"
#include "storage/chat/room_row.h"

/* What a statement selects for member_row_read(): after USER_COLUMNS of u, these of m. */
#define MEMBER_COLUMNS "m.role, m.muted_until, m.ver"
MUST_CHECK int member_row_read(const struct rows *rows, struct chat_member *ret);
MUST_CHECK int member_rows_read(struct rows *rows, int r, size_t limit, struct chat_members *ret);

/* As they are in the room. CHAT_NOT_FOUND: never were. */
MUST_CHECK int member_load(struct chat_tx *tx, int64_t room_key, int64_t user_key,
                           struct chat_member *ret);

/* Into the room, with a ver of it, and read up to its end. They are not in it. What they were
 * before is taken up again only as far as it is a punishment. Guests of the team are guests.
 * CHAT_CONFLICT (members, rooms). */
MUST_CHECK int member_enter(struct chat_tx *tx, struct chat_room *room, int64_t user_key,
                            enum chat_role team, enum chat_member_role role);
/* Out of it, with a ver of it. They are in it. */
MUST_CHECK int member_go(struct chat_tx *tx, struct chat_room *room, int64_t user_key);

/* Put out of it by others, or to be kept out: the links they made into it end, since they could
 * come back by them. In it or not. */
MUST_CHECK int member_end_invites(struct chat_tx *tx, int64_t room_key, int64_t user_key);

/* May not come in, until when. 0, CHAT_BANNED */
MUST_CHECK int member_check_ban(struct chat_tx *tx, int64_t room_key, int64_t user_key);
