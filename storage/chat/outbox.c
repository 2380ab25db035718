#include "storage/chat/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/chat/query.h"
#include "storage/chat/tx_impl.h"

enum { CATCH_UP_MAX = 256 }; /* rows read at a time */

void chat_outbox_init(struct outbox *o, size_t out_max) {
    pthread_mutex_init(&o->mutex, NULL);
    o->out_max = out_max ? out_max : CHAT_EVENTS_OUT_MAX;
}

static void free_all(struct chat_event *first) {
    while (first) {
        struct chat_event *next = first->next;
        chat_event_free(first);
        first = next;
    }
}

void chat_outbox_finish(struct outbox *o) {
    free_all(TAKE(o->first));
    free(o->done);
    pthread_mutex_destroy(&o->mutex);
}

void chat_event_free(struct chat_event *e) {
    free(e);
}

static struct chat_event *event_new(struct str channel, struct bytes data) {
    struct chat_event *e = malloc(sizeof *e + channel.len + data.len);
    if (!e)
        return NULL;
    *e = (struct chat_event){ 0 };
    char *text = (char *) (e + 1);
    if (channel.len > 0)
        memcpy(text, channel.data, channel.len);
    if (data.len > 0)
        memcpy(text + channel.len, data.data, data.len);
    e->channel = (struct str){ .data = text, .len = channel.len };
    e->data = bytes_of(text + channel.len, data.len);
    return e;
}

/* ---- any thread ---- */

bool outbox_set_sink(struct outbox *o, chat_sink_fn *sink, void *arg) {
    pthread_mutex_lock(&o->mutex);
    o->sink = sink;
    o->sink_arg = arg;
    pthread_mutex_unlock(&o->mutex);
    return true;
}

/* Without memory their rows stay, and are published once more after a restart: the engine knows
 * their versions. */
static void note_done(struct outbox *o, const int64_t *ids, size_t n) {
    if (o->done_n + n > o->done_cap) {
        size_t cap = (o->done_n + n) * 2;
        int64_t *done = reallocarray(o->done, cap, sizeof *done);
        if (!done)
            return;
        o->done = done;
        o->done_cap = cap;
    }
    memcpy(o->done + o->done_n, ids, n * sizeof *ids);
    o->done_n += n;
}

bool outbox_published(struct outbox *o, const int64_t *ids, size_t n) {
    if (n == 0)
        return false;
    pthread_mutex_lock(&o->mutex);
    note_done(o, ids, n);
    o->out -= n < o->out ? n : o->out;
    pthread_mutex_unlock(&o->mutex);
    return atomic_load(&o->is_behind);
}

bool outbox_has_done(struct outbox *o) {
    pthread_mutex_lock(&o->mutex);
    bool has = o->done_n > 0;
    pthread_mutex_unlock(&o->mutex);
    return has;
}

size_t outbox_out(struct outbox *o) {
    pthread_mutex_lock(&o->mutex);
    size_t out = o->out;
    pthread_mutex_unlock(&o->mutex);
    return out;
}

/* ---- the writer's thread ---- */

int outbox_load(struct outbox *o, struct chat_tx *tx) {
    int64_t rows = 0, top = 0;
    int r = FETCH(tx, &rows, "SELECT count(*) FROM outbox WHERE ?1", NUMBER(1));
    if (r > 0)
        r = FETCH(tx, &top, "SELECT coalesce(max(id), 0) FROM outbox WHERE ?1", NUMBER(1));
    if (r < 0)
        return r;
    atomic_store(&o->rows, (uint64_t) rows);
    o->top_id = top;
    o->handed_id = 0;
    atomic_store(&o->is_behind, rows > 0);
    return 0;
}

int chat_tx_emit(struct chat_tx *tx, struct str channel, struct bytes data, uint64_t ver,
                 unsigned flags) {
    struct outbox *o = tx->outbox;
    if (!o)
        return -EROFS;
    struct chat_event *e = event_new(channel, data);
    if (!e)
        return -ENOMEM;
    e->ver = ver;
    e->flags = flags;
    if (!(flags & CHAT_EMIT_UNKEPT)) {
        int r = RUN(tx, "INSERT INTO outbox(channel, ver, flags, data) VALUES (?1, ?2, ?3, ?4)",
                    TEXT(channel), NUMBER((int64_t) ver), NUMBER(flags), BLOB(data));
        if (r < 0) {
            chat_event_free(e);
            return r;
        }
        e->id = chat_inserted(tx);
    }
    if (o->last)
        o->last->next = e;
    else
        o->first = e;
    o->last = e;
    return 0;
}

/* The ids of `done` do not change their places while it runs: others only append. */
int outbox_delete_done(struct outbox *o, struct chat_tx *tx) {
    pthread_mutex_lock(&o->mutex);
    size_t n = o->done_n;
    pthread_mutex_unlock(&o->mutex);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&o->mutex);
        int64_t first = o->done[i], last = first;
        while (i + 1 < n && o->done[i + 1] == last + 1)
            last = o->done[++i];
        pthread_mutex_unlock(&o->mutex);
        int r = RUN(tx, "DELETE FROM outbox WHERE id BETWEEN ?1 AND ?2", NUMBER(first),
                    NUMBER(last));
        if (r < 0)
            return r;
    }
    o->deleted_n = n;
    return 0;
}

void outbox_undo(struct outbox *o, struct chat_event *last) {
    if (!last) {
        free_all(TAKE(o->first));
    } else {
        free_all(last->next);
        last->next = NULL;
    }
    o->last = last;
}

static void forget_deleted(struct outbox *o) {
    size_t n = o->deleted_n;
    if (n == 0)
        return;
    pthread_mutex_lock(&o->mutex);
    o->done_n -= n;
    memmove(o->done, o->done + n, o->done_n * sizeof *o->done);
    pthread_mutex_unlock(&o->mutex);
    atomic_fetch_sub(&o->rows, n);
    o->deleted_n = 0;
}

/* Kept ones: how many. ret_last: the id of the last one, if there is any. */
static size_t count_kept(const struct chat_event *e, int64_t *ret_last) {
    size_t n = 0;
    for (; e; e = e->next) {
        if (e->id == 0)
            continue;
        n++;
        *ret_last = e->id;
    }
    return n;
}

static struct chat_event *drop_kept(struct chat_event *first) {
    struct chat_event **at = &first;
    while (*at) {
        struct chat_event *e = *at;
        if (e->id == 0) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        chat_event_free(e);
    }
    return first;
}

static void hand_out(struct outbox *o, struct chat_event *first, size_t n_kept) {
    pthread_mutex_lock(&o->mutex);
    chat_sink_fn *sink = o->sink;
    void *arg = o->sink_arg;
    o->out += n_kept;
    pthread_mutex_unlock(&o->mutex);
    if (first && sink)
        sink(first, arg);
    else
        free_all(first);
}

void outbox_settle(struct outbox *o, bool is_committed) {
    if (!is_committed) {
        o->deleted_n = 0;
        outbox_undo(o, NULL);
        return;
    }
    forget_deleted(o);
    struct chat_event *first = TAKE(o->first);
    o->last = NULL;
    if (!first)
        return;

    int64_t top = o->top_id;
    size_t n = count_kept(first, &top);
    atomic_fetch_add(&o->rows, n);
    pthread_mutex_lock(&o->mutex);
    bool has_room = o->sink && o->out + n <= o->out_max;
    pthread_mutex_unlock(&o->mutex);
    bool is_direct = has_room && o->handed_id >= o->top_id;
    o->top_id = top;
    if (is_direct) {
        o->handed_id = top;
    } else if (n > 0) {
        first = drop_kept(first);
        n = 0;
        atomic_store(&o->is_behind, true);
    }
    hand_out(o, first, n);
}

static int read_some(struct outbox *o, struct chat_tx *tx, size_t max, struct chat_event **ret,
                     size_t *ret_n) {
    struct chat_event *first = NULL, **last = &first;
    struct rows rows;
    size_t n = 0;
    int r = QUERY(tx, &rows,
                  "SELECT id, channel, ver, flags, data FROM outbox WHERE id > ?1"
                  " ORDER BY id LIMIT ?2",
                  NUMBER(o->handed_id), NUMBER((int64_t) max));
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct chat_event *e = event_new(row_text(&rows, 1), row_bytes(&rows, 4));
        if (!e) {
            r = -ENOMEM;
            break;
        }
        e->id = row_number(&rows, 0);
        e->ver = (uint64_t) row_number(&rows, 2);
        e->flags = (unsigned) row_number(&rows, 3);
        *last = e;
        last = &e->next;
        n++;
        r = 0;
    }
    rows_end(&rows);
    if (r < 0) {
        free_all(first);
        return r;
    }
    *ret = first;
    *ret_n = n;
    return 0;
}

int outbox_catch_up(struct outbox *o, struct chat_tx *tx) {
    while (atomic_load(&o->is_behind)) {
        pthread_mutex_lock(&o->mutex);
        size_t room = o->sink && o->out < o->out_max ? o->out_max - o->out : 0;
        pthread_mutex_unlock(&o->mutex);
        if (room == 0)
            return 0; /* whoever publishes some, or comes to publish, wakes the writer */

        struct chat_event *first;
        size_t n;
        int r = read_some(o, tx, room < CATCH_UP_MAX ? room : CATCH_UP_MAX, &first, &n);
        if (r < 0)
            return r;
        if (n == 0) {
            o->handed_id = o->top_id;
            atomic_store(&o->is_behind, false);
            return 0;
        }
        for (const struct chat_event *e = first; e; e = e->next)
            o->handed_id = e->id;
        hand_out(o, first, n);
    }
    return 0;
}
