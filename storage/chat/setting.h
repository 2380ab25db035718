/* What admins set for the team. */
#pragma once

#include "storage/chat/store.h"

enum chat_registration {
    CHAT_REGISTER_BY_INVITE = 0,
    CHAT_REGISTER_OPEN = 1,
    CHAT_REGISTER_CLOSED = 2
};

struct chat_settings {
    struct str name; /* of the team */
    enum chat_registration registration;
    bool guests;       /* may guests be invited? */
    unsigned retain_d; /* of rooms that say nothing themselves; 0: for ever */
};

MUST_CHECK int chat_settings_get(struct chat_tx *tx, struct chat_settings *ret);
/* Admins'; audited. by NULL: the server itself. */
MUST_CHECK int chat_settings_put(struct chat_tx *tx, const struct chat_actor *by,
                                 const struct chat_settings *settings);
