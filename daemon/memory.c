#include "daemon/memory.h"

#include <malloc.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/worker_thread.h"

enum {
    LOOK_MS = 5000,
    WORTH_IT = 1000, /* connections and subscriptions that are gone: fewer hold too little */
};

static uint64_t crowd_size(const struct daemon *d) {
    uint64_t n = atomic_load_explicit(&d->connections, memory_order_relaxed);
    for (size_t i = 0; i < d->n_workers; i++) {
        int64_t subs = metrics_gauge_of(&d->threads[i].worker.metrics, GAUGE_SUBSCRIPTIONS);
        n += subs > 0 ? (uint64_t) subs : 0;
    }
    return n;
}

bool memory_is_due(uint64_t now, uint64_t *peak) {
    if (now > *peak)
        *peak = now;
    if (now >= *peak / 2 || *peak - now < WORTH_IT)
        return false;
    *peak = now;
    return true;
}

int memory_give_back(void *arg) {
    struct daemon *d = arg;
    uint64_t peak = 0;
    int r;

    while ((r = task_sleep(LOOK_MS)) == 0) {
        if (!memory_is_due(crowd_size(d), &peak))
            continue;
        int64_t began_us = loop_now_us();
        (void) malloc_trim(0);
        LOG_DEBUG(d->log, "memory was given back", LOG_INT("us", loop_now_us() - began_us));
    }
    return r;
}
