/*
 * Which channels have subscribers on any of the nodes that share an engine. Each node says of its
 * own; what that makes of all together, the first having come or the last gone, is an event, which
 * one of the nodes at a time is given to tell, in order per channel.
 *
 * A node that is not heard of any more has no subscribers once its time is over. One that was only
 * cut off says all of its own again. An event is there until it is said to be stored: then, it may
 * have been given twice, with the same number, and to another node.
 */
#pragma once

#include <stdatomic.h>

#include "storage/engine.h"

enum { OCCUPANTS_PLACES_MAX = 32 };

struct occupants_event {
    uint64_t number; /* of two events of a channel the later has the greater one; below 2^53 */
    int64_t time_ms; /* wall clock, of whom all nodes share */
    struct str channel;
    bool is_occupied;
};

/* What tells, on the loop that opened the engine. Its counts are of any thread. */
struct engine_teller {
    uint64_t events_max; /* that may wait to be told; past it beginnings are dropped, and their
                            ends with them */
    _Atomic int64_t vacated_delay_ms; /* how long the channels of a node that goes are not empty */
    size_t (*room)(struct engine_teller *self); /* how many events it would take */
    /* Borrowed, of one place; each place has its own channels. engine_occupants_told() follows, not
     * inside; until then no more of that place come. Must not suspend. */
    void (*tell)(struct engine_teller *self, unsigned place, const struct occupants_event *events,
                 size_t n);
    _Atomic uint64_t dropped; /* the engine's: beginnings past events_max */
};

/* Do others, ever, share this engine, and is that asked of it? */
bool engine_has_occupants(const struct engine *e);

/* If so: from now on, until engine_occupants_close(), after which nobody may call. The loop that
 * opened the engine. -ENOMEM. */
MUST_CHECK int engine_occupants_open(struct engine *e, struct engine_teller *t);

/* This node has subscribers in a channel, or has none any more. Any thread; never suspends, and is
 * not waited for. -ENOMEM: of the beginning only. */
MUST_CHECK int engine_occupants_change(struct engine *e, struct str channel, bool is_occupied);

void engine_occupants_told(struct engine *e, unsigned place); /* what was given is stored */

/* This node goes, and all its subscribers with it, vacated_delay_ms from now. */
SUSPENDS void engine_occupants_close(struct engine *e);
