#include "async/inbox.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "async/loop_impl.h"

struct inbox {
    struct loop *loop;
    struct link link;            /* in the loop's */
    _Atomic(struct post *) last; /* each points at the one posted before it */
    _Atomic unsigned posting;    /* other threads inside inbox_post() */
    struct timer late;           /* simulated: when a delayed drain comes */
    bool is_late;
    bool is_closed; /* while the inboxes were walked: the walk frees it */
};

enum {
    /* Posts that post again are served in the same turn, but not for ever. */
    ROUNDS_MAX = 64,
    LATE_MS_MAX = 4,
};

static struct inbox *inbox_of(struct link *k) {
    return CONTAINER_OF(k, struct inbox, link);
}

static bool has_posts(const struct inbox *i) {
    return atomic_load_explicit(&i->last, memory_order_acquire) != NULL;
}

static void run_posts(struct inbox *i) {
    struct post *newest = atomic_exchange_explicit(&i->last, NULL, memory_order_acquire);
    struct post *oldest = NULL;
    while (newest) {
        struct post *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    while (oldest) {
        struct post *next = oldest->next;
        oldest->next = NULL;
        oldest->run(oldest);
        oldest = next;
    }
}

static void run_late(struct timer *t) {
    struct inbox *i = CONTAINER_OF(t, struct inbox, late);
    i->is_late = false;
    run_posts(i);
}

struct inbox *inbox_open(struct loop *l) {
    assert(l == loop_of_thread);
    struct inbox *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->loop = l;
    i->late.run = run_late;
    list_append(&l->inboxes, &i->link);
    return i;
}

static void inbox_free(struct inbox *i) {
    list_remove(&i->link);
    free(i);
}

struct inbox *inbox_close(struct inbox *i) {
    if (!i)
        return NULL;
    struct loop *l = i->loop;
    assert(l == loop_of_thread);
    /* What a post set going may close the inbox while its sender is still about to wake the loop.
     */
    while (has_posts(i) || atomic_load_explicit(&i->posting, memory_order_acquire) > 0) {
        run_posts(i);
        (void) sched_yield();
    }
    timer_clear(&i->late);
    i->is_closed = true;
    if (!l->is_draining)
        inbox_free(i);
    return NULL;
}

void inbox_post(struct inbox *i, struct post *p) {
    struct loop *l = i->loop;
    bool is_own = l == loop_of_thread;
    if (!is_own)
        atomic_fetch_add_explicit(&i->posting, 1, memory_order_relaxed);
    struct post *before = atomic_load_explicit(&i->last, memory_order_relaxed);
    do
        p->next = before;
    while (!atomic_compare_exchange_weak_explicit(&i->last, &before, p, memory_order_release,
                                                  memory_order_relaxed));
    /* Whoever finds it empty wakes the loop; the others' posts are found by the same drain. Once
     * posted, the inbox may be drained and the loop go its way, but neither end: see inbox_close().
     */
    if (is_own)
        return;
    if (!before)
        poller_wake(&l->poller);
    atomic_fetch_sub_explicit(&i->posting, 1, memory_order_release);
}

/* In a simulation what another thread says may come late. true: it does. */
static bool comes_late(struct loop *l, struct inbox *i) {
    if (!loop_is_adversary(l))
        return false;
    if (!i->is_late && loop_chance_below(l, 4) == 0 &&
        timer_set(&i->late, (int64_t) (1 + loop_chance_below(l, LATE_MS_MAX))) == 0)
        i->is_late = true;
    return i->is_late;
}

static bool drain_once(struct loop *l) {
    bool any = false;
    LIST_FOREACH (&l->inboxes, k) {
        struct inbox *i = inbox_of(k);
        if (i->is_closed || i->is_late || !has_posts(i) || comes_late(l, i))
            continue;
        any = true;
        run_posts(i);
    }
    return any;
}

bool inboxes_drain(struct loop *l) {
    bool any = false;
    l->is_draining = true;
    for (int round = 0; round < ROUNDS_MAX && drain_once(l); round++)
        any = true;
    l->is_draining = false;
    if (any)
        LIST_FOREACH_SAFE (&l->inboxes, k, after) {
            if (inbox_of(k)->is_closed)
                inbox_free(inbox_of(k));
        }
    return any;
}

bool inboxes_have_posts(const struct loop *l) {
    LIST_FOREACH (&l->inboxes, k) {
        struct inbox *i = inbox_of(k);
        if (!i->is_late && has_posts(i))
            return true;
    }
    return false;
}

void inboxes_finish(struct loop *l) {
    struct link *k;
    while ((k = list_first(&l->inboxes)) != NULL) {
        loop_warn(l, "an inbox was left open at the loop's end");
        inbox_free(inbox_of(k));
    }
}
