#include "tests/support/redis_model/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/model_impl.h"

enum { LATE_MS = 3 };

static void work(struct timer *t);

static void make_id(char id[static RUN_ID_LEN + 1]) {
    uint8_t random[RUN_ID_LEN];
    loop_random(random, sizeof random);
    for (size_t i = 0; i < RUN_ID_LEN; i++)
        id[i] = "0123456789abcdef"[random[i] % 16];
    id[RUN_ID_LEN] = 0;
}

void process_continue(struct model_process *p, const struct model_process *as) {
    memcpy(p->run_id, as->run_id, sizeof p->run_id);
    memcpy(p->former_id, as->replication_id, sizeof p->former_id);
}

struct model_process *process_new(struct redis_model *m, const struct log *log, size_t n) {
    struct model_process *p = calloc(1, sizeof *p);

    if (!p)
        abort();
    p->model = m;
    p->end = &p->first;
    p->work.run = work;
    make_id(p->run_id);
    make_id(p->replication_id);
    memset(p->former_id, '0', RUN_ID_LEN);
    database_init(&p->database);
    if (log)
        log_copy(&p->log, log, n);
    log_replay(&p->log, &p->database);
    p->database.arg = p;
    p->database.publish = process_publish;
    list_append(&m->processes, &p->link);
    return p;
}

void request_free(struct request *r) {
    for (size_t i = 0; i < r->n; i++)
        blob_free(&r->argv[i]);
    free(r->argv);
    free(r);
}

static struct request *pop(struct model_process *p) {
    struct request *r = p->first;
    if (r) {
        p->first = r->next;
        if (!p->first)
            p->end = &p->first;
    }
    return r;
}

void process_kill(struct model_process *p) {
    p->is_dead = true;
    timer_clear(&p->work);
    LIST_FOREACH_SAFE (&p->lines, k, after)
        line_cut(CONTAINER_OF(k, struct model_line, link));
    for (struct request *r; (r = pop(p));)
        request_free(r);
}

void process_free(struct model_process *p) {
    process_kill(p);
    list_remove(&p->link);
    database_finish(&p->database);
    log_finish(&p->log);
    free(p);
}

/* ---- what is lost ---- */

static void tell_lost(struct model_process *p, const struct bytes *argv, size_t n) {
    struct redis_model *m = p->model;
    m->lost++;
    if (m->options.lost)
        m->options.lost(m->options.arg, argv, n);
}

void process_log_lost(struct model_process *p, size_t from) {
    for (size_t i = from; i < p->log.n; i++) {
        struct bytes *argv = calloc(p->log.records[i].n, sizeof *argv);
        if (!argv)
            abort();
        log_arguments(&p->log.records[i], argv);
        tell_lost(p, argv, p->log.records[i].n);
        free(argv);
    }
}

/* ---- running ---- */

static void plan(struct model_process *p) {
    int64_t in_ms = loop_random_below(4) ? 0 : (int64_t) loop_random_below(LATE_MS);
    int64_t pause_ms = p->model->paused_until_ms - loop_now();
    if (p->work.index == 0 && p->first && timer_set(&p->work, pause_ms > 0 ? pause_ms : in_ms) < 0)
        abort();
}

void process_take(struct model_process *p, struct request *r) {
    if (p->is_dead) {
        request_free(r);
        return;
    }
    *p->end = r;
    p->end = &r->next;
    plan(p);
}

void process_forget(struct model_process *p, const struct model_line *l) {
    for (struct request *r = p->first; r; r = r->next)
        if (r->line == l)
            r->line = NULL;
}

static void execute(struct model_process *p, const struct bytes *argv, size_t n,
                    struct buffer *out) {
    struct redis_model *m = p->model;
    int64_t now_ms = loop_wall_ms();

    if (loop_now() < p->loading_until_ms && !bytes_are(argv[0], "publish")) {
        buffer_append_str(out, STR("-LOADING Redis is loading the dataset in memory\r\n"));
        return;
    }
    p->database.is_full = loop_now() < m->full_until_ms;
    if (database_execute(&p->database, argv, n, now_ms, out)) {
        log_append(&p->log, &p->database, argv, n, now_ms);
        m->writes++;
        if (p->is_doomed) /* nobody has seen it so far */
            tell_lost(p, argv, n);
    }
    if (p->database.unknown[0] && !m->unknown[0])
        (void) snprintf(m->unknown, sizeof m->unknown, "%s", p->database.unknown);
}

static bool is_broken(const struct model_line *l, unsigned chance) {
    return l && !line_is_subscribed(l) && chance && loop_random_below(10000) < chance;
}

static void run(struct model_process *p, struct request *r) {
    struct redis_model *m = p->model;
    struct buffer out = BUFFER_INIT;
    struct model_line *l = r->line;

    if (is_broken(l, m->break_before)) {
        line_cut(l);
        return;
    }
    struct bytes *argv = calloc(r->n, sizeof *argv);
    if (!argv)
        abort();
    for (size_t i = 0; i < r->n; i++)
        argv[i] = blob_bytes(&r->argv[i]);
    p->commands++;
    m->commands++;
    /* Its client may have gone: Redis has read it all the same. */
    if (l ? !line_execute(l, argv, r->n, &l->out) : database_command(argv[0]) != NULL)
        execute(p, argv, r->n, l ? &l->out : &out);
    buffer_finish(&out);
    free(argv);
    if (is_broken(l, m->break_after))
        line_cut(l);
    else if (l)
        event_set(&l->has_output);
}

static void work(struct timer *t) {
    struct model_process *p = CONTAINER_OF(t, struct model_process, work);

    if (p->model->paused_until_ms <= loop_now())
        for (struct request *r; !p->is_dead && (r = pop(p));) {
            run(p, r);
            request_free(r);
            if (loop_random_below(8) == 0)
                break; /* others have their turn */
        }
    plan(p);
}
