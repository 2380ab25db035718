/* One member, for whoever tells of them. */
#pragma once

#include "storage/chat/member.h"

/* Or one who was: role CHAT_NO_MEMBER. Nobody is asked whether they may. CHAT_NOT_FOUND. */
MUST_CHECK int chat_member_get(struct chat_tx *tx, struct str room, struct str user,
                               struct chat_member *ret);
