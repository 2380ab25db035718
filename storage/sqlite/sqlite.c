/*
 * The engine on SQLite: one writer thread that sequences, commits and distributes; a few readers.
 *
 * Files in the data directory: history.db (and SQLite's -wal and -shm); history.lock, held while a
 * process has it open; history.mark, see mark.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/future.h"
#include "storage/clock.h"
#include "storage/data_lock.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/writer.h"

enum { READERS_DEFAULT = 2, OPEN_PATIENCE_MS = 60000, CLOSE_PATIENCE_MS = 60000 };

struct sqlite_engine {
    struct engine engine; /* first */
    struct tops tops;
    struct writer writer;
    struct readers readers;
    char *vfs; /* or NULL */
    char *data_dir, *database_path, *lock_path, *mark_path;
    char new_epoch_base[EPOCH_BASE_SIZE]; /* should the database need one */
    int lock_fd;
};

static struct sqlite_engine *sqlite_of(struct engine *e) {
    return CONTAINER_OF(e, struct sqlite_engine, engine);
}

/* ---- opening, on the writer's thread ---- */

struct opening {
    struct errand errand;
    struct sqlite_engine *se;
    int result;
    char *why;
};

static int make_private(struct opening *o, const char *path) {
    int r = database_make_private(path);
    return r < 0 ? explain(&o->why, r, "%s cannot be opened: %s", path, strerror(-r)) : 0;
}

static int prepare_directory(struct opening *o) {
    const char *dir = o->se->data_dir;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return explain(&o->why, -errno, "the data directory %s cannot be made: %s", dir,
                       strerror(errno));
    int r = data_lock_take(o->se->lock_path, o->se->database_path, &o->se->lock_fd, &o->why);
    if (r == 0)
        r = make_private(o, o->se->database_path);
    return r < 0 ? r : make_private(o, o->se->mark_path);
}

static int explain_database(struct opening *o, int r) {
    struct sqlite_engine *se = o->se;
    const char *path = se->database_path;
    const char *detail = se->writer.db ? sqlite3_errmsg(se->writer.db) : strerror(-r);
    switch (r) {
    case -EBADMSG:
        return explain(&o->why, r, "%s is damaged, or not a history of Parley's (%s)", path,
                       sqlite3_errcode(se->writer.db) == SQLITE_OK ? "another program's file"
                                                                   : detail);
    case -EPROTONOSUPPORT:
        return explain(&o->why, r,
                       "%s was written by a newer version of Parley (this one knows %d)", path,
                       schema_version());
    case -EBUSY:
        return explain(&o->why, r, "%s is in use by another process", path);
    default:
        return explain(&o->why, r, "%s cannot be opened: %s", path, detail);
    }
}

/* ---- epochs ---- */

static int read_store(struct writer *w) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(w->db,
                                "SELECT epoch, generation, max(last_id, coalesce((SELECT max(id)"
                                " FROM publication), 0)) FROM store",
                                -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    int r = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -EBADMSG : database_error(w->db, rc);
    if (r == 0) {
        const unsigned char *epoch = sqlite3_column_text(s, 0);
        int n = snprintf(w->mark.epoch_base, sizeof w->mark.epoch_base, "%s",
                         epoch ? (const char *) epoch : "");
        w->generation = (uint64_t) sqlite3_column_int64(s, 1);
        w->last_id = (uint64_t) sqlite3_column_int64(s, 2);
        if (n != EPOCH_BASE_SIZE - 1)
            r = -EBADMSG;
    }
    sqlite3_finalize(s);
    return r;
}

static int write_epoch(struct writer *w, const char *epoch_base) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(w->db, "UPDATE store SET epoch = ?1", -1, &s, NULL);
    int r = rc == SQLITE_OK ? 0 : database_error(w->db, rc);
    if (r == 0) {
        sqlite3_bind_text(s, 1, epoch_base, -1, SQLITE_STATIC);
        r = statement_run(s);
    }
    sqlite3_finalize(s);
    if (r == 0)
        memcpy(w->mark.epoch_base, epoch_base, EPOCH_BASE_SIZE);
    return r;
}

/* Is this the database that the mark was written for, and nothing lost? */
static bool is_continued(const struct mark *m, const struct writer *w, uint64_t identity) {
    return strcmp(m->epoch_base, w->mark.epoch_base) == 0 && m->last_id <= w->last_id &&
           (m->identity == identity || m->identity == 0 || identity == 0);
}

static int settle_epoch(struct opening *o) {
    struct sqlite_engine *se = o->se;
    struct writer *w = &se->writer;
    int r = read_store(w);
    if (r < 0)
        return explain_database(o, r);
    r = mark_open(se->mark_path, se->vfs, &w->mark_file);
    if (r < 0)
        return explain(&o->why, r, "%s cannot be opened: %s", se->mark_path, strerror(-r));

    uint64_t identity = se->vfs ? 0 : mark_identity(se->database_path);
    struct mark seen;
    r = mark_read(w->mark_file, &seen);
    if (r == 0 && is_continued(&seen, w, identity)) {
        w->mark.identity = identity;
        return 0;
    }
    /* Brand new ones pass here too; they have no epoch that anyone could know. */
    r = write_epoch(w, se->new_epoch_base);
    if (r < 0)
        return explain_database(o, r);
    w->mark.last_id = w->last_id;
    w->mark.identity = identity;
    r = mark_write(w->mark_file, &w->mark, true);
    return r < 0 ? explain(&o->why, r, "%s cannot be written: %s", se->mark_path, strerror(-r)) : 0;
}

static int count_rows(struct writer *w) {
    int64_t once = 0, events = 0;
    int r = database_number(w->db, "SELECT count(*) FROM once", &once);
    if (r == 0)
        r = database_number(w->db, "SELECT count(*) FROM event", &events);
    w->counts = (struct counts){ .once = (uint64_t) once, .events = (uint64_t) events };
    atomic_store(&w->events, w->counts.events);
    return r;
}

static int open_all(struct opening *o) {
    struct sqlite_engine *se = o->se;
    struct writer *w = &se->writer;
    int r = se->vfs ? 0 : prepare_directory(o);
    if (r < 0)
        return r;
    r = database_open(se->database_path, se->vfs, DATABASE_WRITER, &w->db);
    if (r == 0)
        r = schema_migrate(w->db, se->new_epoch_base);
    if (r == 0)
        r = statements_prepare(w->db, writer_sql, STATEMENTS, w->statements);
    if (r == 0)
        r = writer_find_due(w);
    if (r == 0)
        r = count_rows(w);
    if (r < 0)
        return explain_database(o, r);
    r = settle_epoch(o);
    if (r < 0)
        return r;
    r = wal_connect(&w->wal, w->db, se->database_path, se->vfs);
    if (r == 0)
        r = readers_connect(&se->readers, se->database_path, se->vfs);
    return r < 0 ? explain_database(o, r) : 0;
}

static void disconnect(struct sqlite_engine *se) {
    readers_disconnect(&se->readers);
    wal_disconnect(&se->writer.wal);
    statements_finish(se->writer.statements, STATEMENTS);
    se->writer.db = database_close(se->writer.db);
    se->writer.mark_file = mark_close(se->writer.mark_file);
    se->lock_fd = data_lock_release(se->lock_fd);
}

static void run_opening(struct errand *errand, void *where) {
    struct opening *o = CONTAINER_OF(errand, struct opening, errand);
    o->result = open_all(o);
    if (o->result < 0)
        disconnect(o->se);
}

static void kick_writer(void *arg) {
    struct writer *w = arg;
    lane_kick(w->lane);
}

/* ---- the calls ---- */

static void sqlite_publish(struct engine *e, struct publish_request *request, uint64_t hash) {
    struct sqlite_engine *se = sqlite_of(e);
    request->hash = hash;
    request->place = NULL;
    request->staged_error = 0;
    if (publish_queue_put(&se->writer.queue, request))
        lane_kick(se->writer.lane);
}

static bool sqlite_is_behind(struct engine *e, uint64_t hash) {
    return publish_queue_has(&sqlite_of(e)->writer.queue, hash);
}

/* Where the stream stands is asked for, and no more, or the asker has all there is: most who come
 * back after a restart. */
static bool knows_answer(struct sqlite_engine *se, uint64_t hash, const struct history_query *q,
                         struct position *ret) {
    uint64_t offset, generation;
    if (!tops_get(&se->tops, hash, q->channel, &offset, &generation))
        return false;
    bool has_all = q->has_since && !q->reverse && q->since_offset >= offset;
    if (!has_all && q->limit > 0 && offset > 0 && !keep_is_nothing(&q->keep))
        return false;
    ret->offset = offset;
    epoch_format(ret->epoch, se->writer.mark.epoch_base, generation);
    return true;
}

static int sqlite_history(struct engine *e, const struct history_query *q, struct page *ret) {
    struct sqlite_engine *se = sqlite_of(e);
    uint64_t hash = engine_hash(e, q->channel);
    struct page page = { 0 };
    if (!knows_answer(se, hash, q, &page.top))
        return readers_read(&se->readers, hash, q, ret);
    *ret = page;
    return 0;
}

static int sqlite_position(struct engine *e, struct str channel, struct keep keep,
                           struct position *ret) {
    struct sqlite_engine *se = sqlite_of(e);
    uint64_t hash = engine_hash(e, channel), offset, generation;
    if (tops_get(&se->tops, hash, channel, &offset, &generation)) {
        ret->offset = offset;
        epoch_format(ret->epoch, se->writer.mark.epoch_base, generation);
        return 0;
    }
    struct history_query q = { .channel = channel, .keep = keep };
    struct page page;
    int r = readers_read(&se->readers, hash, &q, &page);
    if (r < 0)
        return r;
    *ret = page.top;
    page_finish(&page);
    return 0;
}

struct removal {
    struct str channel;
    uint64_t hash;
};

static int run_removal(struct writer *w, void *arg) {
    const struct removal *x = arg;
    return writer_remove(w, x->hash, x->channel);
}

static int sqlite_history_remove(struct engine *e, struct str channel) {
    struct removal x = { .channel = channel, .hash = engine_hash(e, channel) };
    return writer_order(&sqlite_of(e)->writer, false, run_removal, &x);
}

static int sqlite_map_read(struct engine *e, const struct map_query *q, struct map_page *ret) {
    return readers_read_map(&sqlite_of(e)->readers, engine_hash(e, q->channel), q, ret);
}

static int sqlite_map_count(struct engine *e, struct str channel, uint64_t *ret) {
    return readers_count_keys(&sqlite_of(e)->readers, channel, ret);
}

static int run_forget(struct writer *w, void *arg) {
    const struct removal *x = arg;
    return writer_forget(w, x->hash, x->channel);
}

static int sqlite_map_clear(struct engine *e, struct str channel, const struct keep *keep) {
    struct removal x = { .channel = channel, .hash = engine_hash(e, channel) };
    return writer_order(&sqlite_of(e)->writer, false, run_forget, &x);
}

static void sqlite_event_append(struct engine *e, struct event_request *request) {
    struct writer *w = &sqlite_of(e)->writer;
    if (writer_put_event(w, request))
        lane_kick(w->lane);
}

static int sqlite_events_next(struct engine *e, struct str queue, uint64_t after, uint32_t limit,
                              size_t max_bytes, struct events *ret) {
    return writer_events_next(&sqlite_of(e)->writer, queue, after, limit, max_bytes, ret);
}

static int sqlite_events_done(struct engine *e, const uint64_t *ids, size_t n) {
    return writer_events_done(&sqlite_of(e)->writer, ids, n);
}

static int sqlite_events_end_standing(struct engine *e) {
    return writer_events_end_standing(&sqlite_of(e)->writer);
}

static int sqlite_events_keep_queues(struct engine *e, const struct str *queues, size_t n,
                                     uint64_t *ret_n) {
    return writer_events_keep_queues(&sqlite_of(e)->writer, queues, n, ret_n);
}

static int sqlite_denial_put(struct engine *e, const struct denial *d) {
    return writer_denial_put(&sqlite_of(e)->writer, d);
}

static int sqlite_denial_remove(struct engine *e, enum denial_kind kind, struct str key) {
    return writer_denial_remove(&sqlite_of(e)->writer, kind, key);
}

static int sqlite_denials(struct engine *e, struct denials *ret) {
    return writer_denials(&sqlite_of(e)->writer, ret);
}

static void sqlite_stats(struct engine *e, struct engine_stats *ret) {
    struct sqlite_engine *se = sqlite_of(e);
    writer_stats(&se->writer, ret);
    ret->reads = atomic_load(&se->readers.reads);
    ret->channels = tops_size(&se->tops);
}

static void sqlite_tick(struct engine *e) {
    struct writer *w = &sqlite_of(e)->writer;
    bool is_due = atomic_load(&w->due_ms) <= clock_wall_ms();
    bool is_failing = atomic_load(&w->last_error) != 0;
    if (is_due)
        atomic_store(&w->wants_sweep, true);
    if (is_failing)
        atomic_store(&w->wants_probe, true);
    if (is_due || is_failing)
        lane_kick(w->lane);
}

/* ---- making and ending ---- */

static void sqlite_free(struct sqlite_engine *se) {
    tops_finish(&se->tops);
    writer_finish(&se->writer);
    readers_finish(&se->readers);
    engine_finish(&se->engine);
    free(se->vfs);
    free(se->data_dir);
    free(se->database_path);
    free(se->lock_path);
    free(se->mark_path);
    free(se);
}

static void run_end(void *arg) {
    disconnect(arg);
}

/* The readers go first: who closes last empties the log into the database. */
static void stop(struct sqlite_engine *se) {
    SHIELD(CLOSE_PATIENCE_MS);
    readers_stop(&se->readers);
    wal_stop(&se->writer.wal);
    if (se->writer.lane) {
        atomic_store(&se->writer.wants_end, true);
        lane_kick(se->writer.lane);
        se->writer.lane = lane_close(se->writer.lane);
    }
}

static void sqlite_close(struct engine *e) {
    struct sqlite_engine *se = sqlite_of(e);
    stop(se);
    sqlite_free(se);
}

static const struct engine_class sqlite_class = {
    .publish = sqlite_publish,
    .is_behind = sqlite_is_behind,
    .history = sqlite_history,
    .history_remove = sqlite_history_remove,
    .position = sqlite_position,
    .map_read = sqlite_map_read,
    .map_count = sqlite_map_count,
    .map_clear = sqlite_map_clear,
    .event_append = sqlite_event_append,
    .events_next = sqlite_events_next,
    .events_done = sqlite_events_done,
    .events_end_standing = sqlite_events_end_standing,
    .events_keep_queues = sqlite_events_keep_queues,
    .denial_put = sqlite_denial_put,
    .denial_remove = sqlite_denial_remove,
    .denials = sqlite_denials,
    .stats = sqlite_stats,
    .tick = sqlite_tick,
    .close = sqlite_close,
};

static bool name_files(struct sqlite_engine *se, const struct engine_options *o) {
    se->data_dir = strdup(o->data_dir);
    se->vfs = o->vfs ? strdup(o->vfs) : NULL;
    if (asprintf(&se->database_path, "%s/history.db", o->data_dir) < 0)
        se->database_path = NULL;
    if (asprintf(&se->lock_path, "%s/history.lock", o->data_dir) < 0)
        se->lock_path = NULL;
    if (asprintf(&se->mark_path, "%s/history.mark", o->data_dir) < 0)
        se->mark_path = NULL;
    return se->data_dir && se->database_path && se->lock_path && se->mark_path &&
           (se->vfs || !o->vfs);
}

static struct sqlite_engine *sqlite_alloc(const struct engine_options *o, const char *epoch_base,
                                          const struct table_seed *seed) {
    struct sqlite_engine *se = aligned_alloc(_Alignof(struct sqlite_engine), sizeof *se);
    if (!se)
        return NULL;
    memset(se, 0, sizeof *se);
    se->lock_fd = -1;
    memcpy(se->new_epoch_base, epoch_base, EPOCH_BASE_SIZE);
    engine_init(&se->engine, &sqlite_class, o, epoch_base, seed);
    tops_init(&se->tops, seed);
    writer_init(&se->writer, o, &se->tops, &se->engine);
    se->writer.at_end = run_end;
    se->writer.at_end_arg = se;
    readers_init(&se->readers, o->readers ? o->readers : READERS_DEFAULT, &se->tops,
                 se->writer.mark.epoch_base);
    if (!name_files(se, o)) {
        sqlite_free(se);
        return NULL;
    }
    return se;
}

static int start(struct sqlite_engine *se, char **ret_why) {
    int r = lane_open("db-writer", writer_run, &se->writer, &se->writer.lane);
    if (r == 0)
        r = wal_start(&se->writer.wal);
    if (r == 0)
        r = readers_start(&se->readers);
    if (r < 0)
        return r;

    struct opening opening = { .errand.run = run_opening, .se = se };
    {
        SHIELD(OPEN_PATIENCE_MS); /* half an engine is no use to anyone */
        r = errand_send(&se->writer.errands, &opening.errand, kick_writer, &se->writer);
    }
    if (r == 0)
        r = opening.result;
    *ret_why = opening.why;
    return r;
}

int sqlite_engine_new(const struct engine_options *o, const char *epoch_base,
                      const struct table_seed *seed, struct engine **ret, char **ret_why) {
    if (!o->data_dir || (o->vfs && !sqlite3_vfs_find(o->vfs)))
        return -EINVAL;
    struct sqlite_engine *se = sqlite_alloc(o, epoch_base, seed);
    if (!se)
        return -ENOMEM;
    int r = start(se, ret_why);
    if (r < 0) {
        sqlite_close(&se->engine);
        return r;
    }
    *ret = &se->engine;
    return 0;
}
