/*
 * What people are told on their own channels, `user:#ID`, of rooms that they may not have open: how
 * many messages they have not read, what a room is called now, who another one is. Looked up when
 * it is told, for those who are connected; told at most once a second of each room, and then as it
 * is.
 *
 * On the loop of the first worker.
 */
#pragma once

#include "async/base.h"

struct chat;
struct chat_notices;
struct chat_order;
struct group;
struct worker;

enum {
    CHAT_NOTICE_EVERY_MS = 1000,
    CHAT_NOTICE_READING_MS = 250, /* until those who read it at once have said so */
    CHAT_SEEN_EVERY_MS = 60 * 1000,
};

MUST_CHECK int chat_notices_new(struct chat *c, struct chat_notices **ret); /* -ENOMEM */
struct chat_notices *chat_notices_free(struct chat_notices *n); /* takes NULL; returns NULL */

void chat_notice_start(struct chat_notices *n, struct worker *w, struct group *tasks);
void chat_notice_stop(struct chat_notices *n); /* before its group is finished */

/* ORDER_UNREAD, ORDER_ROOM, ORDER_USER. */
void chat_notice_note(struct chat_notices *n, const struct chat_order *o);

void chat_notice_tick(struct chat_notices *n); /* once a second: last_seen, presence.h */

/* Writes down who is here, and who was. Any loop. */
SUSPENDS int chat_notice_seen(struct chat *c);
