/*
 * Which channels have subscribers on any worker. A channel that somebody comes to is occupied at
 * once; one that stays empty for a while is vacated. Each is said once, and in order: who hears of
 * it sees occupied and vacated alternate.
 *
 * Thread-safe.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"
#include "storage/table.h"

struct occupancy;

/* changed: under the lock, which keeps the order; must not call back, nor suspend. false: nobody
 * was told; of a channel's end nobody is then told, either. NULL: no memory. */
struct occupancy *occupancy_new(const struct table_seed *seed,
                                bool (*changed)(void *arg, struct str channel, bool is_occupied),
                                void *arg);
struct occupancy *occupancy_free(struct occupancy *o); /* takes NULL; returns NULL */

/* A worker's first subscriber has come. -ENOMEM: then its last one's leaving is not to be told. */
MUST_CHECK int occupancy_enter(struct occupancy *o, struct str channel);

/* A worker's last one has left. now_ms: of one clock for all. The delays of later calls should not
 * be shorter: who leaves first is looked at first. true: occupancy_sweep() is to be called in time,
 * where before nobody waited for it. */
bool occupancy_leave(struct occupancy *o, struct str channel, int64_t now_ms, int64_t delay_ms);

/* Vacates what has been empty for its time. When to look again; INT64_MAX: nothing is empty. */
int64_t occupancy_sweep(struct occupancy *o, int64_t now_ms);
