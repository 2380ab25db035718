/* One transaction of the writer: what it has changed is staged beside what is stored, and becomes
 * it when the commit has succeeded. */
#include <assert.h>
#include <errno.h>

#include "storage/row.h"
#include "storage/sqlite/writer.h"

enum {
    TRIM_SLACK_MIN =
            16, /* publications over the limit before any are deleted; at least a fifth of it */
    DROP_MAX = 10000, /* publications deleted at once, so that no commit takes long */
};

int64_t due_after(int64_t oldest_ms, int64_t ttl_ms) {
    return later(later(oldest_ms, ttl_ms), ttl_ms / 5);
}

static sqlite3_stmt *statement(struct writer *w, enum statement which) {
    return w->statements[which];
}

static int failure(struct writer *w, int rc) {
    return database_error(w->db, rc);
}

int transaction_begin(struct writer *w) {
    assert(!w->staged);
    w->staged_generation = w->generation;
    w->staged_last_id = w->last_id;
    w->staged_trimmed = 0;
    w->staged_nothing = 0;
    w->staged_due_ms = INT64_MAX;
    w->staged_counts = w->counts;
    return statement_run(statement(w, STATEMENT_BEGIN));
}

/* ---- reading a channel ---- */

static int find_ends(struct writer *w, struct stored *s) {
    sqlite3_stmt *q = statement(w, STATEMENT_FIND_ENDS);
    sqlite3_bind_int64(q, 1, s->id);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        s->top = (uint64_t) sqlite3_column_int64(q, 0);
        s->last_ms = sqlite3_column_int64(q, 1);
        s->first = (uint64_t) sqlite3_column_int64(q, 2);
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : failure(w, rc);
}

static int find_channel(struct writer *w, struct str name, struct stored *s) {
    sqlite3_stmt *q = statement(w, STATEMENT_FIND_CHANNEL);
    sqlite3_bind_text(q, 1, name.data, (int) name.len, SQLITE_STATIC);
    int rc = sqlite3_step(q);
    *s = (struct stored){ .generation = w->generation };
    if (rc == SQLITE_ROW) {
        s->id = sqlite3_column_int64(q, 0);
        s->generation = (uint64_t) sqlite3_column_int64(q, 1);
        s->top = (uint64_t) sqlite3_column_int64(q, 2);
        s->last_ms = sqlite3_column_int64(q, 3);
        s->size = (uint32_t) sqlite3_column_int64(q, 4);
        s->ttl_ms = sqlite3_column_int64(q, 5);
        s->meta_ttl_ms = sqlite3_column_int64(q, 6);
        s->due_ms = sqlite3_column_int64(q, 7);
    }
    s->first = s->top + 1;
    sqlite3_reset(q);
    if (rc == SQLITE_ROW)
        return find_ends(w, s);
    return rc == SQLITE_DONE ? 0 : failure(w, rc);
}

static int load(struct writer *w, struct top *top) {
    int r = find_channel(w, top_name(top), &top->stored);
    if (r < 0)
        return r;
    tops_lock(w->tops, top);
    if (!top->is_known) {
        top->is_known = true;
        top->offset = top->stored.top;
        top->generation = top->stored.generation;
    } else if (top->stored.id == 0) {
        top->stored.generation = top->generation; /* somebody was promised it */
    }
    tops_unlock(w->tops, top);
    top->is_loaded = true;
    return 0;
}

int transaction_stage(struct writer *w, struct top *top) {
    if (top->is_staged)
        return 0;
    int r = top->is_loaded ? 0 : load(w, top);
    if (r < 0)
        return r;
    top->staged = top->stored;
    top->is_staged = true;
    top->is_dirty = false;
    top->staged_next = w->staged;
    w->staged = top;
    return 0;
}

/* ---- writing ---- */

static void bind_channel(sqlite3_stmt *q, const struct stored *s) {
    sqlite3_bind_int64(q, 2, (sqlite3_int64) s->generation);
    sqlite3_bind_int64(q, 3, (sqlite3_int64) s->top);
    sqlite3_bind_int64(q, 4, s->last_ms);
    sqlite3_bind_int64(q, 5, s->size);
    sqlite3_bind_int64(q, 6, s->ttl_ms);
    sqlite3_bind_int64(q, 7, s->meta_ttl_ms);
    sqlite3_bind_int64(q, 8, s->due_ms);
}

static int add_channel(struct writer *w, struct top *top) {
    sqlite3_stmt *q = statement(w, STATEMENT_ADD_CHANNEL);
    sqlite3_bind_text(q, 1, top->name, (int) top->name_len, SQLITE_STATIC);
    bind_channel(q, &top->staged);
    int r = statement_run(q);
    top->staged.id = sqlite3_last_insert_rowid(w->db);
    return r;
}

static int set_channel(struct writer *w, struct top *top) {
    sqlite3_stmt *q = statement(w, STATEMENT_SET_CHANNEL);
    sqlite3_bind_int64(q, 1, top->staged.id);
    bind_channel(q, &top->staged);
    return statement_run(q);
}

static int add_publication(struct writer *w, const struct stored *s, const struct publication *p) {
    sqlite3_stmt *q = statement(w, STATEMENT_ADD_PUBLICATION);
    buffer_reset(&w->extra);
    row_encode_extra(p, false, &w->extra);
    int r = buffer_error(&w->extra);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, (sqlite3_int64) ++w->staged_last_id);
    sqlite3_bind_int64(q, 2, s->id);
    sqlite3_bind_int64(q, 3, (sqlite3_int64) p->position.offset);
    sqlite3_bind_int64(q, 4, p->time_ms);
    sqlite3_bind_blob64(q, 5, p->data.len > 0 ? (const void *) p->data.data : "", p->data.len,
                        SQLITE_STATIC);
    if (w->extra.len > 0)
        sqlite3_bind_blob64(q, 6, w->extra.data, w->extra.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, 6);
    return statement_run(q);
}

static bool keep_differs(const struct stored *s, const struct keep *keep) {
    return s->size != keep->history_size || s->ttl_ms != keep->history_ttl_ms ||
           s->meta_ttl_ms != keep_meta_ttl_ms(keep);
}

int transaction_append(struct writer *w, struct top *top, struct publication *p,
                       const struct keep *keep) {
    struct stored *s = &top->staged;
    bool was_empty = s->first > s->top;
    if (p->time_ms < s->last_ms)
        p->time_ms = s->last_ms; /* expiry relies on their order */

    int64_t due_ms = due_after(p->time_ms, keep->history_ttl_ms);
    if (s->id == 0 || was_empty || keep_differs(s, keep)) {
        s->size = keep->history_size;
        s->ttl_ms = keep->history_ttl_ms;
        s->meta_ttl_ms = keep_meta_ttl_ms(keep);
        if (s->id == 0 || was_empty || s->due_ms > due_ms)
            s->due_ms = due_ms;
        top->is_dirty = true;
    }
    s->last_ms = p->time_ms;
    if (s->id == 0) {
        int r = add_channel(w, top);
        if (r < 0)
            return r;
        top->is_dirty = false;
    }

    s->top++;
    p->position.offset = s->top;
    epoch_format(p->position.epoch, w->mark.epoch_base, s->generation);
    return add_publication(w, s, p);
}

int transaction_drop_below(struct writer *w, struct top *top, uint64_t offset) {
    sqlite3_stmt *q = statement(w, STATEMENT_DROP_BELOW);
    sqlite3_bind_int64(q, 1, top->staged.id);
    sqlite3_bind_int64(q, 2, (sqlite3_int64) offset);
    int r = statement_run(q);
    if (r < 0)
        return r;
    w->staged_trimmed += (uint64_t) sqlite3_changes64(w->db);
    top->staged.first = offset;
    return 0;
}

/* In slack: deleting for each insert would be half of all work. Reading counts exactly. */
static int trim(struct writer *w, struct top *top) {
    struct stored *s = &top->staged;
    uint64_t slack = s->size / 5 > TRIM_SLACK_MIN ? s->size / 5 : TRIM_SLACK_MIN;
    if (s->id == 0 || s->size == 0 || s->top - s->first + 1 <= s->size + slack)
        return 0;
    uint64_t below = s->top - s->size + 1;
    if (below > s->first + DROP_MAX)
        below = s->first + DROP_MAX;
    return transaction_drop_below(w, top, below);
}

static int write_channels(struct writer *w) {
    int r = 0;
    for (struct top *top = w->staged; r == 0 && top; top = top->staged_next) {
        r = trim(w, top);
        if (r == 0 && top->is_dirty && top->staged.id != 0)
            r = set_channel(w, top);
    }
    return r;
}

static void note_due(struct writer *w, int64_t due_ms) {
    if (due_ms < atomic_load(&w->due_ms))
        atomic_store(&w->due_ms, due_ms); /* the only writer of a lower one */
}

void transaction_note_due(struct writer *w, int64_t due_ms) {
    if (due_ms < w->staged_due_ms)
        w->staged_due_ms = due_ms;
}

void transaction_top(const struct writer *w, const struct top *top, struct position *ret) {
    ret->offset = top->staged.top;
    epoch_format(ret->epoch, w->mark.epoch_base, top->staged.generation);
}

static void settle(struct writer *w, bool is_committed) {
    for (struct top *top = TAKE(w->staged); top; top = top->staged_next) {
        if (is_committed) {
            if (top->is_dirty || top->stored.id != top->staged.id)
                note_due(w, top->staged.due_ms);
            top->stored = top->staged;
        }
        top->is_staged = false;
    }
    if (!is_committed)
        return;
    w->generation = w->staged_generation;
    w->last_id = w->staged_last_id;
    w->counts = w->staged_counts;
    atomic_store(&w->events, w->counts.events);
    note_due(w, w->staged_due_ms);
    atomic_fetch_add(&w->trimmed, w->staged_trimmed);
    w->mark.last_id = w->last_id;
    if (w->mark_file && mark_write(w->mark_file, &w->mark, false) < 0) {
        /* A mark that is behind only sees less; nothing that was acknowledged depends on it. */
    }
}

int transaction_end(struct writer *w, int r) {
    if (r == 0)
        r = write_channels(w);
    if (r == 0)
        r = statement_run(statement(w, STATEMENT_COMMIT));
    if (!sqlite3_get_autocommit(w->db))
        (void) sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
    settle(w, r == 0);
    /* Whatever is wrong with the disk: the caller may try again. */
    return r == 0 || r == -ENOSPC || r == -ENOMEM ? r : -EIO;
}
