/*
 * Whom a worker has: all its sessions; the connected ones by user, by client id and by session id;
 * and how many connections a user has in the whole daemon.
 *
 * A hub is its worker's alone, loop thread only: what concerns sessions wherever they are asks
 * every worker. The count is shared, any thread.
 */
#pragma once

#include "async/list.h"
#include "daemon/session/session.h"
#include "storage/table.h"

struct daemon;
struct worker;

/* Where a session is, and where in the indexes. Places are counted from 1. */
struct hub_place {
    struct session *session; /* NULL: free */
    uint32_t next_by_client; /* in its bucket; of a free one: the next free one. 0: none */
    uint32_t next_by_user, prev_by_user;
    uint32_t user_hash;
};

struct hub_bucket {
    uint32_t by_client, by_user; /* the first */
};

/*
 * Every idle connection pays for this, so links are 32-bit numbers of places, which lie in an array
 * of their own, and the two indexes share their buckets. There is about a bucket for each session:
 * with each that comes one bucket is split in two (linear hashing), so that none pays for all.
 */
struct hub {
    struct table_seed seed;
    struct hub_place *places;
    uint32_t n_places, capacity; /* made so far; there is room for */
    uint32_t n_taken;
    uint32_t free; /* the first */
    struct hub_bucket *buckets;
    uint32_t n_buckets, bucket_capacity;
    uint32_t anonymous;      /* the first of those without a user, who would fill a bucket */
    uint32_t n, n_users;     /* connected sessions, and their users */
    struct table by_session; /* struct session_more */
};

void hub_init(struct hub *h, const struct table_seed *seed);
void hub_finish(struct hub *h); /* nobody may be in it */

/* The session at a place that is taken. */
static inline struct session *hub_at(const struct hub *h, uint32_t place) {
    return h->places[place - 1].session;
}

/* All sessions, connected or not, in no order; ones that come meanwhile may be missed. The current
 * one, walk.session, may leave inside, and others may. */
struct hub_walk {
    uint32_t place;
    struct session *session;
};
#define HUB_FOREACH(w, walk) for (struct hub_walk walk = { 0 }; hub_walk_next(&(w)->hub, &(walk));)

bool hub_walk_next(const struct hub *h, struct hub_walk *walk);

/* From the moment a session is connected until it leaves. NULL: not here. */
struct session *hub_find_client(const struct worker *w, struct str client);

/* By the secret id that only emulated and unidirectional transports have. */
struct session *hub_find_session(const struct worker *w, struct str session_id);

/* Which worker of the daemon a session id belongs to; any thread. -ENOENT: it cannot be one. */
MUST_CHECK int hub_worker_of_session(const struct daemon *d, struct str session_id);

/*
 * All sessions of a user ("": the anonymous), in no order. The current one may leave inside.
 * Nothing may suspend inside.
 */
#define HUB_FOREACH_USER(w, user, s)                                                               \
    for (struct session *s = hub_first_of_user((w), (user)),                                       \
                        *s##_after = s ? hub_next_of_user(s) : NULL;                               \
         s; s = s##_after, s##_after = s ? hub_next_of_user(s) : NULL)

struct session *hub_first_of_user(const struct worker *w, struct str user);
struct session *hub_next_of_user(const struct session *s); /* NULL: that was the last */

size_t hub_users(const struct worker *w); /* distinct, the anonymous are one */

/* ---- what sessions use ---- */

/* From its beginning to its end a session has a place: s->place. -ENOMEM. */
MUST_CHECK int hub_enter(struct worker *w, struct session *s);
void hub_exit(struct worker *w, struct session *s); /* hub_remove(), and gives the place up */

/* The session, which has a place, has its identity, and is found from now on. -ENOMEM. */
MUST_CHECK int hub_add(struct worker *w, struct session *s);
void hub_remove(struct worker *w, struct session *s); /* takes one that was never added */

/* Gives the session a session id, unguessable. -ENOMEM. */
MUST_CHECK int hub_name_session(struct worker *w, struct session *s, struct str *ret_id);
void hub_forget_session(struct worker *w, struct session *s);

/* ---- connections of a user, all workers together ---- */

struct user_counts;

struct user_counts *user_counts_new(void); /* NULL: no memory */
struct user_counts *user_counts_free(struct user_counts *c);

/* One more, if there are fewer than limit (0: none is set). 0; -EDQUOT: there are not; -ENOMEM. */
MUST_CHECK int user_counts_add(struct user_counts *c, struct str user, uint32_t limit);
void user_counts_remove(struct user_counts *c, struct str user);

/* Counts those of the worker's sessions that came while there was no limit. */
void hub_count_users(struct worker *w);
