#include "daemon/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/session_impl.h"
#include "daemon/worker.h"

/* ---- finding ---- */

static struct session *by_client(const struct table_entry *e) {
    return CONTAINER_OF(e, struct session, by_client);
}

static struct session *by_user(const struct table_entry *e) {
    return CONTAINER_OF(e, struct session, by_user);
}

static struct bytes client_of(const struct table_entry *e) {
    return str_bytes(session_client(by_client(e)));
}

static struct bytes user_of(const struct table_entry *e) {
    return str_bytes(session_user(by_user(e)));
}

static struct bytes name_of(const struct table_entry *e) {
    return bytes_of(CONTAINER_OF(e, struct session_more, by_name)->name, SESSION_ID_LEN);
}

void hub_init(struct hub *h, const struct table_seed *seed) {
    table_init(&h->by_client, seed, client_of);
    table_init(&h->by_user, seed, user_of);
    table_init(&h->by_session, seed, name_of);
}

void hub_finish(struct hub *h) {
    table_finish(&h->by_client);
    table_finish(&h->by_user);
    table_finish(&h->by_session);
}

struct session *hub_find_client(const struct worker *w, struct str client) {
    struct table_entry *e = table_find(&w->hub.by_client, str_bytes(client));
    return e ? by_client(e) : NULL;
}

struct session *hub_find_session(const struct worker *w, struct str session_id) {
    struct table_entry *e = table_find(&w->hub.by_session, str_bytes(session_id));
    return e ? CONTAINER_OF(e, struct session_more, by_name)->session : NULL;
}

struct session *hub_first_of_user(const struct worker *w, struct str user) {
    struct table_entry *e = table_find(&w->hub.by_user, str_bytes(user));
    return e ? by_user(e) : NULL;
}

struct session *hub_next_of_user(const struct session *s) {
    return s->next_of_user;
}

size_t hub_users(const struct worker *w) {
    return table_size(&w->hub.by_user);
}

/* ---- coming and going ---- */

/* A user's first session is in the table, the others hang from it. */
static int add_to_user(struct hub *h, struct session *s) {
    struct table_entry *e = table_find(&h->by_user, str_bytes(session_user(s)));
    if (!e)
        return table_add(&h->by_user, &s->by_user);

    struct session *first = by_user(e);
    s->prev_of_user = first;
    s->next_of_user = first->next_of_user;
    if (s->next_of_user)
        s->next_of_user->prev_of_user = s;
    first->next_of_user = s;
    return 0;
}

static void remove_from_user(struct hub *h, struct session *s) {
    struct session *next = s->next_of_user;

    if (next)
        next->prev_of_user = s->prev_of_user;
    if (s->prev_of_user) {
        s->prev_of_user->next_of_user = next;
    } else {
        table_remove(&h->by_user, &s->by_user);
        if (next) /* cannot fail: the table has its buckets */
            (void) !table_add(&h->by_user, &next->by_user);
    }
    s->next_of_user = s->prev_of_user = NULL;
}

int hub_add(struct worker *w, struct session *s) {
    int r = table_add(&w->hub.by_client, &s->by_client);
    if (r < 0)
        return r;
    r = add_to_user(&w->hub, s);
    if (r < 0) {
        table_remove(&w->hub.by_client, &s->by_client);
        return r;
    }
    s->is_in_hub = true;
    return 0;
}

void hub_remove(struct worker *w, struct session *s) {
    if (!s->is_in_hub)
        return;
    s->is_in_hub = false;
    table_remove(&w->hub.by_client, &s->by_client);
    remove_from_user(&w->hub, s);
}

/* ---- session ids: the worker's index as two digits, then randomness ---- */

static const char digits[] = "0123456789abcdef";

int hub_name_session(struct worker *w, struct session *s, struct str *ret_id) {
    uint8_t random[(SESSION_ID_LEN - 2) / 2];
    struct session_more *more = session_more(s);
    if (!more)
        return -ENOMEM;

    hub_forget_session(w, s);
    loop_random(random, sizeof random);
    more->name[0] = digits[w->index >> 4 & 15];
    more->name[1] = digits[w->index & 15];
    for (size_t i = 0; i < sizeof random; i++) {
        more->name[2 + 2 * i] = digits[random[i] >> 4];
        more->name[3 + 2 * i] = digits[random[i] & 15];
    }
    int r = table_add(&w->hub.by_session, &more->by_name);
    if (r < 0)
        return r;
    more->has_name = true;
    *ret_id = (struct str){ more->name, SESSION_ID_LEN };
    return 0;
}

void hub_forget_session(struct worker *w, struct session *s) {
    if (!s->more || !s->more->has_name)
        return;
    s->more->has_name = false;
    table_remove(&w->hub.by_session, &s->more->by_name);
}

static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hub_worker_of_session(const struct daemon *d, struct str session_id) {
    if (session_id.len != SESSION_ID_LEN)
        return -ENOENT;
    int high = digit_of(session_id.data[0]), low = digit_of(session_id.data[1]);
    if (high < 0 || low < 0 || (size_t) (high * 16 + low) >= d->n_workers)
        return -ENOENT;
    return high * 16 + low;
}

/* ---- connections of a user ---- */

struct user_count {
    struct table_entry entry;
    size_t n;
    size_t user_len;
    char user[];
};

struct user_counts {
    pthread_mutex_t lock;
    struct table table;
};

static struct bytes counted_user(const struct table_entry *e) {
    const struct user_count *u = CONTAINER_OF(e, struct user_count, entry);
    return bytes_of(u->user, u->user_len);
}

struct user_counts *user_counts_new(void) {
    struct table_seed seed;
    struct user_counts *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    loop_random(&seed, sizeof seed);
    (void) pthread_mutex_init(&c->lock, NULL);
    table_init(&c->table, &seed, counted_user);
    return c;
}

struct user_counts *user_counts_free(struct user_counts *c) {
    if (!c)
        return NULL;
    TABLE_FOREACH (&c->table, e)
        free(CONTAINER_OF(e, struct user_count, entry));
    table_finish(&c->table);
    (void) pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

static struct user_count *find_count(const struct user_counts *c, struct str user) {
    struct table_entry *e = table_find(&c->table, str_bytes(user));
    return e ? CONTAINER_OF(e, struct user_count, entry) : NULL;
}

static int add_locked(struct user_counts *c, struct str user, uint32_t limit) {
    struct user_count *u = find_count(c, user);
    if (u) {
        if (limit && u->n >= limit)
            return -EDQUOT;
        u->n++;
        return 0;
    }
    u = malloc(sizeof *u + user.len);
    if (!u)
        return -ENOMEM;
    *u = (struct user_count){ .n = 1, .user_len = user.len };
    if (user.len)
        memcpy(u->user, user.data, user.len);
    int r = table_add(&c->table, &u->entry);
    if (r < 0)
        free(u);
    return r;
}

int user_counts_add(struct user_counts *c, struct str user, uint32_t limit) {
    pthread_mutex_lock(&c->lock);
    int r = add_locked(c, user, limit);
    pthread_mutex_unlock(&c->lock);
    return r;
}

void user_counts_remove(struct user_counts *c, struct str user) {
    pthread_mutex_lock(&c->lock);
    struct user_count *u = find_count(c, user);
    if (u && --u->n == 0) {
        table_remove(&c->table, &u->entry);
        free(u);
    }
    pthread_mutex_unlock(&c->lock);
}

void hub_count_users(struct worker *w) {
    LIST_FOREACH (&w->sessions, k) {
        struct session *s = CONTAINER_OF(k, struct session, all);
        if (s->is_in_hub && !s->is_user_counted && s->identity->user_len)
            s->is_user_counted = user_counts_add(w->daemon->user_counts, session_user(s), 0) == 0;
    }
}
