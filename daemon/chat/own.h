/*
 * What the node has that keeps the chat: the store, and those who see to what is in it. Where nodes
 * share an engine it comes and goes while others ask (lease.h); so whoever is not of it asks by the
 * calls here, which say if it is not here.
 */
#pragma once

#include "async/base.h"

struct chat;
struct chat_store;
struct chat_work;

/* ---- for everybody, on any loop ---- */

bool chat_is_here(const struct chat *c);

/* As chat_store_read() and chat_store_write(); -ENOTCONN: another node keeps it, or none does. */
SUSPENDS MUST_CHECK int chat_read(struct chat *c, struct chat_work *w);
SUSPENDS MUST_CHECK int chat_write(struct chat *c, struct chat_work *w);

/* The same in steps: what is kept here stays until chat_leave(), which is soon. NULL: it is not. */
struct chat_store *chat_enter(struct chat *c);
void chat_leave(struct chat *c);

/* ---- for chat.c and lease.c ---- */

/* The store; errors and ret_why as of chat_store_open(). Nobody else enters yet. Undone by
 * chat_own_close() on the same loop. */
SUSPENDS MUST_CHECK int chat_own_open(struct chat *c, char **ret_why);
/* On the first worker's loop, in a task: what was committed is published. */
SUSPENDS MUST_CHECK int chat_own_start(struct chat *c);
void chat_own_let_in(struct chat *c); /* others may enter */
/* On the loop that started it: nobody enters any more, and all who had have left. Takes one that
 * was not started. */
SUSPENDS void chat_own_stop(struct chat *c);
SUSPENDS void chat_own_close(struct chat *c); /* takes one that is not open */
