/*
 * The one thread that changes chat.db. It commits as one group whatever queued while it was
 * committing the group before, hands out what that group emitted, and answers. Each work has a
 * savepoint: one that is refused, or fails by itself, leaves the others alone. A group that cannot
 * be committed leaves nothing behind, and each of its works is answered with the error.
 */
#include <errno.h>

#include "async/loop.h"
#include "storage/chat/query.h"
#include "storage/chat/retention.h"
#include "storage/chat/store_impl.h"
#include "storage/chat/word_index.h"
#include "storage/clock.h"
#include "storage/sqlite/database.h"

enum {
    RETENTION_EVERY_MS = 60000,
    VACUUM_PAGES = 1024,      /* given back at a time */
    PURGE_EVERY_MS = 3600000, /* of the index of words: it is written anew for that */
    PURGE_PAGES = 256,        /* at a time */
};

void chat_writer_kick(void *store) {
    struct chat_store *s = store;
    lane_kick(s->lane);
}

static struct chat_tx begin(struct chat_store *s) {
    int64_t now_ms = clock_wall_ms();
    if (now_ms > s->now_ms)
        s->now_ms = now_ms;
    struct chat_tx tx = chat_tx_of(s, &s->connection, s->now_ms);
    tx.outbox = &s->outbox;
    return tx;
}

/* ---- a transaction ---- */

static int run(struct chat_tx *tx, const char *literal) {
    sqlite3_stmt *statement;
    int r = connection_statement(tx->connection, literal, &statement);
    return r < 0 ? r : statement_run(statement);
}

static bool is_rolled_back(const struct chat_tx *tx) {
    return sqlite3_get_autocommit(tx->connection->db);
}

/* The log is that far behind only until the next checkpoint. */
static void note_mark(struct chat_store *s, uint64_t commits) {
    s->mark.last_id = commits;
    atomic_store(&s->changes, commits);
    if (mark_write(s->mark_file, &s->mark, false) < 0) {
        /* A mark that is behind only sees less; nothing that was acknowledged depends on it. */
    }
}

/* It is another process's to say what is in it, or may be at any moment. */
static bool is_over(const struct chat_store *s) {
    int64_t until_ms = atomic_load(&s->until_ms);
    return until_ms != INT64_MAX && loop_now_us() / 1000 >= until_ms;
}

/* r: of what was done so far. Commits, or undoes all. */
static int end(struct chat_store *s, struct chat_tx *tx, int64_t changes_before, int r) {
    bool has_changed = sqlite3_total_changes64(tx->connection->db) != changes_before;
    uint64_t commits = s->mark.last_id + 1;
    if (r == 0 && has_changed)
        r = RUN(tx, "UPDATE store SET commits = ?1", NUMBER((int64_t) commits));
    if (r == 0)
        r = is_over(s) ? -ENOTCONN : run(tx, "COMMIT");
    if (!is_rolled_back(tx))
        (void) sqlite3_exec(tx->connection->db, "ROLLBACK", NULL, NULL, NULL);
    if (r == 0 && has_changed)
        note_mark(s, commits);
    outbox_settle(&s->outbox, r == 0);
    if (r == -ENOTCONN)
        return r;
    if (r < 0) {
        atomic_fetch_add(&s->commit_errors, 1);
        r = r == -ENOSPC || r == -ENOMEM ? r : -EIO;
    }
    if (r < 0 || has_changed)
        atomic_store(&s->last_error, r); /* a commit of nothing says nothing about the disk */
    return r;
}

/* ---- a group ---- */

/* -errno: the whole transaction is gone. */
static int run_work(struct chat_store *s, struct chat_tx *tx, struct chat_work *w) {
    struct chat_event *last = s->outbox.last;
    tx->work = w;
    int r = run(tx, "SAVEPOINT work");
    if (r < 0)
        return r;
    w->result = w->run(w, tx);
    if (is_rolled_back(tx))
        return w->result < 0 ? w->result : -EIO;
    if (w->result != 0) {
        outbox_undo(&s->outbox, last);
        r = run(tx, "ROLLBACK TO work");
    }
    return r < 0 ? r : run(tx, "RELEASE work");
}

static struct chat_work *take_group(struct chat_store *s, size_t *ret_n) {
    struct chat_work *first = NULL, **last = &first;
    size_t n = 0;
    struct errand *e;
    while (n < s->group_max && (e = errand_take(&s->writes))) {
        struct chat_work *w = CONTAINER_OF(e, struct chat_work, errand);
        w->next = NULL;
        *last = w;
        last = &w->next;
        n++;
    }
    *ret_n = n;
    return first;
}

static int commit_group(struct chat_store *s, struct chat_work *first, size_t n) {
    uint64_t began_ns = clock_ticks_ns();
    struct chat_tx tx = begin(s);
    int64_t changes = sqlite3_total_changes64(s->connection.db);
    int r = run(&tx, "BEGIN IMMEDIATE");
    if (r == 0)
        r = outbox_delete_done(&s->outbox, &tx);
    for (struct chat_work *w = first; r == 0 && w; w = w->next)
        r = run_work(s, &tx, w);
    tx.work = NULL;
    r = end(s, &tx, changes, r);
    if (r < 0)
        return r;
    atomic_fetch_add(&s->commits_n, 1);
    atomic_fetch_add(&s->works, n);
    atomic_fetch_add(&s->commit_ns, clock_ticks_ns() - began_ns);
    if (n > atomic_load(&s->group_largest))
        atomic_store(&s->group_largest, n); /* this thread alone writes it */
    return 0;
}

static bool serve_group(struct chat_store *s) {
    size_t n;
    struct chat_work *group = take_group(s, &n);
    if (!group)
        return false;
    int r = commit_group(s, group, n);
    while (group) {
        struct chat_work *next = group->next;
        if (r < 0)
            group->result = r;
        errand_answer(&group->errand); /* from here on it is its owner's */
        group = next;
    }
    return true;
}

/* ---- the store's own ---- */

static int write_own(struct chat_store *s, int (*fn)(struct chat_store *s, struct chat_tx *tx)) {
    struct chat_tx tx = begin(s);
    int64_t changes = sqlite3_total_changes64(s->connection.db);
    int r = run(&tx, "BEGIN IMMEDIATE");
    if (r == 0)
        r = outbox_delete_done(&s->outbox, &tx);
    if (r == 0)
        r = fn(s, &tx);
    r = end(s, &tx, changes, r);
    arena_finish(&tx.own);
    return r;
}

/* Also what finds out whether the disk works again. */
static int touch(struct chat_store *s, struct chat_tx *tx) {
    (void) s;
    return RUN(tx, "UPDATE store SET commits = commits WHERE ?1", NUMBER(1));
}

static int retain(struct chat_store *s, struct chat_tx *tx) {
    size_t n = 0;
    bool has_more = false;
    int r = chat_retention_run(tx, CHAT_RETENTION_BATCH, &n, &has_more);
    if (r < 0)
        return r;
    atomic_fetch_add(&s->retained, n);
    atomic_store(&s->retain_at_ms, has_more ? 0 : s->now_ms + RETENTION_EVERY_MS);
    return 0;
}

static int purge(struct chat_store *s, struct chat_tx *tx) {
    int64_t mark = s->purge_mark;
    int r = word_index_purge(tx, PURGE_PAGES, &mark);
    if (r < 0)
        return r;
    s->purge_mark = mark;
    if (mark == 0)
        s->purge_at_ms = s->now_ms + PURGE_EVERY_MS;
    return 0;
}

static void give_back(struct chat_store *s) {
    char sql[64];
    (void) sqlite3_snprintf(sizeof sql, sql, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    if (database_run(s->connection.db, sql) < 0) {
        /* Then the file is longer than it need be. */
    }
}

static void tick(struct chat_store *s) {
    if (atomic_load(&s->last_error) != 0)
        wal_make_room(&s->wal); /* it comes from checkpoints, which else only follow commits */
    if (atomic_load(&s->last_error) != 0 || outbox_has_done(&s->outbox))
        (void) write_own(s, touch); /* its result is in last_error */
    uint64_t retained = atomic_load(&s->retained);
    if (atomic_load(&s->last_error) == 0 && atomic_load(&s->retain_at_ms) <= s->now_ms)
        (void) write_own(s, retain);
    if (atomic_load(&s->last_error) == 0 && s->purge_at_ms <= s->now_ms)
        (void) write_own(s, purge);
    if (atomic_load(&s->retained) != retained || s->purge_mark != 0)
        give_back(s);
}

static void catch_up(struct chat_store *s) {
    struct chat_tx tx = begin(s);
    int r = outbox_catch_up(&s->outbox, &tx);
    s->has_failed_to_catch_up = r < 0; /* the next tick tries again */
}

void chat_writer_run(void *store) {
    struct chat_store *s = store;
    while (errand_run_next(&s->orders, s))
        ;
    if (!atomic_load(&s->is_open))
        return;
    bool has_more = serve_group(s);
    bool is_tick = atomic_exchange(&s->wants_tick, false);
    if (is_tick)
        tick(s);
    if (!s->has_failed_to_catch_up || is_tick)
        catch_up(s);
    wal_care(&s->wal);

    if (atomic_load(&s->wants_end)) {
        while (serve_group(s))
            ;
        if (outbox_has_done(&s->outbox))
            (void) write_own(s, touch);
        atomic_store(&s->is_open, false);
        chat_store_disconnect(s);
    } else if (has_more) {
        lane_kick(s->lane);
    }
}
