/*
 * A thing that one node at a time may own, of those that share an engine's Redis, for so long as it
 * says so again in time. What holds there alone: who must not own it any more has to know by its
 * own clock, from before the call that was answered last, that the time is over.
 *
 * The thing has an id and numbers that only grow, by which another one of the same kind is told, or
 * an old copy: such a one gets no lease. If who has it also has a lock on it, which goes with the
 * process, then whoever else comes to have the same lock need not wait for the lease to end.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct engine;

enum { LEASE_ID_MAX = 40, LEASE_TOLD_MAX = 700, LEASE_LOCK_MAX = 100 };

enum lease_call {
    LEASE_LOOK,
    LEASE_TAKE, /* if nobody else has it, and go on having it */
    LEASE_GIVE, /* back; of others' nothing happens */
};

/* No spaces in holder and id; told has no line of its own rules. All borrowed for the call. */
struct lease_claim {
    enum lease_call call;
    struct str name;
    struct str holder; /* unique among the nodes; at most LEASE_ID_MAX */
    struct str told;   /* to whoever looks; at most LEASE_TOLD_MAX */
    int64_t ttl_ms;
    struct str id;                /* of the thing; empty: not known yet */
    uint64_t generation, changes; /* of it; below 2^53 */
    bool accepts;                 /* it is to be this thing from now on */
    struct str lock; /* had, with id: the only one of this name; at most LEASE_LOCK_MAX. Or empty */
};

enum lease_result {
    LEASE_FREE,
    LEASE_OURS,
    LEASE_OTHERS,
    LEASE_OTHER_THING, /* refused: it was given of a thing with another id */
    LEASE_STALE,       /* refused: of the same, which had come further */
};

/* result is of now; all else as it was before. */
struct lease {
    enum lease_result result;
    char holder[LEASE_ID_MAX + 1]; /* empty: nobody */
    char told[LEASE_TOLD_MAX + 1];
    int64_t left_ms;
    char id[LEASE_ID_MAX + 1]; /* of the thing of which one was given last; empty: of none */
    uint64_t generation, changes;
    char lock[LEASE_LOCK_MAX + 1]; /* that the holder has; empty: none */
};

bool engine_leases(const struct engine *e); /* else there is nobody to share with */

/* Any loop. ret: large, on the heap. 0, whatever the result. -ENOTCONN and others as of publishing:
 * nobody knows; -EPROTO: what is there is not ours; -ENOSYS; -ECANCELED, -ETIMEDOUT. */
SUSPENDS MUST_CHECK int engine_lease(struct engine *e, const struct lease_claim *c,
                                     struct lease *ret);
