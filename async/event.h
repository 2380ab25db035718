/* A flag that tasks wait for. Loop thread only. Zeroed is an event that is not set. */
#pragma once

#include "async/base.h"
#include "async/list.h"

struct event {
    bool is_set;
    struct list waiters; /* private */
};

void event_init(struct event *e);
void event_set(struct event *e); /* wakes all who wait now, even if it is cleared before they run */
void event_clear(struct event *e);
SUSPENDS MUST_CHECK int event_wait(
        struct event *e); /* 0 at once while set; -ECANCELED, -ETIMEDOUT */
