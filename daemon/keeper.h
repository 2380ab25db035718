/*
 * What has to be kept up for a worker's sessions while nobody asks: their presence is renewed,
 * positions are compared with the engine's. One task does it, and exists only while there is
 * something to do.
 */
#pragma once

#include "protocol/bytes.h"

struct session;
struct table_seed;
struct worker;

/* Presence that waits to be removed, of each worker; more is left to its TTL, and counted. */
enum { KEEPER_REMOVALS_MAX = 100000 };

void keeper_init(struct worker *w, const struct table_seed *seed);

/* The session's presence in all its channels is to be renewed. */
void keeper_renew(struct worker *w, struct session *s);
void keeper_forget(struct worker *w, struct session *s); /* the session goes */

/* A client's presence in a channel is to be removed, soon; without room or memory for it the
 * entry's TTL does it. */
void keeper_remove_presence(struct worker *w, struct str channel, struct str client);

/* It has come back: what was to be removed and is not yet, stays. */
void keeper_keep_presence(struct worker *w, struct str channel, struct str client);

/* Positions are to be compared from time to time from now on. */
void keeper_watch_positions(struct worker *w);
void keeper_finish(struct worker *w);
/* They may all have missed something: now, whatever the interval; what the engine cannot say now,
 * as soon as it can. */
void keeper_check_all(struct worker *w);
void keeper_check(struct worker *w); /* the wheel's: the time has come */
