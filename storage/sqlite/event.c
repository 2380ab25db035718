/* The queue of events: committed with the publishes that came meanwhile. */
#include "storage/event.h"

#include <errno.h>

#include "protocol/buffer.h"
#include "storage/clock.h"
#include "storage/sqlite/writer.h"

/* ---- waiting for the writer ---- */

bool writer_put_event(struct writer *w, struct event_request *request) {
    request->next = NULL;
    pthread_mutex_lock(&w->events_mutex);
    bool was_empty = !w->first_event;
    *w->last_event = request;
    w->last_event = &request->next;
    pthread_mutex_unlock(&w->events_mutex);
    return was_empty;
}

struct event_request *writer_take_events(struct writer *w, size_t max) {
    pthread_mutex_lock(&w->events_mutex);
    struct event_request *first = w->first_event, **last = &w->first_event;
    for (size_t n = 0; *last && n < max; last = &(*last)->next)
        n += (*last)->n;
    struct event_request *rest = *last;
    *last = NULL;
    w->first_event = rest;
    if (!rest)
        w->last_event = &w->first_event;
    pthread_mutex_unlock(&w->events_mutex);
    return first;
}

/* ---- appending ---- */

static int add_event(struct writer *w, const struct event_item *q) {
    sqlite3_stmt *s = w->statements[STATEMENT_ADD_EVENT];
    statement_bind_text(s, 1, q->queue);
    sqlite3_bind_int64(s, 2, q->time_ms);
    statement_bind_bytes(s, 3, str_bytes(q->subject));
    statement_bind_bytes(s, 4, q->payload);
    int r = statement_run(s);
    w->staged_counts.events += r == 0;
    return r;
}

static int stand(struct writer *w, const struct event_item *q) {
    sqlite3_stmt *s = w->statements[STATEMENT_STAND];
    statement_bind_text(s, 1, q->queue);
    statement_bind_bytes(s, 2, str_bytes(q->subject));
    statement_bind_bytes(s, 3, q->end);
    return statement_run(s);
}

static int fall(struct writer *w, const struct event_item *q, bool *ret_stood) {
    sqlite3_stmt *s = w->statements[STATEMENT_FALL];
    statement_bind_text(s, 1, q->queue);
    statement_bind_bytes(s, 2, str_bytes(q->subject));
    int r = statement_run(s);
    *ret_stood = r == 0 && sqlite3_changes64(w->db) > 0;
    return r;
}

static int append(struct writer *w, const struct event_item *q, size_t *dropped) {
    int r = 0;
    if (q->effect == EVENT_ENDS) { /* whatever the limit: its beginning was counted */
        bool stood;
        r = fall(w, q, &stood);
        return r < 0 || !stood ? r : add_event(w, q);
    }
    if (w->staged_counts.events >= w->events_max) {
        (*dropped)++;
        return 0;
    }
    if (q->effect == EVENT_BEGINS || q->effect == EVENT_STANDS)
        r = stand(w, q);
    return r < 0 || q->effect == EVENT_STANDS ? r : add_event(w, q);
}

int transaction_add_events(struct writer *w, struct event_request *events) {
    int r = 0;
    for (struct event_request *q = events; r == 0 && q; q = q->next) {
        q->dropped = 0;
        for (size_t i = 0; r == 0 && i < q->n; i++)
            r = append(w, &q->items[i], &q->dropped);
    }
    return r;
}

/* ---- taking out ---- */

struct taking {
    struct str queue;
    uint64_t after;
    uint32_t limit;
    size_t max_bytes;
    struct events events;
};

static int run_next(struct writer *w, void *arg) {
    struct taking *t = arg;
    struct buffer text = BUFFER_INIT;
    sqlite3_stmt *s = w->statements[STATEMENT_FIND_EVENTS];
    statement_bind_text(s, 1, t->queue);
    sqlite3_bind_int64(s, 2, (sqlite3_int64) t->after);
    sqlite3_bind_int64(s, 3, t->limit);
    size_t bytes = 0;
    int r = 0, rc = SQLITE_DONE;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct bytes payload = statement_bytes(s, 3);
        bytes += payload.len;
        if (t->events.n > 0 && bytes > t->max_bytes) {
            rc = SQLITE_DONE;
            break;
        }
        r = events_add(&t->events, &text, (uint64_t) sqlite3_column_int64(s, 0),
                       sqlite3_column_int64(s, 1), statement_str(s, 2), payload);
    }
    sqlite3_reset(s);
    events_settle(&t->events, &text);
    return r == 0 && rc != SQLITE_DONE ? database_error(w->db, rc) : r;
}

int writer_events_next(struct writer *w, struct str queue, uint64_t after, uint32_t limit,
                       size_t max_bytes, struct events *ret) {
    struct taking t = { .queue = queue, .after = after, .limit = limit, .max_bytes = max_bytes };
    int r = writer_order(w, false, run_next, &t);
    if (r < 0) {
        events_finish(&t.events);
        return r == -ENOMEM || r == -ENOBUFS || r == -ECANCELED || r == -ETIMEDOUT ? r : -EIO;
    }
    *ret = t.events;
    return 0;
}

struct ids {
    const uint64_t *all;
    size_t n;
};

static int run_done(struct writer *w, void *arg) {
    const struct ids *ids = arg;
    sqlite3_stmt *s = w->statements[STATEMENT_DROP_EVENT];
    int r = 0;
    for (size_t i = 0; r == 0 && i < ids->n; i++) {
        sqlite3_bind_int64(s, 1, (sqlite3_int64) ids->all[i]);
        r = statement_run(s);
        w->staged_counts.events -= r == 0 ? (uint64_t) sqlite3_changes64(w->db) : 0;
    }
    return r;
}

int writer_events_done(struct writer *w, const uint64_t *ids, size_t n) {
    return writer_order(w, true, run_done, &(struct ids){ .all = ids, .n = n });
}

/* ---- at the start ---- */

static int run_end_standing(struct writer *w, void *arg) {
    sqlite3_stmt *s = w->statements[STATEMENT_END_STANDING];
    sqlite3_bind_int64(s, 1, clock_wall_ms());
    int r = statement_run(s);
    if (r < 0)
        return r;
    w->staged_counts.events += (uint64_t) sqlite3_changes64(w->db);
    return statement_run(w->statements[STATEMENT_DROP_STANDING]);
}

int writer_events_end_standing(struct writer *w) {
    return writer_order(w, true, run_end_standing, NULL);
}

struct queues {
    const struct str *all;
    size_t n;
    uint64_t dropped;
};

/* Built once at the start: not worth a kept statement for each number of names. */
static int drop_others(struct writer *w, const char *table, const struct queues *q) {
    struct buffer sql = BUFFER_INIT;
    buffer_printf(&sql, "DELETE FROM %s WHERE queue NOT IN (", table);
    for (size_t i = 0; i < q->n; i++)
        buffer_append_str(&sql, i ? STR(", ?") : STR("?"));
    buffer_append_byte(&sql, ')');
    sqlite3_stmt *s = NULL;
    int r = buffer_error(&sql);
    if (r == 0) {
        int rc = sqlite3_prepare_v2(w->db, (const char *) sql.data, (int) sql.len, &s, NULL);
        r = rc == SQLITE_OK ? 0 : database_error(w->db, rc);
    }
    for (size_t i = 0; r == 0 && i < q->n; i++)
        statement_bind_text(s, (int) i + 1, q->all[i]);
    if (r == 0)
        r = statement_run(s);
    sqlite3_finalize(s);
    buffer_finish(&sql);
    return r;
}

static int run_keep_queues(struct writer *w, void *arg) {
    struct queues *q = arg;
    int r = drop_others(w, "event", q);
    if (r < 0)
        return r;
    q->dropped = (uint64_t) sqlite3_changes64(w->db);
    w->staged_counts.events -= q->dropped;
    return drop_others(w, "standing", q);
}

int writer_events_keep_queues(struct writer *w, const struct str *queues, size_t n,
                              uint64_t *ret_n) {
    struct queues q = { .all = queues, .n = n };
    int r = writer_order(w, true, run_keep_queues, &q);
    if (r == 0)
        *ret_n = q.dropped;
    return r;
}
