/*
 * A shared poll as one worker has it: which of its sessions track which keys, and what each of them
 * has. Loop thread only.
 */
#pragma once

#include "protocol/command.h"
#include "protocol/reply.h"

struct channel;
struct namespace;
struct poll_room;
struct poll_sub;
struct publication;
struct session;
struct str;

/* The session is subscribed to the channel of a poll, which is held: nothing is tracked yet.
 * -ENOMEM. */
MUST_CHECK int poll_enter(struct session *s, struct channel *c, const struct namespace *ns);
void poll_leave(struct session *s, struct channel *c); /* takes one that never entered */

/* See poll_epoch(). */
struct str poll_room_epoch(const struct channel *c, char *buf);

struct poll_sub *poll_sub_find(struct session *s, struct str channel); /* NULL: it is in none */

/* How many keys it would track with these, too. */
size_t poll_sub_size_with(const struct poll_sub *sub, const struct command_track *tracks, size_t n);

/*
 * Tracks keys until expires_s and its grace. What is known of them and newer than what the client
 * has is appended to items (struct publication *, references in the arena's list; the caller's).
 * -ENOMEM: some of them are not tracked.
 */
struct arena;
struct arena_list;
MUST_CHECK int poll_sub_track(struct poll_sub *sub, const struct command_track *t,
                              int64_t expires_s, struct arena *a, struct arena_list *items);
bool poll_sub_tracks(const struct poll_sub *sub, struct str key);
void poll_sub_untrack(struct poll_sub *sub, struct str key); /* takes one that is not tracked */

/* Asks for the keys that nobody had asked for, among those tracked since the last call. */
void poll_sub_ask(struct poll_sub *sub);

/* A publication of the channel, for those who track its key. */
void poll_room_deliver(struct poll_room *r, struct publication *p);
