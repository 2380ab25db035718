/*
 * The readers: threads with a connection each, answering questions about the past from one queue.
 *
 * A page is a snapshot of the database cut off at the distributed top: what is committed but not
 * yet on its way to the workers is not in it, and will be delivered to who has attached.
 */
#pragma once

#include "async/lane.h"
#include "storage/map.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/errand.h"
#include "storage/sqlite/tops.h"

enum { READERS_MAX = 16, READS_MAX = 4096, READS_BUCKETS = 1024 };

enum read_statement {
    READ_BEGIN,
    READ_END,
    READ_CHANNEL,
    READ_FORWARD,
    READ_BACKWARD,
    READ_KEY,
    READ_KEYS,
    READ_KEYS_UP,
    READ_KEYS_DOWN,
    READ_KEYS_FROM_TOP,
    READ_COUNT_KEYS,
    READ_STATEMENTS
};

extern const char *const reader_sql[READ_STATEMENTS]; /* their texts */

struct reader {
    struct readers *readers;
    struct lane *lane;
    sqlite3 *db;
    sqlite3_stmt *statements[READ_STATEMENTS];
    _Atomic bool is_busy;
};

struct readers {
    struct errands errands;
    struct tops *tops;
    const char *epoch_base; /* borrowed */
    struct reader all[READERS_MAX];
    unsigned n;
    _Atomic unsigned next;
    _Atomic uint64_t reads;

    /* Questions about histories that have no answer yet, by their channels: whoever reads answers
     * all those that ask the same. */
    pthread_mutex_t asking_mutex;
    struct list asking[READS_BUCKETS];
    uint64_t asked;
};

void readers_init(struct readers *rs, unsigned n, struct tops *tops, const char *epoch_base);
MUST_CHECK int readers_start(struct readers *rs); /* lanes; loop thread */
SUSPENDS void readers_stop(struct readers *rs);
MUST_CHECK int readers_connect(struct readers *rs, const char *path, const char *vfs); /* blocks */
void readers_disconnect(struct readers *rs); /* once stopped; takes half-connected ones */
void readers_finish(struct readers *rs);

SUSPENDS MUST_CHECK int readers_read(struct readers *rs, uint64_t hash,
                                     const struct history_query *q, struct page *ret);

/* Of maps: read_map.c. */
SUSPENDS MUST_CHECK int readers_read_map(struct readers *rs, uint64_t hash,
                                         const struct map_query *q, struct map_page *ret);
SUSPENDS MUST_CHECK int readers_count_keys(struct readers *rs, struct str channel, uint64_t *ret);

/* ---- for questions of other files ---- */

SUSPENDS MUST_CHECK int readers_ask(struct readers *rs, struct errand *errand);

/* A channel within a snapshot. */
struct reading {
    int64_t id; /* 0: it has no row */
    struct position top;
};

/* Reads a channel together with its top. -EAGAIN is taken care of; else -ENOMEM or -EIO. */
typedef int reading_fn(struct reader *rd, const struct reading *reading, void *arg);
MUST_CHECK int reader_read(struct reader *rd, uint64_t hash, struct str channel, reading_fn *read,
                           void *arg);
