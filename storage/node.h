/*
 * Other nodes: daemons that share an engine's Redis, and what they say to each other. With another
 * engine there are none.
 *
 * A node is there from its engine's opening until it is closed, or not heard of for
 * redis_options.node_ttl_ms. Signals are short messages of the nodes' own: they arrive once, or not
 * at all; those of one sender keep their order. Who needs an answer asks for one, and has a
 * deadline.
 */
#pragma once

#include "storage/engine.h"

struct node {
    struct str id, name;
    struct str version;
    int64_t started_ms; /* wall clock */
};

struct nodes {
    struct node *items; /* others than this one, by id */
    size_t n;
    void *memory; /* private */
};

void nodes_finish(struct nodes *n);

/* Do others, ever, share this engine? */
bool engine_is_shared(const struct engine *e);

/* Those heard of lately, as far as this node knows; not waited for. -ENOMEM. -ENOTCONN: it has not
 * been able to ask for a while. */
MUST_CHECK int engine_nodes(struct engine *e, struct nodes *ret);

/* To one node, or to all others where `to` is empty. On return 0 Redis has it. -ENOTCONN and other
 * errors as of publishing; -ECANCELED, -ETIMEDOUT. */
SUSPENDS MUST_CHECK int engine_signal(struct engine *e, struct str to, struct bytes message);

/* Where signals arrive: hear runs on the inbox's loop, with what it may borrow; must not suspend.
 */
struct engine_ear {
    struct inbox *inbox;
    void (*hear)(struct engine_ear *self, struct str from, struct bytes message);
    /* A line to Redis had been broken: signals may have been missed, and publications; positions
     * are to be compared at once. May be NULL. */
    void (*missed)(struct engine_ear *self);
};

/* One ear each; NULL: no longer, signals on their way are dropped. On the ear's loop. */
MUST_CHECK int engine_listen(struct engine *e, struct engine_ear *ear); /* -ENOMEM, -EBUSY */
void engine_unlisten(struct engine *e, struct engine_ear *ear);
