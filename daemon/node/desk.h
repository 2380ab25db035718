/*
 * A daemon among others: what it asks them, and what they ask of it.
 *
 * Whoever asks is a task of a worker. What arrives comes to the main loop: answers go from there to
 * the inbox of the worker that waits, questions and orders wait in a line for one of a bounded
 * number of tasks, which the workers get in turn. Where the engine is nobody else's there are no
 * others, and nothing is asked.
 */
#pragma once

#include "async/base.h"
#include "daemon/node/message.h"
#include "protocol/arena.h"
#include "protocol/bytes.h"

struct buffer;
struct daemon;
struct node_desk;
struct worker;

enum {
    NODE_SERVED_AT_ONCE = 32,   /* questions and orders of others, of the whole daemon */
    NODE_SERVED_WAITING = 4096, /* more: dropped, and counted */
    NODE_SERVED_MS = 60 * 1000, /* for one, whatever its asker would wait */
    NODE_ANSWER_MAX = 4 << 20,  /* bytes; a larger one: NODE_TOO_LARGE. Redis ends a subscriber's
                                   line by its client-output-buffer-limit, 32 MB */
    NODE_PASSING_MAX = 256,     /* nodes that came or went lately; more: the engine says it later */
    NODE_RETRY_MS = 1000,       /* between tries to read again what may have been missed */
    NODE_GOODBYE_MS = 1000,     /* for it to be sent */
    NODE_LOOK_MS = 200,         /* how often who waits looks whether the others are still there */
};

/* ---- the daemon's ---- */

/* Hears from now on; what is to be done waits for node_desk_start(). On the main loop. -ENOMEM, and
 * what engine_listen() says. */
MUST_CHECK int node_desk_open(struct daemon *d, struct node_desk **ret);
/* The workers are there: the others are told of this node. */
SUSPENDS void node_desk_start(struct node_desk *n);
/* After the workers have gone: the others are told. Takes NULL; returns NULL. */
SUSPENDS struct node_desk *node_desk_close(struct node_desk *n);

struct node_stats {
    uint64_t others; /* nodes heard of lately */
    uint64_t sent;   /* signals */
    uint64_t unsent; /* that Redis did not take */
    uint64_t received;
    uint64_t damaged;               /* no messages of ours, or of a later version */
    uint64_t unknown;               /* of a kind this version does not know */
    uint64_t dropped;               /* more than NODE_SERVED_WAITING waited, or no memory */
    uint64_t late;                  /* answers nobody waits for any more */
    uint64_t questions, unanswered; /* one for each node that was asked */
    uint64_t serving, waiting;      /* now */
    uint64_t missed;                /* times that a line to Redis was broken */
};

void node_desk_stats(struct daemon *d, struct node_stats *ret); /* any thread */

/* ---- asking ---- */

struct node_question {
    enum node_kind kind;
    struct str name;
    struct bytes body;
    int64_t within_ms; /* 0: node.survey_timeout */
};

struct node_answer {
    struct str id, name, version; /* of the node */
    int result;                   /* enum node_result, or an error code of the server API */
    struct bytes body;
};

struct node_answers {
    struct node_answer *items; /* by id */
    size_t n;
    struct arena memory; /* private */
};

void node_answers_finish(struct node_answers *a);

/*
 * Asks every other node that is known to be there, side by side, and waits until each has answered,
 * has left, or the time is over: then its result says so. In a task of the asker's loop.
 *
 * 0, with an item for each of them; none is asked and none waited for where there are none.
 * -ENOMEM; -ECANCELED, -ETIMEDOUT: the caller's.
 */
SUSPENDS MUST_CHECK int node_survey(struct worker *asker, const struct node_question *q,
                                    struct node_answers *ret);

/* The same of one node. -ENOENT: it is not known. */
SUSPENDS MUST_CHECK int node_ask(struct worker *asker, struct str id, const struct node_question *q,
                                 struct node_answers *ret);

/* Tells all others, without an answer. As engine_signal(). */
SUSPENDS MUST_CHECK int node_order(struct worker *w, enum node_kind kind, struct str name,
                                   uint64_t number);

/* ---- for what serves ---- */

/*
 * Does what another node asks for, in a task of a worker's. Appends the answer's body. An enum
 * node_result or an error code of the server API, which goes back; < 0 that is neither counts as
 * NODE_FAILED.
 */
typedef int node_serve_fn(struct worker *w, const struct node_message *m, struct buffer *out);
