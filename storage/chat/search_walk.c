#include "storage/chat/search_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "storage/chat/tx_impl.h"

enum {
    STEPS_OF_LOOK = 64, /* of SQLite's machine, after which the clock is looked at */
    ROWS_OF_LOOK = 64,  /* the same of messages that are looked at by themselves */
    PLAIN_PART = 4,     /* for those this part of the work, once more */
};

struct walking {
    struct chat_tx *tx;
    const struct search_walk *w;
    struct search_found *found;
    uint64_t until_ns; /* of the thread's clock */
    uint64_t rows;
    unsigned wrong_n;
    bool is_cut;   /* beginnings are, and texts are looked at */
    bool is_plain; /* messages by themselves: so is everything */
};

/* ---- the share of the processor ---- */

/* Of this thread: what else the machine does is no work of ours. */
static uint64_t processor_ns(void) {
    struct timespec t;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void give_work(struct walking *g, uint64_t us) {
    g->until_ns = processor_ns() + us * 1000;
}

/* Called while statements run, and whenever FTS5 has read some of its blocks. */
static int is_spent(void *arg) {
    const struct walking *g = arg;
    return processor_ns() >= g->until_ns;
}

/* ---- one message ---- */

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return x < y ? -1 : x > y;
}

static bool is_in_rooms(const struct search_walk *w, int64_t room) {
    return bsearch(&room, w->rooms, w->rooms_n, sizeof room, by_number);
}

static int check(struct walking *g, const struct rows *rows, bool *ret) {
    const struct search_walk *w = g->w;
    *ret = is_in_rooms(w, row_number(rows, 1)) &&
           (w->author == 0 || row_number(rows, 3) == w->author) &&
           ((unsigned) row_number(rows, 4) & w->flags) == w->flags;
    if (!*ret || !(g->is_cut || g->is_plain))
        return 0;
    int r = chat_search_words_are_in(w->cutter, w->words, row_text(rows, 2), ret);
    g->wrong_n += !*ret;
    return r;
}

enum step { STEP_ON, STEP_FULL, STEP_RARE, STEP_SPENT };

/* Where to go on is moved down to this row. */
static int take(struct walking *g, const struct rows *rows, enum step *ret) {
    struct search_found *found = g->found;
    bool is_wanted;
    int r = check(g, rows, &is_wanted);
    if (r < 0)
        return r;
    if (is_wanted && found->n == g->w->limit) { /* this one is the next page's */
        *ret = STEP_FULL;
        return 0;
    }
    found->below = row_number(rows, 0);
    if (is_wanted)
        found->keys[found->n++] = found->below;
    if (g->is_cut && g->wrong_n >= g->w->wrong_max)
        *ret = STEP_RARE;
    else if (g->is_plain && ++g->rows % ROWS_OF_LOOK == 0 && is_spent(g))
        *ret = STEP_SPENT;
    return 0;
}

/* r: of the query. */
static int take_all(struct walking *g, struct rows *rows, int r, enum step *ret) {
    *ret = STEP_ON;
    while (r == 0 && *ret == STEP_ON && (r = rows_next(rows)) > 0)
        r = take(g, rows, ret);
    rows_end(rows);
    if (r == -EINTR) {
        *ret = STEP_SPENT;
        return 0;
    }
    if (r == 0 && *ret == STEP_ON)
        g->found->below = g->w->from;
    return r;
}

/* ---- all of them ---- */

static int look_in_index(struct walking *g, enum step *ret) {
    struct rows rows;
    sqlite3 *db = g->tx->connection->db;
    sqlite3_progress_handler(db, STEPS_OF_LOOK, is_spent, g);
    int r = QUERY(g->tx, &rows, SEARCH_WALK_SQL, TEXT(g->is_cut ? g->w->cut : g->w->exact),
                  NUMBER(g->w->from), NUMBER(g->found->below));
    r = take_all(g, &rows, r, ret);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return r;
}

static int look_at_messages(struct walking *g, enum step *ret) {
    struct rows rows;
    g->is_plain = true;
    give_work(g, g->tx->limits->search_work_us / PLAIN_PART);
    int r = QUERY(g->tx, &rows,
                  "SELECT key, room, body, author, flags FROM message"
                  " WHERE key >= ?1 AND key < ?2 AND body IS NOT NULL ORDER BY key DESC",
                  NUMBER(g->w->from), NUMBER(g->found->below));
    return take_all(g, &rows, r, ret);
}

static int walk(struct walking *g, enum step *ret) {
    give_work(g, g->tx->limits->search_work_us);
    int r = look_in_index(g, ret);
    if (r == 0 && *ret == STEP_RARE) {
        /* Of few FTS5 has little to collect: fewer than one in so many that the cut one has. */
        g->is_cut = false;
        r = look_in_index(g, ret);
    }
    if (r == 0 && *ret == STEP_SPENT && g->found->below == g->w->below)
        r = look_at_messages(g, ret);
    return r;
}

int search_walk(struct chat_tx *tx, const struct search_walk *w, struct search_found *ret) {
    struct walking g = { .tx = tx, .w = w, .found = ret, .is_cut = w->cut.len > 0 };
    enum step step = STEP_ON;
    ret->below = w->below;
    int r = w->below > w->from ? walk(&g, &step) : 0;
    ret->is_partial = step == STEP_SPENT && ret->below > w->from;
    ret->has_more = step == STEP_FULL || ret->is_partial;
    return r;
}
