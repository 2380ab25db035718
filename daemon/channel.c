#include "daemon/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/future.h"
#include "daemon/map/poll_room.h"
#include "daemon/outbox.h"
#include "daemon/session/session.h"
#include "daemon/special.h"
#include "daemon/wire_page.h"
#include "storage/engine.h"

enum { RUN_MAX_BYTES = 65536 }; /* a longer run goes out before the turn ends */

static struct channel *channel_of(struct table_entry *e) {
    return CONTAINER_OF(e, struct channel, entry);
}

static struct bytes key_of(const struct table_entry *e) {
    const struct channel *c = (const struct channel *) (const void *) e;
    _Static_assert(offsetof(struct channel, entry) == 0, "the cast above");
    return bytes_of(c->name, c->name_len);
}

void channels_init(struct channels *all, struct engine *e, struct engine_sink *sink,
                   struct wire *wire, void (*lost)(struct session *s, struct channel *c)) {
    *all = (struct channels){ .engine = e, .sink = sink, .wire = wire, .lost = lost };
    table_init(&all->table, engine_seed(e), key_of);
    list_init(&all->dirty);
    list_init(&all->left);
    list_init(&all->positioned);
    list_init(&all->unanswered);
}

void channels_finish(struct channels *all) {
    assert(table_size(&all->table) == 0);
    table_finish(&all->table);
    if (all->fan)
        delta_fan_finish(all->fan);
    free(all->fan);
}

struct channel *channel_find(const struct channels *all, struct str name) {
    struct table_entry *e = table_find(&all->table, str_bytes(name));
    return e ? channel_of(e) : NULL;
}

/* ---- life ---- */

static struct channel *channel_new(struct channels *all, struct str name) {
    struct channel *c = calloc(1, sizeof *c + name.len);
    if (!c)
        return NULL;
    c->all = all;
    c->lanes = &c->lane;
    c->name_len = (uint16_t) name.len;
    memcpy(c->name, name.data, name.len);
    list_init(&c->joiners);
    if (table_add(&all->table, &c->entry) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

void channels_missed(struct channels *all) {
    TABLE_FOREACH (&all->table, e) {
        struct channel *c = CONTAINER_OF(e, struct channel, entry);
        LIST_FOREACH_SAFE (&c->joiners, k, after)
            CONTAINER_OF(k, struct joiner, link)->is_overrun = true;
    }
}

int channel_hold(struct channels *all, struct str name, struct channel **ret) {
    struct channel *c = channel_find(all, name);
    if (!c)
        c = channel_new(all, name);
    if (!c)
        return -ENOMEM;
    c->users++;

    while (!c->is_attached) {
        int r;
        if (c->attaching) {
            r = future_wait(c->attaching);
        } else {
            struct future attached;
            future_init(&attached);
            c->attaching = &attached;
            r = engine_attach(all->engine, all->sink, channel_name(c));
            c->attaching = NULL;
            c->is_attached = r == 0;
            future_resolve(&attached, 0); /* if it failed the next one tries */
        }
        if (r < 0) {
            channel_release(c);
            return r;
        }
    }
    *ret = c;
    return 0;
}

void channel_release(struct channel *c) {
    assert(c->users > 0);
    if (--c->users > 0)
        return;

    assert(channel_size(c) == 0 && list_is_empty(&c->joiners));
    if (c->is_attached)
        engine_detach(c->all->engine, c->all->sink, channel_name(c));
    if (link_is_linked(&c->dirty) && !c->is_run_begun)
        c->all->n_dirty--;
    list_remove(&c->dirty);
    table_remove(&c->all->table, &c->entry);
    for (unsigned i = 0; i < c->n_lanes; i++)
        batch_unref(c->lanes[i].batch);
    if (c->lanes != &c->lane)
        free(c->lanes);
    specials_free(c->specials);
    free(c->subscribers);
    free(c);
}

/* ---- who is on the way in ---- */

void channel_join(struct channel *c, struct joiner *j) {
    *j = (struct joiner){ 0 };
    list_append(&c->joiners, &j->link);
}

void joiner_finish(struct joiner *j) {
    list_remove(&j->link);
    for (size_t i = 0; i < j->n; i++)
        publication_unref(j->items[i]);
    free(j->items);
    *j = (struct joiner){ 0 };
}

static void joiner_keep(struct joiner *j, struct publication *p) {
    if (j->is_overrun)
        return;
    if (j->n == j->capacity) {
        size_t capacity = j->capacity ? j->capacity * 2 : 16;
        struct publication **items =
                capacity > JOINER_MAX ? NULL : realloc(j->items, capacity * sizeof(*items));
        if (!items) {
            j->is_overrun = true;
            return;
        }
        j->items = items;
        j->capacity = capacity;
    }
    j->items[j->n++] = publication_ref(p);
}

/* ---- the run ---- */

static size_t run_bytes(const struct channel *c) {
    size_t most = 0;
    for (unsigned i = 0; i < c->n_lanes; i++)
        if (c->lanes[i].batch && c->lanes[i].batch->bytes.len > most)
            most = c->lanes[i].batch->bytes.len;
    return most;
}

static void run_reset(struct channel *c) {
    for (unsigned i = 0; i < c->n_lanes; i++)
        c->lanes[i].batch = batch_unref(c->lanes[i].batch);
    c->run = RUN_NONE;
    c->is_run_begun = false;
}

/* Whether the run is for this subscriber; moves its position past it. */
static bool run_concerns(struct channel *c, struct subscriber *s) {
    if (c->run == RUN_JOINS)
        return s->flags & SUBSCRIBER_JOINS;
    if (c->run == RUN_LIVE || !(s->flags & SUBSCRIBER_POSITIONED))
        return true;

    if (s->next == c->run_first) {
        s->next = c->run_last + 1;
        return true;
    }
    if (s->next < c->run_first)
        c->all->lost(s->session, c); /* removes this one: the last takes its place */
    return false;                    /* or it has these already, from the history */
}

/* While the kernel works for one, the next ones' outboxes and streams come into the cache. */
static void look_ahead(const struct channel *c, uint32_t i) {
    if (i >= 2)
        __builtin_prefetch(session_outbox(c->subscribers[i - 2].session));
    if (i >= 1)
        __builtin_prefetch(session_outbox(c->subscribers[i - 1].session)->stream);
}

/* What follows a run in its turn. */
enum run_sequel {
    SEQUEL_ANY,    /* more of this channel, perhaps: outboxes gather */
    SEQUEL_OTHERS, /* other channels: outboxes that hear of several gather, the rest may send */
    SEQUEL_NONE,   /* nothing: it may be sent at once */
};

/* Backwards, so that the one who takes a lost one's place has been served. */
static void run_hand_out(struct channel *c, struct batch *const *batches, uint32_t n,
                         enum run_sequel sequel) {
    uint32_t end = c->run_left - n;
    uint32_t i = c->run_left;

    c->run_left = end;
    while (i-- > end) {
        struct subscriber *s = &c->subscribers[i];
        look_ahead(c, i);
        if (!run_concerns(c, s))
            continue;
        struct batch *b = batches[s->format];
        if (!b) /* nothing of it can be said in that format */
            continue;
        struct outbox *o = session_outbox(s->session);
        if (sequel == SEQUEL_NONE || (sequel == SEQUEL_OTHERS && !o->hears_many))
            outbox_send(o, b);
        else
            outbox_append(o, b, 0, (uint32_t) b->bytes.len);
    }
}

/* For how many of those that are left this turn has time, if they are sent to. */
static uint32_t may_send(struct channel *c) {
    struct channels *all = c->all;
    if (all->sends_granted == 0)
        all->sends_granted =
                outbox_set_take(session_outbox(c->subscribers[c->run_left - 1].session)->set);
    uint32_t n = all->sends_granted < c->run_left ? all->sends_granted : c->run_left;
    all->sends_granted -= n;
    return n;
}

/* Hands the run to the subscribers. false: the turn has no time for those that are left. */
static bool run_send(struct channel *c, enum run_sequel sequel) {
    struct batch *batches[WIRE_FORMATS] = { 0 };
    if (c->run == RUN_NONE)
        return true;
    for (unsigned i = 0; i < c->n_lanes; i++)
        batches[c->lanes[i].format] = c->lanes[i].batch;
    if (!c->is_run_begun)
        c->run_left = c->n;
    c->is_run_begun = true;

    while (c->run_left > 0) {
        uint32_t n = sequel == SEQUEL_ANY ? c->run_left : may_send(c);
        if (n == 0 && sequel == SEQUEL_NONE)
            return false;
        if (n == 0) /* then the outboxes, which have turns of their own */
            sequel = SEQUEL_ANY;
        run_hand_out(c, batches, n, sequel);
    }
    run_reset(c);
    return true;
}

/* Something else is to follow: outboxes take what there is. */
static void run_out(struct channel *c) {
    if (c->is_run_begun)
        list_remove(&c->dirty);
    (void) run_send(c, SEQUEL_ANY);
}

void channels_flush_left(struct channels *all) {
    struct link *k;
    bool has_time = true;
    all->sends_granted = 0;
    while (has_time && (k = list_pop(&all->left))) {
        struct channel *c = CONTAINER_OF(k, struct channel, dirty);
        c->users++; /* the last subscriber may be lost meanwhile */
        has_time = run_send(c, SEQUEL_NONE);
        if (!has_time)
            list_prepend(&all->left, &c->dirty);
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
        if (!run_send(c, sequel))
            list_append(&all->left, &c->dirty);
        channel_release(c);
    }
    return !list_is_empty(&all->left);
}

static int push_of(const struct publication *p, bool is_text, struct push *ret) {
    *ret = (struct push){ .channel = p->channel };
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

/* Without memory for it the subscribers miss the publication: those with a position are told.
 * ret: where it lies, by wire format. */
static int run_append(struct channel *c, const struct publication *p, enum run_kind kind,
                      struct raw_frame ret[static WIRE_FORMATS]) {
    for (unsigned i = 0; i < c->n_lanes; i++) {
        struct lane *l = &c->lanes[i];
        if ((kind == RUN_JOINS ? l->n : l->n_raw) == 0)
            continue;
        int r = lane_append(c, l, p, &ret[l->format]);
        if (r < 0)
            return r;
    }
    if (c->run == RUN_NONE) {
        c->run = kind;
        c->run_first = p->position.offset;
        if (!link_is_linked(&c->dirty)) {
            list_append(&c->all->dirty, &c->dirty);
            c->all->n_dirty++;
        }
    }
    c->run_last = p->position.offset;
    return 0;
}

static void lose_if_before(struct channel *c, const struct subscriber *s, uint64_t next) {
    if ((s->flags & SUBSCRIBER_POSITIONED) && s->next < next)
        c->all->lost(s->session, c);
}

/* Those who expect an offset below next have missed something. */
static void lose_all_before(struct channel *c, uint64_t next) {
    for (uint32_t i = c->n; i-- > 0;)
        lose_if_before(c, &c->subscribers[i], next);
    for (uint32_t i = c->specials ? c->specials->n : 0; i-- > 0;)
        lose_if_before(c, &c->specials->items[i].subscriber, next);
}

static void lose_all(struct channel *c) {
    lose_all_before(c, UINT64_MAX);
}

static void stream_begins(struct channel *c, const char *epoch) {
    run_out(c);
    if (c->epoch[0])
        lose_all(c);
    if (c->specials)
        specials_begin(c->specials, epoch);
    memcpy(c->epoch, epoch, sizeof c->epoch);
    c->top = 0;
    c->one_by_one = 0;
}

static void deliver(struct channel *c, struct publication *p) {
    uint64_t offset = p->position.offset;
    enum run_kind kind = p->kind != PUBLICATION_DATA ? RUN_JOINS : offset ? RUN_STREAM : RUN_LIVE;

    if (kind == RUN_STREAM) {
        if (strcmp(c->epoch, p->position.epoch) != 0)
            stream_begins(c, p->position.epoch);
        if (c->top && offset <= c->top) {
            c->all->duplicates++;
            return;
        }
    }
    if (kind == RUN_STREAM || p->key.len) { /* who reads a map needs what is in no stream, too */
        LIST_FOREACH (&c->joiners, k)
            joiner_keep(CONTAINER_OF(k, struct joiner, link), p);
    }

    if (c->is_run_begun)
        run_out(c);
    bool continues = c->run == kind && (kind != RUN_STREAM || offset == c->run_last + 1);
    if (c->run != RUN_NONE && (!continues || run_bytes(c) >= RUN_MAX_BYTES))
        run_out(c);
    if (kind == RUN_STREAM)
        c->top = offset;
    if (channel_size(c) == 0 || (kind == RUN_JOINS && c->n_joins == 0)) {
        if (c->specials && c->specials->keys)
            specials_deliver(c, p, c->all->fan, (const struct raw_frame[WIRE_FORMATS]){ 0 });
        return;
    }

    c->all->delivered++;
    struct raw_frame raw[WIRE_FORMATS] = { 0 };
    if (run_append(c, p, kind, raw) < 0) {
        run_reset(c);
        lose_all(c);
        return;
    }
    if (c->specials && (c->specials->n || c->specials->keys))
        specials_deliver(c, p, c->all->fan, raw);
    if (kind == RUN_STREAM && offset < c->one_by_one)
        run_out(c);
}

void channels_deliver(struct channels *all, struct publication *p) {
    struct table_entry *e = table_find_hashed(&all->table, p->hash, str_bytes(p->channel));
    if (!e)
        return;
    struct channel *c = channel_of(e);
    c->users++; /* the last subscriber may be lost meanwhile */
    if (c->room && p->kind == PUBLICATION_DATA)
        poll_room_deliver(c->room, p);
    else
        deliver(c, p);
    channel_release(c);
}

/* ---- subscribers ---- */

/* In an index: of the specials. */
enum { SPECIAL_BIT = 1U << 31 };

uint32_t channel_size(const struct channel *c) {
    return c->n + (c->specials ? c->specials->n : 0);
}

static struct lane *lane_of(struct channel *c, enum wire_format format) {
    for (unsigned i = 0; i < c->n_lanes; i++)
        if (c->lanes[i].format == format)
            return &c->lanes[i];
    return NULL;
}

/* The place of a format that nobody has now serves another. */
static struct lane *lane_make(struct channel *c, enum wire_format format) {
    struct lane *l = lane_of(c, format);
    for (unsigned i = 0; !l && i < c->n_lanes; i++)
        if (c->lanes[i].n == 0 && !c->lanes[i].batch)
            l = &c->lanes[i];
    if (!l && c->n_lanes > 0) {
        struct lane *more = malloc((c->n_lanes + 1u) * sizeof *more);
        if (!more)
            return NULL;
        memcpy(more, c->lanes, c->n_lanes * sizeof *more);
        if (c->lanes != &c->lane)
            free(c->lanes);
        c->lanes = more;
    }
    if (!l) {
        l = &c->lanes[c->n_lanes++];
        *l = (struct lane){ 0 };
    }
    l->format = (uint8_t) format;
    return l;
}

static int make_room(struct channel *c) {
    if (c->n < c->capacity)
        return 0;
    uint32_t capacity = c->capacity ? c->capacity + (c->capacity + 1) / 2 : 1;
    struct subscriber *more = realloc(c->subscribers, capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    c->subscribers = more;
    c->capacity = capacity;
    return 0;
}

static int add_plain(struct channel *c, const struct subscriber *s, uint32_t *ret_index) {
    if (make_room(c) < 0)
        return -ENOMEM;
    *ret_index = c->n;
    c->subscribers[c->n++] = *s;
    return 0;
}

static int make_fan(struct channels *all) {
    if (!all->fan)
        all->fan = calloc(1, sizeof *all->fan);
    return all->fan ? 0 : -ENOMEM;
}

static int add_special(struct channel *c, const struct subscriber *s,
                       const struct subscriber_options *options, uint32_t *ret_index) {
    if (make_fan(c->all) < 0 || specials_add(&c->specials, s, options) < 0)
        return -ENOMEM;
    *ret_index = (c->specials->n - 1) | SPECIAL_BIT;
    return 0;
}

/* The first one comes with a position that the engine has just given. */
static void count_positioned(struct channel *c, uint32_t change) {
    c->n_positioned += change;
    if (c->n_positioned == 0) {
        list_remove(&c->positioned);
    } else if (!link_is_linked(&c->positioned)) {
        c->checked_ms = loop_now();
        list_append(&c->all->positioned, &c->positioned);
    }
}

static void count(struct channel *c, struct lane *l, const struct subscriber *s, uint32_t change) {
    l->n += change;
    if (!(s->flags & SUBSCRIBER_DELTA))
        l->n_raw += change;
    if (s->flags & SUBSCRIBER_POSITIONED)
        count_positioned(c, change);
    if (s->flags & SUBSCRIBER_JOINS)
        c->n_joins += change;
}

int channel_add(struct channel *c, struct session *session,
                const struct subscriber_options *options) {
    uint64_t next = options->next;
    struct str epoch = options->epoch;
    struct subscriber s = { .session = session,
                            .next = next,
                            .flags = (uint8_t) options->flags,
                            .format = session_format(session) & 15u };
    uint32_t index;

    /* What was published before is not the new one's; nor is what is on its way. */
    if (!c->is_run_begun)
        run_out(c);
    struct lane *l = lane_make(c, session_format(session));
    if (!l)
        return -ENOMEM;
    if (epoch.len && !str_equal(epoch, str_of(c->epoch))) {
        char terminated[EPOCH_SIZE] = "";
        memcpy(terminated, epoch.data, epoch.len < EPOCH_SIZE ? epoch.len : EPOCH_SIZE - 1);
        stream_begins(c, terminated);
    }
    int r = options->filter || (s.flags & SUBSCRIBER_DELTA) ? add_special(c, &s, options, &index)
                                                            : add_plain(c, &s, &index);
    if (r < 0)
        return r;

    count(c, l, &s, 1);
    c->all->subscriptions++;
    if ((s.flags & SUBSCRIBER_POSITIONED) && next > c->one_by_one && next > c->top + 1)
        c->one_by_one = next;
    session_subscriber_moved(session, c, index);
    if (!c->is_occupancy_told && c->all->occupied)
        c->is_occupancy_told = c->all->occupied(c->all, c);
    return 0;
}

void channel_know_keys(struct channel *c, struct publication *const *items, size_t n,
                       const struct position *at) {
    if (!at) {
        if (c->specials)
            specials_compare(c->specials, items, n);
        return;
    }
    struct position since = { .offset = c->top };
    memcpy(since.epoch, c->epoch, sizeof since.epoch);
    if (make_fan(c->all) == 0)
        specials_learn(&c->specials, &c->all->table.seed, &since, items, n, at);
}

static void move_plain(struct channel *c, uint32_t from, uint32_t to) {
    if (from == to)
        return;
    c->subscribers[to] = c->subscribers[from];
    session_subscriber_moved(c->subscribers[to].session, c, to);
}

static void remove_plain(struct channel *c, uint32_t index) {
    if (c->is_run_begun && index < c->run_left) { /* who has been served stays behind who has not */
        move_plain(c, --c->run_left, index);
        index = c->run_left;
    }
    move_plain(c, --c->n, index);
    if (c->capacity > 16 && c->n < c->capacity / 4) { /* give back after a crowd has left */
        uint32_t capacity = c->capacity / 2;
        struct subscriber *less = realloc(c->subscribers, capacity * sizeof *less);
        if (less) {
            c->subscribers = less;
            c->capacity = capacity;
        }
    }
}

static void remove_special(struct channel *c, uint32_t index) {
    specials_remove(c->specials, index);
    if (index < c->specials->n)
        session_subscriber_moved(c->specials->items[index].subscriber.session, c,
                                 index | SPECIAL_BIT);
}

void channel_remove(struct channel *c, uint32_t index) {
    bool is_special = index & SPECIAL_BIT;
    index &= ~(uint32_t) SPECIAL_BIT;
    assert(index < (is_special ? c->specials->n : c->n));
    const struct subscriber *s =
            is_special ? &c->specials->items[index].subscriber : &c->subscribers[index];

    count(c, lane_of(c, session_format(s->session)), s, UINT32_MAX);
    c->all->subscriptions--;
    if (is_special)
        remove_special(c, index);
    else
        remove_plain(c, index);
    if (c->is_occupancy_told && channel_size(c) == 0) {
        c->is_occupancy_told = false;
        c->all->vacated(c->all, c);
    }
}

void channels_watch(struct channels *all, bool (*occupied)(struct channels *, struct channel *),
                    void (*vacated)(struct channels *, struct channel *)) {
    all->occupied = occupied;
    all->vacated = vacated;
    TABLE_FOREACH (&all->table, e) {
        struct channel *c = channel_of(e);
        if (!c->is_occupancy_told && channel_size(c) > 0)
            c->is_occupancy_told = occupied(all, c);
    }
}

void channel_check(struct channel *c, const struct position *distributed) {
    if (c->epoch[0] && strcmp(c->epoch, distributed->epoch) != 0) {
        stream_begins(c, distributed->epoch);
        return;
    }
    run_out(c);
    lose_all_before(c, distributed->offset + 1);
}
