#include "daemon/chat/online.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "storage/table.h"

struct person {
    struct table_entry in_table;
    uint32_t connections;
    enum chat_role role;
    int64_t seen_at;
    int64_t elsewhere_until; /* loop_now(): on another node */
    int64_t left_at;         /* loop_now() */
    bool is_told;            /* others take them to be there */
    uint16_t len;
    char id[];
};

struct chat_online {
    pthread_mutex_t lock;
    struct table people; /* those who are there, and who went since last_seen was written */
    size_t n;            /* who are there */
    bool is_telling;     /* others are told who comes and goes */
};

static struct bytes key_of(const struct table_entry *e) {
    const struct person *p = CONTAINER_OF(e, struct person, in_table);
    return bytes_of(p->id, p->len);
}

int chat_online_new(struct chat_online **ret) {
    struct table_seed seed;
    struct chat_online *o = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    loop_random(&seed, sizeof seed);
    table_init(&o->people, &seed, key_of);
    o->is_telling = true;
    (void) pthread_mutex_init(&o->lock, NULL);
    *ret = o;
    return 0;
}

static void forget(struct chat_online *o, struct person *p) {
    table_remove(&o->people, &p->in_table);
    free(p);
}

struct chat_online *chat_online_free(struct chat_online *o) {
    if (!o)
        return NULL;
    TABLE_FOREACH (&o->people, e)
        forget(o, CONTAINER_OF(e, struct person, in_table));
    table_finish(&o->people);
    (void) pthread_mutex_destroy(&o->lock);
    free(o);
    return NULL;
}

static struct person *find(struct chat_online *o, struct str user) {
    struct table_entry *e = table_find(&o->people, str_bytes(user));
    return e ? CONTAINER_OF(e, struct person, in_table) : NULL;
}

static struct person *add(struct chat_online *o, struct str user) {
    struct person *p = calloc(1, sizeof *p + user.len);
    if (!p)
        return NULL;
    p->len = (uint16_t) user.len;
    memcpy(p->id, user.data, user.len);
    if (table_add(&o->people, &p->in_table) < 0) {
        free(p);
        return NULL;
    }
    return p;
}

int chat_online_enter(struct chat_online *o, struct str user, enum chat_role role) {
    (void) pthread_mutex_lock(&o->lock);
    struct person *p = find(o, user);
    if (!p)
        p = add(o, user);
    if (p) {
        o->n += p->connections == 0;
        p->connections++;
        p->role = role;
        p->seen_at = 0;
    }
    (void) pthread_mutex_unlock(&o->lock);
    return p ? 0 : -ENOMEM;
}

void chat_online_leave(struct chat_online *o, struct str user, int64_t now_ms) {
    (void) pthread_mutex_lock(&o->lock);
    struct person *p = find(o, user);
    if (p && p->connections > 0 && --p->connections == 0) {
        p->seen_at = now_ms;
        p->left_at = loop_now();
        o->n--;
    }
    (void) pthread_mutex_unlock(&o->lock);
}

int chat_online_note(struct chat_online *o, struct str user, enum chat_role role,
                     int64_t until_ms) {
    (void) pthread_mutex_lock(&o->lock);
    struct person *p = find(o, user);
    if (!p && (p = add(o, user)))
        p->role = role;
    if (p)
        p->elsewhere_until = until_ms;
    (void) pthread_mutex_unlock(&o->lock);
    return p ? 0 : -ENOMEM;
}

void chat_online_set_role(struct chat_online *o, struct str user, enum chat_role role) {
    (void) pthread_mutex_lock(&o->lock);
    struct person *p = find(o, user);
    if (p)
        p->role = role;
    (void) pthread_mutex_unlock(&o->lock);
}

static bool is_there(const struct person *p) {
    return p->connections > 0 || p->elsewhere_until > loop_now();
}

bool chat_online_has(struct chat_online *o, struct str user) {
    (void) pthread_mutex_lock(&o->lock);
    const struct person *p = find(o, user);
    bool has = p && is_there(p);
    (void) pthread_mutex_unlock(&o->lock);
    return has;
}

size_t chat_online_count(struct chat_online *o) {
    (void) pthread_mutex_lock(&o->lock);
    size_t n = o->n;
    (void) pthread_mutex_unlock(&o->lock);
    return n;
}

static int list(struct chat_online *o, bool takes_gone, struct arena *a,
                struct chat_online_user **ret, size_t *ret_n) {
    struct arena_list all = { 0 };
    int r = 0;

    (void) pthread_mutex_lock(&o->lock);
    TABLE_FOREACH (&o->people, e) {
        struct person *p = CONTAINER_OF(e, struct person, in_table);
        if (!is_there(p) && !takes_gone)
            continue;
        struct chat_online_user *u = arena_list_add(a, &all, sizeof *u);
        char *id = u ? arena_alloc(a, p->len) : NULL;
        if (!id) {
            r = -ENOMEM;
            break;
        }
        memcpy(id, p->id, p->len);
        *u = (struct chat_online_user){ { id, p->len }, p->role, is_there(p) ? 0 : p->seen_at };
        if (!is_there(p) && !p->is_told)
            forget(o, p);
    }
    (void) pthread_mutex_unlock(&o->lock);
    *ret = all.items;
    *ret_n = all.n;
    return r;
}

int chat_online_list(struct chat_online *o, struct arena *a, struct chat_online_user **ret,
                     size_t *ret_n) {
    return list(o, false, a, ret, ret_n);
}

int chat_online_take_seen(struct chat_online *o, struct arena *a, struct chat_online_user **ret,
                          size_t *ret_n) {
    return list(o, true, a, ret, ret_n);
}

/* ---- what others are told ---- */

/* Who reloads a page has not gone. */
static bool seems_there(const struct person *p) {
    return is_there(p) || (p->is_told && loop_now() - p->left_at < CHAT_ONLINE_GONE_MS);
}

static bool are_too_many(const struct chat_online *o) {
    size_t max = o->is_telling ? CHAT_ONLINE_TOLD_MAX : CHAT_ONLINE_TOLD_MAX * 3 / 4, n = 0;

    /* Those who went are in the table for up to a minute: a walk of so many is not worth it. */
    if (o->n > max || table_size(&o->people) > 10 * CHAT_ONLINE_TOLD_MAX)
        return true;
    TABLE_FOREACH (&o->people, e)
        n += is_there(CONTAINER_OF(e, struct person, in_table));
    return n > max;
}

static int add_id(struct arena *a, struct arena_list *ids, const struct person *p) {
    struct str *id = arena_list_add(a, ids, sizeof *id);
    char *copy = id ? arena_alloc(a, p->len) : NULL;
    if (!copy)
        return -ENOMEM;
    memcpy(copy, p->id, p->len);
    *id = (struct str){ copy, p->len };
    return 0;
}

static void tell_nobody(struct chat_online *o) {
    o->is_telling = false;
    TABLE_FOREACH (&o->people, e)
        CONTAINER_OF(e, struct person, in_table)->is_told = false;
}

static int find_news(struct chat_online *o, struct arena *a, struct chat_online_news *ret) {
    struct arena_list came = { 0 }, gone = { 0 };
    int r = 0;

    TABLE_FOREACH (&o->people, e) {
        struct person *p = CONTAINER_OF(e, struct person, in_table);
        bool is = seems_there(p);
        if (is == p->is_told)
            continue;
        if ((r = add_id(a, is ? &came : &gone, p)) < 0)
            return r;
        p->is_told = is;
    }
    ret->came = came.items;
    ret->n_came = came.n;
    ret->gone = gone.items;
    ret->n_gone = gone.n;
    return r;
}

int chat_online_news(struct chat_online *o, struct arena *a, struct chat_online_news *ret) {
    struct chat_online_news news = { 0 };
    int r = 0;

    (void) pthread_mutex_lock(&o->lock);
    bool was_telling = o->is_telling;
    if (are_too_many(o)) {
        news.kind = was_telling ? CHAT_ONLINE_TOO_MANY : CHAT_ONLINE_NOTHING;
        if (was_telling)
            tell_nobody(o);
    } else {
        o->is_telling = true;
        r = find_news(o, a, &news);
        news.kind = !was_telling                    ? CHAT_ONLINE_ALL
                    : news.n_came + news.n_gone > 0 ? CHAT_ONLINE_CHANGE
                                                    : CHAT_ONLINE_NOTHING;
        if (r < 0)
            tell_nobody(o);
    }
    (void) pthread_mutex_unlock(&o->lock);
    if (r == 0)
        *ret = news;
    return r;
}

void chat_online_untold(struct chat_online *o) {
    (void) pthread_mutex_lock(&o->lock);
    tell_nobody(o);
    (void) pthread_mutex_unlock(&o->lock);
}

int chat_online_told(struct chat_online *o, struct arena *a, struct str **ret, size_t *ret_n) {
    struct arena_list all = { 0 };
    int r = 0;

    (void) pthread_mutex_lock(&o->lock);
    bool is_telling = o->is_telling;
    TABLE_FOREACH (&o->people, e) {
        const struct person *p = CONTAINER_OF(e, struct person, in_table);
        if (r == 0 && is_telling && p->is_told)
            r = add_id(a, &all, p);
    }
    (void) pthread_mutex_unlock(&o->lock);
    if (r < 0)
        return r;
    *ret = all.items;
    *ret_n = all.n;
    return is_telling ? 1 : 0;
}
