/*
 * The write-ahead log and its way back into the database. Commits go to its end; a checkpoint
 * copies what is in it, and then it begins anew, unless a reader still looks at a state of it.
 *
 * A thread of its own copies the bulk, since the disk may take a tenth of a second for that. What
 * was committed meanwhile is copied by the writer, between two groups: beside a busy writer nobody
 * else would ever find all of it copied, and it would grow for ever. Readers are in the way for one
 * page each, and those that come once all is copied are not. The longer the log has become the
 * longer the writer waits for them, so that its length has a bound.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "async/lane.h"
#include "storage/sqlite/database.h"

enum { WAL_PAGES = 10000 }; /* 40 MB */

struct wal {
    /* the writer's */
    sqlite3 *db;
    int worth;       /* pages: from here on it is checkpointed */
    int pages;       /* in the log, as of the last commit */
    int next;        /* when to try again */
    unsigned rounds; /* of copying, of this checkpoint */
    uint64_t patience_ends_ns;

    /* the copying thread's, whose turn it is while state says so */
    sqlite3 *copier;
    int copied, result;
    _Atomic int state;

    pthread_mutex_t mutex; /* of who kicks it, and who ends it */
    struct lane *lane;
    void (*wake)(void *arg); /* the writer */
    void *wake_arg;

    /* any thread */
    _Atomic uint64_t bytes, bytes_largest;
    _Atomic uint64_t checkpoints, kept, failed; /* kept: by readers; failed: the disk */
    _Atomic uint64_t ns, longest_ns;            /* longest: that the writer was held up */
};

void wal_init(struct wal *w, unsigned pages, void (*wake)(void *arg), void *arg); /* 0: WAL_PAGES */
void wal_finish(struct wal *w);
MUST_CHECK int wal_start(struct wal *w); /* the thread; loop thread */
SUSPENDS void wal_stop(struct wal *w);   /* takes one not started */

/* From now on wal_care() alone copies. db: the writer's, borrowed. Blocks. */
MUST_CHECK int wal_connect(struct wal *w, sqlite3 *db, const char *path, const char *vfs);
void wal_disconnect(struct wal *w); /* once stopped */

/* The writer's thread, after commits and when it was woken. */
void wal_care(struct wal *w);

/* Whatever there is, without waiting for readers: a full disk may have room in the log then. */
void wal_make_room(struct wal *w);
