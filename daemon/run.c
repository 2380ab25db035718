#include "daemon/run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/channel.h"
#include "daemon/outbox.h"
#include "daemon/session/session.h"
#include "daemon/special.h"
#include "daemon/wire_page.h"

enum {
    MAX_BYTES = 65536, /* a longer run goes to the outboxes */
    TRIM_BYTES = 4096, /* that everybody has had, for the rest to be copied */
    CROWD = 256,       /* fewer are left to the outboxes when other channels have much to send */
};

static uint32_t lane_bytes(const struct lane *l) {
    return l->batch ? (uint32_t) l->batch->bytes.len : 0;
}

static uint32_t run_bytes(const struct channel *c) {
    uint32_t most = 0;
    for (unsigned i = 0; i < c->n_lanes; i++)
        if (lane_bytes(&c->lanes[i]) > most)
            most = lane_bytes(&c->lanes[i]);
    return most;
}

static void run_reset(struct channel *c) {
    for (unsigned i = 0; i < c->n_lanes; i++)
        c->lanes[i].batch = batch_unref(c->lanes[i].batch);
    free(c->run.marks);
    c->run = (struct run){ 0 };
}

void run_drop(struct channel *c) {
    if (link_is_linked(&c->dirty) && !c->run.is_begun)
        c->all->n_dirty--;
    list_remove(&c->dirty);
    run_reset(c);
}

/* ---- marks: where those stand who have had a part of it ---- */

struct run_mark {
    uint32_t count;            /* of publications before it */
    uint32_t at[WIRE_FORMATS]; /* bytes before it */
};

/* In ascending order. */
struct run_marks {
    uint32_t n, capacity;
    uint32_t hint; /* the one asked for last: the next one asks for the same, mostly */
    struct run_mark items[];
};

static int make_room(struct run *r) {
    struct run_marks *m = r->marks;
    if (m && m->n < m->capacity)
        return 0;
    uint32_t capacity = m ? m->capacity * 2 : 8;
    m = realloc(m, sizeof *m + capacity * sizeof *m->items);
    if (!m)
        return -ENOMEM;
    if (!r->marks)
        *m = (struct run_marks){ 0 };
    m->capacity = capacity;
    r->marks = m;
    return 0;
}

/* At what is the end now. */
static int mark_end(struct channel *c) {
    struct run *r = &c->run;
    if (r->marks && r->marks->items[r->marks->n - 1].count == r->count)
        return 0;
    if (make_room(r) < 0)
        return -ENOMEM;
    struct run_mark *k = &r->marks->items[r->marks->n++];
    *k = (struct run_mark){ .count = r->count };
    for (unsigned i = 0; i < c->n_lanes; i++)
        k->at[c->lanes[i].format] = lane_bytes(&c->lanes[i]);
    return 0;
}

static const struct run_mark *mark_find(struct run_marks *m, uint32_t count) {
    if (!m || m->items[m->hint].count == count)
        return m ? &m->items[m->hint] : NULL;
    uint32_t from = 0, to = m->n;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (m->items[middle].count < count)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == m->n || m->items[from].count != count)
        return NULL;
    m->hint = from;
    return &m->items[from];
}

/* ---- what everybody has had is let go of ---- */

static int copy_rest(struct channel *c, const struct run_mark *from, struct batch **ret) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < c->n_lanes; i++) {
        const struct lane *l = &c->lanes[i];
        if (!l->batch)
            continue;
        ret[l->format] = batch_new(c->all->batches);
        if (!ret[l->format])
            return -ENOMEM;
        uint32_t at = from->at[l->format];
        buffer_append(&ret[l->format]->bytes, l->batch->bytes.data + at, lane_bytes(l) - at);
        r = buffer_error(&ret[l->format]->bytes);
    }
    return r;
}

static void marks_shift(struct run_marks *m, uint32_t by) {
    struct run_mark first = m->items[by];
    m->n -= by;
    m->hint = 0;
    memmove(m->items, m->items + by, m->n * sizeof *m->items);
    for (uint32_t i = 0; i < m->n; i++) {
        m->items[i].count -= first.count;
        for (unsigned f = 0; f < WIRE_FORMATS; f++)
            m->items[i].at[f] -= first.at[f];
    }
}

/* Without memory for it the run stays as it is, and goes to the outboxes once it is too long. */
static void forget_first(struct channel *c, uint32_t count) {
    struct run *r = &c->run;
    struct batch *rest[WIRE_FORMATS] = { 0 };
    const struct run_mark *k = count ? mark_find(r->marks, count) : NULL;
    uint32_t had = 0;
    for (unsigned f = 0; k && f < WIRE_FORMATS; f++)
        had = k->at[f] > had ? k->at[f] : had;
    if (had < TRIM_BYTES)
        return;

    bool is_copied = copy_rest(c, k, rest) == 0;
    for (unsigned i = 0; is_copied && i < c->n_lanes; i++) {
        struct lane *l = &c->lanes[i];
        struct batch *whole = l->batch;
        l->batch = rest[l->format];
        rest[l->format] = whole;
    }
    for (unsigned f = 0; f < WIRE_FORMATS; f++)
        batch_unref(rest[f]);
    if (!is_copied)
        return;
    r->first += count;
    r->count -= count;
    r->turned -= count;
    marks_shift(r->marks, (uint32_t) (k - r->marks->items));
}

/* ---- handing out ---- */

static void run_begin(struct channel *c) {
    c->run.is_begun = true;
    c->run.cursor = c->run.todo = c->n;
    c->run.turned = c->run.count;
}

/* From the first subscriber to the last. Whoever there is was come to since it did so before, or
 * came later. */
static void turn_round(struct channel *c) {
    uint32_t had = c->run.turned;
    c->run.cursor = c->n;
    c->run.turned = c->run.count;
    forget_first(c, had);
}

static struct outbox *outbox_at(const struct channel *c, uint32_t i) {
    return session_outbox(c->subscribers[i].session);
}

/* While the kernel works for one, the next ones' outboxes and streams come into the cache. */
static void look_ahead(const struct channel *c, uint32_t i) {
    if (i >= 2)
        __builtin_prefetch(outbox_at(c, i - 2));
    if (i >= 1)
        __builtin_prefetch(outbox_at(c, i - 1)->stream);
}

/* The same for the next channels' first ones. */
static void look_at_others(const struct list *dirty) {
    const struct link *next = list_first(dirty);
    if (!next)
        return;
    const struct channel *c = CONTAINER_OF(next, const struct channel, dirty);
    if (c->n > 0)
        __builtin_prefetch(outbox_at(c, c->n - 1)->stream);
    if (next->next == &dirty->head)
        return;
    c = CONTAINER_OF(next->next, const struct channel, dirty);
    if (c->n > 0)
        __builtin_prefetch(outbox_at(c, c->n - 1));
}

static bool has_offset(const struct run *r, const struct subscriber *s) {
    return r->kind == RUN_STREAM && (s->flags & SUBSCRIBER_POSITIONED);
}

/* How many publications of the run it has; negative: it lacks some from before. */
static int64_t had_of(const struct channel *c, const struct subscriber *s) {
    const struct run *r = &c->run;
    if (has_offset(r, s))
        return (int64_t) s->next - (int64_t) r->first;
    uint64_t before = c->published - r->count;
    return s->next > before ? (int64_t) (s->next - before) : 0;
}

/* Moves it to the run's end. */
static void advance(const struct channel *c, struct subscriber *s) {
    const struct run *r = &c->run;
    if (has_offset(r, s))
        s->next = r->first + r->count;
    else if (!(s->flags & SUBSCRIBER_POSITIONED))
        s->next = c->published;
}

/* Whether the run is for this subscriber, from where on; moves it past it. Somebody stands in the
 * middle. */
static bool concerns_from(struct channel *c, struct subscriber *s, uint32_t *ret_from) {
    int64_t had = had_of(c, s);
    if (had >= c->run.count)
        return false;
    const struct run_mark *k = had > 0 ? mark_find(c->run.marks, (uint32_t) had) : NULL;
    if (had < 0 || (had > 0 && !k)) {
        c->all->lost(s->session, c); /* removes this one: one who has been served takes its place */
        return false;
    }
    *ret_from = k ? k->at[s->format] : 0;
    advance(c, s);
    return true;
}

/* The same where nobody does. */
static bool concerns(struct channel *c, struct subscriber *s) {
    const struct run *r = &c->run;
    if (r->kind == RUN_JOINS)
        return s->flags & SUBSCRIBER_JOINS;
    if (!(s->flags & SUBSCRIBER_POSITIONED)) {
        s->next = c->published;
        return true;
    }
    if (r->kind == RUN_LIVE)
        return true;

    if (s->next == r->first) {
        s->next = r->first + r->count;
        return true;
    }
    if (s->next < r->first)
        c->all->lost(s->session, c); /* as above */
    return false;                    /* or it has these already, from the history */
}

/* What follows a run in its turn. */
enum run_sequel {
    SEQUEL_ANY,    /* more of this channel, perhaps: outboxes gather */
    SEQUEL_OTHERS, /* other channels: outboxes that hear of several gather, the rest may send */
    SEQUEL_NONE,   /* nothing: it may be sent at once */
};

/* Backwards, so that the one who takes a lost one's place has been served. */
static void hand_out(struct channel *c, uint32_t n, enum run_sequel sequel) {
    struct batch *batches[WIRE_FORMATS] = { 0 };
    for (unsigned i = 0; i < c->n_lanes; i++)
        batches[c->lanes[i].format] = c->lanes[i].batch;

    uint32_t i = c->run.cursor, end = i - n;
    c->run.cursor = end;
    c->run.todo -= n;
    while (i-- > end) {
        struct subscriber *s = &c->subscribers[i];
        uint32_t from = 0;
        look_ahead(c, i);
        if (!(c->run.marks ? concerns_from(c, s, &from) : concerns(c, s)))
            continue;
        struct batch *b = batches[s->format];
        if (!b || from == b->bytes.len) /* nothing of it can be said in that format */
            continue;
        struct outbox *o = session_outbox(s->session);
        if (sequel == SEQUEL_NONE || (sequel == SEQUEL_OTHERS && !o->hears_many))
            outbox_send(o, b, from, (uint32_t) b->bytes.len);
        else
            outbox_append(o, b, from, (uint32_t) b->bytes.len);
    }
}

/* For how many of these this turn has time, if they are sent to. */
static uint32_t may_send(struct channel *c, uint32_t most) {
    struct channels *all = c->all;
    if (all->sends_granted == 0)
        all->sends_granted = outbox_set_take(outbox_at(c, c->run.cursor - 1)->set);
    uint32_t n = all->sends_granted < most ? all->sends_granted : most;
    all->sends_granted -= n;
    return n;
}

/* Hands the run to the subscribers. false: the turn has no time for those that are left. */
static bool run_send(struct channel *c, enum run_sequel sequel) {
    struct run *r = &c->run;
    if (r->kind == RUN_NONE)
        return true;
    if (!r->is_begun)
        run_begin(c);

    while (r->todo > 0) {
        if (r->cursor == 0)
            turn_round(c);
        uint32_t most = r->todo < r->cursor ? r->todo : r->cursor;
        uint32_t n = sequel == SEQUEL_ANY ? most : may_send(c, most);
        if (n == 0 && (sequel == SEQUEL_NONE || r->todo >= CROWD))
            return false;
        if (n == 0) /* then the outboxes, which have turns of their own */
            sequel = SEQUEL_ANY;
        hand_out(c, n, sequel);
    }
    run_reset(c);
    return true;
}

void run_out(struct channel *c) {
    if (c->run.is_begun)
        list_remove(&c->dirty);
    (void) run_send(c, SEQUEL_ANY);
}

/* One for which there is no time waits behind the others: it may go on for as long as it is
 * published to. */
void channels_flush_left(struct channels *all) {
    struct link *k;
    bool has_time = true;
    all->sends_granted = 0;
    while (has_time && (k = list_pop(&all->left))) {
        struct channel *c = CONTAINER_OF(k, struct channel, dirty);
        c->users++; /* the last subscriber may be lost meanwhile */
        has_time = run_send(c, SEQUEL_NONE);
        if (!has_time)
            list_append(&all->left, &c->dirty);
        channel_release(c);
    }
}

bool channels_flush(struct channels *all) {
    enum run_sequel sequel = all->n_dirty == 1 ? SEQUEL_NONE : SEQUEL_OTHERS;
    struct link *k;
    all->sends_granted = 0;
    while ((k = list_pop(&all->dirty))) {
        all->n_dirty--;
        struct channel *c = CONTAINER_OF(k, struct channel, dirty);
        c->users++; /* as above */
        look_at_others(&all->dirty);
        if (!run_send(c, sequel))
            list_append(&all->left, &c->dirty);
        channel_release(c);
    }
    return !list_is_empty(&all->left);
}

/* ---- adding ---- */

static int push_of(const struct publication *p, bool is_text, struct push *ret) {
    ret->channel = p->channel; /* what its kind does not use is not cleared */
    if (p->kind == PUBLICATION_DATA) {
        ret->kind = PUSH_PUBLICATION;
        return wire_publication_of(p, is_text, &ret->publication);
    }
    ret->kind = p->kind == PUBLICATION_JOIN ? PUSH_JOIN : PUSH_LEAVE;
    ret->info = p->info;
    return 0;
}

/* Not JSON: those who talk JSON cannot be told. */
static void end_all_of(struct channel *c, uint8_t format) {
    for (uint32_t i = c->n; i-- > 0;)
        if (session_format(c->subscribers[i].session) == format)
            session_disconnect(c->subscribers[i].session, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    for (uint32_t i = c->specials ? c->specials->n : 0; i-- > 0;) {
        struct subscriber *s = &c->specials->items[i].subscriber;
        if (session_format(s->session) == format)
            session_disconnect(s->session, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    }
}

static int lane_append(struct channel *c, struct lane *l, const struct publication *p,
                       struct raw_frame *ret) {
    struct push push;

    int r = push_of(p, wire_codec((enum wire_format) l->format)->is_text, &push);
    if (r < 0) {
        end_all_of(c, l->format);
        return 0;
    }
    if (!l->batch)
        l->batch = batch_new(c->all->batches);
    if (!l->batch)
        return -ENOMEM;
    ret->batch = l->batch;
    ret->from = (uint32_t) l->batch->bytes.len;
    r = wire_append_push(c->all->wire, (enum wire_format) l->format, &push, &l->batch->bytes);
    ret->to = (uint32_t) l->batch->bytes.len;
    return r;
}

/* Can those who have had a part of it be told from the others? */
static bool has_places(const struct channel *c) {
    return c->run.kind == RUN_STREAM || (c->run.kind == RUN_LIVE && c->n_positioned == 0);
}

bool run_takes(struct channel *c, const struct publication *p, enum run_kind kind) {
    const struct run *r = &c->run;
    if (r->kind == RUN_NONE)
        return true;
    if (r->kind != kind || run_bytes(c) >= MAX_BYTES ||
        (kind == RUN_STREAM && p->position.offset != r->first + r->count))
        return false;
    return !r->is_begun || (has_places(c) && mark_end(c) == 0);
}

int run_append(struct channel *c, const struct publication *p, enum run_kind kind,
               struct raw_frame ret[static WIRE_FORMATS]) {
    struct run *run = &c->run;
    for (unsigned i = 0; i < c->n_lanes; i++) {
        struct lane *l = &c->lanes[i];
        if ((kind == RUN_JOINS ? l->n : l->n_raw) == 0)
            continue;
        int r = lane_append(c, l, p, &ret[l->format]);
        if (r < 0)
            return r;
    }
    if (run->kind == RUN_NONE) {
        run->kind = (uint8_t) kind;
        run->first = p->position.offset;
        if (!link_is_linked(&c->dirty)) {
            list_append(&c->all->dirty, &c->dirty);
            c->all->n_dirty++;
        }
        if (c->n > 0)
            __builtin_prefetch(&c->subscribers[c->n - 1]); /* for the end of the turn */
    }
    run->count++;
    c->published++;
    if (run->is_begun) /* the others after those who are left, and they get it too */
        run->todo = c->n;
    return 0;
}

/* ---- who comes and goes ---- */

bool run_admits(struct channel *c, struct subscriber *s) {
    const struct run *r = &c->run;
    bool is_positioned = s->flags & SUBSCRIBER_POSITIONED;
    if (!is_positioned)
        s->next = c->published;
    if (r->kind == RUN_NONE)
        return true;
    if (r->is_begun && !has_places(c)) /* nothing joins it, and it does not come round */
        return true;
    return has_places(c) && (r->kind == RUN_STREAM || !is_positioned) && mark_end(c) == 0;
}

void run_has_one_more(struct channel *c) {
    if (c->run.is_begun && c->run.todo > c->run.cursor)
        c->run.todo++; /* the sweep comes by, and has nothing for it */
}

void run_has_one_less(struct channel *c, uint32_t index, uint32_t ret_ends[static RUN_BLOCKS]) {
    struct run *r = &c->run;
    ret_ends[0] = ret_ends[1] = ret_ends[2] = c->n;
    if (!r->is_begun)
        return;
    bool is_round = r->todo > r->cursor;
    uint32_t todo_from = is_round ? c->n - (r->todo - r->cursor) : r->cursor - r->todo;
    ret_ends[0] = is_round ? r->cursor : todo_from;
    ret_ends[1] = is_round ? todo_from : r->cursor;
    bool is_todo = is_round ? index < r->cursor || index >= todo_from
                            : index < r->cursor && index >= todo_from;
    if (is_todo)
        r->todo--;
    if (index < r->cursor)
        r->cursor--;
}
