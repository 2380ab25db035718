#include "daemon/occupancy.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/list.h"

struct occupied {
    struct table_entry entry;
    struct link empty; /* in the list: nobody is there any more */
    size_t workers;
    bool is_told;         /* that it is occupied */
    int64_t vacant_at_ms; /* while it is empty */
    size_t name_len;
    char name[];
};

struct occupancy {
    pthread_mutex_t mutex;
    struct table channels;
    struct list empty; /* who left first, first */
    bool (*changed)(void *arg, struct str channel, bool is_occupied);
    void *arg;
};

static struct bytes key_of(const struct table_entry *e) {
    const struct occupied *c = CONTAINER_OF(e, struct occupied, entry);
    return bytes_of(c->name, c->name_len);
}

static struct str name_of(const struct occupied *c) {
    return (struct str){ .data = c->name, .len = c->name_len };
}

struct occupancy *occupancy_new(const struct table_seed *seed,
                                bool (*changed)(void *arg, struct str channel, bool is_occupied),
                                void *arg) {
    struct occupancy *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    pthread_mutex_init(&o->mutex, NULL);
    table_init(&o->channels, seed, key_of);
    list_init(&o->empty);
    o->changed = changed;
    o->arg = arg;
    return o;
}

static void forget(struct occupancy *o, struct occupied *c) {
    list_remove(&c->empty);
    table_remove(&o->channels, &c->entry);
    free(c);
}

struct occupancy *occupancy_free(struct occupancy *o) {
    if (!o)
        return NULL;
    TABLE_FOREACH (&o->channels, e)
        forget(o, CONTAINER_OF(e, struct occupied, entry));
    table_finish(&o->channels);
    pthread_mutex_destroy(&o->mutex);
    free(o);
    return NULL;
}

static struct occupied *find(const struct occupancy *o, struct str channel) {
    struct table_entry *e = table_find(&o->channels, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct occupied, entry) : NULL;
}

static struct occupied *add(struct occupancy *o, struct str channel) {
    struct occupied *c = malloc(sizeof *c + channel.len);
    if (!c)
        return NULL;
    *c = (struct occupied){ .name_len = channel.len };
    if (channel.len)
        memcpy(c->name, channel.data, channel.len);
    if (table_add(&o->channels, &c->entry) < 0) {
        free(c);
        return NULL;
    }
    c->is_told = o->changed(o->arg, name_of(c), true);
    return c;
}

int occupancy_enter(struct occupancy *o, struct str channel) {
    pthread_mutex_lock(&o->mutex);
    struct occupied *c = find(o, channel);
    if (!c)
        c = add(o, channel);
    if (c) {
        list_remove(&c->empty); /* came back in time: nobody hears of it */
        c->workers++;
    }
    pthread_mutex_unlock(&o->mutex);
    return c ? 0 : -ENOMEM;
}

static void vacate(struct occupancy *o, struct occupied *c) {
    if (c->is_told)
        (void) o->changed(o->arg, name_of(c), false);
    forget(o, c);
}

bool occupancy_leave(struct occupancy *o, struct str channel, int64_t now_ms, int64_t delay_ms) {
    pthread_mutex_lock(&o->mutex);
    bool is_first = false;
    struct occupied *c = find(o, channel);
    assert(c && c->workers > 0);
    if (--c->workers == 0 && delay_ms == 0) {
        vacate(o, c);
    } else if (c->workers == 0) {
        c->vacant_at_ms = now_ms + delay_ms;
        is_first = list_is_empty(&o->empty);
        list_append(&o->empty, &c->empty);
    }
    pthread_mutex_unlock(&o->mutex);
    return is_first;
}

int64_t occupancy_sweep(struct occupancy *o, int64_t now_ms) {
    int64_t next_ms = INT64_MAX;
    pthread_mutex_lock(&o->mutex);
    LIST_FOREACH_SAFE (&o->empty, k, after) {
        struct occupied *c = CONTAINER_OF(k, struct occupied, empty);
        next_ms = c->vacant_at_ms;
        if (next_ms > now_ms)
            break;
        vacate(o, c);
        next_ms = INT64_MAX;
    }
    pthread_mutex_unlock(&o->mutex);
    return next_ms;
}
