/* The log of what people with power did. */
#pragma once

#include "storage/chat/store.h"

struct chat_audit_entry {
    int64_t id, at;
    struct str user, action;         /* who did what: "room.archive", "moderation.ban" */
    struct str room, target, detail; /* ids of a room and a user; anything */
};
struct chat_audit {
    struct chat_audit_entry *items; /* newest first */
    size_t n;
    bool has_more;
};

/* user_key 0: the server itself. room_key, target_key 0: none. */
MUST_CHECK int chat_audit_add(struct chat_tx *tx, int64_t user_key, const char *action,
                              int64_t room_key, int64_t target_key, struct str detail);
/* before: an id; 0: from the newest. Admins'. */
MUST_CHECK int chat_audit_list(struct chat_tx *tx, const struct chat_actor *by, int64_t before,
                               size_t limit, struct chat_audit *ret);
