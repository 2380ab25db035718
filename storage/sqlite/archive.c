#include "storage/sqlite/archive.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/lane.h"
#include "async/loop.h"
#include "protocol/buffer.h"
#include "storage/row.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/errand.h"

enum {
    VERSION = 1,
    GROUP_MAX = 1024,
    OPEN_PATIENCE_MS = 60000,
    CLOSE_PATIENCE_MS = 10000,
};

static const size_t QUEUE_MAX_BYTES = (size_t) 64 << 20;
static const size_t GROUP_MAX_BYTES = (size_t) 8 << 20;

static const char schema[] =
        "CREATE TABLE publication("
        "  id INTEGER PRIMARY KEY," /* in the order of this node's publishing */
        "  channel TEXT NOT NULL,"
        "  epoch TEXT NOT NULL,"
        "  offset INTEGER NOT NULL,"
        "  time_ms INTEGER NOT NULL,"
        "  data BLOB NOT NULL,"
        "  extra BLOB" /* row.h; NULL: there is nothing to say */
        ") STRICT;"
        "CREATE UNIQUE INDEX publication_position ON publication(channel, epoch, offset);";

enum { BEGIN, ADD, COMMIT, STATEMENTS };

#define ADD_SQL                                                                                    \
    "INSERT OR IGNORE INTO publication(channel, epoch, offset, time_ms, data, extra)"              \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [ADD] = ADD_SQL,
    [COMMIT] = "COMMIT",
};

struct item {
    struct item *next;
    struct publication *publication;
    size_t size;
    int64_t since_ms;
};

struct archive {
    struct lane *lane;
    struct errands errands;
    char *path, *vfs; /* vfs: or NULL */
    size_t max_bytes;

    pthread_mutex_t mutex; /* of all up to the lane's part */
    struct item *first, **end;
    struct archive_stats stats; /* but for the lag */
    size_t bytes;               /* of those that wait */
    bool wants_end;
    int64_t end_ms;

    /* the lane's */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct buffer extra;
};

static void kick(void *arg) {
    struct archive *a = arg;
    lane_kick(a->lane);
}

/* ---- opening, on the lane ---- */

struct opening {
    struct errand errand;
    int result;
    char *why;
};

static int make_schema(sqlite3 *db, int64_t from, void *arg) {
    (void) from;
    (void) arg;
    return database_run(db, schema);
}

static char *explained(const struct archive *a, int r) {
    char *why = NULL;
    int n = r == -EBADMSG ? asprintf(&why, "%s is damaged, or not an archive of Parley's", a->path)
            : r == -EPROTONOSUPPORT
                    ? asprintf(&why,
                               "%s was written by a newer version of Parley (this one knows %d)",
                               a->path, VERSION)
                    : asprintf(&why, "%s cannot be opened: %s", a->path, strerror(-r));
    return n < 0 ? NULL : why;
}

static void disconnect(struct archive *a) {
    statements_finish(a->statements, STATEMENTS);
    a->db = database_close(a->db);
}

static void run_opening(struct errand *errand, void *where) {
    struct opening *o = CONTAINER_OF(errand, struct opening, errand);
    struct archive *a = where;
    int r = a->vfs ? 0 : database_make_private(a->path);
    if (r == 0)
        r = database_open(a->path, a->vfs, DATABASE_WRITER, &a->db);
    if (r == 0)
        r = database_migrate(a->db, DATABASE_ARCHIVE_ID, VERSION, make_schema, NULL);
    if (r == 0)
        r = statements_prepare(a->db, sql, STATEMENTS, a->statements);
    if (r < 0) {
        o->why = explained(a, r);
        disconnect(a);
    }
    o->result = r;
}

/* ---- writing, on the lane ---- */

static int add(struct archive *a, const struct publication *p) {
    sqlite3_stmt *s = a->statements[ADD];
    buffer_reset(&a->extra);
    row_encode_extra(p, false, &a->extra);
    int r = buffer_error(&a->extra);
    if (r < 0)
        return r;
    statement_bind_text(s, 1, p->channel);
    statement_bind_text(s, 2, str_of(p->position.epoch));
    sqlite3_bind_int64(s, 3, (int64_t) p->position.offset);
    sqlite3_bind_int64(s, 4, p->time_ms);
    statement_bind_bytes(s, 5, p->data);
    if (a->extra.len > 0)
        statement_bind_bytes(s, 6, buffer_bytes(&a->extra));
    else
        sqlite3_bind_null(s, 6);
    return statement_run(s);
}

static int commit(struct archive *a, const struct item *first, size_t n) {
    int r = statement_run(a->statements[BEGIN]);
    for (const struct item *i = first; r == 0 && n > 0; i = --n > 0 ? i->next : NULL)
        r = add(a, i->publication);
    if (r == 0)
        r = statement_run(a->statements[COMMIT]);
    if (!sqlite3_get_autocommit(a->db))
        (void) sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

/* Others may add behind the last of a group meanwhile, but nobody else takes anything away. */
static struct item *find_group(struct archive *a, size_t *ret_n) {
    size_t n = 0, bytes = 0;
    pthread_mutex_lock(&a->mutex);
    struct item *first = a->first;
    for (const struct item *i = first; i && n < GROUP_MAX; i = i->next) {
        if (n > 0 && bytes + i->size > GROUP_MAX_BYTES)
            break;
        bytes += i->size;
        n++;
    }
    pthread_mutex_unlock(&a->mutex);
    *ret_n = n;
    return first;
}

static struct item *item_free(struct item *i) {
    struct item *next = i->next;
    publication_unref(i->publication);
    free(i);
    return next;
}

/* Takes the first n away, or all that there are. count: of what they have become. */
static void let_go(struct archive *a, size_t n, uint64_t *count) {
    pthread_mutex_lock(&a->mutex);
    struct item *first = a->first, **last = &first;
    for (; *last && n > 0; n--) {
        a->bytes -= (*last)->size;
        a->stats.waiting--;
        ++*count;
        last = &(*last)->next;
    }
    a->first = *last;
    *last = NULL;
    if (!a->first)
        a->end = &a->first;
    pthread_mutex_unlock(&a->mutex);
    while (first)
        first = item_free(first);
}

/* 1: there may be more; 0: there was nothing; or why it was not written, and is still there. */
static int write_group(struct archive *a) {
    size_t n;
    const struct item *first = find_group(a, &n);
    if (!first)
        return 0;
    int r = commit(a, first, n);
    pthread_mutex_lock(&a->mutex);
    a->stats.last_error = r;
    a->stats.commits += r == 0;
    a->stats.errors += r < 0;
    pthread_mutex_unlock(&a->mutex);
    if (r < 0) {
        /* Room in the log comes from checkpoints, which else only follow commits. */
        (void) sqlite3_wal_checkpoint_v2(a->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return r;
    }
    let_go(a, n, &a->stats.written);
    return 1;
}

static bool is_ending(struct archive *a, int64_t *ret_end_ms) {
    pthread_mutex_lock(&a->mutex);
    bool is = a->wants_end;
    *ret_end_ms = a->end_ms;
    pthread_mutex_unlock(&a->mutex);
    return is;
}

static void run(void *arg) {
    struct archive *a = arg;
    int64_t end_ms;
    while (errand_run_next(&a->errands, a))
        ;
    if (!a->db)
        return; /* it could not be opened */
    if (!is_ending(a, &end_ms)) {
        if (write_group(a) > 0)
            lane_kick(a->lane);
        return;
    }
    while (loop_now() < end_ms && write_group(a) > 0)
        ;
    let_go(a, SIZE_MAX, &a->stats.dropped);
    disconnect(a);
}

/* ---- any thread ---- */

void archive_put(struct archive *a, struct publication *p) {
    struct item *i = malloc(sizeof *i);
    size_t size = publication_size(p) + sizeof *i;
    pthread_mutex_lock(&a->mutex);
    bool is_first = !a->first, is_taken = i && size <= a->max_bytes - a->bytes;
    if (is_taken) {
        *i = (struct item){ .publication = publication_ref(p), .size = size };
        i->since_ms = loop_now();
        a->bytes += size;
        a->stats.waiting++;
        *a->end = i;
        a->end = &i->next;
    } else {
        a->stats.dropped++;
    }
    pthread_mutex_unlock(&a->mutex);
    if (!is_taken)
        free(i);
    else if (is_first)
        lane_kick(a->lane);
}

void archive_tick(struct archive *a) {
    pthread_mutex_lock(&a->mutex);
    bool has_failed = a->stats.last_error < 0 && a->first;
    pthread_mutex_unlock(&a->mutex);
    if (has_failed)
        lane_kick(a->lane);
}

void archive_stats(struct archive *a, struct archive_stats *ret) {
    pthread_mutex_lock(&a->mutex);
    *ret = a->stats;
    ret->lag_ms = a->first ? loop_now() - a->first->since_ms : 0;
    pthread_mutex_unlock(&a->mutex);
    if (ret->lag_ms < 0)
        ret->lag_ms = 0; /* the clocks of two loops */
}

/* ---- making and ending ---- */

static struct archive *archive_new(const struct archive_options *o) {
    struct archive *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    pthread_mutex_init(&a->mutex, NULL);
    errands_init(&a->errands, 1);
    buffer_init(&a->extra, 0);
    a->end = &a->first;
    a->max_bytes = o->queue_max_bytes ? o->queue_max_bytes : QUEUE_MAX_BYTES;
    if (asprintf(&a->path, "%s/archive.db", o->data_dir) < 0)
        a->path = NULL;
    a->vfs = o->vfs ? strdup(o->vfs) : NULL;
    return a->path && (a->vfs || !o->vfs) ? a : archive_close(a);
}

struct archive *archive_close(struct archive *a) {
    if (!a)
        return NULL;
    pthread_mutex_lock(&a->mutex);
    a->wants_end = true;
    a->end_ms = loop_now() + CLOSE_PATIENCE_MS;
    pthread_mutex_unlock(&a->mutex);
    if (a->lane)
        lane_kick(a->lane);
    a->lane = lane_close(a->lane);
    errands_finish(&a->errands);
    pthread_mutex_destroy(&a->mutex);
    buffer_finish(&a->extra);
    free(a->path);
    free(a->vfs);
    free(a);
    return NULL;
}

int archive_open(const struct archive_options *o, struct archive **ret, char **ret_why) {
    *ret_why = NULL;
    struct archive *a = archive_new(o);
    if (!a)
        return -ENOMEM;
    struct opening opening = { .errand.run = run_opening };
    int r = lane_open("db-archive", run, a, &a->lane);
    if (r == 0) {
        SHIELD(OPEN_PATIENCE_MS);
        r = errand_send(&a->errands, &opening.errand, kick, a);
    }
    if (r == 0)
        r = opening.result;
    *ret_why = opening.why;
    if (r < 0) {
        archive_close(a);
        return r;
    }
    *ret = a;
    return 0;
}
