#include "storage/denial.h"

#include <errno.h>

#include "protocol/buffer.h"
#include "storage/clock.h"
#include "storage/sqlite/writer.h"

enum { DENIAL_SLACK_MS = 60000 }; /* as the due statement has it */

static int count(struct writer *w, uint64_t *ret) {
    sqlite3_stmt *s = w->statements[STATEMENT_COUNT_DENIALS];
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t) sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? 0 : database_error(w->db, rc);
}

static int put(struct writer *w, const struct denial *d) {
    sqlite3_stmt *s = w->statements[STATEMENT_PUT_DENIAL];
    sqlite3_bind_int64(s, 1, d->kind);
    statement_bind_bytes(s, 2, str_bytes(d->key));
    sqlite3_bind_int64(s, 3, d->before_ms);
    if (d->expire_at_ms != 0) {
        sqlite3_bind_int64(s, 4, d->expire_at_ms);
        transaction_note_due(w, later(d->expire_at_ms, DENIAL_SLACK_MS));
    } else {
        sqlite3_bind_null(s, 4);
    }
    return statement_run(s);
}

static int run_put(struct writer *w, void *arg) {
    const struct denial *d = arg;
    uint64_t n = 0;
    sqlite3_stmt *s = w->statements[STATEMENT_SWEEP_DENIALS];
    sqlite3_bind_int64(s, 1, clock_wall_ms());
    int r = statement_run(s);
    if (r == 0)
        r = put(w, d);
    if (r == 0)
        r = count(w, &n);
    if (r < 0 || n <= w->denials_max)
        return r;
    atomic_fetch_add(&w->engine->ephemera.denials_refused, 1);
    return -ENOSPC;
}

int writer_denial_put(struct writer *w, const struct denial *d) {
    struct denial copy = *d;
    return writer_order(w, true, run_put, &copy);
}

static int run_remove(struct writer *w, void *arg) {
    const struct denial *d = arg;
    sqlite3_stmt *s = w->statements[STATEMENT_DROP_DENIAL];
    sqlite3_bind_int64(s, 1, d->kind);
    statement_bind_bytes(s, 2, str_bytes(d->key));
    return statement_run(s);
}

int writer_denial_remove(struct writer *w, enum denial_kind kind, struct str key) {
    return writer_order(w, true, run_remove, &(struct denial){ .kind = kind, .key = key });
}

static int run_read(struct writer *w, void *arg) {
    struct denials *all = arg;
    struct buffer text = BUFFER_INIT;
    sqlite3_stmt *s = w->statements[STATEMENT_FIND_DENIALS];
    sqlite3_bind_int64(s, 1, clock_wall_ms());
    int r = 0, rc = SQLITE_DONE;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW)
        r = denials_add(all, &text,
                        &(struct denial){ .kind = (enum denial_kind) sqlite3_column_int(s, 0),
                                          .key = statement_str(s, 1),
                                          .before_ms = sqlite3_column_int64(s, 2),
                                          .expire_at_ms = sqlite3_column_int64(s, 3) });
    sqlite3_reset(s);
    denials_settle(all, &text);
    return r == 0 && rc != SQLITE_DONE ? database_error(w->db, rc) : r;
}

int writer_denials(struct writer *w, struct denials *ret) {
    struct denials all = { 0 };
    int r = writer_order(w, false, run_read, &all);
    if (r < 0) {
        denials_finish(&all);
        return r;
    }
    *ret = all;
    return 0;
}
