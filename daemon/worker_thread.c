#include "daemon/worker_thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/daemon.h"
#include "daemon/log.h"

enum { BEAT_MS = 1000 };

/* Whoever resolves it always does, and owns what we hold until then. */
static void wait_shielded(struct future *f) {
    SHIELD(INT64_MAX / 2);
    while (future_wait(f) < 0) /* behind the shield nothing ends the wait early */
        ;
}

/* ---- in the worker ---- */

static void on_stop(struct post *p) {
    struct worker_thread *t = CONTAINER_OF(p, struct worker_thread, stop_post);
    if (t->stop)
        future_resolve(t->stop, 0);
}

static void on_beat(struct timer *timer) {
    struct worker *w = CONTAINER_OF(timer, struct worker, beat);
    atomic_store_explicit(&w->turned_ms, loop_now(), memory_order_relaxed);
    worker_collect(w);
    metrics_put(&w->metrics, COUNT_ACCEPT_STARVED,
                acceptors_starved(&CONTAINER_OF(w, struct worker_thread, worker)->acceptors));
    if (timer_set(&w->beat, BEAT_MS) < 0)
        LOG_WARNING(w->daemon->log, "a worker's heart stops", LOG_RESULT(-ENOMEM));
}

/* A worker's life, on whatever loop it has. */
static int worker_main(void *arg) {
    struct worker_thread *t = arg;
    struct inbox *home = t->daemon->inbox;
    struct future stop;

    future_init(&stop);
    t->stop = &stop;
    t->has_run = true;
    group_init(&t->chores);
    acceptors_init(&t->acceptors);
    t->result = worker_open(&t->worker, t->daemon, t->index);
    bool is_open = t->result == 0;
    if (is_open && t->has_thread) {
        t->worker.beat.run = on_beat;
        on_beat(&t->worker.beat);
    }
    inbox_post(home, &t->opened_post);

    if (is_open) {
        wait_shielded(&stop); /* only the main loop ends a worker */
        group_finish(&t->chores);
        acceptors_finish(&t->acceptors);
        timer_clear(&t->worker.beat);
        worker_close(&t->worker);
    }
    t->stop = NULL;
    inbox_post(home, &t->closed_post);
    return 0;
}

static void on_warning(void *arg, const char *text) {
    struct worker_thread *t = arg;
    metrics_count(&t->worker.metrics, COUNT_SLOW_TASKS);
    LOG_WARNING(t->daemon->log, "the loop says", LOG_UINT("worker", t->index),
                LOG_TEXT("warning", text));
}

static void *thread_main(void *arg) {
    struct worker_thread *t = arg;
    char name[16];

    (void) snprintf(name, sizeof name, "worker %u", t->index);
    (void) pthread_setname_np(pthread_self(), name);
    struct loop_options o = { .name = name,
                              .slow_ms = (int) t->daemon->config->slow_task_ms,
                              .on_warning = on_warning,
                              .on_warning_arg = t };
    int r = loop_run(&o, worker_main, t);
    if (r < 0 && !t->has_run) { /* there was no loop to say so on */
        t->result = r;
        inbox_post(t->daemon->inbox, &t->opened_post);
        inbox_post(t->daemon->inbox, &t->closed_post);
    }
    return NULL;
}

/* ---- in the main loop ---- */

static void on_opened(struct post *p) {
    future_resolve(&CONTAINER_OF(p, struct worker_thread, opened_post)->opened, 0);
}

static void on_closed(struct post *p) {
    future_resolve(&CONTAINER_OF(p, struct worker_thread, closed_post)->closed, 0);
}

int worker_thread_start(struct worker_thread *t, struct daemon *d, unsigned index) {
    t->daemon = d;
    t->index = index;
    t->opened_post.run = on_opened;
    t->closed_post.run = on_closed;
    t->stop_post.run = on_stop;
    future_init(&t->opened);
    future_init(&t->closed);

    int r;
    if (d->is_single_threaded) {
        r = group_spawn(&d->tasks, "worker", worker_main, t);
    } else {
        t->has_thread = true; /* the thread looks at it */
        r = -pthread_create(&t->thread, NULL, thread_main, t);
    }
    if (r < 0) {
        t->daemon = NULL; /* nothing to stop */
        return r;
    }

    wait_shielded(&t->opened);
    t->is_open = t->result == 0;
    if (!t->is_open)
        worker_thread_stop(t);
    return t->result;
}

void worker_thread_stop(struct worker_thread *t) {
    if (!t->daemon)
        return;
    if (t->is_open)
        inbox_post(t->worker.inbox, &t->stop_post);
    wait_shielded(&t->closed);
    if (t->has_thread)
        (void) pthread_join(t->thread,
                            NULL); /* it has said its last: this does not block for long */
    t->daemon = NULL;
}

/* ---- chores ---- */

static void on_back(struct post *p) {
    struct chore *e = CONTAINER_OF(p, struct chore, back);
    future_resolve(&e->done, e->result);
}

static int chore_run(void *arg) {
    struct chore *e = arg;
    struct inbox *home = e->thread->daemon->inbox;
    e->result = e->run(e->thread, e->arg);
    inbox_post(home, &e->back);
    return 0;
}

static void on_there(struct post *p) {
    struct chore *e = CONTAINER_OF(p, struct chore, there);
    int r = group_spawn(&e->thread->chores, "chore", chore_run, e);
    if (r < 0) {
        e->result = r;
        inbox_post(e->thread->daemon->inbox, &e->back);
    }
}

void chore_send(struct chore *e, struct worker_thread *t,
                int (*run)(struct worker_thread *t, void *arg), void *arg) {
    *e = (struct chore){
        .thread = t, .run = run, .arg = arg, .there.run = on_there, .back.run = on_back
    };
    future_init(&e->done);
    inbox_post(t->worker.inbox, &e->there);
}

int chore_wait(struct chore *e) {
    wait_shielded(&e->done); /* e is the worker's until then */
    return e->result;
}
