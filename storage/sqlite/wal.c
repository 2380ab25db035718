#include "storage/sqlite/wal.h"

#include <unistd.h>

#include "storage/clock.h"

enum {
    PAGE_BYTES = 4096 + 24, /* with its head in the log */
    PATIENCE_NS = 1000000,  /* doubled for each time that the log is as long as it should be */
    DOUBLINGS_MAX = 10,
    LOOK_AGAIN_US = 100,
    ROUNDS_MAX = 4, /* of copying what came while the last was copied */
};

enum { IDLE, COPYING, COPIED };

void wal_init(struct wal *w, unsigned pages, void (*wake)(void *arg), void *arg) {
    w->worth = w->next = pages > 0 ? (int) pages : WAL_PAGES;
    w->wake = wake;
    w->wake_arg = arg;
    pthread_mutex_init(&w->mutex, NULL);
}

void wal_finish(struct wal *w) {
    pthread_mutex_destroy(&w->mutex);
}

static void note_length(struct wal *w, int pages) {
    uint64_t bytes = (uint64_t) pages * PAGE_BYTES;
    w->pages = pages;
    atomic_store(&w->bytes, bytes);
    if (bytes > atomic_load(&w->bytes_largest))
        atomic_store(&w->bytes_largest, bytes); /* this thread alone writes it */
}

/* ---- copying ---- */

static void copy(void *arg) {
    struct wal *w = arg;
    int pages = 0;
    uint64_t began_ns = clock_ticks_ns();
    w->copied = 0;
    w->result = sqlite3_wal_checkpoint_v2(w->copier, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                          &w->copied);
    atomic_fetch_add(&w->ns, clock_ticks_ns() - began_ns);
    atomic_store(&w->state, COPIED);
    w->wake(w->wake_arg);
}

static void start_copying(struct wal *w) {
    pthread_mutex_lock(&w->mutex);
    if (w->lane) {
        atomic_store(&w->state, COPYING);
        lane_kick(w->lane);
    }
    pthread_mutex_unlock(&w->mutex);
}

int wal_start(struct wal *w) {
    return lane_open("db-checkpoint", copy, w, &w->lane);
}

void wal_stop(struct wal *w) {
    pthread_mutex_lock(&w->mutex);
    struct lane *lane = TAKE(w->lane);
    pthread_mutex_unlock(&w->mutex);
    lane_close(lane);
}

/* In SQLite's own hook's place, which would copy before the commit returns. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages) {
    (void) db;
    (void) name;
    note_length(arg, pages);
    return SQLITE_OK;
}

int wal_connect(struct wal *w, sqlite3 *db, const char *path, const char *vfs) {
    int64_t rows;
    int r = database_open(path, vfs, DATABASE_READER, &w->copier);
    /* It must have read something before it knows of the log. */
    if (r == 0)
        r = database_number(w->copier, "SELECT count(*) FROM store", &rows);
    if (r == 0)
        r = database_run(w->copier, "PRAGMA query_only = OFF; PRAGMA synchronous = FULL");
    if (r < 0)
        return r;
    w->db = db;
    (void) sqlite3_wal_hook(db, on_commit, w);
    return 0;
}

void wal_disconnect(struct wal *w) {
    w->copier = database_close(w->copier);
}

/* ---- beginning anew ---- */

static int on_busy(void *arg, int times) {
    const struct wal *w = arg;
    (void) times;
    if (clock_ticks_ns() >= w->patience_ends_ns)
        return 0;
    (void) usleep(LOOK_AGAIN_US);
    return 1;
}

static int checkpoint_patiently(struct wal *w, int mode) {
    int times = w->pages / w->worth;
    int doublings = times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX;
    w->patience_ends_ns = clock_ticks_ns() + ((uint64_t) PATIENCE_NS << doublings);
    return sqlite3_wal_checkpoint_v2(w->db, NULL, mode, NULL, NULL);
}

/* First it waits for those that need what would be overwritten in the database, and copies the
 * rest; then for those that need the log. Who comes once all is copied needs neither. */
static int begin_anew(struct wal *w) {
    uint64_t began_ns = clock_ticks_ns();
    (void) sqlite3_busy_handler(w->db, on_busy, w);
    int rc = checkpoint_patiently(w, SQLITE_CHECKPOINT_FULL);
    if (rc == SQLITE_OK)
        rc = checkpoint_patiently(w, SQLITE_CHECKPOINT_RESTART);
    database_wait_for_locks(w->db);

    uint64_t ns = clock_ticks_ns() - began_ns;
    atomic_fetch_add(&w->ns, ns);
    if (ns > atomic_load(&w->longest_ns))
        atomic_store(&w->longest_ns, ns);
    return rc;
}

static void end_checkpoint(struct wal *w) {
    int rc = w->result == SQLITE_OK ? begin_anew(w) : w->result;
    if (rc == SQLITE_OK) {
        w->next = w->worth;
        note_length(w, 0);
    } else {
        /* Nothing is lost, the log is only longer. Not after every commit: each attempt syncs. */
        w->next = w->pages + w->worth / 4 + 1;
        atomic_fetch_add(rc == SQLITE_BUSY ? &w->kept : &w->failed, 1);
    }
    atomic_fetch_add(&w->checkpoints, 1);
}

void wal_care(struct wal *w) {
    int state = atomic_load(&w->state);
    if (state == COPYING || (state == IDLE && w->pages < w->next))
        return;
    if (state == IDLE) {
        w->rounds = 1;
        start_copying(w);
        return;
    }
    atomic_store(&w->state, IDLE);
    int left = w->pages - w->copied;
    if (w->result == SQLITE_OK && left > w->worth / 16 && w->rounds++ < ROUNDS_MAX)
        start_copying(w);
    else
        end_checkpoint(w);
}

void wal_make_room(struct wal *w) {
    (void) sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
