/*
 * What is to be published: events from the commit that made them until somebody has published them.
 * At most so many are out with the sink; when more wait they stay in the database and are read from
 * there. For storage/chat/ only.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/chat/store.h"

struct outbox {
    /* any thread */
    pthread_mutex_t mutex;
    int64_t *done; /* published, rows not deleted yet */
    size_t done_n, done_cap;
    chat_sink_fn *sink;
    void *sink_arg;
    size_t out, out_max; /* handed to the sink, not published */
    _Atomic uint64_t rows;

    /* the writer's thread */
    struct chat_event *first, **last; /* emitted by the transaction under way */
    int64_t handed_id;                /* rows up to here are out, or gone */
    int64_t top_id;                   /* the last committed row */
};
