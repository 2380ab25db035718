/*
 * Who is connected to this node, of the people of the chat: what is told them alone need not be
 * made for others. And who was: for last_seen.
 *
 * Any thread.
 */
#pragma once

#include "async/base.h"
#include "protocol/arena.h"
#include "storage/chat/types.h"

struct chat_online;

MUST_CHECK int chat_online_new(struct chat_online **ret);    /* -ENOMEM */
struct chat_online *chat_online_free(struct chat_online *o); /* takes NULL; returns NULL */

/* One more connection of the user, or one less. role: as it is now. -ENOMEM. */
MUST_CHECK int chat_online_enter(struct chat_online *o, struct str user, enum chat_role role);
void chat_online_leave(struct chat_online *o, struct str user, int64_t now_ms);

/* On another node, until then (loop_now()) at least. role: if it is not known better. -ENOMEM. */
MUST_CHECK int chat_online_note(struct chat_online *o, struct str user, enum chat_role role,
                                int64_t until_ms);

bool chat_online_has(struct chat_online *o, struct str user);
size_t chat_online_count(struct chat_online *o); /* on this node */

struct chat_online_user {
    struct str id;
    enum chat_role role; /* when they connected */
    int64_t seen_at;     /* when the last connection went; 0: it is there */
};

/* All who are there, in no order; in the arena. -ENOMEM. */
MUST_CHECK int chat_online_list(struct chat_online *o, struct arena *a,
                                struct chat_online_user **ret, size_t *ret_n);

/* The same, and those who went since this was last asked, who are forgotten. */
MUST_CHECK int chat_online_take_seen(struct chat_online *o, struct arena *a,
                                     struct chat_online_user **ret, size_t *ret_n);
