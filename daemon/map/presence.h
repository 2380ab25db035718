/*
 * Who is in a channel, as a map that others can follow: the map's name is a prefix of the namespace
 * and the channel's name; its keys are client ids, or user ids. And the key of a client's own, in
 * maps that clients write: it can go with its subscription.
 *
 * All of it is publishing in maps that nobody waits for. Nothing suspends. For daemon/session/
 * only.
 */
#pragma once

struct namespace;
struct session;
struct subscription;

/* The client is subscribed from now on. */
void map_presence_enter(struct session *s, struct subscription *sub, const struct namespace *ns);

/* Before the entries' time is over: they stay, of all subscriptions of the session. */
void map_presence_renew(struct session *s);

/*
 * It is no longer subscribed. A user's entry is left to its time (map.key_ttl): whether the same
 * user is there by another connection, which keeps the entry alive, is nobody's to know here.
 */
void map_presence_leave(struct session *s, struct subscription *sub);
