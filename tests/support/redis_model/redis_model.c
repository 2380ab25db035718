#include "tests/support/redis_model/redis_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/redis_model/model_impl.h"

enum { ASTRAY_PERCENT = 30, ARGUMENTS_MAX = 16, DEMOTED_MS = 3000, ELECTION_MS = 1000 };

static void on_restart(struct timer *t);
static void on_demotion(struct timer *t);
static void on_departure(struct timer *t);

int redis_model_open(const struct redis_model_options *o, struct redis_model **ret) {
    struct redis_model *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->options = *o;
    group_init(&m->tasks);
    m->restart.run = on_restart;
    m->demotion.run = on_demotion;
    m->departure.run = on_departure;
    m->master = process_new(m, NULL, 0);
    *ret = m;
    return 0;
}

struct redis_model *redis_model_close(struct redis_model *m) {
    if (!m)
        return NULL;
    timer_clear(&m->restart);
    timer_clear(&m->demotion);
    timer_clear(&m->departure);
    LIST_FOREACH (&m->processes, k)
        process_kill(CONTAINER_OF(k, struct model_process, link));
    group_finish(&m->tasks);
    for (struct link *k; (k = list_first(&m->processes));)
        process_free(CONTAINER_OF(k, struct model_process, link));
    free(m);
    return NULL;
}

int redis_model_connect(struct redis_model *m, const void *owner, struct stream **ret) {
    struct model_process *p = m->master;
    struct stream *ours, *theirs;

    if (m->former && !m->former->is_dead && loop_random_below(100) < ASTRAY_PERCENT)
        p = m->former;
    if (!p)
        return -ECONNREFUSED;
    int r = stream_pair(1024 + (size_t) loop_random_below(65536), &ours, &theirs);
    if (r < 0)
        return r;
    struct model_line *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->process = p;
    l->owner = owner;
    l->stream = ours;
    l->is_known = !m->options.password;
    l->id = (unsigned) ++m->lines;
    list_append(&p->lines, &l->link);
    r = group_spawn(&m->tasks, "redis line", line_run, l);
    if (r < 0)
        abort();
    *ret = theirs;
    return 0;
}

bool redis_model_ask(struct redis_model *m, const char *const *words, size_t n,
                     struct buffer *out) {
    struct bytes argv[ARGUMENTS_MAX];
    int64_t now_ms = loop_wall_ms();

    if (!m->master)
        return false;
    for (size_t i = 0; i < n; i++)
        argv[i] = str_bytes(str_of(words[i]));
    if (database_execute(&m->master->database, argv, n, now_ms, out))
        log_append(&m->master->log, &m->master->database, argv, n, now_ms);
    return true;
}

/* ---- processes ---- */

/* By the timer: scripts run again, for which a task's stack is small. */
static void on_restart(struct timer *t) {
    struct redis_model *m = CONTAINER_OF(t, struct redis_model, restart);
    m->master = process_new(m, &m->down->log, m->down_keeps);
    if (m->is_down_alive)
        process_continue(m->master, m->down);
    m->master->loading_until_ms = loop_now() + m->loading_ms;
    m->is_down_alive = false;
    m->down = NULL;
}

static void set_timer(struct timer *t, int64_t in_ms) {
    if (timer_set(t, in_ms) < 0)
        abort();
}

static size_t keeps(const struct model_process *p, size_t lost_writes) {
    return p->log.n > lost_writes ? p->log.n - lost_writes : 0;
}

void redis_model_crash(struct redis_model *m, size_t lost_writes, int64_t down_ms) {
    if (!m->master)
        return;
    m->down = m->master;
    m->down_keeps = keeps(m->down, lost_writes);
    process_log_lost(m->down, m->down_keeps);
    process_kill(m->down);
    m->master = NULL;
    set_timer(&m->restart, down_ms);
}

void redis_model_fail_over(struct redis_model *m, size_t lag_writes, int64_t split_ms) {
    struct model_process *old = m->master;
    if (!old)
        return;
    if (m->former) { /* from before */
        process_kill(m->former);
        timer_clear(&m->demotion);
        timer_clear(&m->departure);
    }
    size_t known = keeps(old, lag_writes);
    process_log_lost(old, known);
    m->former = m->down = old;
    m->down_keeps = known;
    m->master = NULL;
    if (split_ms > 0) {
        old->is_doomed = true;
        set_timer(&m->demotion, split_ms);
    } else {
        process_kill(old);
    }
    set_timer(&m->restart, (int64_t) loop_random_below(ELECTION_MS));
}

void redis_model_fail_over_and_back(struct redis_model *m, size_t lag_writes, int64_t away_ms) {
    redis_model_crash(m, lag_writes, away_ms);
    m->is_down_alive = m->down != NULL && m->master == NULL;
}

static void on_demotion(struct timer *t) {
    struct redis_model *m = CONTAINER_OF(t, struct redis_model, demotion);
    struct model_process *p = m->former;

    p->is_replica = p->database.is_readonly = true;
    LIST_FOREACH_SAFE (&p->lines, k, after)
        line_cut(CONTAINER_OF(k, struct model_line, link));
    set_timer(&m->departure, (int64_t) loop_random_below(DEMOTED_MS));
}

static void on_departure(struct timer *t) {
    struct redis_model *m = CONTAINER_OF(t, struct redis_model, departure);
    process_kill(m->former);
}

void redis_model_heal(struct redis_model *m) {
    m->break_before = m->break_after = 0;
    m->paused_until_ms = m->full_until_ms = m->loading_ms = 0;
    if (m->master)
        m->master->loading_until_ms = 0;
    if (m->down)
        set_timer(&m->restart, 0);
    if (m->former)
        process_kill(m->former);
    timer_clear(&m->demotion);
    timer_clear(&m->departure);
}

/* ---- smaller ones ---- */

void redis_model_break_lines(struct redis_model *m, unsigned before, unsigned after) {
    m->break_before = before;
    m->break_after = after;
}

void redis_model_fill(struct redis_model *m, int64_t ms) {
    m->full_until_ms = loop_now() + ms;
}

void redis_model_load_slowly(struct redis_model *m, int64_t ms) {
    m->loading_ms = ms;
}

void redis_model_pause(struct redis_model *m, int64_t ms) {
    m->paused_until_ms = loop_now() + ms;
}

static void cut(struct redis_model *m, const void *owner, bool only_subscribed) {
    LIST_FOREACH (&m->processes, p)
        LIST_FOREACH (&CONTAINER_OF(p, struct model_process, link)->lines, k) {
            struct model_line *l = CONTAINER_OF(k, struct model_line, link);
            if ((!owner || l->owner == owner) && (!only_subscribed || line_is_subscribed(l)))
                line_cut(l);
        }
}

void redis_model_cut_subscribers(struct redis_model *m) {
    cut(m, NULL, true);
}

void redis_model_cut(struct redis_model *m, const void *owner) {
    cut(m, owner, false);
}

static void order(struct redis_model *m, const char *const *words, size_t n) {
    struct buffer out = BUFFER_INIT;
    (void) redis_model_ask(m, words, n, &out);
    buffer_finish(&out);
}

void redis_model_flush(struct redis_model *m) {
    if (!m->master)
        return;
    process_log_lost(m->master, 0);
    order(m, (const char *const[]){ "FLUSHALL" }, 1);
}

void redis_model_forget_scripts(struct redis_model *m) {
    order(m, (const char *const[]){ "SCRIPT", "FLUSH" }, 2);
}

/* By a policy that spares what has no expiry. Strings go all the same: whatever there is in them is
 * to be borne. */
static bool may_go(const struct value *v) {
    return v->expires_ms > 0 || v->type == VALUE_STRING;
}

void redis_model_evict(struct redis_model *m) {
    const struct keyspace *k = m->master ? &m->master->database.keys : NULL;
    size_t n = 0;

    for (size_t i = 0; k && i < KEYSPACE_SLOTS; i++)
        for (const struct value *v = k->slots[i]; v; v = v->next)
            n += may_go(v);
    if (n == 0)
        return;
    n = (size_t) loop_random_below(n);
    for (size_t i = 0; i < KEYSPACE_SLOTS; i++)
        for (const struct value *v = k->slots[i]; v; v = v->next)
            if (may_go(v) && n-- == 0) {
                /* A message may have been in it, and nowhere else. */
                process_log_lost(m->master, 0);
                struct blob key = blob_copy(blob_bytes(&v->key));
                order(m, (const char *const[]){ "DEL", (const char *) key.data }, 2);
                blob_free(&key);
                return;
            }
}

void redis_model_stats(const struct redis_model *m, struct redis_model_stats *ret) {
    *ret = (struct redis_model_stats){ .commands = m->commands,
                                       .writes = m->writes,
                                       .lost = m->lost,
                                       .lines = m->lines,
                                       .cuts = m->cuts,
                                       .unknown = m->unknown[0] ? m->unknown : NULL };
}
