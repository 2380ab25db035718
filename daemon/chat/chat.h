/*
 * The chat: rooms, messages, members on top of channels. docs/chat-protocol.md is what clients
 * speak; ARCHITECTURE.md has the life of a message.
 *
 * The store (storage/chat/) decides and remembers, on threads of its own. What is asked comes as
 * RPCs (call.h, methods.c), what follows goes out as publications (event.h, pump.h, notice.h).
 * Opened and closed with the daemon where `chat.enabled` says so.
 */
#pragma once

#include <stdatomic.h>

#include "async/base.h"
#include "async/group.h"
#include "protocol/bytes.h"

struct buffer;
struct chat;
struct chat_event;
struct chat_lease;
struct chat_online;
struct chat_notices;
struct chat_pump;
struct chat_remote;
struct chat_store;
struct chat_typing;
struct config;
struct daemon;
struct tls;
struct worker;

/* ---- the daemon's ---- */

/* On the main loop, before there are workers; *ret NULL where the chat is off. As
 * chat_store_open().
 */
SUSPENDS MUST_CHECK int chat_open(struct daemon *d, const char *vfs, struct chat **ret,
                                  char **ret_why);
/* The workers are there: from now on what the store has committed is published. -ENOMEM; where a
 * lease says who keeps it, as of chat_store_open(). ret_why: as of it. */
SUSPENDS MUST_CHECK int chat_start(struct chat *c, char **ret_why);
/* It can be reached over the network, at the daemon's addresses. Main loop; takes NULL. */
void chat_listens(struct chat *c);
/* Before the workers go. Takes NULL, and one that was not started. */
SUSPENDS void chat_stop(struct chat *c);
/* After them. Takes NULL; returns NULL. */
SUSPENDS struct chat *chat_close(struct chat *c);

/* ---- what the rest of daemon/chat/ uses ---- */

struct chat {
    struct daemon *daemon;
    struct config *config; /* as it was at the start; any thread */
    const char *vfs;       /* of the store; NULL: the system's */
    struct chat_store
            *store; /* NULL: it is another node's. For all but those in own_tasks: own.h */
    struct chat_online *online;   /* any thread */
    struct chat_typing *typing;   /* any thread */
    struct chat_pump *pump;       /* comes and goes with the store, as */
    struct chat_notices *notices; /* they do; the pump's worker's */
    struct chat_remote *remote;   /* who asks the node that keeps it; NULL: it is always this one */
    struct tls *pass_tls;         /* to that node; NULL: not by https. pass.h */
    struct chat_lease *lease;     /* says which one keeps it; NULL: that is configured */
    _Atomic bool is_here;         /* own.h */
    _Atomic unsigned inside;      /* how many are in the store */
    _Atomic uint64_t endings;     /* how often logins have been ended: auth_endings() */
    _Atomic uint64_t parted;      /* how many have been taken out of a room; see session.h */
    bool has_started;             /* the main loop's */

    char *files_dir; /* where what is uploaded lies; NULL: simulated, without files */
    _Atomic uint64_t hooks_dropped; /* events of webhooks that were too many */
    struct group own_tasks;         /* the first worker's, of the node that keeps it */
    bool has_own_tasks;
};

/* May there be a user of this id? The chat's own are made of fewer characters; those of an
 * embedding application are as it calls them, but they name a channel. */
bool chat_is_user_id(struct str user);

/* Live, to whoever is there: keeps nothing, waits for nothing. Any worker's loop. */
void chat_tell(struct worker *w, struct str channel, struct bytes data);
