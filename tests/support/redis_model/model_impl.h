/* The model from inside. */
#pragma once

#include "async/group.h"
#include "tests/support/redis_model/process.h"

struct redis_model {
    struct redis_model_options options;
    struct group tasks; /* of lines */
    struct list processes;
    struct model_process *master; /* NULL: nobody is there */
    struct model_process *former; /* NULL: nobody else thinks or thought it was */
    struct model_process *down;   /* to be started again */
    struct timer restart, demotion, departure;
    size_t down_keeps;  /* records that it had on its disk */
    bool is_down_alive; /* its process goes on */
    int64_t paused_until_ms, full_until_ms, loading_ms;
    unsigned break_before, break_after;
    uint64_t commands, writes, lost, lines, cuts;
    char unknown[32];
};
