#include "daemon/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/future.h"
#include "async/stream.h"
#include "async/task.h"

enum {
    GATHER_MAX_BYTES = 16384, /* up to here one copy and one send beat writev */
    VECTOR_MAX = 16,          /* spans in one write past that; on the stack */
    OWN_BATCH_MAX = 65536,    /* a private batch is not grown past this */
    LINE_FEW = 4,             /* spans that a line holds without further memory */
    LINES_KEPT = 256,
    SEND_US = 5, /* that one send takes, or a turn's share is over sooner */
};

struct outbox_item {
    struct batch *batch;
    uint32_t from, to;
};

/* What an outbox has only while something waits: lent by the set. */
struct outbox_line {
    struct outbox *outbox;
    struct outbox_line *next;     /* of those not lent */
    struct link dirty;            /* in the set: to be flushed when a turn ends */
    struct outbox_writer *writer; /* the socket is backed up */
    struct outbox_item *items;    /* ring of capacity items: few, or of the heap */
    uint16_t capacity, head, count;
    struct outbox_item few[LINE_FEW];
};

/* The task that sends for one outbox while its socket is backed up; the task frees it at its end.
 */
struct outbox_writer {
    struct outbox *outbox; /* NULL: let go of by outbox_drain(), the stream may be gone */
    struct stream *stream;
    struct outbox_set *set;
    struct future *drained; /* of who waits in outbox_drain(), or NULL */
};

void outbox_set_init(struct outbox_set *set, const struct outbox_limits *limits,
                     struct turn_hook *flush, void (*broken)(struct outbox *o, int why)) {
    memset(set, 0, sizeof *set);
    set->flush = flush;
    set->limits = *limits;
    set->broken = broken;
    list_init(&set->dirty);
    list_init(&set->left);
    set->may_take = OUTBOX_SHARE_ALL;
    group_init(&set->writers);
}

void outbox_set_finish(struct outbox_set *set) {
    group_finish(&set->writers);
    while (set->idle_lines) {
        struct outbox_line *l = set->idle_lines;
        set->idle_lines = l->next;
        free(l);
    }
    buffer_finish(&set->scratch);
}

bool outbox_set_grant(struct outbox_set *set) {
    set->granted = loop_share_take(&set->share, set->may_take, (int64_t) set->may_take * SEND_US);
    if (set->granted == 0)
        set->put_off++;
    return set->granted > 0;
}

static void flush_lines(struct outbox_set *set, struct list *lines) {
    while (!list_is_empty(lines) && outbox_set_may_send(set))
        outbox_flush(CONTAINER_OF(list_pop(lines), struct outbox_line, dirty)->outbox);
}

void outbox_set_flush_left(struct outbox_set *set) {
    flush_lines(set, &set->left);
}

void outbox_set_flush(struct outbox_set *set) {
    flush_lines(set, &set->dirty);
    list_append_all(&set->left, &set->dirty);
    if (!list_is_empty(&set->left))
        loop_at_turn_end(set->flush);
}

void outbox_init(struct outbox *o, struct outbox_set *set, struct stream *s) {
    *o = (struct outbox){ .set = set, .stream = s };
}

/* ---- the line ---- */

static struct outbox_line *line_of(struct outbox *o) {
    struct outbox_set *set = o->set;
    struct outbox_line *l = o->line;
    if (l)
        return l;

    if (set->idle_lines) {
        l = set->idle_lines;
        set->idle_lines = l->next;
        set->n_idle_lines--;
    } else {
        l = malloc(sizeof *l);
        if (!l)
            return NULL;
    }
    l->outbox = o;
    l->next = NULL;
    l->dirty = (struct link){ 0 };
    l->writer = NULL;
    l->items = l->few;
    l->capacity = LINE_FEW;
    l->head = l->count = 0;
    o->line = l;
    return l;
}

/* Gives the line back when nothing waits in it and nobody works on it. */
static void line_rest(struct outbox *o) {
    struct outbox_set *set = o->set;
    struct outbox_line *l = o->line;

    if (!l || l->count || l->writer)
        return;
    list_remove(&l->dirty);
    if (l->items != l->few)
        free(l->items);
    o->line = NULL;
    if (set->n_idle_lines == LINES_KEPT) {
        free(l);
        return;
    }
    l->next = set->idle_lines;
    set->idle_lines = l;
    set->n_idle_lines++;
}

static struct outbox_item *item_at(const struct outbox_line *l, unsigned i) {
    return &l->items[(l->head + i) % l->capacity];
}

static void count_in(struct outbox *o, size_t n) {
    o->waiting += (uint32_t) n;
    o->set->waiting += n;
}

static void count_out(struct outbox *o, size_t n) {
    o->waiting -= (uint32_t) n;
    o->set->waiting -= n;
}

static void drop_first(struct outbox *o) {
    struct outbox_line *l = o->line;
    struct outbox_item *it = item_at(l, 0);
    count_out(o, it->to - it->from);
    it->batch = batch_unref(it->batch);
    l->head = (uint16_t) ((l->head + 1u) % l->capacity);
    l->count--;
}

static struct outbox_writer *writer_of(const struct outbox *o) {
    return o->line ? o->line->writer : NULL;
}

void outbox_finish(struct outbox *o) {
    assert(!writer_of(o));
    while (o->line && o->line->count)
        drop_first(o);
    line_rest(o);
}

static void outbox_break(struct outbox *o, int why) {
    if (o->is_broken)
        return;
    o->is_broken = true;
    if (o->line)
        list_remove(&o->line->dirty);
    o->set->broken(o, why);
}

static int make_room(struct outbox_line *l) {
    if (l->count < l->capacity)
        return 0;
    if (l->capacity > UINT16_MAX / 2)
        return -ENOBUFS;

    uint16_t capacity = (uint16_t) (l->capacity * 2u);
    struct outbox_item *items = malloc(capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (unsigned i = 0; i < l->count; i++)
        items[i] = *item_at(l, i);
    if (l->items != l->few)
        free(l->items);
    l->items = items;
    l->capacity = capacity;
    l->head = 0;
    return 0;
}

static bool is_over_limit(const struct outbox *o) {
    return o->waiting > o->set->limits.max_bytes;
}

/* A turn's work may be more than may wait, if the socket takes it. */
static void settle(struct outbox *o) {
    if (is_over_limit(o) && !writer_of(o))
        outbox_flush(o);
    if (is_over_limit(o)) {
        outbox_break(o, -ENOBUFS);
    } else if (o->waiting && !writer_of(o) && !link_is_linked(&o->line->dirty) && !o->is_broken &&
               !o->is_held) {
        list_append(&o->set->dirty, &o->line->dirty);
        loop_at_turn_end(o->set->flush);
    }
}

static int push(struct outbox *o, struct batch *b, uint32_t from, uint32_t to) {
    struct outbox_line *l = line_of(o);
    if (!l)
        return -ENOMEM;
    int r = make_room(l);
    if (r < 0)
        return r;
    *item_at(l, l->count++) = (struct outbox_item){ batch_ref(b), from, to };
    count_in(o, to - from);
    return 0;
}

void outbox_append(struct outbox *o, struct batch *b, uint32_t from, uint32_t to) {
    if (o->is_broken || o->is_last || from == to)
        return;

    int r = push(o, b, from, to);
    if (r < 0)
        outbox_break(o, r);
    else
        settle(o);
}

/* The line's last span, if it is the end of a batch that nobody shares and may grow. */
static struct outbox_item *own_tail(struct outbox *o, size_t more) {
    if (!o->waiting)
        return NULL;
    struct outbox_item *it = item_at(o->line, o->line->count - 1u);
    bool may_grow = it->batch->refs == 1 && it->to == it->batch->bytes.len &&
                    it->batch->bytes.len + more <= OWN_BATCH_MAX;
    return may_grow ? it : NULL;
}

static int push_copy(struct outbox *o, struct bytes head, struct bytes body) {
    size_t len = head.len + body.len;
    struct outbox_item *tail = own_tail(o, len);
    struct batch *b = tail ? tail->batch : batch_new(o->set->batches);
    if (!b)
        return -ENOMEM;

    uint32_t from = (uint32_t) b->bytes.len;
    buffer_append_bytes(&b->bytes, head);
    buffer_append_bytes(&b->bytes, body);
    int r = buffer_error(&b->bytes);
    if (!tail) {
        r = r < 0 ? r : push(o, b, from, (uint32_t) b->bytes.len);
        batch_unref(b);
    } else if (r == 0) {
        tail->to += (uint32_t) len;
        count_in(o, len);
    }
    return r;
}

void outbox_append_copy(struct outbox *o, struct bytes head, struct bytes body) {
    if (o->is_broken || o->is_last)
        return;

    int r = push_copy(o, head, body);
    if (r < 0)
        outbox_break(o, r);
    else
        settle(o);
}

/* ---- sending ---- */

static void sent(struct outbox *o, size_t n) {
    o->set->bytes_sent += n;
    o->set->sends++;
    while (n) {
        struct outbox_item *it = item_at(o->line, 0);
        uint32_t left = it->to - it->from;
        if (n < left) {
            it->from += (uint32_t) n;
            count_out(o, n);
            o->is_begun = true;
            return;
        }
        n -= left;
        o->is_begun = false;
        drop_first(o);
    }
}

/* One attempt: bytes taken, or -errno. */
static ssize_t try_write(struct outbox *o) {
    const struct outbox_line *l = o->line;
    struct outbox_item *it = item_at(l, 0);
    if (l->count == 1)
        return stream_try_send(o->stream, it->batch->bytes.data + it->from, it->to - it->from);

    struct buffer *scratch = &o->set->scratch;
    if (o->waiting <= GATHER_MAX_BYTES) {
        buffer_reset(scratch);
        for (unsigned i = 0; i < l->count; i++) {
            it = item_at(l, i);
            buffer_append(scratch, it->batch->bytes.data + it->from, it->to - it->from);
        }
        if (buffer_error(scratch) == 0)
            return stream_try_send(o->stream, scratch->data, scratch->len);
    }

    struct iovec v[VECTOR_MAX];
    int n = 0;
    for (; n < VECTOR_MAX && n < l->count; n++) {
        it = item_at(l, (unsigned) n);
        v[n] = (struct iovec){ it->batch->bytes.data + it->from, it->to - it->from };
    }
    return stream_try_write(o->stream, v, n);
}

/* Sends until the line is empty (0), the socket is full (-EAGAIN) or broken. */
static int write_some(struct outbox *o) {
    while (o->waiting) {
        ssize_t n = try_write(o);
        if (n < 0)
            return (int) n;
        sent(o, (size_t) n);
    }
    line_rest(o);
    return 0;
}

/* Appends go on while it waits. */
static int writer_run(void *arg) {
    struct outbox_writer *w = arg;
    int r = -EAGAIN;

    while (r == -EAGAIN) {
        DEADLINE(no_progress, w->set->limits.write_timeout_ms);
        r = stream_wait_writable(w->stream);
        if (r == 0 && w->outbox)
            r = write_some(w->outbox);
    }

    if (w->outbox) {
        struct outbox *o = w->outbox;
        o->line->writer = NULL;
        line_rest(o);
        if (w->drained)
            future_resolve(w->drained, 0);
        if (r < 0) {
            o->is_dead = r != -ETIMEDOUT && r != -ECANCELED;
            outbox_break(o, r);
        }
    }
    free(w);
    return 0;
}

static int start_writer(struct outbox *o) {
    struct outbox_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct outbox_writer){ .outbox = o, .stream = o->stream, .set = o->set };

    o->line->writer = w; /* something waits, so there is a line */
    int r = group_spawn(&o->set->writers, "writer", writer_run, w);
    if (r < 0) {
        o->line->writer = NULL;
        free(w);
        return r;
    }
    o->set->backed_up++;
    return 0;
}

void outbox_flush(struct outbox *o) {
    if (o->is_dead || o->is_held || !o->line || o->line->writer)
        return;
    list_remove(&o->line->dirty);

    int r = write_some(o);
    if (r == -EAGAIN)
        r = start_writer(o);
    else if (r < 0)
        o->is_dead = true;

    if (r < 0)
        outbox_break(o, r);
    else if (is_over_limit(o))
        outbox_break(o, -ENOBUFS);
}

void outbox_send(struct outbox *o, struct batch *b, uint32_t from, uint32_t to) {
    if (o->waiting || o->is_broken || o->is_last || o->is_held) {
        outbox_append(o, b, from, to);
        return;
    }

    ssize_t n = stream_try_send(o->stream, b->bytes.data + from, to - from);
    if (n == (ssize_t) (to - from)) {
        o->set->sends++;
        o->set->bytes_sent += to - from;
    } else if (n >= 0 || n == -EAGAIN) {
        o->is_begun = n > 0;
        outbox_append(o, b, n > 0 ? from + (uint32_t) n : from, to);
    } else {
        o->is_dead = true;
        outbox_break(o, (int) n);
    }
}

int outbox_wait(struct outbox *o) {
    outbox_flush(o);
    if (!writer_of(o))
        return 0;
    struct future drained;
    future_init(&drained);
    o->line->writer->drained = &drained;
    int r = future_wait(&drained);
    if (writer_of(o))
        o->line->writer->drained = NULL;
    return r;
}

/* ---- holding ---- */

void outbox_hold(struct outbox *o) {
    assert(!o->waiting);
    o->is_held = true;
}

void outbox_release(struct outbox *o) {
    o->is_held = false;
    settle(o);
}

/* ---- ending ---- */

void outbox_end(struct outbox *o, struct bytes last) {
    if (o->is_last || o->is_dead)
        return;
    o->is_last = true;
    o->is_held = false;

    /* A span that was begun is finished, or the peer takes the goodbye for a part of it. Finished
     * whole: where the frames in it lie is not known here. */
    struct outbox_line *l = o->line;
    while (l && l->count > (o->is_begun ? 1 : 0)) {
        struct outbox_item *it = item_at(l, l->count - 1u);
        count_out(o, it->to - it->from);
        it->batch = batch_unref(it->batch);
        l->count--;
    }
    if (last.len && push_copy(o, last, bytes_of(NULL, 0)) < 0)
        o->is_dead = true;
    line_rest(o);
}

/* It hears of it when the stream is closed. */
static void let_go_of_writer(struct outbox *o) {
    struct outbox_writer *w = writer_of(o);
    if (!w)
        return;
    w->outbox = NULL;
    w->drained = NULL;
    o->line->writer = NULL;
    line_rest(o);
}

/* The writer gives up after its own time without progress; here the caller's time counts. */
int outbox_drain(struct outbox *o) {
    int r = 0;

    while (r == 0 && o->waiting && !o->is_dead) {
        outbox_flush(o);
        struct outbox_writer *w = writer_of(o);
        if (!w) { /* all is sent, or nothing can wait for the socket */
            o->is_dead = o->waiting > 0;
            break;
        }
        struct future drained;
        future_init(&drained);
        w->drained = &drained;
        r = future_wait(&drained);
        if (r < 0 && writer_of(o))
            o->is_dead = true;
        if (writer_of(o)) /* the future ends with this scope */
            writer_of(o)->drained = NULL;
    }
    let_go_of_writer(o); /* outbox_end() may have left it nothing to write, either */
    return r;
}
