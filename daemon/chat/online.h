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

/* It has become another; of somebody who is not there it is nothing. */
void chat_online_set_role(struct chat_online *o, struct str user, enum chat_role role);

bool chat_online_has(struct chat_online *o, struct str user);
size_t chat_online_count(struct chat_online *o); /* on this node */

struct chat_online_user {
    struct str id;
    enum chat_role role; /* when they connected, or as it has become since */
    int64_t seen_at;     /* when the last connection went; 0: it is there */
};

/* All who are there, in no order; in the arena. -ENOMEM. */
MUST_CHECK int chat_online_list(struct chat_online *o, struct arena *a,
                                struct chat_online_user **ret, size_t *ret_n);

/* The same, and those who went since this was last asked, who are forgotten. */
MUST_CHECK int chat_online_take_seen(struct chat_online *o, struct arena *a,
                                     struct chat_online_user **ret, size_t *ret_n);

/* ---- what others are told ---- */

/* With more than so many who are there, others are not told who comes and goes: each would be told
 * of each. They ask (user.get, last_seen). Told again when it is three quarters. */
enum { CHAT_ONLINE_TOLD_MAX = 200, CHAT_ONLINE_GONE_MS = 2000 };

enum chat_online_kind {
    CHAT_ONLINE_NOTHING,
    CHAT_ONLINE_CHANGE,   /* who came, and who went CHAT_ONLINE_GONE_MS ago */
    CHAT_ONLINE_ALL,      /* came: all who are there */
    CHAT_ONLINE_TOO_MANY, /* from now on it is not known */
};

struct chat_online_news {
    enum chat_online_kind kind;
    struct str *came, *gone;
    size_t n_came, n_gone;
};

/* What is new since it was last asked; in the arena. -ENOMEM: all is new the next time. */
MUST_CHECK int chat_online_news(struct chat_online *o, struct arena *a,
                                struct chat_online_news *ret);
void chat_online_untold(struct chat_online *o); /* the news were lost: all is new */

/* Who is there, as the news have it. 1; 0: that is not known, they are too many; -ENOMEM. */
MUST_CHECK int chat_online_told(struct chat_online *o, struct arena *a, struct str **ret,
                                size_t *ret_n);
