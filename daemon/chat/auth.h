/*
 * Who somebody is to the chat, and how they have become it: the owner by a link in the log, others
 * by passwords and invites (auth_http.h has the endpoints). Whoever has signed in has a *login*,
 * known by a token of random bytes: in a page's cookie, or a program's own. Only its SHA-256 is
 * kept, and it can be revoked at any time.
 */
#pragma once

#include <stdatomic.h>

#include "async/base.h"
#include "daemon/chat/password.h"
#include "protocol/secret.h"
#include "storage/chat/login.h"
#include "storage/chat/user.h"

struct auth;
struct buffer;
struct config;
struct daemon;
struct http_exchange;
struct password_gate;
struct pool;
struct throttle;
struct worker;

#define AUTH_COOKIE       STR("parley_login")
#define AUTH_TOKEN_PREFIX STR("plt_")
enum { AUTH_CODE_BYTES = 16 }; /* of invites, and of the link for the owner: nobody guesses one */

/* ---- the daemon's ---- */

struct auth {
    struct daemon *daemon;
    struct password_gate *gate;
    struct throttle *throttle;
    _Atomic(char *) url; /* where links lead, without a slash at its end; NULL before it listens */
    _Atomic bool has_owner;
    uint8_t setup_hash[SECRET_HASH_SIZE]; /* of this run's code, while there is no owner */
    char setup_code[SECRET_TEXT_MAX];     /* until it was said */
    bool has_setup_code;                  /* one was made */
};

/* Of a node that may keep the chat; on the main loop. -ENOMEM. */
SUSPENDS MUST_CHECK int auth_open(struct daemon *d, struct auth **ret);
struct auth *auth_close(struct auth *a); /* takes NULL; returns NULL */

/* When the store is open, before anybody else asks it: is there an owner? As chat_store_read(). */
SUSPENDS MUST_CHECK int auth_look(struct auth *a);

/* Once, on the main loop, when the daemon listens: now it is known where links lead. */
void auth_keep_url(struct auth *a);
bool auth_listens(const struct auth *a); /* it is known; any thread */

/* When both are done: logs the link by which the owner comes in, if there is none yet; then nothing
 * of its code is left but the hash. */
void auth_say_setup_link(struct auth *a);

/* Appends a link: "invite", and its code. Any thread. */
void auth_append_link(const struct auth *a, const char *what, struct str code, struct buffer *out);

/* ---- who is it? ---- */

/* On the heap or in an arena: it is large. Zeroed to begin with. */
struct auth_who {
    struct chat_work work; /* holds the strings */
    uint8_t hash[SECRET_HASH_SIZE];
    struct chat_login login; /* key 0: a user of an embedding application, by its token */
    struct chat_user user;
};

void auth_who_finish(struct auth_who *w); /* takes a zeroed one, and NULL */
void auth_who_finishp(struct auth_who **w);

/*
 * Whose login it is. Now and then it also notes that it was seen, so it may take a commit.
 * 0; CHAT_NOT_FOUND: nobody's, any more; < 0 as chat_store_read().
 */
SUSPENDS MUST_CHECK int auth_find(struct worker *w, struct str token, struct auth_who *ret);

/*
 * Somebody is still connected by it, on whatever node: that is a use of it. Now and then; where the
 * chat cannot be reached it is left to the next time. 0; < 0: the wait was cut short, or no memory.
 */
SUSPENDS MUST_CHECK int auth_keep(struct worker *w, struct str user, struct str login);
int64_t auth_keep_every_ms(const struct config *c);

/*
 * Who asks over HTTP: by `Authorization: Bearer` (a login's token, or one of the embedding
 * application's, whose user is known), or by the cookie. The endpoint has made sure that no other
 * site's page asks (auth_admits()).
 */
SUSPENDS MUST_CHECK int auth_of_request(struct http_exchange *x, struct auth_who *ret);

/* 1; 0: another site's page asks in a visitor's name: 403 is answered, as JSON. */
MUST_CHECK int auth_admits(struct http_exchange *x);

/* ---- passwords, on threads of the worker's ---- */

/* As of password.h, at today's cost. -EAGAIN: too many wait. kept: empty: nobody's, which takes as
 * long and is wrong. */
SUSPENDS MUST_CHECK int auth_hash(struct worker *w, struct str typed,
                                  char ret[static PASSWORD_TEXT_MAX]);
SUSPENDS MUST_CHECK int auth_verify(struct worker *w, struct str kept, struct str typed);

/* ---- a new login ---- */

/* A token and its hash. -ENOMEM. */
MUST_CHECK int auth_make_token(char ret[static SECRET_TEXT_MAX],
                               uint8_t ret_hash[static SECRET_HASH_SIZE]);
/* When a login ends that is seen now; 0: never. */
int64_t auth_expiry_of(const struct config *c, int64_t now_ms);

/* ---- the end ---- */

struct auth_ending {
    struct str user;
    struct str login;  /* its id; empty: all */
    struct str except; /* of all: but this one; empty: none */
};

/* After the commit. Connections that are there are told (session.ended) and end, 3500, on all
 * workers; those that are on their way find out by themselves: auth_endings(). */
SUSPENDS void auth_end(struct worker *w, const struct auth_ending *e);
SUSPENDS void auth_end_here(struct worker *w, const struct auth_ending *e); /* of this node */
uint64_t auth_endings(const struct daemon *d);

/* The same for all logins of a user, begun and not waited for; in a task of the group. */
struct group;
void auth_end_later(struct worker *w, struct group *tasks, struct str user);
/* Somebody is put out (chat_end()): who is on the way finds out. */
void auth_count_ending(struct daemon *d);
