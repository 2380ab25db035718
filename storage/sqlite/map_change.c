/* Maps that are kept: state and stream change in one transaction. */
#include <errno.h>

#include "storage/row.h"
#include "storage/sqlite/writer.h"

int transaction_count_keys(struct writer *w, struct stored *s) {
    if (s->has_map_keys)
        return 0;
    sqlite3_stmt *q = w->statements[STATEMENT_COUNT_KEYS];
    sqlite3_bind_int64(q, 1, s->id);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        s->map_keys = (uint32_t) sqlite3_column_int64(q, 0);
        s->has_map_keys = true;
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW ? 0 : database_error(w->db, rc);
}

/* What the database has of a key. */
struct found {
    int64_t id; /* 0: nothing */
    enum map_suppression suppression;
};

static void know(struct writer *w, const struct top *top, sqlite3_stmt *q, int64_t now_ms,
                 struct map_known *ret) {
    if (sqlite3_column_type(q, 2) != SQLITE_NULL && sqlite3_column_int64(q, 2) <= now_ms)
        return;
    *ret = (struct map_known){ .exists = true,
                               .version = (uint64_t) sqlite3_column_int64(q, 3),
                               .version_epoch = statement_str(q, 4) };
    transaction_top(w, top, &ret->position);
    ret->position.offset = (uint64_t) sqlite3_column_int64(q, 1);
}

static int find(struct writer *w, const struct top *top, const struct publish_request *request,
                struct found *ret) {
    const struct publication *p = request->publication;
    struct map_known known = { 0 };
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_KEY];
    sqlite3_bind_int64(q, 1, top->staged.id);
    statement_bind_bytes(q, 2, str_bytes(p->key));
    int rc = top->staged.id != 0 ? sqlite3_step(q) : SQLITE_DONE;
    *ret = (struct found){ 0 };
    if (rc == SQLITE_ROW) {
        ret->id = sqlite3_column_int64(q, 0);
        know(w, top, q, p->time_ms, &known);
    }
    ret->suppression = map_decide(request, &known); /* before its epoch is gone with the row */
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

static int64_t expiry_of(const struct publish_request *request) {
    return later(request->publication->time_ms, request->map.key_ttl_ms);
}

static int suppress(struct writer *w, const struct top *top, struct publish_request *request,
                    const struct found *found) {
    request->suppression = found->suppression;
    transaction_top(w, top, &request->position);
    atomic_fetch_add(&w->engine->ephemera.suppressed, 1);
    if (!request->map.refreshes_ttl || found->suppression != MAP_SUPPRESSED_KEY_EXISTS)
        return 0;
    sqlite3_stmt *q = w->statements[STATEMENT_RENEW_KEY];
    sqlite3_bind_int64(q, 1, found->id);
    if (request->map.key_ttl_ms > 0)
        sqlite3_bind_int64(q, 2, expiry_of(request));
    else
        sqlite3_bind_null(q, 2);
    return statement_run(q);
}

static int put_key(struct writer *w, const struct top *top, const struct publish_request *request) {
    const struct publication *p = request->publication;
    sqlite3_stmt *q = w->statements[STATEMENT_PUT_KEY];
    buffer_reset(&w->extra);
    row_encode_extra(p, true, &w->extra);
    int r = buffer_error(&w->extra);
    if (r < 0)
        return r;
    sqlite3_bind_int64(q, 1, top->staged.id);
    statement_bind_bytes(q, 2, str_bytes(p->key));
    sqlite3_bind_int64(q, 3, p->score);
    sqlite3_bind_int64(q, 4, (sqlite3_int64) top->staged.top);
    sqlite3_bind_int64(q, 5, p->time_ms);
    if (request->map.key_ttl_ms > 0) {
        sqlite3_bind_int64(q, 6, expiry_of(request));
        transaction_note_due(w, expiry_of(request));
    } else {
        sqlite3_bind_null(q, 6);
    }
    sqlite3_bind_int64(q, 7, (sqlite3_int64) request->version);
    statement_bind_bytes(q, 8, str_bytes(request->version_epoch));
    statement_bind_bytes(q, 9, p->data);
    if (w->extra.len > 0)
        sqlite3_bind_blob64(q, 10, w->extra.data, w->extra.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, 10);
    return statement_run(q);
}

static int drop_key(struct writer *w, const struct top *top, struct str key) {
    sqlite3_stmt *q = w->statements[STATEMENT_DROP_KEY];
    sqlite3_bind_int64(q, 1, top->staged.id);
    statement_bind_bytes(q, 2, str_bytes(key));
    return statement_run(q);
}

int transaction_change_map(struct writer *w, struct top *top, struct publish_request *request) {
    struct publication *p = request->publication, *out = publish_out(request);
    struct stored *s = &top->staged;
    struct found found;
    int r = find(w, top, request, &found);
    if (r < 0)
        return r;
    if (found.suppression != MAP_NOT_SUPPRESSED)
        return suppress(w, top, request, &found);
    r = transaction_count_keys(w, s);
    if (r < 0)
        return r;
    size_t keys_max = request->map.keys_max ? request->map.keys_max : w->map_keys_max;
    if (found.id == 0 && s->map_keys >= keys_max) {
        request->staged_error = -EDQUOT;
        atomic_fetch_add(&w->engine->ephemera.keys_refused, 1);
        return 0;
    }

    r = transaction_append(w, top, out, &request->keep);
    if (r < 0)
        return r;
    if (p->is_removed) {
        s->map_keys--;
        return drop_key(w, top, p->key);
    }
    if (p != out)
        p->time_ms = out->time_ms;
    s->map_keys += found.id == 0;
    return put_key(w, top, request);
}
