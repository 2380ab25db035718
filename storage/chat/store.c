#include "storage/chat/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "storage/chat/query.h"
#include "storage/chat/schema.h"
#include "storage/chat/store_impl.h"
#include "storage/clock.h"
#include "storage/data_lock.h"
#include "storage/sqlite/database.h"

enum {
    READERS_DEFAULT = 2,
    QUEUE_DEFAULT = 4096,
    GROUP_DEFAULT = 256,
    ORDERS_MAX = 4,
    OPEN_PATIENCE_MS = 3600000, /* a new version may have the index of words made anew */
    CLOSE_PATIENCE_MS = 60000,
};

/* ---- opening, on the writer's thread ---- */

struct opening {
    struct errand errand;
    struct chat_store *store;
    int result;
    char *why;
};

/* What people wrote is nobody else's to read; SQLite gives its other files the mode of this one.
 * Before it is opened: closing it drops the process's locks. */
static int prepare_directory(struct opening *o) {
    struct chat_store *s = o->store;
    if (mkdir(s->data_dir, 0700) < 0 && errno != EEXIST)
        return explain(&o->why, -errno, "the data directory %s cannot be made: %s", s->data_dir,
                       strerror(errno));
    int r = data_lock_take(s->lock_path, s->database_path, &s->lock_fd, &o->why);
    if (r < 0)
        return r;
    data_lock_name(s->lock_fd, s->lock_name);
    int fd = open(s->database_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return explain(&o->why, -errno, "%s cannot be opened: %s", s->database_path,
                       strerror(errno));
    close(fd);
    return 0;
}

static int explain_database(struct opening *o, int r) {
    struct chat_store *s = o->store;
    sqlite3 *db = s->connection.db;
    const char *path = s->database_path;
    switch (r) {
    case -EBADMSG:
        return explain(&o->why, r, "%s is damaged, or not a chat of Parley's (%s)", path,
                       !db || sqlite3_errcode(db) == SQLITE_OK ? "another program's file"
                                                               : sqlite3_errmsg(db));
    case -EPROTONOSUPPORT:
        return explain(&o->why, r,
                       "%s was written by a newer version of Parley (this one knows %d)", path,
                       chat_schema_version());
    case -EBUSY:
        return explain(&o->why, r, "%s is in use by another process", path);
    default:
        return explain(&o->why, r, "%s cannot be opened: %s", path,
                       db ? sqlite3_errmsg(db) : strerror(-r));
    }
}

static int read_epoch(struct chat_store *s, struct chat_tx *tx) {
    struct rows rows;
    int r = QUERY_ONE(tx, &rows, "SELECT epoch, commits FROM store WHERE id = ?1", NUMBER(1));
    if (r > 0) {
        struct str epoch = row_text(&rows, 0);
        s->mark.last_id = (uint64_t) row_number(&rows, 1);
        atomic_store(&s->changes, s->mark.last_id);
        r = epoch.len == EPOCH_BASE_SIZE - 1 ? 0 : -EBADMSG;
        if (r == 0)
            memcpy(s->mark.epoch_base, epoch.data, epoch.len);
    } else if (r == 0) {
        r = -EBADMSG;
    }
    rows_end(&rows);
    return r;
}

/* Is this the database that the mark was written for, and nothing lost? */
static bool is_continued(const struct mark *m, const struct chat_store *s, uint64_t identity) {
    return strcmp(m->epoch_base, s->mark.epoch_base) == 0 && m->last_id <= s->mark.last_id &&
           (m->identity == identity || m->identity == 0 || identity == 0);
}

static int settle_epoch(struct opening *o, struct chat_tx *tx) {
    struct chat_store *s = o->store;
    int r = read_epoch(s, tx);
    if (r < 0)
        return explain_database(o, r);
    r = mark_open(s->mark_path, s->vfs, &s->mark_file);
    if (r < 0)
        return explain(&o->why, r, "%s cannot be opened: %s", s->mark_path, strerror(-r));

    uint64_t identity = s->vfs ? 0 : mark_identity(s->database_path);
    struct mark seen;
    r = mark_read(s->mark_file, &seen);
    if (r == 0 && is_continued(&seen, s, identity)) {
        s->mark.identity = identity;
        return 0;
    }
    /* A new one passes here too: it has no epoch that anyone could know. */
    r = RUN(tx, "UPDATE store SET epoch = ?1", TEXT(str_of(s->new_epoch)));
    if (r < 0)
        return explain_database(o, r);
    memcpy(s->mark.epoch_base, s->new_epoch, EPOCH_BASE_SIZE);
    s->mark.identity = identity;
    r = mark_write(s->mark_file, &s->mark, true);
    return r < 0 ? explain(&o->why, r, "%s cannot be written: %s", s->mark_path, strerror(-r)) : 0;
}

static int connect_readers(struct chat_store *s) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < s->readers_n; i++)
        r = connection_open(&s->readers[i].connection, s->database_path, s->vfs, false);
    return r;
}

static int open_all(struct opening *o) {
    struct chat_store *s = o->store;
    int r = s->vfs ? 0 : prepare_directory(o);
    if (r < 0)
        return r;
    r = connection_open(&s->connection, s->database_path, s->vfs, true);
    if (r == 0)
        r = chat_schema_migrate(s->connection.db, s->new_epoch);
    if (r < 0)
        return explain_database(o, r);
    struct chat_tx tx = chat_tx_of(s, &s->connection, clock_wall_ms());
    r = settle_epoch(o, &tx);
    if (r < 0)
        return r;
    r = outbox_load(&s->outbox, &tx);
    if (r == 0)
        r = wal_connect(&s->wal, s->connection.db, s->database_path, s->vfs);
    if (r == 0)
        r = connect_readers(s);
    return r < 0 ? explain_database(o, r) : 0;
}

void chat_store_disconnect(struct chat_store *s) {
    for (unsigned i = 0; i < s->readers_n; i++)
        connection_close(&s->readers[i].connection);
    wal_disconnect(&s->wal);
    connection_close(&s->connection);
    s->mark_file = mark_close(s->mark_file);
    s->lock_fd = data_lock_release(s->lock_fd);
}

static void run_opening(struct errand *errand, void *where) {
    struct opening *o = CONTAINER_OF(errand, struct opening, errand);
    (void) where;
    o->result = open_all(o);
    if (o->result < 0)
        chat_store_disconnect(o->store);
    else
        atomic_store(&o->store->is_open, true);
}

/* ---- works ---- */

struct chat_tx chat_tx_of(struct chat_store *s, struct connection *c, int64_t now_ms) {
    return (struct chat_tx){ .connection = c,
                             .store = s,
                             .limits = &s->limits,
                             .epoch = s->mark.epoch_base,
                             .now_ms = now_ms };
}

static void run_read(struct errand *errand, void *where) {
    struct chat_work *w = CONTAINER_OF(errand, struct chat_work, errand);
    struct chat_reader *rd = where;
    struct chat_tx tx = chat_tx_of(rd->store, &rd->connection, clock_wall_ms());
    tx.work = w;
    sqlite3_stmt *begin = NULL;
    int r = connection_statement(&rd->connection, "BEGIN", &begin);
    if (r == 0)
        r = statement_run(begin);
    w->result = r < 0 ? r : w->run(w, &tx);
    if (!sqlite3_get_autocommit(rd->connection.db))
        (void) sqlite3_exec(rd->connection.db, "ROLLBACK", NULL, NULL, NULL);
}

static void reader_run(void *arg) {
    struct chat_reader *rd = arg;
    atomic_store(&rd->is_busy, true);
    while (errand_run_next(&rd->store->reads, rd))
        ;
    atomic_store(&rd->is_busy, false);
}

/* Some lane is always kicked, so that none may overlook the work; an idle one, if there is one. */
static void kick_reader(void *arg) {
    struct chat_store *s = arg;
    for (unsigned i = 0; i < s->readers_n; i++) {
        if (!atomic_load(&s->readers[i].is_busy)) {
            lane_kick(s->readers[i].lane);
            return;
        }
    }
    lane_kick(s->readers[atomic_fetch_add(&s->next_reader, 1) % s->readers_n].lane);
}

int chat_store_write(struct chat_store *s, struct chat_work *w) {
    w->errand = (struct errand){ 0 };
    int r = errand_send(&s->writes, &w->errand, chat_writer_kick, s);
    return r < 0 ? r : w->result;
}

int chat_store_read(struct chat_store *s, struct chat_work *w) {
    w->errand = (struct errand){ .run = run_read };
    atomic_fetch_add_explicit(&s->reads_n, 1, memory_order_relaxed);
    int r = errand_send(&s->reads, &w->errand, kick_reader, s);
    return r < 0 ? r : w->result;
}

void chat_work_finish(struct chat_work *w) {
    arena_finish(&w->arena);
}

/* ---- inside works ---- */

int64_t chat_tx_now_ms(const struct chat_tx *tx) {
    return tx->now_ms;
}

struct arena *chat_tx_arena(struct chat_tx *tx) {
    return tx->work ? &tx->work->arena : &tx->own;
}

const struct chat_limits *chat_tx_limits(const struct chat_tx *tx) {
    return tx->limits;
}

const char *chat_tx_epoch(const struct chat_tx *tx) {
    return tx->epoch;
}

static int refuse(struct chat_tx *tx, enum chat_error code, struct chat_refusal details) {
    if (tx->work)
        tx->work->refusal = details;
    return (int) code;
}

int chat_refuse(struct chat_tx *tx, enum chat_error code, const char *field, int64_t max) {
    return refuse(tx, code, (struct chat_refusal){ .field = field, .max = max });
}

int chat_refuse_until(struct chat_tx *tx, enum chat_error code, int64_t until_ms) {
    return refuse(tx, code, (struct chat_refusal){ .until_ms = until_ms });
}

int chat_refuse_for(struct chat_tx *tx, enum chat_error code, int64_t retry_ms) {
    return refuse(tx, code, (struct chat_refusal){ .retry_ms = retry_ms });
}

/* ---- the rest ---- */

static char *in_directory(const char *dir, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

const char *chat_store_epoch(const struct chat_store *s) {
    return s->mark.epoch_base;
}

const char *chat_store_lock(const struct chat_store *s) {
    return s->lock_name;
}

bool chat_store_is_left(const char *data_dir, const char *lock) {
    char *path = in_directory(data_dir, "chat.lock");
    bool is_left = path && data_lock_is_left(path, lock);
    free(path);
    return is_left;
}

uint64_t chat_store_changes(const struct chat_store *s) {
    return atomic_load(&s->changes);
}

void chat_store_set_until(struct chat_store *s, int64_t until_ms) {
    atomic_store(&s->until_ms, until_ms);
}

const struct chat_limits *chat_store_limits(const struct chat_store *s) {
    return &s->limits;
}

void chat_store_set_sink(struct chat_store *s, chat_sink_fn *sink, void *arg) {
    if (outbox_set_sink(&s->outbox, sink, arg))
        lane_kick(s->lane);
}

void chat_store_published(struct chat_store *s, const int64_t *ids, size_t n) {
    if (outbox_published(&s->outbox, ids, n))
        lane_kick(s->lane);
}

void chat_store_tick(struct chat_store *s) {
    atomic_store(&s->wants_tick, true);
    lane_kick(s->lane);
}

void chat_store_stats(struct chat_store *s, struct chat_store_stats *ret) {
    *ret = (struct chat_store_stats){
        .works = atomic_load(&s->works),
        .commits = atomic_load(&s->commits_n),
        .commit_errors = atomic_load(&s->commit_errors),
        .commit_ns = atomic_load(&s->commit_ns),
        .group_largest = atomic_load(&s->group_largest),
        .reads = atomic_load(&s->reads_n),
        .outbox = atomic_load(&s->outbox.rows),
        .events_out = outbox_out(&s->outbox),
        .wal_bytes = atomic_load(&s->wal.bytes),
        .retained = atomic_load(&s->retained),
        .last_error = atomic_load(&s->last_error),
    };
    errands_stats(&s->writes, &ret->queued, &ret->rejected);
}

/* ---- making and ending ---- */

static void set_default(uint32_t *limit, uint32_t value) {
    if (*limit == 0)
        *limit = value;
}

void chat_limits_default(struct chat_limits *l) {
    set_default(&l->text_max_bytes, 16384);
    set_default(&l->meta_max_bytes, 4096);
    set_default(&l->upload_max_bytes, 25 * 1024 * 1024);
    set_default(&l->rooms_max_per_user, 1000);
    set_default(&l->members_max, 10000);
    set_default(&l->reactions_max, 50);
    set_default(&l->pins_max, 100);
    set_default(&l->page_max, 100);
    set_default(&l->attachments_max, 10);
    set_default(&l->mentions_max, 50);
    set_default(&l->revisions_max, 50);
    set_default(&l->users_max, 5000);
    set_default(&l->search_work_us, 20000);
}

static void make_epoch(char epoch[static EPOCH_BASE_SIZE]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < EPOCH_BASE_SIZE - 1; i++)
        epoch[i] = letters[loop_random_below(sizeof letters - 1)];
    epoch[EPOCH_BASE_SIZE - 1] = 0;
}

static void store_free(struct chat_store *s) {
    errands_finish(&s->orders);
    errands_finish(&s->writes);
    errands_finish(&s->reads);
    chat_outbox_finish(&s->outbox);
    wal_finish(&s->wal);
    free(s->vfs);
    free(s->data_dir);
    free(s->database_path);
    free(s->lock_path);
    free(s->mark_path);
    free(s);
}

static struct chat_store *store_alloc(const struct chat_store_options *o) {
    struct chat_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->lock_fd = -1;
    atomic_init(&s->until_ms, INT64_MAX);
    s->limits = o->limits;
    chat_limits_default(&s->limits);
    s->group_max = o->group_max ? o->group_max : GROUP_DEFAULT;
    s->readers_n = o->readers ? o->readers : READERS_DEFAULT;
    if (s->readers_n > CHAT_READERS_MAX)
        s->readers_n = CHAT_READERS_MAX;
    for (unsigned i = 0; i < s->readers_n; i++)
        s->readers[i].store = s;
    make_epoch(s->new_epoch);
    errands_init(&s->orders, ORDERS_MAX);
    errands_init(&s->writes, o->queue_max ? o->queue_max : QUEUE_DEFAULT);
    errands_init(&s->reads, o->queue_max ? o->queue_max : QUEUE_DEFAULT);
    chat_outbox_init(&s->outbox, o->events_out_max);
    wal_init(&s->wal, 0, chat_writer_kick, s);
    s->vfs = o->vfs ? strdup(o->vfs) : NULL;
    s->data_dir = strdup(o->data_dir);
    s->database_path = in_directory(o->data_dir, "chat.db");
    s->lock_path = in_directory(o->data_dir, "chat.lock");
    s->mark_path = in_directory(o->data_dir, "chat.mark");
    if ((o->vfs && !s->vfs) || !s->data_dir || !s->database_path || !s->lock_path ||
        !s->mark_path) {
        store_free(s);
        return NULL;
    }
    return s;
}

static int start(struct chat_store *s, char **ret_why) {
    int r = lane_open("chat-writer", chat_writer_run, s, &s->lane);
    if (r == 0)
        r = wal_start(&s->wal);
    for (unsigned i = 0; r == 0 && i < s->readers_n; i++)
        r = lane_open("chat-reader", reader_run, &s->readers[i], &s->readers[i].lane);
    if (r < 0)
        return r;

    struct opening opening = { .errand.run = run_opening, .store = s };
    {
        SHIELD(OPEN_PATIENCE_MS); /* half a store is no use to anyone */
        r = errand_send(&s->orders, &opening.errand, chat_writer_kick, s);
    }
    if (r == 0)
        r = opening.result;
    *ret_why = opening.why;
    return r;
}

int chat_store_open(const struct chat_store_options *o, struct chat_store **ret, char **ret_why) {
    *ret_why = NULL;
    if (!o->data_dir || (o->vfs && !sqlite3_vfs_find(o->vfs)))
        return -EINVAL;
    struct chat_store *s = store_alloc(o);
    if (!s)
        return -ENOMEM;
    int r = start(s, ret_why);
    if (r < 0) {
        chat_store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

/* The readers go first: who closes last empties the log into the database. */
struct chat_store *chat_store_close(struct chat_store *s) {
    if (!s)
        return NULL;
    SHIELD(CLOSE_PATIENCE_MS);
    for (unsigned i = 0; i < s->readers_n; i++)
        s->readers[i].lane = lane_close(s->readers[i].lane);
    wal_stop(&s->wal);
    if (s->lane) {
        atomic_store(&s->wants_end, true);
        lane_kick(s->lane);
        s->lane = lane_close(s->lane);
    }
    store_free(s);
    return NULL;
}
