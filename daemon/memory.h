/*
 * Memory goes back to the system when a crowd has gone. What its connections held lies between what
 * stays, and malloc() alone gives back only what is at an end: after a storm of 20,000 it would
 * keep tens of megabytes that nobody uses.
 */
#pragma once

#include "async/base.h"

struct daemon;

/* A task of the main loop (arg: the daemon, which outlives it). Whenever less than half of the
 * connections and subscriptions are left of what there were, the allocator is made to look for
 * pages that are free: a few milliseconds, in which workers that want memory wait. Ends with
 * -ECANCELED. */
SUSPENDS int memory_give_back(void *arg);

/* Is it time? peak: the most there were since it last was; moved. */
bool memory_is_due(uint64_t now, uint64_t *peak);
