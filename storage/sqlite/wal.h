/*
 * The write-ahead log and its way back into the database. Commits go to its end; a checkpoint
 * copies what is in it, and then it begins anew, unless a reader still looks at a state of it.
 *
 * The writer itself does that, between two groups, when the answers are out: beside a busy writer
 * no other thread would ever find all of it copied, and it would grow for ever. Readers are in the
 * way for one page each, and those that come once all is copied are not. The longer the log has
 * become the longer the writer waits for them, so that its length has a bound.
 */
#pragma once

#include <stdatomic.h>

#include "storage/sqlite/database.h"

enum { WAL_PAGES = 10000 }; /* 40 MB */

struct wal {
    sqlite3 *db;
    int worth; /* pages: from here on it is checkpointed */
    int pages; /* in the log, as of the last commit */
    int next;  /* when to try again */
    uint64_t patience_ends_ns;

    /* any thread */
    _Atomic uint64_t bytes, bytes_largest;
    _Atomic uint64_t checkpoints, kept, failed; /* kept: by readers; failed: the disk */
    _Atomic uint64_t ns, longest_ns;
};

void wal_init(struct wal *w, unsigned pages); /* 0: WAL_PAGES */
void wal_watch(struct wal *w, sqlite3 *db);   /* from now on by wal_care() alone */

/* After each commit. */
void wal_care(struct wal *w);

/* Whatever there is, without waiting for readers: a full disk may have room in the log then. */
void wal_make_room(struct wal *w);
