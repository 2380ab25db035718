#include "storage/redis/occupied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum change { CHANGE_ENTERS = 'e', CHANGE_LEAVES = 'l', CHANGE_RETURNS = 'r' };

/* A channel that is this node's, or was. */
struct occupant {
    struct table_entry entry;
    struct link link;   /* changed: to be looked at */
    struct link flying; /* in the command that is under way */
    bool is_held;       /* it has subscribers */
    bool is_entered;    /* Redis knows, under the present name */
    bool was_entered;   /* it did, under the name before */
    size_t len;
    char text[]; /* what is said of it, a letter; the channel */
};

static struct bytes key_of(const struct table_entry *e) {
    const struct occupant *c = CONTAINER_OF(e, struct occupant, entry);
    return bytes_of(c->text + 1, c->len);
}

/* ---- one channel: under the mutex ---- */

static struct occupant *find(const struct occupied *o, struct str channel) {
    struct table_entry *e = table_find(&o->channels, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct occupant, entry) : NULL;
}

static struct occupant *add(struct occupied *o, struct str channel) {
    struct occupant *c = malloc(sizeof *c + 1 + channel.len);
    if (!c)
        return NULL;
    *c = (struct occupant){ .len = channel.len };
    if (channel.len > 0)
        memcpy(c->text + 1, channel.data, channel.len);
    if (table_add(&o->channels, &c->entry) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

static void forget(struct occupied *o, struct occupant *c) {
    list_remove(&c->link);
    list_remove(&c->flying);
    table_remove(&o->channels, &c->entry);
    free(c);
}

static void note(struct occupied *o, struct occupant *c) {
    if (!link_is_linked(&c->link))
        list_append(&o->changed, &c->link);
}

/* What is to be said of it; 0: nothing. */
static char next_change(const struct occupant *c, bool is_lost) {
    if (!c->is_entered && c->was_entered && is_lost)
        return CHANGE_RETURNS; /* and leaves, if it is not held: somebody was told of it */
    if (!c->is_entered && c->is_held)
        return CHANGE_ENTERS;
    return c->is_entered && !c->is_held ? CHANGE_LEAVES : 0;
}

int occupied_set(struct occupied *o, struct str channel, bool is_held) {
    int r = 0;
    pthread_mutex_lock(&o->mutex);
    struct occupant *c = find(o, channel);
    if (!c && is_held && !(c = add(o, channel)))
        r = -ENOMEM;
    if (c) {
        c->is_held = is_held;
        note(o, c);
        r = 1;
    }
    pthread_mutex_unlock(&o->mutex);
    return r;
}

/* ---- what is to be said ---- */

size_t occupied_take(struct occupied *o, bool is_lost, struct bytes *v, size_t max) {
    size_t n = 0;
    pthread_mutex_lock(&o->mutex);
    for (struct link *k; n < max && (k = list_pop(&o->changed));) {
        struct occupant *c = CONTAINER_OF(k, struct occupant, link);
        char change = next_change(c, is_lost);
        if (!change && !c->is_held)
            forget(o, c); /* of the name before, which ends with it */
        if (!change)
            continue;
        c->text[0] = change;
        c->is_entered = change != CHANGE_LEAVES;
        c->was_entered = false;
        if (c->is_entered != c->is_held)
            note(o, c);
        list_append(&o->flying, &c->flying);
        v[n++] = bytes_of(c->text, c->len + 1);
    }
    pthread_mutex_unlock(&o->mutex);
    return n;
}

void occupied_land(struct occupied *o, bool has_failed) {
    pthread_mutex_lock(&o->mutex);
    for (struct link *k; (k = list_pop(&o->flying));) {
        struct occupant *c = CONTAINER_OF(k, struct occupant, flying);
        if (has_failed) {
            c->was_entered = c->text[0] != CHANGE_ENTERS;
            c->is_entered = false;
            note(o, c);
        } else if (!c->is_held && !c->is_entered && !link_is_linked(&c->link)) {
            forget(o, c);
        }
    }
    pthread_mutex_unlock(&o->mutex);
}

void occupied_say_again(struct occupied *o) {
    pthread_mutex_lock(&o->mutex);
    TABLE_FOREACH (&o->channels, e) {
        struct occupant *c = CONTAINER_OF(e, struct occupant, entry);
        c->was_entered = c->was_entered || c->is_entered;
        c->is_entered = false;
        note(o, c);
    }
    pthread_mutex_unlock(&o->mutex);
}

bool occupied_has_changes(struct occupied *o) {
    pthread_mutex_lock(&o->mutex);
    bool has = !list_is_empty(&o->changed);
    pthread_mutex_unlock(&o->mutex);
    return has;
}

/* ---- life ---- */

void occupied_init(struct occupied *o, const struct table_seed *seed) {
    pthread_mutex_init(&o->mutex, NULL);
    table_init(&o->channels, seed, key_of);
    list_init(&o->changed);
    list_init(&o->flying);
}

void occupied_finish(struct occupied *o) {
    TABLE_FOREACH (&o->channels, e)
        forget(o, CONTAINER_OF(e, struct occupant, entry));
    table_finish(&o->channels);
    pthread_mutex_destroy(&o->mutex);
}
