/*
 * Which of the nodes that share a Redis keeps the chat: the one that has the lease
 * (storage/lease.h), and the lock on chat.db's own file, of those with `chat.owner`. Without both
 * nobody is let in.
 *
 * The lease is taken first, then the lock is waited for: a keeper that was only stopped for a while
 * (SIGSTOP, a disk that hangs) still has the lock when its lease is long another's, and nobody
 * writes beside it. The lock knows nothing of copies on other machines: so Redis remembers which
 * database the last keeper had, and how far it had come. Whoever has another one, or an old copy,
 * is refused, until an operator says otherwise (chat.accept).
 *
 * The lease says which file it is that its holder has the lock on. Whoever finds the lock on that
 * very file free takes it first, and then the lease, which need not end by itself: its holder was
 * killed, and keeps nothing.
 *
 * The keeper says so again five times in a lease's time. If it cannot, it lets go while a fifth of
 * the time is left, and by then the store itself commits no more (chat_store_set_until()).
 *
 * All in a task of the first worker.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct chat;
struct chat_lease;

enum {
    CHAT_LEASE_PARTS = 5,         /* of its time: renewed after one, let go with one left */
    CHAT_LEASE_LOOK_MS = 1000,    /* at that of others, at most */
    CHAT_LEASE_RETRY_MS = 250,    /* Redis does not answer; the lock is another's */
    CHAT_LEASE_AGAIN_MS = 5000,   /* chat.db cannot be opened */
    CHAT_LEASE_REFUSED_MS = 3000, /* ours is another database: it may have been put right */
    CHAT_LEASE_ASK_MS = 2000,     /* for Redis to answer */
    CHAT_LEASE_TOKEN_SIZE = 33,   /* with its end */
    CHAT_LEASE_ADDRESS_MAX = 300,
};

MUST_CHECK int chat_lease_new(struct chat *c, struct chat_lease **ret); /* -ENOMEM */
struct chat_lease *chat_lease_free(struct chat_lease *l); /* takes NULL; returns NULL */

/* On the first worker, in a task: has tried once when it returns. -ENOMEM; what is wrong with
 * chat.db, as chat_store_open(), but that it is in use. */
SUSPENDS MUST_CHECK int chat_lease_start(struct chat_lease *l, char **ret_why);
SUSPENDS void chat_lease_stop(struct chat_lease *l); /* gives it back. Takes one not started */
/* Main loop: it is known where this node listens. */
void chat_lease_listens(struct chat_lease *l);

/* The secret that whoever reads the lease knows, of this run: pass.h. Any thread. */
const char *chat_lease_token(const struct chat_lease *l);

enum chat_lease_state {
    CHAT_LEASE_ELSEWHERE, /* another node has it, or none */
    CHAT_LEASE_WAITS,     /* this one, but another process has chat.db open */
    CHAT_LEASE_HERE,
    CHAT_LEASE_REFUSED, /* this node's database is another one, or an old copy */
    CHAT_LEASE_FAILED,  /* this node's database cannot be opened */
};

struct chat_lease_stats {
    enum chat_lease_state state;
    uint64_t taken, lost, refused; /* times; lost: not given back at the end */
    uint64_t errors;               /* Redis was asked in vain */
    uint64_t generation;           /* of the database, while it is here */
};

void chat_lease_stats(const struct chat_lease *l, struct chat_lease_stats *ret); /* any thread */
const char *chat_lease_word(enum chat_lease_state state); /* "here", for /health */
