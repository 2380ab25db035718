#include "daemon/special.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/key_bases.h"
#include "daemon/outbox.h"
#include "daemon/session.h"
#include "protocol/tags_filter.h"

struct specials *specials_free(struct specials *all) {
    if (!all)
        return NULL;
    assert(all->n == 0);
    delta_base_unref(all->newest);
    key_bases_free(all->keys);
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
    *it = (struct special){ .subscriber = *s, .filter = options->filter };
    it->since = (*all)->keys ? (*all)->keys->delivered : 0;
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
        all->keys = key_bases_free(all->keys);
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
    return p->is_removed || tags_filter_match(it->filter, p->tags, p->n_tags);
}

static void send_delta(struct channel *c, struct special *it, struct publication *p,
                       struct delta_fan *fan) {
    struct session *s = it->subscriber.session;
    struct delta_span span;

    if (!fan->publication)
        delta_fan_begin(fan, p);
    bool is_of_map = p->key.len > 0;
    struct delta_base *base = it->base;
    if (is_of_map)
        base = c->specials->keys ? key_bases_find(c->specials->keys, p->key, it->since) : NULL;
    int r = delta_fan_frame(fan, c->all->wire, session_format(s), base, &span);
    if (r == 0) {
        outbox_append(session_outbox(s), span.batch, span.from, span.to);
        if (is_of_map)
            return;
        delta_base_unref(it->base);
        it->base = delta_base_ref(fan->target);
    } else if (r == -EPROTOTYPE) {
        session_disconnect(s, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    } else if (is_of_map || (it->subscriber.flags & SUBSCRIBER_POSITIONED)) {
        c->all->lost(s, c); /* of a key it would be taken to have what it does not */
    }
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
    if (fan->publication && p->key.len) {
        if (!all->keys)
            all->keys = key_bases_new(&c->all->table.seed);
        if (all->keys)
            key_bases_delivered(all->keys, p, fan->target);
        delta_fan_end(fan);
    } else if (fan->publication) {
        delta_base_unref(all->newest);
        all->newest = delta_base_ref(fan->target);
        delta_fan_end(fan);
    }
}
