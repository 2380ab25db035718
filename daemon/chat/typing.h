/*
 * Who has said of late that they are writing, and where: so that it is not told more often than is
 * looked at. Nothing of it is kept.
 *
 * Any thread.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct chat_typing;

enum {
    CHAT_TYPING_EVERY_MS = 3000, /* told at most as often, of one user in one room */
    CHAT_TYPING_LASTS_MS = 6000, /* clients end it by themselves */
};

MUST_CHECK int chat_typing_new(struct chat_typing **ret);    /* -ENOMEM */
struct chat_typing *chat_typing_free(struct chat_typing *t); /* takes NULL; returns NULL */

/* Is it to be told now? Without memory it is not. */
bool chat_typing_start(struct chat_typing *t, struct str room, struct str user, int64_t now_ms);

/* They say that they have stopped. Had it been told that they write, and is that not over? Who
 * begins again is told of no sooner for it. */
bool chat_typing_stop(struct chat_typing *t, struct str room, struct str user, int64_t now_ms);

/* Their message has come, which ends it without a word; what they write next is told at once. */
void chat_typing_sent(struct chat_typing *t, struct str room, struct str user);
