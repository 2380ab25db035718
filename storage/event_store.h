/* Events in memory, for as long as the process lives. Thread-safe. */
#pragma once

#include <pthread.h>

#include "async/list.h"
#include "storage/event.h"
#include "storage/table.h"

struct event_store {
    pthread_mutex_t mutex;
    struct list events;
    struct table standing;
    size_t n, max;
    uint64_t last_id, rejected;
};

void event_store_init(struct event_store *s, const struct table_seed *seed, size_t max);
void event_store_finish(struct event_store *s);

void event_store_append(struct event_store *s, struct event_request *request); /* and answers */
MUST_CHECK int event_store_next(struct event_store *s, struct str queue, uint64_t after,
                                uint32_t limit, size_t max_bytes, struct events *ret);
void event_store_done(struct event_store *s, const uint64_t *ids, size_t n);
MUST_CHECK int event_store_end_standing(struct event_store *s); /* -ENOMEM */
uint64_t event_store_keep_queues(struct event_store *s, const struct str *queues, size_t n);
void event_store_stats(struct event_store *s, uint64_t *ret_n, uint64_t *ret_rejected);
