/*
 * Blocking work on threads: files, name look-ups, slow pure work. Not for what must be done in
 * order: see lane.h. In a simulated loop there are no threads: the work is done by the loop itself
 * at seeded times.
 */
#pragma once

#include "async/base.h"

struct pool;

struct pool_options {
    const char *name; /* of its threads, at most 15 characters; "pool" if NULL */
    unsigned threads; /* 0: 2 */
    size_t queue_max; /* jobs that wait for a thread; more: -ENOBUFS. 0: 1024 */
};

/* Of the current loop, which alone may use it. Threads are started as they are needed. o may be
 * NULL. -ENOMEM. */
MUST_CHECK int pool_open(const struct pool_options *o, struct pool **ret);
/* No job may be under way. Takes NULL; returns NULL. */
struct pool *pool_close(struct pool *p);

/*
 * Runs fn(arg) on a thread of the pool and gives its result.
 *
 * Returns only when fn is not running, so arg may be a local. A wait that is cut short takes back a
 * job that has not begun; one that has begun is waited for, shielded, and its result is given.
 * -ENOBUFS: too many wait. -EAGAIN: no thread can be had. -ECANCELED, -ETIMEDOUT: fn has not run.
 */
SUSPENDS int offload(struct pool *p, int (*fn)(void *arg), void *arg);

size_t pool_waiting(const struct pool *p); /* jobs without a thread; loop thread only */
