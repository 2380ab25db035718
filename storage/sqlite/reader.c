#include "storage/sqlite/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/clock.h"
#include "storage/engine_impl.h"
#include "storage/row.h"

enum {
    /* The moment between a commit that begins or ends a stream and its distribution. */
    DISAGREEMENTS_MAX = 10000,
    DISAGREEMENT_US = 100,
    ITEMS_MIN = 16,
};

const char *const reader_sql[READ_STATEMENTS] = {
    [READ_BEGIN] = "BEGIN",
    [READ_END] = "ROLLBACK",
    /* One row always; id NULL: the channel has none. */
    [READ_CHANNEL] = "SELECT c.id, coalesce(c.generation, s.generation),"
                     " max(coalesce(c.top, 0), coalesce((SELECT p.offset FROM publication p"
                     "   WHERE p.channel = c.id ORDER BY p.offset DESC LIMIT 1), 0))"
                     " FROM store s LEFT JOIN channel c ON c.name = ?1",
    [READ_FORWARD] = "SELECT offset, time_ms, data, extra FROM publication"
                     " WHERE channel = ?1 AND offset BETWEEN ?2 AND ?3 ORDER BY offset",
    [READ_BACKWARD] = "SELECT offset, time_ms, data, extra FROM publication"
                      " WHERE channel = ?1 AND offset BETWEEN ?2 AND ?3 ORDER BY offset DESC",
#define KEYS                                                                                       \
    "SELECT key, score, offset, time_ms, version, data, extra FROM map_entry"                      \
    " WHERE channel = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)"
    [READ_KEY] = KEYS " AND key = ?4 LIMIT ?3",
    [READ_KEYS] = KEYS " AND key > ?4 ORDER BY key LIMIT ?3",
    [READ_KEYS_UP] = KEYS " AND (score, key) > (?5, ?4) ORDER BY score, key LIMIT ?3",
    [READ_KEYS_DOWN] = KEYS " AND (score, key) < (?5, ?4) ORDER BY score DESC, key DESC LIMIT ?3",
    [READ_KEYS_FROM_TOP] = KEYS " ORDER BY score DESC, key DESC LIMIT ?3",
#undef KEYS
    [READ_COUNT_KEYS] = "SELECT count(*) FROM map_entry m JOIN channel c ON c.id = m.channel"
                        " WHERE c.name = ?1",
};

/* A question under way; in the asking task's frame. */
struct read {
    struct errand errand;
    const struct history_query *query;
    uint64_t hash;
    struct page page;
    int result;

    /* Under asking_mutex, as are page and result while it is linked. */
    struct link asking; /* unlinked: answered, or given up */
    uint64_t number;
};

/* ---- the page ---- */

static int page_add(struct page *page, size_t *cap, struct publication *p) {
    if (page->n == *cap) {
        size_t bigger = *cap ? *cap * 2 : ITEMS_MIN;
        struct publication **items = reallocarray(page->items, bigger, sizeof *items);
        if (!items) {
            publication_unref(p);
            return -ENOMEM;
        }
        page->items = items;
        *cap = bigger;
    }
    page->items[page->n++] = p;
    return 0;
}

static int read_row(sqlite3_stmt *s, const struct history_query *q, const struct page *page,
                    struct publication **ret) {
    struct publication *p;
    struct row row = { .channel = q->channel,
                       .data = statement_bytes(s, 2),
                       .extra = statement_bytes(s, 3) };
    int r = row_decode(&row, &p);
    if (r < 0)
        return r;
    p->position = page->top;
    p->position.offset = (uint64_t) sqlite3_column_int64(s, 0);
    p->time_ms = sqlite3_column_int64(s, 1);
    *ret = p;
    return 0;
}

/* The bounds of what the query may see, both inclusive. */
static void bounds(const struct history_query *q, uint64_t top, uint64_t *ret_from,
                   uint64_t *ret_to) {
    uint64_t from = top > q->keep.history_size ? top - q->keep.history_size + 1 : 1, to = top;
    if (q->has_since && !q->reverse && q->since_offset >= from)
        from = q->since_offset < top ? q->since_offset + 1 : top + 1;
    if (q->has_since && q->reverse && q->since_offset <= to)
        to = q->since_offset > 0 ? q->since_offset - 1 : 0;
    *ret_from = from;
    *ret_to = to;
}

static int read_items(struct reader *rd, int64_t channel, const struct history_query *q,
                      struct page *page) {
    uint64_t from, to;
    bounds(q, page->top.offset, &from, &to);
    if (from > to)
        return 0;
    int64_t now_ms = clock_wall_ms(), ttl_ms = q->keep.history_ttl_ms;
    int64_t expired_ms = ttl_ms > now_ms ? INT64_MIN : now_ms - ttl_ms;
    sqlite3_stmt *s = rd->statements[q->reverse ? READ_BACKWARD : READ_FORWARD];
    sqlite3_bind_int64(s, 1, channel);
    sqlite3_bind_int64(s, 2, (sqlite3_int64) from);
    sqlite3_bind_int64(s, 3, (sqlite3_int64) to);

    size_t cap = 0;
    int r = 0, rc = SQLITE_DONE;
    while (r == 0 && page->n < q->limit && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (sqlite3_column_int64(s, 1) <= expired_ms) {
            if (q->reverse)
                break; /* and so is all below: their times are in order */
            continue;
        }
        struct publication *p;
        r = read_row(s, q, page, &p);
        if (r == 0)
            r = page_add(page, &cap, p);
    }
    if (r == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = database_error(rd->db, rc);
    sqlite3_reset(s);
    return r;
}

/* ---- the snapshot ---- */

/* -EAGAIN: the snapshot and what is distributed are of different streams, for a moment. */
static int agree(struct reader *rd, struct top *top, bool has_row, uint64_t generation,
                 uint64_t offset, struct position *ret) {
    struct tops *tops = rd->readers->tops;
    tops_lock(tops, top);
    if (!top->is_known) {
        top->is_known = true;
        top->offset = offset;
        top->generation = generation;
    }
    uint64_t distributed = top->offset, current = top->generation;
    tops_unlock(tops, top);

    if (has_row ? generation != current : distributed != 0)
        return -EAGAIN;
    ret->offset = offset < distributed ? offset : distributed;
    epoch_format(ret->epoch, rd->readers->epoch_base, current);
    return 0;
}

static int read_channel(struct reader *rd, struct str channel, bool *ret_has_row, int64_t *ret_id,
                        uint64_t *ret_generation, uint64_t *ret_offset) {
    sqlite3_stmt *s = rd->statements[READ_CHANNEL];
    sqlite3_bind_text(s, 1, channel.data, (int) channel.len, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *ret_has_row = sqlite3_column_type(s, 0) != SQLITE_NULL;
        *ret_id = sqlite3_column_int64(s, 0);
        *ret_generation = (uint64_t) sqlite3_column_int64(s, 1);
        *ret_offset = (uint64_t) sqlite3_column_int64(s, 2);
    }
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -EBADMSG : database_error(rd->db, rc);
}

static int read_snapshot(struct reader *rd, struct top *top, struct str channel, reading_fn *fn,
                         void *arg) {
    bool has_row = false; /* all set by read_channel(), which gcc does not see at -O1 */
    int64_t id = 0;
    uint64_t generation = 0, offset = 0;
    int r = statement_run(rd->statements[READ_BEGIN]);
    if (r < 0)
        return r;
    struct reading reading = { 0 };
    r = read_channel(rd, channel, &has_row, &id, &generation, &offset);
    if (r == 0)
        r = agree(rd, top, has_row, generation, offset, &reading.top);
    reading.id = has_row ? id : 0;
    if (r == 0)
        r = fn(rd, &reading, arg);
    int ended = statement_run(rd->statements[READ_END]);
    return r < 0 ? r : ended;
}

int reader_read(struct reader *rd, uint64_t hash, struct str channel, reading_fn *fn, void *arg) {
    struct tops *tops = rd->readers->tops;
    struct top *top = tops_pin(tops, hash, channel);
    int r = -ENOMEM;
    for (int i = 0; top && i < DISAGREEMENTS_MAX; i++) {
        r = read_snapshot(rd, top, channel, fn, arg);
        if (r != -EAGAIN)
            break;
        (void) usleep(DISAGREEMENT_US);
    }
    if (top)
        tops_unpin(tops, top);
    return r == 0 || r == -ENOMEM ? r : -EIO;
}

static int read_page(struct reader *rd, const struct reading *reading, void *arg) {
    struct read *read = arg;
    const struct history_query *q = read->query;
    read->page.top = reading->top;
    if (reading->id == 0 || q->limit == 0 || keep_is_nothing(&q->keep))
        return 0;
    return read_items(rd, reading->id, q, &read->page);
}

/* ---- many who ask the same ---- */

/* After a restart everybody who followed a channel comes back with one and the same position. */
static struct list *asking_of(struct readers *rs, uint64_t hash) {
    return &rs->asking[hash % READS_BUCKETS];
}

static bool asks_the_same(const struct read *a, const struct read *b) {
    const struct history_query *p = a->query, *q = b->query;
    return a->hash == b->hash && p->has_since == q->has_since &&
           p->since_offset == q->since_offset && p->limit == q->limit && p->reverse == q->reverse &&
           p->keep.history_size == q->keep.history_size &&
           p->keep.history_ttl_ms == q->keep.history_ttl_ms && str_equal(p->channel, q->channel);
}

static void asking_begin(struct readers *rs, struct read *read) {
    pthread_mutex_lock(&rs->asking_mutex);
    read->number = rs->asked++;
    list_append(asking_of(rs, read->hash), &read->asking);
    pthread_mutex_unlock(&rs->asking_mutex);
}

/* From then on nobody else writes into it. */
static void asking_end(struct readers *rs, struct read *read) {
    pthread_mutex_lock(&rs->asking_mutex);
    list_remove(&read->asking);
    pthread_mutex_unlock(&rs->asking_mutex);
}

/* false: without memory; it will read for itself. */
static bool page_copy(const struct page *from, struct page *ret) {
    struct page copy = { .top = from->top, .n = from->n };
    if (from->n > 0) {
        copy.items = reallocarray(NULL, from->n, sizeof(struct publication *));
        if (!copy.items)
            return false;
        for (size_t i = 0; i < from->n; i++)
            copy.items[i] = publication_ref(from->items[i]);
    }
    *ret = copy;
    return true;
}

/* Those who asked before the snapshot was taken: it is as new as one of their own. */
static void answer_others(struct readers *rs, const struct read *read, uint64_t before) {
    pthread_mutex_lock(&rs->asking_mutex);
    LIST_FOREACH_SAFE (asking_of(rs, read->hash), k, after) {
        struct read *other = CONTAINER_OF(k, struct read, asking);
        if (other->number >= before)
            break; /* they are in order */
        if (other != read && asks_the_same(other, read) && page_copy(&read->page, &other->page))
            list_remove(&other->asking);
    }
    pthread_mutex_unlock(&rs->asking_mutex);
}

/* true: it has been answered already. */
static bool is_answered(struct readers *rs, const struct read *read, uint64_t *ret_before) {
    pthread_mutex_lock(&rs->asking_mutex);
    bool is_answered = !link_is_linked(&read->asking);
    *ret_before = rs->asked;
    pthread_mutex_unlock(&rs->asking_mutex);
    return is_answered;
}

static void read_run(struct errand *errand, void *where) {
    struct read *read = CONTAINER_OF(errand, struct read, errand);
    struct reader *rd = where;
    uint64_t before;
    if (is_answered(rd->readers, read, &before))
        return;
    asking_end(rd->readers, read);
    read->result = reader_read(rd, read->hash, read->query->channel, read_page, read);
    if (read->result < 0)
        page_finish(&read->page);
    else
        answer_others(rd->readers, read, before);
}

/* ---- threads ---- */

static void reader_run(void *arg) {
    struct reader *rd = arg;
    atomic_store(&rd->is_busy, true);
    while (errand_run_next(&rd->readers->errands, rd))
        ;
    atomic_store(&rd->is_busy, false);
}

/* Some lane is always kicked, so that none may overlook the question; an idle one, if there is one.
 */
static void kick(void *arg) {
    struct readers *rs = arg;
    for (unsigned i = 0; i < rs->n; i++) {
        if (!atomic_load(&rs->all[i].is_busy)) {
            lane_kick(rs->all[i].lane);
            return;
        }
    }
    lane_kick(rs->all[atomic_fetch_add(&rs->next, 1) % rs->n].lane);
}

int readers_ask(struct readers *rs, struct errand *errand) {
    atomic_fetch_add_explicit(&rs->reads, 1, memory_order_relaxed);
    return errand_send(&rs->errands, errand, kick, rs);
}

int readers_read(struct readers *rs, uint64_t hash, const struct history_query *q,
                 struct page *ret) {
    struct read read = { .errand.run = read_run, .query = q, .hash = hash };
    asking_begin(rs, &read);
    int r = readers_ask(rs, &read.errand);
    asking_end(rs, &read);
    if (r == 0)
        r = read.result;
    if (r < 0) {
        page_finish(&read.page);
        return r;
    }
    *ret = read.page;
    return 0;
}

void readers_init(struct readers *rs, unsigned n, struct tops *tops, const char *epoch_base) {
    errands_init(&rs->errands, READS_MAX);
    pthread_mutex_init(&rs->asking_mutex, NULL);
    for (size_t i = 0; i < READS_BUCKETS; i++)
        list_init(&rs->asking[i]);
    rs->tops = tops;
    rs->epoch_base = epoch_base;
    rs->n = n < READERS_MAX ? n : READERS_MAX;
    for (unsigned i = 0; i < rs->n; i++)
        rs->all[i].readers = rs;
}

int readers_start(struct readers *rs) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < rs->n; i++)
        r = lane_open("db-reader", reader_run, &rs->all[i], &rs->all[i].lane);
    return r;
}

void readers_stop(struct readers *rs) {
    for (unsigned i = 0; i < rs->n; i++)
        rs->all[i].lane = lane_close(rs->all[i].lane);
}

int readers_connect(struct readers *rs, const char *path, const char *vfs) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < rs->n; i++) {
        struct reader *rd = &rs->all[i];
        r = database_open(path, vfs, DATABASE_READER, &rd->db);
        if (r == 0)
            r = statements_prepare(rd->db, reader_sql, READ_STATEMENTS, rd->statements);
    }
    return r;
}

void readers_disconnect(struct readers *rs) {
    for (unsigned i = 0; i < rs->n; i++) {
        statements_finish(rs->all[i].statements, READ_STATEMENTS);
        rs->all[i].db = database_close(rs->all[i].db);
    }
}

void readers_finish(struct readers *rs) {
    errands_finish(&rs->errands);
    pthread_mutex_destroy(&rs->asking_mutex);
}
