/*
 * Who comes and who goes, of the people of the chat: told to all others who are there and may know
 * them, once a second at most, as long as they are few (online.h).
 *
 * On the loop of the first worker.
 */
#pragma once

#include "async/base.h"

struct buffer;
struct chat;
struct chat_actor;
struct chat_presence;
struct chat_tx;
struct group;
struct str;
struct worker;

MUST_CHECK int chat_presence_new(struct chat *c, struct chat_presence **ret); /* -ENOMEM */
struct chat_presence *chat_presence_free(struct chat_presence *p); /* takes NULL; returns NULL */

/* Once a second. tasks: of the worker's, until it is finished. */
void chat_presence_tick(struct chat_presence *p, struct worker *w, struct group *tasks);

/* The member `online` of sync: the ids of those who are there and whom `by` may know; none where
 * they are too many. Any thread, in a transaction. */
MUST_CHECK int chat_presence_put(struct chat *c, struct chat_tx *tx, const struct chat_actor *by,
                                 struct buffer *out);
