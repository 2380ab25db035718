#include "daemon/chat/pump.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
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
#include "storage/table.h"

enum { RETRY_MIN_MS = 250, RETRY_MAX_MS = 8000, TICK_MS = 1000 };

struct counts {
    _Atomic uint64_t published, repeated, failed, told, waiting;
};

/* The events of a channel that the engine has refused, or that came behind one of those: from the
 * oldest on, for a room's are told in the order of their vers or not at all. */
struct line {
    struct table_entry in_table;
    struct chat_event *first, *last;
    bool is_trying; /* one of them, which is not in the list */
    size_t len;
    char channel[];
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
    struct table lines;
    struct chat_event *strays; /* for which there was no memory to make a line */
    struct timer retry, tick;
    bool is_retrying; /* the timer is set */
    int64_t retry_ms;
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

/* ---- what is to be tried again ---- */

static struct bytes channel_of(const struct table_entry *e) {
    const struct line *l = CONTAINER_OF(e, struct line, in_table);
    return bytes_of(l->channel, l->len);
}

static struct line *line_of(struct chat_pump *p, struct str channel) {
    struct table_entry *e = table_find(&p->lines, str_bytes(channel));
    return e ? CONTAINER_OF(e, struct line, in_table) : NULL;
}

static struct line *line_add(struct chat_pump *p, struct str channel) {
    struct line *l = calloc(1, sizeof *l + channel.len);
    if (!l)
        return NULL;
    l->len = channel.len;
    memcpy(l->channel, channel.data, channel.len);
    if (table_add(&p->lines, &l->in_table) < 0) {
        free(l);
        return NULL;
    }
    return l;
}

static void line_free(struct chat_pump *p, struct line *l) {
    table_remove(&p->lines, &l->in_table);
    free(l);
}

/* Where its ver belongs: at the end, most often, or at the beginning. */
static void line_put(struct line *l, struct chat_event *e) {
    struct chat_event **at = &l->first;

    if (l->last && l->last->ver <= e->ver)
        at = &l->last->next;
    else
        while (*at && (*at)->ver <= e->ver)
            at = &(*at)->next;
    e->next = *at;
    *at = e;
    if (!e->next)
        l->last = e;
}

static struct chat_event *line_take(struct line *l) {
    struct chat_event *e = l->first;
    l->first = e->next;
    if (!l->first)
        l->last = NULL;
    return e;
}

static void retry_later(struct chat_pump *p) {
    if (p->is_retrying)
        return;
    p->is_retrying = timer_set(&p->retry, p->retry_ms) == 0;
    if (!p->is_retrying)
        LOG_ERROR(p->chat->daemon->log, "events of the chat stay unpublished", LOG_RESULT(-ENOMEM));
}

static void hold(struct chat_pump *p, struct line *l, struct chat_event *e) {
    count(&p->counts.waiting);
    if (l) {
        line_put(l, e);
    } else {
        e->next = p->strays;
        p->strays = e;
    }
    retry_later(p);
}

static void fail(struct chat_pump *p, struct chat_event *e) {
    struct line *l = line_of(p, e->channel);

    count(&p->counts.failed);
    if (!l)
        l = line_add(p, e->channel);
    if (l)
        l->is_trying = false;
    hold(p, l, e);
}

/* ---- publishing ---- */

static void publish_next(struct chat_pump *p, struct str channel);

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
        publish_next(p, e->channel);
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

/* The oldest of a line: the others follow when it is published. */
static void publish_first(struct chat_pump *p, struct line *l) {
    l->is_trying = true;
    atomic_fetch_sub_explicit(&p->counts.waiting, 1, memory_order_relaxed);
    publish(p, line_take(l));
}

/* The engine has taken one: of a line that was tried, the next; and when it is empty what comes is
 * no longer held up. */
static void publish_next(struct chat_pump *p, struct str channel) {
    struct line *l = table_size(&p->lines) > 0 ? line_of(p, channel) : NULL;

    if (!l || !l->is_trying)
        return;
    p->retry_ms = RETRY_MIN_MS;
    if (l->first)
        publish_first(p, l);
    else
        line_free(p, l);
}

static void publish_or_hold(struct chat_pump *p, struct chat_event *e) {
    struct line *l = table_size(&p->lines) > 0 ? line_of(p, e->channel) : NULL;
    if (l)
        hold(p, l, e);
    else
        publish(p, e);
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
        publish_or_hold(p, e);
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
    struct chat_event *e = p->strays;

    p->is_retrying = false;
    p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
    p->strays = NULL;
    while (e) {
        struct chat_event *next = e->next;
        atomic_fetch_sub_explicit(&p->counts.waiting, 1, memory_order_relaxed);
        publish_or_hold(p, e);
        e = next;
    }
    TABLE_FOREACH (&p->lines, at) {
        struct line *l = CONTAINER_OF(at, struct line, in_table);
        if (!l->is_trying && l->first)
            publish_first(p, l);
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
    struct table_seed seed;
    struct chat_pump *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->chat = c;
    p->coming_last = &p->coming;
    p->retry_ms = RETRY_MIN_MS;
    loop_random(&seed, sizeof seed);
    table_init(&p->lines, &seed, channel_of);
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
    free_all(p->strays);
    TABLE_FOREACH (&p->lines, at) {
        struct line *l = CONTAINER_OF(at, struct line, in_table);
        free_all(l->first);
        line_free(p, l);
    }
    table_finish(&p->lines);
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
