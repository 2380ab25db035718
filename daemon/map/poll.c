#include "daemon/map/poll.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop.h"
#include "async/semaphore.h"
#include "async/task.h"
#include "daemon/backend/proxy.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "protocol/command.h"
#include "protocol/json.h"
#include "storage/engine.h"
#include "storage/table.h"

struct polls {
    pthread_mutex_t lock; /* of all below, and of all polls and keys */
    struct table table;
};

struct poll {
    struct table_entry entry;
    struct polls *all;
    uint32_t users; /* workers with subscribers, and tasks at work for it */
    uint32_t rooms; /* of them the workers */
    bool is_looked_after;
    bool is_versionless;
    int64_t empty_since_ms; /* loop_wall_ms() when the last room closed */
    uint64_t counter;       /* of versionless values: the last version given */
    size_t epoch_len;
    char epoch[POLL_EPOCH_MAX];
    struct table keys;
    uint16_t name_len;
    char name[];
};

struct poll_key {
    struct table_entry entry;
    uint32_t users;           /* workers that track it */
    bool is_asked;            /* or it has been: it is not new any more */
    struct publication *last; /* what is known of it; NULL: nothing yet */
    uint64_t version;
    uint16_t key_len;
    char key[];
};

static struct bytes poll_name(const struct table_entry *e) {
    const struct poll *p = (const struct poll *) (const void *) e;
    _Static_assert(offsetof(struct poll, entry) == 0, "the cast above");
    return bytes_of(p->name, p->name_len);
}

static struct bytes key_name(const struct table_entry *e) {
    const struct poll_key *k = (const struct poll_key *) (const void *) e;
    _Static_assert(offsetof(struct poll_key, entry) == 0, "the cast above");
    return bytes_of(k->key, k->key_len);
}

static void lock(struct polls *all) {
    (void) pthread_mutex_lock(&all->lock);
}

static void unlock(struct polls *all) {
    (void) pthread_mutex_unlock(&all->lock);
}

struct polls *polls_new(const struct table_seed *seed) {
    struct polls *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    if (pthread_mutex_init(&all->lock, NULL) != 0) {
        free(all);
        return NULL;
    }
    table_init(&all->table, seed, poll_name);
    return all;
}

static void key_free(struct poll *p, struct poll_key *k) {
    table_remove(&p->keys, &k->entry);
    publication_unref(k->last);
    free(k);
}

/* Nobody uses it; the lock is held. */
static void poll_free(struct poll *p) {
    TABLE_FOREACH (&p->keys, e)
        key_free(p, CONTAINER_OF(e, struct poll_key, entry));
    table_finish(&p->keys);
    table_remove(&p->all->table, &p->entry);
    free(p);
}

struct polls *polls_free(struct polls *all) {
    if (!all)
        return NULL;
    TABLE_FOREACH (&all->table, e)
        poll_free(CONTAINER_OF(e, struct poll, entry));
    table_finish(&all->table);
    (void) pthread_mutex_destroy(&all->lock);
    free(all);
    return NULL;
}

/* ---- polls ---- */

static void new_epoch(struct poll *p) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    p->epoch_len = POLL_EPOCH_LEN;
    for (size_t i = 0; i < POLL_EPOCH_LEN; i++)
        p->epoch[i] = letters[loop_random_below(sizeof letters - 1)];
}

static struct poll *poll_new(struct polls *all, struct str channel, const struct namespace *ns) {
    struct poll *p = calloc(1, sizeof *p + channel.len);
    if (!p)
        return NULL;
    p->all = all;
    p->is_versionless = ns->poll.mode == POLL_VERSIONLESS;
    if (p->is_versionless)
        new_epoch(p);
    p->name_len = (uint16_t) channel.len;
    memcpy(p->name, channel.data, channel.len);
    table_init(&p->keys, &all->table.seed, key_name);
    if (table_add(&all->table, &p->entry) < 0) {
        free(p);
        return NULL;
    }
    return p;
}

static struct poll *find_poll(struct polls *all, struct str channel) {
    struct table_entry *e = table_find(&all->table, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct poll, entry) : NULL;
}

static struct poll_key *find_key(struct poll *p, struct str key) {
    struct table_entry *e = table_find(&p->keys, str_bytes(key));
    return e ? CONTAINER_OF(e, struct poll_key, entry) : NULL;
}

static int look_after(void *arg);

struct poll_task {
    struct worker *worker;
    struct poll *poll;
};

/* One user more for the task. */
static void start_looking(struct worker *w, struct poll *p) {
    struct poll_task *t = malloc(sizeof *t);
    if (!t)
        return; /* the next one who comes tries again */
    *t = (struct poll_task){ w, p };
    if (group_spawn(&w->tasks, "poll", look_after, t) < 0) {
        free(t);
        return;
    }
    p->is_looked_after = true;
    p->users++;
}

struct poll *poll_ref(struct worker *w, struct str channel, const struct namespace *ns) {
    struct polls *all = w->daemon->polls;

    lock(all);
    struct poll *p = find_poll(all, channel);
    if (!p)
        p = poll_new(all, channel, ns);
    if (p) {
        p->users++;
        p->rooms++;
        if (!p->is_looked_after)
            start_looking(w, p);
    }
    unlock(all);
    return p;
}

/* The lock is held. */
static void drop_user(struct poll *p) {
    if (--p->users == 0)
        poll_free(p);
}

void poll_unref(struct worker *w, struct poll *p) {
    struct polls *all = p->all;

    lock(all);
    if (--p->rooms == 0)
        p->empty_since_ms = loop_wall_ms();
    drop_user(p);
    unlock(all);
}

struct str poll_epoch(struct poll *p, char buf[static POLL_EPOCH_MAX]) {
    lock(p->all);
    struct str epoch = { buf, p->epoch_len };
    memcpy(buf, p->epoch, p->epoch_len);
    unlock(p->all);
    return epoch;
}

/* ---- keys ---- */

static struct poll_key *key_new(struct poll *p, struct str key) {
    struct poll_key *k = calloc(1, sizeof *k + key.len);
    if (!k)
        return NULL;
    k->key_len = (uint16_t) key.len;
    memcpy(k->key, key.data, key.len);
    if (table_add(&p->keys, &k->entry) < 0) {
        free(k);
        return NULL;
    }
    return k;
}

int poll_track(struct poll *p, struct str key, struct publication **ret, bool *ret_is_new) {
    lock(p->all);
    struct poll_key *k = find_key(p, key);
    if (!k)
        k = key_new(p, key);
    if (k) {
        k->users++;
        *ret = k->last ? publication_ref(k->last) : NULL;
        *ret_is_new = !k->is_asked;
        k->is_asked = true;
    }
    unlock(p->all);
    return k ? 0 : -ENOMEM;
}

void poll_untrack(struct poll *p, struct str key) {
    lock(p->all);
    struct poll_key *k = find_key(p, key);
    if (k && --k->users == 0)
        key_free(p, k);
    unlock(p->all);
}

/* ---- what is told of them ---- */

/* Is it news? Then *ret is its version. The lock is held. */
static bool is_news(const struct poll *p, const struct poll_key *k, const struct poll_value *v,
                    uint64_t *ret) {
    bool was_removed = k->last && k->last->is_removed;

    if (!p->is_versionless) {
        *ret = v->version;
        if (v->is_removed && !was_removed && v->version <= k->version)
            *ret = k->version + 1; /* gone is gone, whatever its number */
        return *ret > k->version;
    }
    *ret = p->counter + 1;
    if (!k->last)
        return !v->is_removed;
    return was_removed != v->is_removed || !bytes_equal(k->last->data, v->data);
}

static struct publication *publication_of(const struct poll *p, const struct poll_value *v) {
    bool is_json = !v->is_removed && json_is_valid(v->data, NULL);
    return publication_new(&(struct publication_parts){
            .kind = PUBLICATION_DATA,
            .channel = { p->name, p->name_len },
            .key = v->key,
            .data = v->is_removed ? (struct bytes){ 0 } : v->data,
            .is_removed = v->is_removed,
            .is_json_line = is_json && !json_has_newline(v->data),
    });
}

/* Keeps the value and tells every worker, in the order of versions: still under the lock. */
static int tell(struct worker *w, struct poll *p, const struct poll_value *v) {
    struct poll_key *k = find_key(p, v->key);
    uint64_t version;

    if (!k || !is_news(p, k, v, &version))
        return 0;
    struct publication *news = publication_of(p, v);
    if (!news)
        return -ENOMEM;
    news->version = version;
    int r = engine_broadcast_here(w->daemon->engine, news);
    if (r < 0) {
        publication_unref(news);
        return r;
    }
    publication_unref(k->last);
    k->last = news;
    k->version = version;
    if (p->is_versionless)
        p->counter = version;
    return 0;
}

/* Other versions: what is known means nothing any more, and whoever subscribes must begin anew,
 * which a publication without a key says. */
static int change_epoch(struct worker *w, struct poll *p, struct str epoch) {
    bool is_first = p->epoch_len == 0;

    if (p->is_versionless || epoch.len == 0 || epoch.len > POLL_EPOCH_MAX ||
        str_equal(epoch, (struct str){ p->epoch, p->epoch_len }))
        return 0;
    memcpy(p->epoch, epoch.data, epoch.len);
    p->epoch_len = epoch.len;
    if (is_first) /* nothing was told of any other */
        return 0;
    TABLE_FOREACH (&p->keys, e) {
        struct poll_key *k = CONTAINER_OF(e, struct poll_key, entry);
        k->last = publication_unref(k->last);
        k->version = 0;
    }
    struct publication *news = publication_new(&(struct publication_parts){
            .kind = PUBLICATION_DATA, .channel = { p->name, p->name_len } });
    int r = news ? engine_broadcast_here(w->daemon->engine, news) : -ENOMEM;
    publication_unref(news);
    return r;
}

int poll_publish(struct worker *w, struct str channel, const struct namespace *ns,
                 const struct poll_value *v, struct str epoch) {
    struct polls *all = w->daemon->polls;
    int r = 0;

    lock(all);
    struct poll *p = find_poll(all, channel);
    if (p)
        r = change_epoch(w, p, epoch);
    if (p && r == 0)
        r = tell(w, p, v);
    unlock(all);
    return r;
}

/* ---- asking ---- */

struct question {
    struct worker *worker;
    struct poll *poll;
    struct arena arena;
    struct proxy_key *keys;
    size_t n;
};

static void question_finish(struct question *q) {
    arena_finish(&q->arena);
    q->keys = NULL;
    q->n = 0;
}

static int copy_text(struct arena *a, struct str *s) {
    char *copy = arena_alloc(a, s->len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, s->data, s->len);
    s->data = copy;
    return 0;
}

static void take_answer(struct question *q, const struct proxy_result *result) {
    struct poll *p = q->poll;
    int r;

    lock(p->all);
    r = change_epoch(q->worker, p, result->epoch);
    for (size_t i = 0; r == 0 && i < result->n_items; i++) {
        const struct proxy_item *item = &result->items[i];
        r = tell(q->worker, p,
                 &(struct poll_value){ .key = item->key,
                                       .data = item->data,
                                       .version = item->version,
                                       .is_removed = item->is_removed });
    }
    unlock(p->all);
    if (r < 0)
        LOG_WARNING(q->worker->daemon->log, "what a poll has brought was lost",
                    LOG_RESULT(r)); /* versions say so the next time */
}

static const struct namespace *namespace_of(struct worker *w, const struct poll *p) {
    const struct namespace *ns =
            config_namespace_of(w->config, (struct str){ p->name, p->name_len });
    return ns && ns->type == SUBSCRIPTION_POLL && ns->poll.proxy ? ns : NULL;
}

/* One request. < 0: the task ends. */
static int ask(struct question *q, const struct proxy_key *keys, size_t n) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct worker *w = q->worker;
    struct semaphore *slots = w->config->poll.concurrency ? &w->poll_slots : NULL;
    struct proxy_answer answer = { 0 };

    int r = slots ? semaphore_acquire(slots) : 0;
    if (r < 0)
        return r;
    const struct namespace *ns = namespace_of(w, q->poll);
    if (ns)
        r = proxy_ask(w, ns->poll.proxy,
                      &(struct proxy_request){ .kind = PROXY_POLL,
                                               .channel = { q->poll->name, q->poll->name_len },
                                               .keys = keys,
                                               .n_keys = n },
                      NULL, &arena, &answer);
    if (slots)
        semaphore_release(slots);
    /* Who refuses, or fails, is asked again in the next round. */
    if (ns && r == 0 && !answer.refusal.code)
        take_answer(q, &answer.result);
    return r == -ENOMEM ? 0 : r;
}

static int ask_all(struct question *q) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < q->n;) {
        const struct namespace *ns = namespace_of(q->worker, q->poll);
        if (!ns)
            return 0;
        size_t n = q->n - i < ns->poll.batch_max ? q->n - i : ns->poll.batch_max;
        r = ask(q, q->keys + i, n);
        i += n;
    }
    return r;
}

/* ---- new keys ---- */

static int ask_new(void *arg) {
    struct question *q = arg;
    struct polls *all = q->poll->all;

    int r = ask_all(q);
    lock(all);
    drop_user(q->poll);
    unlock(all);
    question_finish(q);
    free(q);
    return r;
}

int poll_ask(struct worker *w, struct poll *p, const struct str *keys, size_t n) {
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->worker = w;
    q->poll = p;
    q->keys = arena_alloc(&q->arena, n * sizeof *q->keys);
    int r = q->keys ? 0 : -ENOMEM;
    for (; r == 0 && q->n < n; q->n++) {
        q->keys[q->n] = (struct proxy_key){ .key = keys[q->n] };
        r = copy_text(&q->arena, &q->keys[q->n].key);
    }
    if (r == 0) {
        lock(p->all);
        p->users++;
        unlock(p->all);
        r = group_spawn(&w->tasks, "poll new keys", ask_new, q);
        if (r == 0)
            return 0;
        lock(p->all);
        p->users--; /* the caller's room is another one */
        unlock(p->all);
    }
    question_finish(q);
    free(q);
    return r;
}

/* ---- all keys, from time to time ---- */

/* What is to be asked now, copied: the keys may go while the backend thinks. */
static int collect(struct question *q) {
    struct poll *p = q->poll;
    int r = 0;

    lock(p->all);
    size_t n = table_size(&p->keys);
    q->keys = arena_alloc(&q->arena, n * sizeof *q->keys);
    if (!q->keys)
        r = -ENOMEM;
    TABLE_FOREACH (&p->keys, e) {
        struct poll_key *k = CONTAINER_OF(e, struct poll_key, entry);
        if (r < 0)
            break;
        struct proxy_key *to = &q->keys[q->n++];
        *to = (struct proxy_key){ .key = { k->key, k->key_len },
                                  .version = p->is_versionless ? 0 : k->version };
        r = copy_text(&q->arena, &to->key);
    }
    unlock(p->all);
    return r;
}

/* Nobody has looked for long enough. */
static bool is_over(struct poll *p, const struct namespace *ns) {
    lock(p->all);
    bool is_over = p->rooms == 0 &&
                   (!ns || loop_wall_ms() - p->empty_since_ms >= ns->poll.shutdown_delay_ms);
    if (is_over)
        p->is_looked_after = false;
    unlock(p->all);
    return is_over;
}

/* Not all channels at once. */
static int64_t pause_ms(const struct namespace *ns) {
    int64_t ms = ns ? ns->poll.refresh_interval_ms : 1000;
    return ms - (int64_t) loop_random_below((uint64_t) ms / 10 + 1);
}

static int look_after(void *arg) {
    struct poll_task t = *(struct poll_task *) arg;
    struct polls *all = t.poll->all;
    int r = 0;

    free(arg);
    while (r == 0) {
        const struct namespace *ns = namespace_of(t.worker, t.poll);
        r = task_sleep(pause_ms(ns));
        ns = namespace_of(t.worker, t.poll);
        if (r < 0 || is_over(t.poll, ns))
            break;
        CLEANUP(question_finish) struct question q = { .worker = t.worker, .poll = t.poll };
        if (ns && collect(&q) == 0)
            r = ask_all(&q);
    }
    lock(all);
    if (r < 0) /* else is_over() has said so, and another task may have begun since */
        t.poll->is_looked_after = false;
    drop_user(t.poll);
    unlock(all);
    return r;
}
