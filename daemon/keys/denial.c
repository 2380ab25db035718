#include "daemon/keys/denial.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "daemon/daemon.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/survey.h"
#include "daemon/worker.h"
#include "protocol/buffer.h"
#include "storage/denial.h"
#include "storage/table.h"

enum { SWEEP_FIRST = 64 };

/* One denial. The register's. */
struct entry {
    struct table_entry in_table;
    int64_t before_s;    /* of tokens issued before */
    int64_t expire_at_s; /* wall clock; 0: never */
    uint64_t serial;     /* of the register's newest change of it */
    uint32_t len;
    uint8_t key[]; /* its kind, and what the engine knows it by */
};

struct denial_register {
    pthread_mutex_t lock;
    struct table table;
    uint64_t serial;      /* of the newest change */
    uint64_t forgotten;   /* denials that were taken back so far */
    size_t sweep_at;      /* entries: then those that have expired are looked for */
    _Atomic size_t count; /* of the table: without denials nobody locks */
};

static struct bytes key_of(const struct table_entry *k) {
    const struct entry *e = CONTAINER_OF(k, struct entry, in_table);
    return bytes_of(e->key, e->len);
}

static int64_t now_s(void) {
    return loop_wall_ms() / 1000;
}

static bool is_over(const struct entry *e) {
    return e->expire_at_s && e->expire_at_s <= now_s();
}

/* ---- the register, locked ---- */

static void set_count(struct denial_register *r) {
    atomic_store_explicit(&r->count, table_size(&r->table), memory_order_release);
}

static void drop(struct denial_register *r, struct entry *e) {
    table_remove(&r->table, &e->in_table);
    free(e);
}

static void sweep(struct denial_register *r) {
    if (table_size(&r->table) < r->sweep_at)
        return;
    TABLE_FOREACH (&r->table, k) {
        struct entry *e = CONTAINER_OF(k, struct entry, in_table);
        if (is_over(e))
            drop(r, e);
    }
    r->sweep_at = 2 * table_size(&r->table) + SWEEP_FIRST;
}

static struct entry *find(const struct denial_register *r, struct bytes key) {
    struct table_entry *k = table_find(&r->table, key);
    return k ? CONTAINER_OF(k, struct entry, in_table) : NULL;
}

static int64_t later_end(int64_t a, int64_t b) {
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Adds, or extends the one that is there; hands out what it is now. */
static int merge(struct denial_register *r, struct bytes key, int64_t before_s, int64_t expire_at_s,
                 struct entry *ret_now, bool *ret_is_new) {
    sweep(r);
    struct entry *e = find(r, key);
    if (e && is_over(e)) {
        drop(r, e);
        e = NULL;
    }
    *ret_is_new = !e;
    if (e) {
        e->before_s = later(e->before_s, before_s);
        e->expire_at_s = later_end(e->expire_at_s, expire_at_s);
    } else {
        e = malloc(sizeof *e + key.len);
        if (!e)
            return -ENOMEM;
        *e = (struct entry){ .before_s = before_s,
                             .expire_at_s = expire_at_s,
                             .len = (uint32_t) key.len };
        memcpy(e->key, key.data, key.len);
        if (table_add(&r->table, &e->in_table) < 0) {
            free(e);
            return -ENOMEM;
        }
    }
    e->serial = ++r->serial;
    ret_now->before_s = e->before_s;
    ret_now->expire_at_s = e->expire_at_s;
    set_count(r);
    return 0;
}

/* ---- keys ---- */

/* A kind and a name, or two: the first one's length keeps them apart. */
static void make_key(struct buffer *b, enum denial_kind kind, struct str name, struct str second) {
    buffer_append_byte(b, (uint8_t) ('0' + (int) kind));
    if (kind == DENIAL_CHANNEL_TOKEN)
        buffer_printf(b, "%zu:", name.len);
    buffer_append_str(b, name);
    buffer_append_str(b, second);
}

/* What the engine is told: the kind is its own. */
static struct denial denial_of(struct bytes key, const struct entry *e) {
    return (struct denial){
        .kind = (enum denial_kind)(key.data[0] - '0'),
        .key = { (const char *) key.data + 1, key.len - 1 },
        .before_ms = e->before_s * 1000,
        .expire_at_ms = e->expire_at_s * 1000,
    };
}

/* ---- life ---- */

int denials_open(struct engine *engine, struct denial_register **ret) {
    struct denials kept = { 0 };
    struct table_seed seed;
    struct denial_register *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    (void) pthread_mutex_init(&r->lock, NULL);
    loop_random(&seed, sizeof seed);
    table_init(&r->table, &seed, key_of);
    r->sweep_at = SWEEP_FIRST;

    int e = engine_denials(engine, &kept);
    for (size_t i = 0; i < kept.n && e == 0; i++) {
        const struct denial *d = &kept.items[i];
        CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;
        struct entry now;
        bool is_new;
        buffer_append_byte(&key, (uint8_t) ('0' + (int) d->kind));
        buffer_append_str(&key, d->key);
        e = buffer_error(&key);
        if (e == 0)
            e = merge(r, buffer_bytes(&key), d->before_ms / 1000, d->expire_at_ms / 1000, &now,
                      &is_new);
    }
    denials_finish(&kept);
    if (e < 0)
        denials_close(r);
    else
        *ret = r;
    return e;
}

struct denial_register *denials_close(struct denial_register *r) {
    if (!r)
        return NULL;
    TABLE_FOREACH (&r->table, k)
        drop(r, CONTAINER_OF(k, struct entry, in_table));
    table_finish(&r->table);
    (void) pthread_mutex_destroy(&r->lock);
    free(r);
    return NULL;
}

/* ---- denying ---- */

static void forget(struct denial_register *r, struct bytes key) {
    (void) pthread_mutex_lock(&r->lock);
    struct entry *e = find(r, key);
    if (e)
        drop(r, e);
    r->forgotten++;
    set_count(r);
    (void) pthread_mutex_unlock(&r->lock);
}

static bool is_as(struct denial_register *r, struct bytes key, const struct entry *written) {
    (void) pthread_mutex_lock(&r->lock);
    const struct entry *e = find(r, key);
    bool is_so = !e || (e->before_s == written->before_s && e->expire_at_s == written->expire_at_s);
    (void) pthread_mutex_unlock(&r->lock);
    return is_so;
}

/* In memory first: from here on nobody gets in who would not be found by who looks for sessions. */
static int deny(struct worker *w, struct bytes key, int64_t before_s, int64_t expire_at_s,
                bool is_learnt) {
    struct denial_register *r = w->daemon->denials;
    struct entry now;
    bool is_new;

    if (expire_at_s < 0 || (expire_at_s && expire_at_s <= now_s()))
        return -EINVAL;
    if (expire_at_s > INT64_MAX / 1000 || before_s > INT64_MAX / 1000)
        return -EINVAL;
    (void) pthread_mutex_lock(&r->lock);
    int e = merge(r, key, before_s, expire_at_s, &now, &is_new);
    (void) pthread_mutex_unlock(&r->lock);
    if (is_learnt)
        return e;
    /* Others may extend it while it is written; who writes last writes the sum. */
    do {
        struct denial d = denial_of(key, &now);
        if (e == 0)
            e = engine_denial_put(w->daemon->engine, &d);
        if (e < 0)
            break;
        if (is_as(r, key, &now))
            return 0;
        bool again;
        (void) pthread_mutex_lock(&r->lock);
        e = merge(r, key, 0, now.expire_at_s, &now, &again);
        (void) pthread_mutex_unlock(&r->lock);
    } while (e == 0);
    if (is_new && e != -ECANCELED && e != -ETIMEDOUT)
        forget(r, key);
    return e;
}

static int check_name(struct str name) {
    return name.len == 0 ? -EINVAL : name.len > DENIAL_NAME_MAX ? -EMSGSIZE : 0;
}

/* Whom a denial puts out. */
struct target {
    struct str user;
    struct str token_id;
    int64_t before_s;
};

static int put_out_user(struct worker *w, void *arg, void *part) {
    const struct target *t = arg;
    (void) part;
    HUB_FOREACH_USER (w, t->user, s)
        session_disconnect(s, DISCONNECT_PERMISSION_DENIED);
    return 0;
}

static int put_out_token(struct worker *w, void *arg, void *part) {
    const struct target *t = arg;
    (void) part;
    HUB_FOREACH (w, walk) {
        struct session *s = walk.session;
        if (s->identity && str_equal(session_token_id(s), t->token_id))
            session_disconnect(s, DISCONNECT_EXPIRED);
    }
    return 0;
}

static int put_out_tokens(struct worker *w, void *arg, void *part) {
    const struct target *t = arg;
    (void) part;
    HUB_FOREACH_USER (w, t->user, s) {
        int64_t issued_at_s = session_token_issued_at_s(s);
        if (session_has_token(s) && issued_at_s < t->before_s)
            session_disconnect(s, DISCONNECT_EXPIRED);
    }
    return 0;
}

static int put_out(struct worker *w, survey_fn *ask, struct target *t) {
    return survey(w, &(struct survey){ .ask = ask, .arg = t });
}

/* Denies what has one name, and ends those whom it means. */
static int deny_name(struct worker *w, enum denial_kind kind, struct str name, int64_t expire_at_s,
                     bool is_learnt, survey_fn *ask, struct target *t) {
    CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;

    int r = check_name(name);
    if (r < 0)
        return r;
    make_key(&key, kind, name, (struct str){ 0 });
    r = buffer_error(&key);
    if (r == 0)
        r = deny(w, buffer_bytes(&key), 0, expire_at_s, is_learnt);
    return r < 0 ? r : put_out(w, ask, t);
}

int denial_block_user(struct worker *w, struct str user, int64_t expire_at_s, bool is_learnt) {
    return deny_name(w, DENIAL_USER, user, expire_at_s, is_learnt, put_out_user,
                     &(struct target){ .user = user });
}

int denial_unblock_user(struct worker *w, struct str user, bool is_learnt) {
    CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;

    int r = check_name(user);
    if (r < 0)
        return r;
    make_key(&key, DENIAL_USER, user, (struct str){ 0 });
    r = buffer_error(&key);
    if (r == 0 && !is_learnt)
        r = engine_denial_remove(w->daemon->engine, DENIAL_USER, user);
    if (r == 0)
        forget(w->daemon->denials, buffer_bytes(&key));
    return r;
}

int denial_revoke_token(struct worker *w, struct str id, int64_t expire_at_s, bool is_learnt) {
    return deny_name(w, DENIAL_TOKEN, id, expire_at_s, is_learnt, put_out_token,
                     &(struct target){ .token_id = id });
}

int denial_invalidate_tokens(struct worker *w, struct str user, struct str channel,
                             int64_t issued_before_s, int64_t expire_at_s, bool is_learnt) {
    CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;
    struct target t = { .user = user, .before_s = issued_before_s > 0 ? issued_before_s : now_s() };

    int r = channel.len && !user.len ? 0 : check_name(user);
    if (r == 0 && channel.len)
        r = check_name(channel);
    if (r < 0)
        return r;
    make_key(&key, channel.len ? DENIAL_CHANNEL_TOKEN : DENIAL_USER_TOKENS, user, channel);
    r = buffer_error(&key);
    if (r == 0)
        r = deny(w, buffer_bytes(&key), t.before_s, expire_at_s, is_learnt);
    return r < 0 || channel.len ? r : put_out(w, put_out_tokens, &t);
}

/* ---- what may have been missed ---- */

/* Keys that are new or mean more people than before, one after another: a length and its bytes. */
static int merge_read(struct denial_register *r, const struct denials *kept, uint64_t since,
                      struct buffer *changed) {
    int e = 0;
    for (size_t i = 0; i < kept->n && e == 0; i++) {
        const struct denial *d = &kept->items[i];
        CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;
        struct entry now;
        bool is_new;
        buffer_append_byte(&key, (uint8_t) ('0' + (int) d->kind));
        buffer_append_str(&key, d->key);
        e = buffer_error(&key);
        const struct entry *before = e == 0 ? find(r, buffer_bytes(&key)) : NULL;
        int64_t before_s = before ? before->before_s : 0;
        if (e == 0)
            e = merge(r, buffer_bytes(&key), d->before_ms / 1000, d->expire_at_ms / 1000, &now,
                      &is_new);
        if (e == 0 && (is_new || now.before_s > before_s)) {
            uint32_t len = (uint32_t) key.len;
            buffer_append(changed, &len, sizeof len);
            buffer_append(changed, &now.before_s, sizeof now.before_s);
            buffer_append_bytes(changed, buffer_bytes(&key));
        }
    }
    TABLE_FOREACH (&r->table, k) {
        struct entry *old = CONTAINER_OF(k, struct entry, in_table);
        if (e == 0 && old->serial <= since) /* it has been taken back */
            drop(r, old);
    }
    set_count(r);
    return e < 0 ? e : buffer_error(changed);
}

static int put_out_key(struct worker *w, struct bytes key, int64_t before_s) {
    struct str name = { (const char *) key.data + 1, key.len - 1 };
    struct target t = { .user = name, .token_id = name, .before_s = before_s };
    switch (key.data[0] - '0') {
    case DENIAL_USER:
        return put_out(w, put_out_user, &t);
    case DENIAL_TOKEN:
        return put_out(w, put_out_token, &t);
    case DENIAL_USER_TOKENS:
        return put_out(w, put_out_tokens, &t);
    default:
        return 0; /* of subscription tokens: nobody is put out */
    }
}

static int put_out_changed(struct worker *w, const struct buffer *changed) {
    int first = 0;
    for (size_t at = 0; at < changed->len;) {
        uint32_t len;
        int64_t before_s;
        memcpy(&len, changed->data + at, sizeof len);
        memcpy(&before_s, changed->data + at + sizeof len, sizeof before_s);
        at += sizeof len + sizeof before_s;
        int r = put_out_key(w, bytes_of(changed->data + at, len), before_s);
        first = first < 0 ? first : r;
        at += len;
    }
    return first;
}

int denials_read_again(struct worker *w) {
    struct denial_register *r = w->daemon->denials;
    CLEANUP(buffer_finish) struct buffer changed = BUFFER_INIT;
    bool is_current = false;
    int e = 0;

    while (e == 0 && !is_current) {
        struct denials kept = { 0 };
        (void) pthread_mutex_lock(&r->lock);
        uint64_t since = r->serial, forgotten = r->forgotten;
        (void) pthread_mutex_unlock(&r->lock);
        e = engine_denials(w->daemon->engine, &kept);
        (void) pthread_mutex_lock(&r->lock);
        is_current = forgotten == r->forgotten; /* else it may hold what was taken back meanwhile */
        if (e == 0 && is_current)
            e = merge_read(r, &kept, since, &changed);
        (void) pthread_mutex_unlock(&r->lock);
        denials_finish(&kept);
    }
    return e < 0 ? e : put_out_changed(w, &changed);
}

/* ---- checks ---- */

/* 0: not denied; else the time before which tokens are, or INT64_MAX. */
static int64_t denied_before(struct denial_register *r, enum denial_kind kind, struct str name,
                             struct str second) {
    CLEANUP(buffer_finish) struct buffer key = BUFFER_INIT;
    int64_t before_s = 0;

    make_key(&key, kind, name, second);
    if (buffer_error(&key) < 0)
        return INT64_MAX; /* without memory nobody gets in */
    (void) pthread_mutex_lock(&r->lock);
    const struct entry *e = find(r, buffer_bytes(&key));
    if (e && !is_over(e))
        before_s = kind == DENIAL_USER || kind == DENIAL_TOKEN ? INT64_MAX : e->before_s;
    (void) pthread_mutex_unlock(&r->lock);
    return before_s;
}

size_t denial_count(const struct daemon *d) {
    return d->denials ? atomic_load_explicit(&d->denials->count, memory_order_acquire) : 0;
}

bool denial_is_user_blocked(const struct daemon *d, struct str user) {
    return denial_count(d) > 0 && user.len > 0 &&
           denied_before(d->denials, DENIAL_USER, user, (struct str){ 0 }) > 0;
}

bool denial_is_token_revoked(const struct daemon *d, const struct denial_token *t) {
    const struct str none = { 0 };

    if (denial_count(d) == 0)
        return false;
    if (t->id.len && denied_before(d->denials, DENIAL_TOKEN, t->id, none) > 0)
        return true;
    int64_t before_s =
            t->user.len ? denied_before(d->denials, DENIAL_USER_TOKENS, t->user, none) : 0;
    if (t->channel.len) {
        before_s = later(before_s,
                         denied_before(d->denials, DENIAL_CHANNEL_TOKEN, t->user, t->channel));
        before_s =
                later(before_s, denied_before(d->denials, DENIAL_CHANNEL_TOKEN, none, t->channel));
    }
    return t->issued_at_s < before_s;
}
