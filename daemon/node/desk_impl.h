/* The desk from inside; for daemon/node/ only. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "async/event.h"
#include "async/inbox.h"
#include "async/list.h"
#include "daemon/node/desk.h"
#include "storage/node.h"

/* A question of ours under way: its asker's, who waits. */
struct asking {
    struct link link; /* desk.askings; under the lock, as all but event */
    struct node_desk *desk;
    uint64_t id;
    struct inbox *home;
    struct post post;
    bool is_posted;
    struct event changed; /* on the asker's loop */
    struct node_answer *items;
    struct bytes *bodies; /* as many; malloc()ed */
    bool *has;
    size_t n, left;
};

struct node_counts {
    _Atomic uint64_t sent, unsent, received, damaged, unknown, dropped, late, questions, unanswered,
            serving, waiting, missed;
};

/* One that has said hello or goodbye, of which the engine's list may not know yet: it is told of
 * others with its heartbeats. */
struct passing {
    struct link link; /* desk.passing, the oldest first; under the lock */
    int64_t at_ms;
    bool has_gone;
    struct str id, name, version; /* of text */
    char text[];
};

struct node_desk {
    struct daemon *daemon;
    struct engine_ear ear;
    bool is_listening;
    bool has_workers;     /* main loop only */
    unsigned next_worker; /* likewise */
    pthread_mutex_t lock;
    struct list askings;
    struct list jobs; /* waiting, in the order in which they came */
    size_t n_jobs, serving;
    int64_t ttl_ms; /* for which the engine's list may be wrong */
    struct list passing;
    size_t n_passing;
    _Atomic uint64_t last_id;
    struct node_counts counts;
};

static inline void node_count(_Atomic uint64_t *c) {
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

/* An answer has come. Takes nothing. On the main loop. */
void node_take_answer(struct node_desk *n, struct str from, const struct node_message *m);

/* A hello or a goodbye. On the main loop. */
void node_take_passing(struct node_desk *n, struct str from, const struct node_message *m);
void node_forget_passing(struct node_desk *n); /* all of them */

/* Those that are there: the engine's list, without those that have gone and with those that have
 * just come. -ENOMEM. */
MUST_CHECK int node_list(struct node_desk *n, struct arena *a, struct node_answer **ret,
                         size_t *ret_n);

/* What serves a kind; NULL: it is not known. */
node_serve_fn *node_server(uint32_t kind);

/* Encodes and sends, within the time. 0, or as engine_signal(). */
SUSPENDS MUST_CHECK int node_send(struct node_desk *n, struct str to, const struct node_message *m,
                                  int64_t within_ms);
