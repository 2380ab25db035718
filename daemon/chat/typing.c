#include "daemon/chat/typing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "storage/chat/types.h"
#include "storage/table.h"

enum { KEY_MAX = 2 * CHAT_ID_MAX + 1, SWEEP_FIRST = 256 };

struct writer {
    struct table_entry in_table;
    int64_t told_at;
    bool has_stopped;
    uint8_t len;
    char key[]; /* room, a NUL, user */
};

struct chat_typing {
    pthread_mutex_t lock;
    struct table writers;
    size_t sweep_at;
};

static struct bytes key_of(const struct table_entry *e) {
    const struct writer *w = CONTAINER_OF(e, struct writer, in_table);
    return bytes_of(w->key, w->len);
}

int chat_typing_new(struct chat_typing **ret) {
    struct table_seed seed;
    struct chat_typing *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    loop_random(&seed, sizeof seed);
    table_init(&t->writers, &seed, key_of);
    (void) pthread_mutex_init(&t->lock, NULL);
    t->sweep_at = SWEEP_FIRST;
    *ret = t;
    return 0;
}

static void forget(struct chat_typing *t, struct writer *w) {
    table_remove(&t->writers, &w->in_table);
    free(w);
}

struct chat_typing *chat_typing_free(struct chat_typing *t) {
    if (!t)
        return NULL;
    TABLE_FOREACH (&t->writers, e)
        forget(t, CONTAINER_OF(e, struct writer, in_table));
    table_finish(&t->writers);
    (void) pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

/* Those who have ended by themselves go when there are many. */
static void sweep(struct chat_typing *t, int64_t now_ms) {
    if (table_size(&t->writers) < t->sweep_at)
        return;
    TABLE_FOREACH (&t->writers, e) {
        struct writer *w = CONTAINER_OF(e, struct writer, in_table);
        if (now_ms - w->told_at >= CHAT_TYPING_LASTS_MS)
            forget(t, w);
    }
    t->sweep_at = 2 * table_size(&t->writers) + SWEEP_FIRST;
}

static struct bytes make_key(struct str room, struct str user, char buf[static KEY_MAX]) {
    memcpy(buf, room.data, room.len);
    buf[room.len] = '\0';
    memcpy(buf + room.len + 1, user.data, user.len);
    return bytes_of(buf, room.len + 1 + user.len);
}

static struct writer *find(struct chat_typing *t, struct bytes key) {
    struct table_entry *e = table_find(&t->writers, key);
    return e ? CONTAINER_OF(e, struct writer, in_table) : NULL;
}

static struct writer *add(struct chat_typing *t, struct bytes key, int64_t now_ms) {
    sweep(t, now_ms);
    struct writer *w = calloc(1, sizeof *w + key.len);
    if (!w)
        return NULL;
    w->len = (uint8_t) key.len;
    memcpy(w->key, key.data, key.len);
    if (table_add(&t->writers, &w->in_table) < 0) {
        free(w);
        return NULL;
    }
    return w;
}

bool chat_typing_start(struct chat_typing *t, struct str room, struct str user, int64_t now_ms) {
    char buf[KEY_MAX];
    bool is_due = false;
    struct bytes key = make_key(room, user, buf);

    (void) pthread_mutex_lock(&t->lock);
    struct writer *w = find(t, key);
    if (!w) {
        w = add(t, key, now_ms);
        is_due = w != NULL;
    } else {
        is_due = now_ms - w->told_at >= CHAT_TYPING_EVERY_MS;
    }
    if (is_due) {
        w->told_at = now_ms;
        w->has_stopped = false;
    }
    (void) pthread_mutex_unlock(&t->lock);
    return is_due;
}

bool chat_typing_stop(struct chat_typing *t, struct str room, struct str user, int64_t now_ms) {
    char buf[KEY_MAX];
    bool was = false;

    (void) pthread_mutex_lock(&t->lock);
    struct writer *w = find(t, make_key(room, user, buf));
    if (w) {
        was = !w->has_stopped && now_ms - w->told_at < CHAT_TYPING_LASTS_MS;
        w->has_stopped = true;
    }
    (void) pthread_mutex_unlock(&t->lock);
    return was;
}

void chat_typing_sent(struct chat_typing *t, struct str room, struct str user) {
    char buf[KEY_MAX];

    (void) pthread_mutex_lock(&t->lock);
    struct writer *w = find(t, make_key(room, user, buf));
    if (w)
        forget(t, w);
    (void) pthread_mutex_unlock(&t->lock);
}
