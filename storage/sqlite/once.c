/* Publishes that may turn out to do nothing: made before, or of a version that is not newer. */
#include <errno.h>

#include "storage/sqlite/writer.h"

enum { ONCE_SLACK_MS = 10000 }; /* as the due statement has it */

static int find_once(struct writer *w, struct publish_request *request) {
    const struct publication *p = request->publication;
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_ONCE];
    statement_bind_text(q, 1, p->channel);
    statement_bind_bytes(q, 2, str_bytes(request->idempotency_key));
    sqlite3_bind_int64(q, 3, p->time_ms);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        request->is_duplicate = true;
        request->position.offset = (uint64_t) sqlite3_column_int64(q, 1);
        epoch_format(request->position.epoch, w->mark.epoch_base,
                     (uint64_t) sqlite3_column_int64(q, 0));
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

static int add_once(struct writer *w, const struct top *top, const struct publish_request *request,
                    const struct position *position) {
    const struct publication *p = request->publication;
    int64_t expires_ms = later(p->time_ms, publish_idempotency_ttl_ms(request));
    sqlite3_stmt *q = w->statements[STATEMENT_ADD_ONCE];
    statement_bind_text(q, 1, p->channel);
    statement_bind_bytes(q, 2, str_bytes(request->idempotency_key));
    sqlite3_bind_int64(q, 3, (sqlite3_int64) top->staged.generation);
    sqlite3_bind_int64(q, 4, (sqlite3_int64) position->offset);
    sqlite3_bind_int64(q, 5, expires_ms);
    int r = statement_run(q);
    w->staged_counts.once++; /* one too many where an expired one was replaced, until a restart */
    transaction_note_due(w, later(expires_ms, ONCE_SLACK_MS));
    return r;
}

static int check_version(struct writer *w, const struct top *top, struct publish_request *request) {
    if (request->version == 0 || top->staged.id == 0)
        return 0;
    sqlite3_stmt *q = w->statements[STATEMENT_FIND_VERSION];
    sqlite3_bind_int64(q, 1, top->staged.id);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        request->is_stale =
                version_is_stale(request->version, request->version_epoch,
                                 (uint64_t) sqlite3_column_int64(q, 0), statement_str(q, 1));
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : database_error(w->db, rc);
}

static int set_version(struct writer *w, const struct top *top,
                       const struct publish_request *request) {
    if (request->version == 0)
        return 0;
    sqlite3_stmt *q = w->statements[STATEMENT_SET_VERSION];
    sqlite3_bind_int64(q, 1, top->staged.id);
    sqlite3_bind_int64(q, 2, (sqlite3_int64) request->version);
    statement_bind_bytes(q, 3, str_bytes(request->version_epoch));
    return statement_run(q);
}

static int append_versioned(struct writer *w, struct top *top, struct publish_request *request) {
    int r = check_version(w, top, request);
    if (r < 0)
        return r;
    if (request->is_stale) {
        transaction_top(w, top, &request->position);
        atomic_fetch_add(&w->engine->ephemera.stale, 1);
        return 0;
    }
    r = transaction_append(w, top, request->publication, &request->keep);
    return r == 0 ? set_version(w, top, request) : r;
}

static int publish(struct writer *w, struct top *top, struct publish_request *request) {
    bool is_once = request->idempotency_key.len > 0;
    int r = is_once ? find_once(w, request) : 0;
    if (r < 0)
        return r;
    if (request->is_duplicate) {
        if (request->map.is_map)
            request->suppression = MAP_SUPPRESSED_IDEMPOTENCY;
        atomic_fetch_add(&w->engine->ephemera.duplicates, 1);
        return 0;
    }
    if (is_once && w->staged_counts.once >= w->once_max) {
        request->staged_error = -ENOSPC;
        atomic_fetch_add(&w->engine->ephemera.once_refused, 1);
        return 0;
    }
    r = request->map.is_map ? transaction_change_map(w, top, request)
                            : append_versioned(w, top, request);
    if (r == 0 && is_once && !publish_did_nothing(request) && request->staged_error == 0)
        r = add_once(w, top, request, &publish_out(request)->position);
    return r;
}

int transaction_publish(struct writer *w, struct top *top, struct publish_request *request) {
    publish_out(request)->time_ms = request->publication->time_ms;
    int r = publish(w, top, request);
    if (publish_did_nothing(request) || request->staged_error < 0)
        w->staged_nothing++;
    return r;
}
