/* Maps, read from snapshots of the database. */
#include <errno.h>

#include "storage/clock.h"
#include "storage/engine_impl.h"
#include "storage/sqlite/reader.h"
#include "storage/row.h"

/* A question under way; in the asking task's frame. */
struct map_reading {
    struct errand errand;
    const struct map_query *query;
    struct map_cursor cursor;
    uint64_t hash;
    struct map_page page;
    int result;
};

static sqlite3_stmt *choose(struct reader *rd, const struct map_reading *m) {
    const struct map_query *q = m->query;
    if (q->key.len > 0)
        return rd->statements[READ_KEY];
    if (!q->is_ordered)
        return rd->statements[READ_KEYS];
    if (q->asc)
        return rd->statements[READ_KEYS_UP];
    return rd->statements[m->cursor.key.len > 0 ? READ_KEYS_DOWN : READ_KEYS_FROM_TOP];
}

static void bind(sqlite3_stmt *s, const struct map_reading *m, int64_t channel) {
    const struct map_query *q = m->query;
    bool is_begun = m->cursor.key.len > 0;
    sqlite3_bind_int64(s, 1, channel);
    sqlite3_bind_int64(s, 2, clock_wall_ms());
    sqlite3_bind_int64(s, 3, (sqlite3_int64) q->limit + 1); /* is there more? */
    if (sqlite3_bind_parameter_count(s) >= 4)
        statement_bind_bytes(s, 4, str_bytes(q->key.len > 0 ? q->key : m->cursor.key));
    if (sqlite3_bind_parameter_count(s) >= 5)
        sqlite3_bind_int64(s, 5, is_begun ? m->cursor.score : INT64_MIN);
}

static int read_entry(sqlite3_stmt *s, const struct map_reading *m, struct publication **ret) {
    struct row row = { .channel = m->query->channel,
                       .key = statement_str(s, 0),
                       .score = sqlite3_column_int64(s, 1),
                       .version = (uint64_t) sqlite3_column_int64(s, 4),
                       .data = statement_bytes(s, 5),
                       .extra = statement_bytes(s, 6) };
    struct publication *p;
    int r = row_decode(&row, &p);
    if (r < 0)
        return r;
    p->position = m->page.top;
    p->position.offset = (uint64_t) sqlite3_column_int64(s, 2);
    p->time_ms = sqlite3_column_int64(s, 3);
    *ret = p;
    return 0;
}

static int read_entries(struct reader *rd, sqlite3_stmt *s, struct map_reading *m) {
    const struct map_query *q = m->query;
    size_t cap = 0;
    int r = 0, rc = SQLITE_DONE;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (m->page.n == q->limit)
            return map_page_end(&m->page, q, m->page.items[m->page.n - 1]);
        struct publication *p;
        r = read_entry(s, m, &p);
        if (r == 0)
            r = map_page_add(&m->page, &cap, p);
    }
    return r == 0 && rc != SQLITE_DONE ? database_error(rd->db, rc) : r;
}

static int read_page(struct reader *rd, const struct reading *reading, void *arg) {
    struct map_reading *m = arg;
    m->page.top = reading->top;
    if (reading->id == 0 || m->query->limit == 0)
        return 0;
    sqlite3_stmt *s = choose(rd, m);
    bind(s, m, reading->id);
    int r = read_entries(rd, s, m);
    sqlite3_reset(s);
    return r;
}

static void read_run(struct errand *errand, void *where) {
    struct map_reading *m = CONTAINER_OF(errand, struct map_reading, errand);
    m->result = reader_read(where, m->hash, m->query->channel, read_page, m);
}

int readers_read_map(struct readers *rs, uint64_t hash, const struct map_query *q,
                     struct map_page *ret) {
    struct map_reading m = { .errand.run = read_run, .query = q, .hash = hash };
    int r = map_cursor_read(q, &m.cursor);
    if (r == 0)
        r = readers_ask(rs, &m.errand);
    if (r == 0)
        r = m.result;
    if (r < 0) {
        map_page_finish(&m.page);
        return r;
    }
    *ret = m.page;
    return 0;
}

struct key_counting {
    struct errand errand;
    struct str channel;
    uint64_t n;
    int result;
};

static void count_run(struct errand *errand, void *where) {
    struct key_counting *c = CONTAINER_OF(errand, struct key_counting, errand);
    struct reader *rd = where;
    sqlite3_stmt *s = rd->statements[READ_COUNT_KEYS];
    statement_bind_text(s, 1, c->channel);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        c->n = (uint64_t) sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    c->result = rc == SQLITE_ROW ? 0 : -EIO;
}

int readers_count_keys(struct readers *rs, struct str channel, uint64_t *ret) {
    struct key_counting c = { .errand.run = count_run, .channel = channel };
    int r = readers_ask(rs, &c.errand);
    if (r == 0)
        r = c.result;
    if (r == 0)
        *ret = c.n;
    return r;
}
