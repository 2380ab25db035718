#include "daemon/chat/pump.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/event.h"
#include "daemon/chat/notice.h"
#include "daemon/chat/part.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/publish.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"

enum { RETRY_MS = 500, TICK_MS = 1000 };

struct counts {
    _Atomic uint64_t published, repeated, failed, told, waiting;
};

struct chat_pump {
    struct chat *chat;

    /* any thread */
    pthread_mutex_t lock;
    struct chat_event *coming, **coming_last;
    bool is_posted, is_open;
    struct post post;
    struct counts counts;

    /* the worker's */
    struct worker *worker;
    struct group tasks;
    struct chat_event *failed, **failed_last; /* in the order in which they failed */
    struct timer retry, tick;
    bool is_retrying; /* the timer is set */
    size_t flying;
};

struct flight {
    struct publish publish;
    struct chat_pump *pump;
    struct chat_event *event;
};

static void count(_Atomic uint64_t *n) {
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* ---- publishing ---- */

static void fail(struct chat_pump *p, struct chat_event *e) {
    count(&p->counts.failed);
    count(&p->counts.waiting);
    e->next = NULL;
    *p->failed_last = e;
    p->failed_last = &e->next;
    if (!p->is_retrying && timer_set(&p->retry, RETRY_MS) < 0)
        LOG_ERROR(p->chat->daemon->log, "events of the chat stay unpublished", LOG_RESULT(-ENOMEM));
    else
        p->is_retrying = true;
}

static void on_published(struct publish *publish) {
    struct flight *f = CONTAINER_OF(publish, struct flight, publish);
    struct chat_pump *p = f->pump;
    struct chat_event *e = f->event;

    p->flying--;
    if (publish->request.result < 0) {
        LOG_WARNING(p->chat->daemon->log, "an event of the chat is not published yet",
                    LOG_STR("channel", e->channel), LOG_RESULT(publish->request.result));
        fail(p, e);
    } else {
        count(publish->request.is_stale ? &p->counts.repeated : &p->counts.published);
        if (e->id != 0)
            chat_store_published(p->chat->store, &e->id, 1);
        chat_event_free(e);
    }
    free(f);
}

/* The event is the pump's until it is published. */
static void publish(struct chat_pump *p, struct chat_event *e) {
    const struct namespace *ns = config_namespace_of(p->worker->config, e->channel);
    struct flight *f = ns ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        fail(p, e);
        return;
    }
    f->pump = p;
    f->event = e;
    f->publish.done = on_published;
    int r = publish_start_on(
            &f->publish, p->worker, ns,
            &(struct publication_parts){ .kind = PUBLICATION_DATA,
                                         .channel = e->channel,
                                         .data = e->data,
                                         .is_json_line = true,
                                         .version = e->ver },
            &(struct publish_terms){ .version = e->ver,
                                     .version_epoch = str_of(chat_store_epoch(p->chat->store)) });
    if (r == 0) {
        p->flying++;
        return;
    }
    free(f);
    fail(p, e);
}

static void carry_out(struct chat_pump *p, const struct chat_order *o) {
    if (o->kind == ORDER_PART)
        chat_part(p->worker, &p->tasks, o->room, o->user);
    else if (o->kind == ORDER_END)
        chat_end(p->worker, &p->tasks, o->user);
    else if (o->kind == ORDER_SIGN_OUT)
        auth_end_later(p->worker, &p->tasks, o->user);
    else
        chat_notice_note(p->chat->notices, o);
}

static void send_out(struct chat_pump *p, struct chat_event *e) {
    struct chat_order order;

    if (e->id != 0) {
        publish(p, e);
        return;
    }
    if (event_read_order(e, &order)) {
        carry_out(p, &order);
    } else {
        count(&p->counts.told);
        chat_tell(p->worker, e->channel, e->data);
    }
    chat_event_free(e);
}

/* ---- what has come ---- */

static void on_post(struct post *post) {
    struct chat_pump *p = CONTAINER_OF(post, struct chat_pump, post);

    (void) pthread_mutex_lock(&p->lock);
    struct chat_event *e = p->coming;
    p->coming = NULL;
    p->coming_last = &p->coming;
    p->is_posted = false;
    (void) pthread_mutex_unlock(&p->lock);

    while (e) {
        struct chat_event *next = e->next;
        send_out(p, e);
        e = next;
    }
}

static void free_all(struct chat_event *e) {
    while (e) {
        struct chat_event *next = e->next;
        chat_event_free(e);
        e = next;
    }
}

/* The store's, on its writer's thread. When the pump has ended the next start finds them. */
static void on_commit(struct chat_event *first, void *arg) {
    struct chat_pump *p = arg;
    struct chat_event *last = first;
    bool is_open, wakes = false;

    while (last->next)
        last = last->next;
    (void) pthread_mutex_lock(&p->lock);
    is_open = p->is_open;
    if (is_open) {
        *p->coming_last = first;
        p->coming_last = &last->next;
        wakes = !p->is_posted;
        p->is_posted = true;
    }
    if (wakes)
        inbox_post(p->worker->inbox, &p->post);
    (void) pthread_mutex_unlock(&p->lock);
    if (!is_open)
        free_all(first);
}

static void on_retry(struct timer *t) {
    struct chat_pump *p = CONTAINER_OF(t, struct chat_pump, retry);
    struct chat_event *e = p->failed;

    p->is_retrying = false;
    p->failed = NULL;
    p->failed_last = &p->failed;
    while (e) {
        struct chat_event *next = e->next;
        atomic_fetch_sub_explicit(&p->counts.waiting, 1, memory_order_relaxed);
        publish(p, e);
        e = next;
    }
}

static void on_tick(struct timer *t) {
    struct chat_pump *p = CONTAINER_OF(t, struct chat_pump, tick);

    chat_store_tick(p->chat->store);
    chat_notice_tick(p->chat->notices);
    if (timer_set(&p->tick, TICK_MS) < 0)
        LOG_ERROR(p->chat->daemon->log, "the chat no longer looks what is due",
                  LOG_RESULT(-ENOMEM));
}

/* ---- beginning and end ---- */

int chat_pump_new(struct chat *c, struct chat_pump **ret) {
    struct chat_pump *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->chat = c;
    p->coming_last = &p->coming;
    p->failed_last = &p->failed;
    p->post.run = on_post;
    p->retry.run = on_retry;
    p->tick.run = on_tick;
    (void) pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

struct chat_pump *chat_pump_free(struct chat_pump *p) {
    if (!p)
        return NULL;
    free_all(p->coming);
    free_all(p->failed);
    (void) pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

int chat_pump_start(struct chat_pump *p) {
    p->worker = &p->chat->daemon->threads[0].worker;
    group_init(&p->tasks);
    int r = timer_set(&p->tick, TICK_MS);
    if (r < 0) {
        p->worker = NULL;
        return r;
    }
    chat_notice_start(p->chat->notices, p->worker, &p->tasks);
    p->is_open = true;
    chat_store_set_sink(p->chat->store, on_commit, p);
    return 0;
}

void chat_pump_stop(struct chat_pump *p) {
    if (!p->worker)
        return;
    (void) pthread_mutex_lock(&p->lock);
    p->is_open = false;
    (void) pthread_mutex_unlock(&p->lock);
    timer_clear(&p->tick);
    chat_notice_stop(p->chat->notices);
    group_finish(&p->tasks);
    for (;;) {
        (void) pthread_mutex_lock(&p->lock);
        bool is_idle = !p->is_posted;
        (void) pthread_mutex_unlock(&p->lock);
        if (is_idle && p->flying == 0)
            break;
        SHIELD(INT64_MAX / 2);
        (void) task_sleep(1);
    }
    timer_clear(&p->retry);
    group_finish(&p->tasks);
    p->worker = NULL;
}

static uint64_t load(const _Atomic uint64_t *n) {
    return atomic_load_explicit(n, memory_order_relaxed);
}

void chat_pump_stats(const struct chat_pump *p, struct chat_pump_stats *ret) {
    *ret = (struct chat_pump_stats){ .published = load(&p->counts.published),
                                     .repeated = load(&p->counts.repeated),
                                     .failed = load(&p->counts.failed),
                                     .told = load(&p->counts.told),
                                     .waiting = load(&p->counts.waiting) };
}
