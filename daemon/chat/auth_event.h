/* What others are told of who comes, and what is shown of invites and logins, as JSON. */
#pragma once

#include "protocol/buffer.h"
#include "storage/chat/account.h"
#include "storage/chat/invite.h"
#include "storage/chat/login.h"
#include "storage/chat/setting.h"

struct auth;

/* In the transaction: member.added to each room that they were put into, room.added to them. */
MUST_CHECK int auth_emit_arrival(struct chat_tx *tx, const struct chat_arrival *a);

/* Of GET /auth/invite: what somebody may know who has the code. */
void auth_put_invite_card(struct buffer *out, const struct chat_settings *team,
                          const struct chat_invite *i);

/* As its maker sees it, with where it leads; without the braces. */
void auth_put_invite_members(struct buffer *out, const struct auth *a, const struct chat_invite *i);

void auth_put_logins(struct buffer *out, const struct chat_logins *logins, int64_t current_key);
