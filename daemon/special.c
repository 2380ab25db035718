#include "daemon/special.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/outbox.h"
#include "daemon/session/session.h"
#include "protocol/tags_filter.h"

struct specials *specials_free(struct specials *all) {
    if (!all)
        return NULL;
    assert(all->n == 0);
    delta_base_unref(all->newest);
    delta_keys_free(all->keys);
    free(all->items);
    free(all);
    return NULL;
}

static int make_room(struct specials *all) {
    if (all->n < all->capacity)
        return 0;
    uint32_t capacity = all->capacity ? all->capacity + (all->capacity + 1) / 2 : 1;
    struct special *more = realloc(all->items, capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    all->items = more;
    all->capacity = capacity;
    return 0;
}

static bool is_same(const struct publication *a, const struct publication *b) {
    return a == b || (a->position.offset && a->position.offset == b->position.offset &&
                      strcmp(a->position.epoch, b->position.epoch) == 0);
}

/* Many come back at once, with the same last publication: it is one base then. */
static struct delta_base *base_of(struct specials *all, struct publication *p) {
    if (all->newest && is_same(all->newest->publication, p))
        return delta_base_ref(all->newest);
    struct delta_base *b = delta_base_new(p);
    if (b) {
        delta_base_unref(all->newest);
        all->newest = delta_base_ref(b);
    }
    return b;
}

int specials_add(struct specials **all, const struct subscriber *s,
                 const struct subscriber_options *options) {
    if (!*all)
        *all = calloc(1, sizeof **all);
    if (!*all || make_room(*all) < 0)
        return -ENOMEM;

    struct special *it = &(*all)->items[(*all)->n++];
    *it = (struct special){ .subscriber = *s,
                            .filter = options->filter,
                            .since = (*all)->keys ? (*all)->keys->count : 0 };
    if (options->base && (s->flags & SUBSCRIBER_DELTA))
        it->base = base_of(*all, options->base);
    return 0;
}

void specials_remove(struct specials *all, uint32_t index) {
    struct special *it = &all->items[index];

    tags_filter_free(it->filter);
    delta_base_unref(it->base);
    *it = all->items[--all->n];
    if (all->n == 0) {
        all->newest = delta_base_unref(all->newest);
        all->keys = delta_keys_free(all->keys);
        free(all->items);
        all->items = NULL;
        all->capacity = 0;
    }
}

/* Whether it is for this one; moves its position past it. May remove it. */
static bool concerns(struct channel *c, struct special *it, const struct publication *p) {
    struct subscriber *s = &it->subscriber;
    uint64_t offset = p->position.offset;

    if (p->kind != PUBLICATION_DATA)
        return s->flags & SUBSCRIBER_JOINS;
    if (offset && (s->flags & SUBSCRIBER_POSITIONED)) {
        if (s->next < offset) {
            c->all->lost(s->session, c); /* the last one takes its place */
            return false;
        }
        if (s->next > offset)
            return false; /* it has this one already, from the history */
        s->next = offset + 1;
    }
    /* A key that goes has no tags, and whoever has it must hear of that. */
    return p->is_removed || tags_filter_match(it->filter, p->tags, p->n_tags);
}

static void send_delta(struct channel *c, struct special *it, struct publication *p,
                       struct delta_fan *fan) {
    struct session *s = it->subscriber.session;
    const struct delta_keys *keys = c->specials->keys;
    struct delta_base *base = it->base;
    struct delta_span span;

    if (p->key.len) /* of a map */
        base = keys ? delta_keys_base(keys, p, it->since) : NULL;
    if (!fan->publication)
        delta_fan_begin(fan, p);
    int r = delta_fan_frame(fan, c->all->wire, session_format(s), base, &span);
    if (r == 0) {
        outbox_append(session_outbox(s), span.batch, span.from, span.to);
        if (p->key.len)
            return;
        delta_base_unref(it->base);
        it->base = delta_base_ref(fan->target);
    } else if (r == -EPROTOTYPE) {
        session_disconnect(s, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    } else if (it->subscriber.flags & SUBSCRIBER_POSITIONED) {
        c->all->lost(s, c);
    }
}

void specials_learn(struct specials **all, const struct table_seed *seed,
                    const struct position *since, struct publication *const *items, size_t n,
                    const struct position *at) {
    if (!*all)
        *all = calloc(1, sizeof **all);
    if (*all && !(*all)->keys)
        (*all)->keys = delta_keys_new(seed, since);
    if (*all && (*all)->keys)
        delta_keys_learn((*all)->keys, items, n, at);
}

void specials_compare(struct specials *all, struct publication *const *items, size_t n) {
    if (all->keys)
        delta_keys_compare(all->keys, items, n);
}

void specials_begin(struct specials *all, const char *epoch) {
    if (all->keys && strcmp(all->keys->since.epoch, epoch) != 0)
        all->keys = delta_keys_free(all->keys);
}

static void remember_key(struct channel *c, struct publication *p, const struct delta_fan *fan) {
    struct specials *all = c->specials;

    if (!all->keys && fan->publication) /* the first one that somebody takes */
        all->keys = delta_keys_new(&c->all->table.seed, &p->position);
    if (!all->keys)
        return;
    struct delta_base *base = fan->publication ? delta_base_ref(fan->target) : delta_base_new(p);
    delta_keys_delivered(all->keys, p, base);
    delta_base_unref(base);
}

void specials_deliver(struct channel *c, struct publication *p, struct delta_fan *fan,
                      const struct raw_frame raw[static WIRE_FORMATS]) {
    struct specials *all = c->specials;

    /* Backwards, so that the one who takes a lost one's place has been served. */
    for (uint32_t i = all->n; i-- > 0;) {
        struct special *it = &all->items[i];
        if (!concerns(c, it, p))
            continue;
        if ((it->subscriber.flags & SUBSCRIBER_DELTA) && p->kind == PUBLICATION_DATA) {
            send_delta(c, it, p, fan);
            continue;
        }
        struct session *s = it->subscriber.session;
        const struct raw_frame *f = &raw[session_format(s)];
        if (f->batch)
            outbox_append(session_outbox(s), f->batch, f->from, f->to);
    }
    if (p->key.len && p->kind == PUBLICATION_DATA)
        remember_key(c, p, fan);
    if (fan->publication) {
        delta_base_unref(all->newest);
        all->newest = delta_base_ref(fan->target);
        delta_fan_end(fan);
    }
}
