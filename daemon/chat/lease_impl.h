/*
 * The lease, inside: lease.c takes it, keeps it and lets go, lease_claim.c asks Redis for it,
 * lease_proof.c sees if the database here is the one that it is the lease of.
 */
#pragma once

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "async/group.h"
#include "async/loop.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/lease.h"
#include "daemon/daemon.h"
#include "storage/lease.h"

enum { LEASE_WHY_MAX = 200 };

struct chat_lease {
    struct chat *chat;
    char token[CHAT_LEASE_TOKEN_SIZE];
    _Atomic(char *) address; /* NULL: not known yet */

    /* the task's */
    struct worker *worker; /* NULL: not started */
    struct group tasks;
    struct lease seen; /* the newest answer */
    char told[LEASE_TOLD_MAX + 1];
    const char *told_address;  /* what others have been told */
    char id[LEASE_ID_MAX + 1]; /* of the database, while it is open; else empty */
    uint64_t generation;
    int64_t until_ms; /* of our clock: it is ours for so long; 0: it is not */
    int64_t again_ms; /* of loop_now(): not tried before */
    struct lease refused_by;
    char said[LEASE_WHY_MAX]; /* last, about why it is not here */

    /* any thread's to read */
    _Atomic int state;
    _Atomic uint64_t taken, lost, refused, errors, generation_here;
};

static inline int64_t lease_clock_ms(void) {
    return loop_now_us() / 1000;
}

static inline int64_t lease_ttl_ms(const struct chat_lease *l) {
    return l->chat->config->chat.lease_ttl_ms;
}

static inline struct log *lease_log(const struct chat_lease *l) {
    return l->chat->daemon->log;
}

static inline enum chat_lease_state lease_state(const struct chat_lease *l) {
    return (enum chat_lease_state) atomic_load(&l->state);
}

static inline void lease_set_state(struct chat_lease *l, enum chat_lease_state state) {
    atomic_store(&l->state, (int) state);
}

/* Once, until there is something else to be said. */
static inline bool lease_is_new(struct chat_lease *l, const char *text) {
    if (strncmp(l->said, text, sizeof l->said - 1) == 0)
        return false;
    (void) snprintf(l->said, sizeof l->said, "%s", text);
    return true;
}

/* ---- lease_claim.c: errors as of engine_lease(); the answer is in l->seen ---- */

SUSPENDS MUST_CHECK int chat_lease_ask(struct chat_lease *l, enum lease_call call, bool accepts);
/* LEASE_TAKE: and how long it is ours; the store is told. */
SUSPENDS MUST_CHECK int chat_lease_take(struct chat_lease *l, bool accepts);
SUSPENDS void chat_lease_give_back(struct chat_lease *l); /* takes one that is not ours */
/* What is asked and passed on goes to whoever keeps it now, as the newest answer says. */
void chat_lease_tell_remote(struct chat_lease *l);

/* ---- lease_proof.c ---- */

/* The store is open, and nobody in it. 1: it is to be kept here. 0: refused, or lost meanwhile. */
SUSPENDS MUST_CHECK int chat_lease_prove(struct chat_lease *l);
/* Another has it, as the newest answer says: but the lock on our very file has nobody. */
SUSPENDS bool chat_lease_is_left(const struct chat_lease *l);
