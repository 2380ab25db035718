/* What has lived its time: publications by their age, then the channel that numbered them. */
#include <assert.h>
#include <errno.h>

#include "storage/clock.h"
#include "storage/sqlite/writer.h"

enum {
    CHANNELS_PER_SWEEP = 32, /* in one transaction; publishes must not wait long */
    DROP_MAX = 10000,
    ONCE_PER_SWEEP = 5000,
};

static int store_set(struct writer *w) {
    sqlite3_stmt *q = w->statements[STATEMENT_SET_STORE];
    sqlite3_bind_int64(q, 1, (sqlite3_int64) w->staged_generation);
    sqlite3_bind_int64(q, 2, (sqlite3_int64) w->staged_last_id);
    return statement_run(q);
}

int writer_find_due(struct writer *w) {
    sqlite3_stmt *q = w->statements[STATEMENT_NEXT_DUE];
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        atomic_store(&w->due_ms, sqlite3_column_type(q, 0) == SQLITE_NULL
                                         ? INT64_MAX
                                         : sqlite3_column_int64(q, 0));
    sqlite3_reset(q);
    return rc == SQLITE_ROW ? 0 : database_error(w->db, rc);
}

/* ---- one channel ---- */

/* Up to where publications have expired, exclusive, looking no further than one transaction may
 * delete; and when the first that stays was published, if there is one so near. */
static int find_living(struct writer *w, const struct stored *s, int64_t now_ms,
                       uint64_t *ret_offset, int64_t *ret_time_ms) {
    uint64_t end = s->top - s->first < DROP_MAX ? s->top + 1 : s->first + DROP_MAX;
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_LIVING];
    sqlite3_bind_int64(q, 1, s->id);
    sqlite3_bind_int64(q, 2, (sqlite3_int64) end);
    sqlite3_bind_int64(q, 3, s->ttl_ms > now_ms ? INT64_MIN : now_ms - s->ttl_ms);
    int rc = sqlite3_step(q);
    *ret_offset = rc == SQLITE_ROW ? (uint64_t) sqlite3_column_int64(q, 0) : end;
    *ret_time_ms = rc == SQLITE_ROW ? sqlite3_column_int64(q, 1) : INT64_MIN;
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

static int expire_publications(struct writer *w, struct top *top, int64_t now_ms) {
    struct stored *s = &top->staged;
    uint64_t offset;
    int64_t time_ms;
    int r = find_living(w, s, now_ms, &offset, &time_ms);
    if (r == 0 && offset > s->first)
        r = transaction_drop_below(w, top, offset);
    if (s->first > s->top)
        s->due_ms = later(s->last_ms, s->meta_ttl_ms);
    else if (time_ms == INT64_MIN)
        s->due_ms = now_ms; /* more of them have expired */
    else
        s->due_ms = due_after(time_ms, s->ttl_ms);
    return r;
}

/* Its next stream must not be taken for this one: whoever comes without a row gets a generation
 * that no stream has had. */
static int expire_channel(struct writer *w, struct top *top) {
    struct stored *s = &top->staged;
    sqlite3_stmt *q = w->statements[STATEMENT_DROP_CHANNEL];
    sqlite3_bind_int64(q, 1, s->id);
    int r = statement_run(q);
    q = w->statements[STATEMENT_DROP_VERSION];
    sqlite3_bind_int64(q, 1, s->id);
    if (r == 0)
        r = statement_run(q);
    if (s->generation >= w->staged_generation)
        w->staged_generation = s->generation + 1;
    *s = (struct stored){ .first = 1, .due_ms = INT64_MAX };
    return r;
}

/* A map outlives its stream, whose numbers its keys carry: then it goes on. */
static int has_keys(struct writer *w, const struct stored *s, bool *ret) {
    sqlite3_stmt *q = w->statements[STATEMENT_HAS_KEYS];
    sqlite3_bind_int64(q, 1, s->id);
    int rc = sqlite3_step(q);
    *ret = rc == SQLITE_ROW;
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

static int expire_stream(struct writer *w, struct top *top, int64_t now_ms) {
    bool is_map;
    int r = has_keys(w, &top->staged, &is_map);
    if (r < 0)
        return r;
    if (!is_map)
        return expire_channel(w, top);
    top->staged.due_ms = later(now_ms, top->staged.meta_ttl_ms);
    return 0;
}

static int sweep_channel(struct writer *w, struct top *top, int64_t now_ms) {
    int r = transaction_stage(w, top);
    if (r < 0)
        return r;
    struct stored *s = &top->staged;
    top->is_dirty = true;
    if (s->first <= s->top)
        r = expire_publications(w, top, now_ms);
    else
        s->due_ms = later(s->last_ms, s->meta_ttl_ms);
    if (r == 0 && s->first > s->top && later(s->last_ms, s->meta_ttl_ms) <= now_ms)
        r = expire_stream(w, top, now_ms);
    return r;
}

static int sweep_once(struct writer *w, int64_t now_ms) {
    sqlite3_stmt *q = w->statements[STATEMENT_SWEEP_ONCE];
    sqlite3_bind_int64(q, 1, now_ms);
    sqlite3_bind_int64(q, 2, ONCE_PER_SWEEP);
    int r = statement_run(q);
    if (r < 0)
        return r;
    w->staged_counts.once -= (uint64_t) sqlite3_changes64(w->db);
    q = w->statements[STATEMENT_SWEEP_DENIALS];
    sqlite3_bind_int64(q, 1, now_ms);
    return statement_run(q);
}

/* ---- all of them ---- */

/* They are pinned. The search must be over before its rows are changed. */
static int find_due(struct writer *w, int64_t now_ms, struct top *due[static CHANNELS_PER_SWEEP],
                    size_t *ret_n) {
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_DUE];
    sqlite3_bind_int64(q, 1, now_ms);
    sqlite3_bind_int64(q, 2, CHANNELS_PER_SWEEP);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct str name = { .data = (const char *) sqlite3_column_text(q, 0),
                            .len = (size_t) sqlite3_column_bytes(q, 0) };
        uint64_t hash = table_hash(&w->tops->shards[0].tops.seed, str_bytes(name));
        struct top *top = name.data || name.len == 0 ? tops_pin(w->tops, hash, name) : NULL;
        if (!top) {
            rc = SQLITE_NOMEM;
            break;
        }
        due[(*ret_n)++] = top;
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

/* Those that have no row any more begin anew, in memory too. */
static void publish_expiry(struct writer *w, struct top *top) {
    if (top->stored.id != 0)
        return;
    top->stored.generation = w->generation;
    tops_lock(w->tops, top);
    top->is_known = true;
    top->offset = 0;
    top->generation = w->generation;
    tops_unlock(w->tops, top);
}

bool writer_sweep(struct writer *w) {
    int64_t now_ms = clock_wall_ms();
    struct top *due[CHANNELS_PER_SWEEP];
    size_t n = 0;

    int r = transaction_begin(w);
    if (r == 0)
        r = find_due(w, now_ms, due, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = sweep_channel(w, due[i], now_ms);
    if (r == 0 && n > 0)
        r = store_set(w);
    if (r == 0)
        r = sweep_once(w, now_ms);
    r = transaction_end(w, r);

    for (size_t i = 0; i < n; i++) {
        if (r == 0)
            publish_expiry(w, due[i]);
        tops_unpin(w->tops, due[i]);
    }
    bool has_more = r == 0 && writer_sweep_keys(w);
    if (r < 0 || writer_find_due(w) < 0)
        return false; /* the next tick tries again */
    return has_more || atomic_load(&w->due_ms) <= now_ms;
}

int writer_remove(struct writer *w, uint64_t hash, struct str channel) {
    struct top *top = tops_pin(w->tops, hash, channel);
    if (!top)
        return -ENOMEM;
    int r = transaction_begin(w);
    if (r == 0)
        r = transaction_stage(w, top);
    struct stored *s = &top->staged;
    if (r == 0 && s->first <= s->top) {
        r = transaction_drop_below(w, top, s->top + 1);
        s->due_ms = later(s->last_ms, s->meta_ttl_ms);
        top->is_dirty = true;
    }
    if (r == 0)
        r = store_set(w);
    r = transaction_end(w, r);
    tops_unpin(w->tops, top);
    return r;
}

int writer_forget(struct writer *w, uint64_t hash, struct str channel) {
    struct top *top = tops_pin(w->tops, hash, channel);
    if (!top)
        return -ENOMEM;
    int r = transaction_begin(w);
    if (r == 0)
        r = transaction_stage(w, top);
    struct stored *s = &top->staged;
    bool has_row = r == 0 && s->id != 0;
    if (has_row) {
        sqlite3_stmt *q = w->statements[STATEMENT_DROP_KEYS];
        sqlite3_bind_int64(q, 1, s->id);
        r = statement_run(q);
        if (r == 0 && s->first <= s->top)
            r = transaction_drop_below(w, top, s->top + 1);
        if (r == 0)
            r = expire_channel(w, top);
        if (r == 0)
            r = store_set(w);
    }
    r = transaction_end(w, r);
    if (r == 0 && has_row)
        publish_expiry(w, top);
    tops_unpin(w->tops, top);
    return r;
}
