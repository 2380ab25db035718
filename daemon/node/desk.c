#include "daemon/node/desk.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "daemon/daemon.h"
#include "daemon/keeper.h"
#include "daemon/keys/denial.h"
#include "daemon/log.h"
#include "daemon/node/desk_impl.h"
#include "daemon/survey.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"

/* ---- what others ask ---- */

/* The desk's, then its task's. */
struct job {
    struct link link;
    struct arena memory;
    struct str from;
    struct node_message message;
};

static void job_free(struct job *j) {
    struct arena memory = j->memory; /* it holds the job itself */
    arena_finish(&memory);
}

static struct job *take_job(struct node_desk *n) {
    (void) pthread_mutex_lock(&n->lock);
    struct link *k = list_pop(&n->jobs);
    if (k)
        n->n_jobs--;
    else
        n->serving--; /* with the line's emptiness: who puts one into it starts another task */
    atomic_store_explicit(&n->counts.waiting, n->n_jobs, memory_order_relaxed);
    atomic_store_explicit(&n->counts.serving, n->serving, memory_order_relaxed);
    (void) pthread_mutex_unlock(&n->lock);
    return k ? CONTAINER_OF(k, struct job, link) : NULL;
}

static void stop_serving(struct node_desk *n) {
    (void) pthread_mutex_lock(&n->lock);
    n->serving--;
    (void) pthread_mutex_unlock(&n->lock);
}

static bool is_sendable(int result) {
    return result >= 0 || result == NODE_DOES_NOT_KNOW || result == NODE_TOO_LARGE;
}

static void serve(struct worker *w, struct node_desk *n, struct job *j) {
    struct buffer out CLEANUP(buffer_finish);
    const struct node_message *m = &j->message;
    int64_t within_ms =
            m->within_ms > 0 && m->within_ms < NODE_SERVED_MS ? m->within_ms : NODE_SERVED_MS;
    DEADLINE(patience, within_ms);
    node_serve_fn *f = node_server(m->kind);
    buffer_init(&out, NODE_ANSWER_MAX);

    int r = f ? f(w, m, &out) : NODE_DOES_NOT_KNOW;
    if (m->id == 0)
        return;
    if (buffer_error(&out) < 0)
        r = buffer_error(&out) == -EMSGSIZE ? NODE_TOO_LARGE : NODE_FAILED;
    if (!is_sendable(r))
        r = NODE_FAILED;
    struct node_message answer = { .kind = NODE_ANSWER, .id = m->id, .result = r };
    if (r >= 0)
        answer.body = buffer_bytes(&out);
    r = node_send(n, j->from, &answer, within_ms);
    (void) r; /* counted; who asked hears nothing, and says so */
}

struct server {
    struct post post;
    struct worker *worker;
};

static int serve_all(void *arg) {
    struct worker *w = arg;
    struct node_desk *n = w->daemon->nodes;
    struct job *j;
    while ((j = take_job(n))) {
        serve(w, n, j);
        job_free(j);
    }
    return 0;
}

static void on_server(struct post *p) {
    struct server *s = CONTAINER_OF(p, struct server, post);
    struct node_desk *n = s->worker->daemon->nodes;
    if (!survey_reaches(s->worker) ||
        group_spawn(&s->worker->tasks, "node", serve_all, s->worker) < 0)
        stop_serving(n); /* the next to come tries again */
    free(s);
}

/* Main loop only. */
static void start_server(struct node_desk *n) {
    struct daemon *d = n->daemon;
    struct server *s = n->has_workers ? malloc(sizeof *s) : NULL;
    for (size_t i = 0; s && i < d->n_workers; i++) {
        unsigned index = n->next_worker++ % (unsigned) d->n_workers;
        *s = (struct server){ .post.run = on_server, .worker = &d->threads[index].worker };
        if (survey_post(d, index, &s->post))
            return;
    }
    free(s);
    stop_serving(n);
}

/* Takes the memory, which holds the message. */
static void put_job(struct node_desk *n, struct str from, const struct node_message *m,
                    struct arena *memory) {
    struct job *j = arena_alloc(memory, sizeof *j);
    char *name = arena_alloc(memory, from.len ? from.len : 1);
    if (!j || !name) {
        node_count(&n->counts.dropped);
        arena_finish(memory);
        return;
    }
    if (from.len)
        memcpy(name, from.data, from.len);
    *j = (struct job){ .memory = *memory, .from = { name, from.len }, .message = *m };

    (void) pthread_mutex_lock(&n->lock);
    bool has_room = n->n_jobs < NODE_SERVED_WAITING;
    bool starts = has_room && n->serving < NODE_SERVED_AT_ONCE;
    if (has_room) {
        list_append(&n->jobs, &j->link);
        n->n_jobs++;
        n->serving += starts;
        atomic_store_explicit(&n->counts.waiting, n->n_jobs, memory_order_relaxed);
        atomic_store_explicit(&n->counts.serving, n->serving, memory_order_relaxed);
    }
    (void) pthread_mutex_unlock(&n->lock);
    if (!has_room) {
        node_count(&n->counts.dropped);
        job_free(j);
    }
    if (starts)
        start_server(n);
}

/* ---- the ear ---- */

static bool is_done_here(uint32_t kind) {
    return kind == NODE_ANSWER || kind == NODE_ORDER_HELLO || kind == NODE_ORDER_GOODBYE;
}

static void on_signal(struct engine_ear *ear, struct str from, struct bytes message) {
    struct node_desk *n = CONTAINER_OF(ear, struct node_desk, ear);
    struct arena memory = ARENA_INIT;
    struct node_message m;

    node_count(&n->counts.received);
    int r = node_message_decode(message, &memory, &m);
    if (r < 0)
        node_count(r == -ENOMEM ? &n->counts.dropped : &n->counts.damaged);
    else if (m.kind == NODE_ANSWER)
        node_take_answer(n, from, &m);
    else if (m.kind == NODE_ORDER_HELLO || m.kind == NODE_ORDER_GOODBYE)
        node_take_passing(n, from, &m);
    else if (!node_server(m.kind))
        node_count(&n->counts.unknown);
    bool is_known = r == 0 && node_server(m.kind);
    if (is_known || (r == 0 && m.id && !is_done_here(m.kind)))
        put_job(n, from, &m, &memory);
    else
        arena_finish(&memory);
}

struct checking {
    struct post post;
    struct worker *worker;
};

/* Until it has worked: what others deny holds here. */
static int read_denials(void *arg) {
    struct worker *w = arg;
    int r = denials_read_again(w);
    if (r < 0 && r != -ECANCELED)
        LOG_WARNING(w->daemon->log, "what other nodes deny could not be read again yet",
                    LOG_RESULT(r));
    while (r < 0 && r != -ECANCELED) {
        r = task_sleep(NODE_RETRY_MS);
        if (r == 0)
            r = denials_read_again(w);
    }
    return 0;
}

static void on_check(struct post *p) {
    struct checking *c = CONTAINER_OF(p, struct checking, post);
    struct worker *w = c->worker;
    if (survey_reaches(w)) {
        keeper_check_all(w);
        if (w->index == 0 && group_spawn(&w->tasks, "denials", read_denials, w) < 0)
            metrics_count(&w->metrics, COUNT_OUT_OF_MEMORY);
    }
    free(c);
}

static void on_missed(struct engine_ear *ear) {
    struct node_desk *n = CONTAINER_OF(ear, struct node_desk, ear);
    struct daemon *d = n->daemon;

    node_count(&n->counts.missed);
    for (unsigned i = 0; n->has_workers && i < d->n_workers; i++) {
        struct checking *c = malloc(sizeof *c);
        if (!c) { /* found by the comparison that comes anyway */
            node_count(&n->counts.dropped);
            continue;
        }
        *c = (struct checking){ .post.run = on_check, .worker = &d->threads[i].worker };
        if (!survey_post(d, i, &c->post))
            free(c);
    }
}

/* ---- life ---- */

int node_desk_open(struct daemon *d, struct node_desk **ret) {
    if (!engine_is_shared(d->engine))
        return 0;
    struct node_desk *n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->daemon = d;
    n->ttl_ms = d->config->redis.node_ttl_ms;
    n->ear = (struct engine_ear){ .inbox = d->inbox, .hear = on_signal, .missed = on_missed };
    (void) pthread_mutex_init(&n->lock, NULL);
    list_init(&n->askings);
    list_init(&n->jobs);
    list_init(&n->passing);
    int r = engine_listen(d->engine, &n->ear);
    if (r < 0) {
        node_desk_close(n);
        return r;
    }
    n->is_listening = true;
    *ret = n;
    return 0;
}

void node_desk_start(struct node_desk *n) {
    if (!n)
        return;
    n->has_workers = true;
    (void) pthread_mutex_lock(&n->lock);
    bool starts = n->n_jobs > 0 && n->serving < NODE_SERVED_AT_ONCE;
    n->serving += starts;
    (void) pthread_mutex_unlock(&n->lock);
    if (starts)
        start_server(n);
    struct node_message hello = { .kind = NODE_ORDER_HELLO,
                                  .name = str_of(n->daemon->node_name),
                                  .body = str_bytes(STR(PARLEY_VERSION)) };
    int r = node_send(n, (struct str){ 0 }, &hello, NODE_GOODBYE_MS);
    (void) r; /* counted; they hear of it by the engine */
}

static void say_goodbye(struct node_desk *n) {
    SHIELD(NODE_GOODBYE_MS);
    int r = node_send(n, (struct str){ 0 }, &(struct node_message){ .kind = NODE_ORDER_GOODBYE },
                      NODE_GOODBYE_MS);
    (void) r;
}

struct node_desk *node_desk_close(struct node_desk *n) {
    struct link *k;
    if (!n)
        return NULL;
    if (n->has_workers)
        say_goodbye(n);
    if (n->is_listening)
        engine_unlisten(n->daemon->engine, &n->ear);
    node_forget_passing(n);
    while ((k = list_pop(&n->jobs)))
        job_free(CONTAINER_OF(k, struct job, link));
    (void) pthread_mutex_destroy(&n->lock);
    free(n);
    return NULL;
}

void node_desk_stats(struct daemon *d, struct node_stats *ret) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct node_answer *others;
    struct node_desk *n = d->nodes;
    *ret = (struct node_stats){ 0 };
    if (!n)
        return;
    size_t n_others;
    if (node_list(n, &arena, &others, &n_others) == 0)
        ret->others = n_others;
    struct node_counts *c = &n->counts;
    ret->sent = c->sent;
    ret->unsent = c->unsent;
    ret->received = c->received;
    ret->damaged = c->damaged;
    ret->unknown = c->unknown;
    ret->dropped = c->dropped;
    ret->late = c->late;
    ret->questions = c->questions;
    ret->unanswered = c->unanswered;
    ret->serving = c->serving;
    ret->waiting = c->waiting;
    ret->missed = c->missed;
}
