/* What new people find: the lobby (storage/chat/account.h), and in it a first message. */
#pragma once

#include "storage/chat/store.h"

/* When the team is set up: the first message, by the program itself. In a work's run(). */
MUST_CHECK int chat_welcome_team(struct chat_tx *tx);

/* A user of an embedding application, who has come for the first time: into the lobby. */
MUST_CHECK int chat_welcome_user(struct chat_tx *tx, const struct chat_user *user);
