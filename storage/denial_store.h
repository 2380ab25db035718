/* Denials in memory. Thread-safe. */
#pragma once

#include <pthread.h>

#include "storage/denial.h"
#include "storage/table.h"

struct denial_store {
    pthread_mutex_t mutex;
    struct table table;
    size_t max;
};

void denial_store_init(struct denial_store *s, const struct table_seed *seed, size_t max);
void denial_store_finish(struct denial_store *s);

MUST_CHECK int denial_store_put(struct denial_store *s, const struct denial *d);
void denial_store_remove(struct denial_store *s, enum denial_kind kind, struct str key);
MUST_CHECK int denial_store_read(struct denial_store *s, int64_t now_ms, struct denials *ret);
