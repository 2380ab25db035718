/* Keys of maps whose time is over: each goes with a publication that says so. */
#include <errno.h>

#include "storage/clock.h"
#include "storage/row.h"
#include "storage/sqlite/writer.h"

enum { KEYS_PER_SWEEP = 256 }; /* in one transaction; publishes must not wait long */

/* A key's end. */
struct ending {
    struct top *top; /* pinned */
    struct publication *publication;
};

static int removal_of(struct str channel, struct str key, struct bytes extra,
                      struct publication **ret) {
    struct publication *value;
    int r = row_decode(&(struct row){ .channel = channel, .key = key, .extra = extra }, &value);
    if (r < 0)
        return r;
    *ret = map_removal_of(value);
    publication_unref(value);
    if (!*ret)
        return -ENOMEM;
    (*ret)->time_ms = clock_wall_ms();
    return 0;
}

static int read_ending(struct writer *w, sqlite3_stmt *q, struct ending *ret) {
    struct str channel = statement_str(q, 0);
    int r = removal_of(channel, statement_str(q, 1), statement_bytes(q, 2), &ret->publication);
    if (r < 0)
        return r;
    ret->top = tops_pin(w->tops, engine_hash(w->engine, channel), channel);
    if (!ret->top) {
        ret->publication = publication_unref(ret->publication);
        return -ENOMEM;
    }
    return 0;
}

/* The search must be over before its rows are changed. */
static int find_endings(struct writer *w, struct ending endings[static KEYS_PER_SWEEP],
                        size_t *ret_n) {
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_DUE_KEYS];
    sqlite3_bind_int64(q, 1, clock_wall_ms());
    sqlite3_bind_int64(q, 2, KEYS_PER_SWEEP);
    int r = 0, rc = SQLITE_DONE;
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        r = read_ending(w, q, &endings[*ret_n]);
        *ret_n += r == 0;
    }
    sqlite3_reset(q);
    return r == 0 && rc != SQLITE_DONE ? database_error(w->db, rc) : r;
}

static int end_key(struct writer *w, const struct ending *x) {
    int r = transaction_stage(w, x->top);
    if (r == 0)
        r = transaction_count_keys(w, &x->top->staged);
    if (r < 0)
        return r;
    struct stored *s = &x->top->staged;
    struct keep keep = { .history_size = s->size,
                         .history_ttl_ms = s->ttl_ms,
                         .meta_ttl_ms = s->meta_ttl_ms };
    r = transaction_append(w, x->top, x->publication, &keep);
    if (r < 0)
        return r;
    s->map_keys--;
    sqlite3_stmt *q = w->statements[STATEMENT_DROP_KEY];
    sqlite3_bind_int64(q, 1, s->id);
    statement_bind_bytes(q, 2, str_bytes(x->publication->key));
    return statement_run(q);
}

static int end_keys(struct writer *w, const struct ending *endings, size_t n) {
    int r = distribution_reserve(w->distribution, &w->reserve, n);
    if (r < 0)
        return r;
    r = transaction_begin(w);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = end_key(w, &endings[i]);
    r = transaction_end(w, r);
    if (r < 0) {
        atomic_store(&w->last_error, r);
        return r;
    }
    atomic_fetch_add(&w->engine->ephemera.keys_expired, n);
    for (size_t i = 0; i < n; i++)
        writer_distribute(w, endings[i].top, endings[i].publication);
    wakes_send(&w->wakes);
    return 0;
}

bool writer_sweep_keys(struct writer *w) {
    struct ending endings[KEYS_PER_SWEEP];
    size_t n = 0;
    int r = find_endings(w, endings, &n);
    if (r == 0 && n > 0)
        r = end_keys(w, endings, n);
    for (size_t i = 0; i < n; i++) {
        publication_unref(endings[i].publication);
        tops_unpin(w->tops, endings[i].top);
    }
    return r == 0 && n == KEYS_PER_SWEEP;
}
