#include "daemon/session/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/session/impl.h"
#include "daemon/worker.h"

enum { BUCKETS_MIN = 16, PLACES_MIN = 16 };

static struct bytes name_of(const struct table_entry *e) {
    return bytes_of(CONTAINER_OF(e, struct session_more, by_name)->name, SESSION_ID_LEN);
}

void hub_init(struct hub *h, const struct table_seed *seed) {
    *h = (struct hub){ .seed = *seed };
    table_init(&h->by_session, seed, name_of);
}

void hub_finish(struct hub *h) {
    free(h->places);
    free(h->buckets);
    h->places = NULL;
    h->buckets = NULL;
    table_finish(&h->by_session);
}

/* ---- buckets ---- */

static struct hub_place *place(const struct hub *h, uint32_t i) {
    return &h->places[i - 1];
}

static uint32_t hash_of(const struct hub *h, struct bytes key) {
    return (uint32_t) table_hash(&h->seed, key);
}

/* The power of two that is not below n. */
static uint32_t rounded(uint32_t n) {
    uint32_t up = BUCKETS_MIN;
    while (up < n)
        up *= 2;
    return up;
}

/* Those that have been split have two for what was one. */
static struct hub_bucket *bucket_of(const struct hub *h, uint32_t hash) {
    uint32_t all = rounded(h->n_buckets), i = hash & (all - 1);
    return &h->buckets[i < h->n_buckets ? i : hash & (all / 2 - 1)];
}

static uint32_t *first_of_client(const struct hub *h, const struct client_id *client) {
    return &bucket_of(h, hash_of(h, bytes_of(client->bytes, sizeof client->bytes)))->by_client;
}

static uint32_t *first_by_user(struct hub *h, const struct hub_place *p) {
    return p->session->identity->user_len ? &bucket_of(h, p->user_hash)->by_user : &h->anonymous;
}

static void link_client(struct hub *h, uint32_t i) {
    uint32_t *first = first_of_client(h, &place(h, i)->session->client);
    place(h, i)->next_by_client = *first;
    *first = i;
}

static void link_user(struct hub *h, uint32_t i) {
    struct hub_place *p = place(h, i);
    uint32_t *first = first_by_user(h, p);
    p->prev_by_user = 0;
    p->next_by_user = *first;
    if (*first)
        place(h, *first)->prev_by_user = i;
    *first = i;
}

/* Without memory chains become longer, and nothing else. */
static void split_one(struct hub *h) {
    if (h->n_buckets == h->bucket_capacity) {
        uint32_t capacity = h->bucket_capacity + h->bucket_capacity / 2;
        struct hub_bucket *more = realloc(h->buckets, capacity * sizeof *more);
        if (!more)
            return;
        h->buckets = more;
        h->bucket_capacity = capacity;
    }
    uint32_t added = h->n_buckets;
    struct hub_bucket *old = &h->buckets[added - rounded(added + 1) / 2], was = *old;
    *old = h->buckets[added] = (struct hub_bucket){ 0 };
    h->n_buckets++;
    for (uint32_t i = was.by_client, next; i; i = next) {
        next = place(h, i)->next_by_client;
        link_client(h, i);
    }
    for (uint32_t i = was.by_user, next; i; i = next) {
        next = place(h, i)->next_by_user;
        link_user(h, i);
    }
}

static int make_buckets(struct hub *h) {
    if (h->buckets)
        return 0;
    h->buckets = calloc(BUCKETS_MIN, sizeof *h->buckets);
    if (!h->buckets)
        return -ENOMEM;
    h->n_buckets = h->bucket_capacity = BUCKETS_MIN;
    return 0;
}

static int make_room(struct hub *h) {
    if (h->free || h->n_places < h->capacity)
        return 0;
    uint32_t capacity = h->capacity ? h->capacity + h->capacity / 4 : PLACES_MIN;
    struct hub_place *more = realloc(h->places, capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    h->places = more;
    h->capacity = capacity;
    return 0;
}

/* ---- finding ---- */

bool hub_walk_next(const struct hub *h, struct hub_walk *walk) {
    while (walk->place < h->n_places) {
        walk->session = hub_at(h, ++walk->place);
        if (walk->session)
            return true;
    }
    return false;
}

struct session *hub_find_client(const struct worker *w, struct str client) {
    const struct hub *h = &w->hub;
    struct client_id id;
    if (h->n == 0 || !client_id_parse(client, &id))
        return NULL;
    for (uint32_t i = *first_of_client(h, &id); i; i = place(h, i)->next_by_client) {
        struct session *s = place(h, i)->session;
        if (memcmp(s->client.bytes, id.bytes, sizeof id.bytes) == 0)
            return s;
    }
    return NULL;
}

struct session *hub_find_session(const struct worker *w, struct str session_id) {
    struct table_entry *e = table_find(&w->hub.by_session, str_bytes(session_id));
    return e ? CONTAINER_OF(e, struct session_more, by_name)->session : NULL;
}

/* From place i of its bucket on. */
static struct session *next_of(const struct hub *h, uint32_t i, uint32_t hash, struct str user) {
    for (; i; i = place(h, i)->next_by_user) {
        const struct hub_place *p = place(h, i);
        if (p->user_hash == hash && str_equal(session_user(p->session), user))
            return p->session;
    }
    return NULL;
}

struct session *hub_first_of_user(const struct worker *w, struct str user) {
    const struct hub *h = &w->hub;
    if (h->n == 0)
        return NULL;
    uint32_t hash = hash_of(h, str_bytes(user));
    return next_of(h, user.len ? bucket_of(h, hash)->by_user : h->anonymous, hash, user);
}

struct session *hub_next_of_user(const struct session *s) {
    const struct hub *h = &s->worker->hub;
    const struct hub_place *p = place(h, s->place);
    return next_of(h, p->next_by_user, p->user_hash, session_user(s));
}

size_t hub_users(const struct worker *w) {
    return w->hub.n_users;
}

/* ---- coming and going ---- */

int hub_enter(struct worker *w, struct session *s) {
    struct hub *h = &w->hub;
    int r = make_room(h);
    if (r < 0)
        return r;
    uint32_t i = h->free;
    if (i)
        h->free = place(h, i)->next_by_client;
    else
        i = ++h->n_places;
    *place(h, i) = (struct hub_place){ .session = s };
    h->n_taken++;
    s->place = i;
    return 0;
}

void hub_exit(struct worker *w, struct session *s) {
    struct hub *h = &w->hub;
    if (!s->place)
        return;
    hub_remove(w, s);
    *place(h, s->place) = (struct hub_place){ .next_by_client = h->free };
    h->free = s->place;
    s->place = 0;
    if (--h->n_taken > 0)
        return;
    free(h->places);
    h->places = NULL;
    h->n_places = h->capacity = h->free = 0;
}

int hub_add(struct worker *w, struct session *s) {
    struct hub *h = &w->hub;
    int r = make_buckets(h);
    if (r < 0)
        return r;
    if (h->n >= h->n_buckets)
        split_one(h);

    h->n_users += hub_first_of_user(w, session_user(s)) == NULL;
    place(h, s->place)->user_hash = hash_of(h, str_bytes(session_user(s)));
    link_client(h, s->place);
    link_user(h, s->place);
    h->n++;
    s->is_in_hub = true;
    return 0;
}

void hub_remove(struct worker *w, struct session *s) {
    struct hub *h = &w->hub;
    if (!s->is_in_hub)
        return;
    const struct hub_place *p = place(h, s->place);

    uint32_t *at = first_of_client(h, &s->client);
    while (*at != s->place)
        at = &place(h, *at)->next_by_client;
    *at = p->next_by_client;

    if (p->next_by_user)
        place(h, p->next_by_user)->prev_by_user = p->prev_by_user;
    if (p->prev_by_user)
        place(h, p->prev_by_user)->next_by_user = p->next_by_user;
    else
        *first_by_user(h, p) = p->next_by_user;

    s->is_in_hub = false;
    if (--h->n == 0) {
        free(h->buckets);
        h->buckets = NULL;
        h->n_buckets = h->bucket_capacity = 0;
    }
    h->n_users -= hub_first_of_user(w, session_user(s)) == NULL;
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

int hub_worker_of_session(const struct daemon *d, struct str session_id) {
    if (session_id.len != SESSION_ID_LEN)
        return -ENOENT;
    int high = client_id_digit(session_id.data[0]), low = client_id_digit(session_id.data[1]);
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
    HUB_FOREACH (w, walk) {
        struct session *s = walk.session;
        if (s->is_in_hub && !s->is_user_counted && s->identity->user_len)
            s->is_user_counted = user_counts_add(w->daemon->user_counts, session_user(s), 0) == 0;
    }
}
