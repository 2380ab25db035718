#include "daemon/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/future.h"
#include "daemon/map/poll_room.h"
#include "daemon/session/session.h"
#include "daemon/special.h"
#include "storage/engine.h"

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
    run_drop(c);
    table_remove(&c->all->table, &c->entry);
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

/* ---- what is delivered ---- */

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

static void lose_unnumbered(struct channel *c) {
    run_out(c);
    for (uint32_t i = c->n; i-- > 0;)
        if (c->subscribers[i].flags & SUBSCRIBER_UNNUMBERED)
            c->all->lost(c->subscribers[i].session, c);
    for (uint32_t i = c->specials ? c->specials->n : 0; i-- > 0;)
        if (c->specials->items[i].subscriber.flags & SUBSCRIBER_UNNUMBERED)
            c->all->lost(c->specials->items[i].subscriber.session, c);
}

void channels_missed(struct channels *all) {
    TABLE_FOREACH (&all->table, e) {
        struct channel *c = CONTAINER_OF(e, struct channel, entry);
        LIST_FOREACH_SAFE (&c->joiners, k, after)
            CONTAINER_OF(k, struct joiner, link)->is_overrun = true;
        c->users++; /* the last subscriber may be lost */
        lose_unnumbered(c);
        channel_release(c);
    }
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

    if (!run_takes(c, p, kind))
        run_out(c);
    if (kind == RUN_STREAM)
        c->top = offset;
    if (channel_size(c) == 0 || (kind == RUN_JOINS && c->n_joins == 0)) {
        if (c->specials && c->specials->keys)
            specials_deliver(c, p, c->all->fan, (const struct raw_frame[WIRE_FORMATS]){ 0 });
        return;
    }

    c->all->delivered++;
    struct raw_frame raw[WIRE_FORMATS]; /* for the specials */
    if (c->specials)
        memset(raw, 0, sizeof raw);
    if (run_append(c, p, kind, raw) < 0) {
        run_drop(c);
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
    run_has_one_more(c);
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

    /* What was published before is not the new one's. */
    if (!run_admits(c, &s))
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
    uint32_t ends[RUN_BLOCKS];
    run_has_one_less(c, index, ends);
    for (unsigned i = 0; i < RUN_BLOCKS; i++) {
        if (index < ends[i]) {
            move_plain(c, ends[i] - 1, index);
            index = ends[i] - 1;
        }
    }
    c->n--;
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
