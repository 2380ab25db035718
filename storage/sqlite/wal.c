#include "storage/sqlite/wal.h"

#include <unistd.h>

#include "storage/clock.h"

enum {
    PAGE_BYTES = 4096 + 24, /* with its head in the log */
    PATIENCE_NS = 1000000,  /* doubled for each time that the log is as long as it should be */
    DOUBLINGS_MAX = 10,
    LOOK_AGAIN_US = 100,
};

void wal_init(struct wal *w, unsigned pages) {
    w->worth = w->next = pages > 0 ? (int) pages : WAL_PAGES;
}

static void note_length(struct wal *w, int pages) {
    uint64_t bytes = (uint64_t) pages * PAGE_BYTES;
    w->pages = pages;
    atomic_store(&w->bytes, bytes);
    if (bytes > atomic_load(&w->bytes_largest))
        atomic_store(&w->bytes_largest, bytes); /* this thread alone writes it */
}

/* In SQLite's own hook's place, which would copy before the commit returns. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages) {
    (void) db;
    (void) name;
    note_length(arg, pages);
    return SQLITE_OK;
}

void wal_watch(struct wal *w, sqlite3 *db) {
    w->db = db;
    (void) sqlite3_wal_hook(db, on_commit, w);
}

/* ---- waiting for readers ---- */

static int on_busy(void *arg, int times) {
    const struct wal *w = arg;
    (void) times;
    if (clock_ticks_ns() >= w->patience_ends_ns)
        return 0;
    (void) usleep(LOOK_AGAIN_US);
    return 1;
}

/* Those that are in the way now are waited for; more cannot come. */
static int begin_anew(struct wal *w) {
    int times = w->pages / w->worth;
    int doublings = times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX;
    w->patience_ends_ns = clock_ticks_ns() + ((uint64_t) PATIENCE_NS << doublings);
    (void) sqlite3_busy_handler(w->db, on_busy, w);
    int rc = sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    database_wait_for_locks(w->db);
    return rc;
}

/* ---- checkpoints ---- */

static void note_time(struct wal *w, uint64_t began_ns) {
    uint64_t ns = clock_ticks_ns() - began_ns;
    atomic_fetch_add(&w->ns, ns);
    if (ns > atomic_load(&w->longest_ns))
        atomic_store(&w->longest_ns, ns);
}

void wal_care(struct wal *w) {
    if (w->pages < w->next)
        return;
    uint64_t began_ns = clock_ticks_ns();
    /* The most of it needs no waiting, and while it lasts readers come to their end. */
    int rc = sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = begin_anew(w);
    note_time(w, began_ns);

    atomic_fetch_add(&w->checkpoints, 1);
    if (rc == SQLITE_OK) {
        w->next = w->worth;
        note_length(w, 0);
        return;
    }
    /* Nothing is lost, the log is only longer. Not in every commit: each attempt syncs. */
    atomic_fetch_add(rc == SQLITE_BUSY ? &w->kept : &w->failed, 1);
    w->next = w->pages + w->worth / 4 + 1;
}

void wal_make_room(struct wal *w) {
    (void) sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
