#include "async/inbox.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "async/loop_impl.h"

struct inbox {
    struct loop *loop;
    struct link link;              /* in the loop's */
    _Atomic(struct post *) last;   /* each points at the one posted before it */
    struct post *next, **next_end; /* taken from there and joined by the loop's own: of the next
                                      round, in the order in which they were posted; the loop's */
    struct post *first, **end;     /* to be run now; the loop's */
    _Atomic unsigned posting;      /* other threads that may still wake the loop */
    _Atomic bool is_woken;         /* since the loop last looked for posts */
    struct timer late;             /* simulated: when a delayed drain comes */
    bool is_late;
    bool is_closed; /* while the inboxes were walked: the walk frees it */
};

enum {
    /* Posts that post again are served in the same turn, but not for ever. */
    ROUNDS_MAX = 64,
    POSTS_US = 100, /* of posts in one turn, then the loop looks at its descriptors */
    LATE_MS_MAX = 4,
};

static struct inbox *inbox_of(struct link *k) {
    return CONTAINER_OF(k, struct inbox, link);
}

static bool has_posts(const struct inbox *i) {
    return atomic_load_explicit(&i->last, memory_order_acquire) != NULL;
}

/* Before looking for posts: whoever adds one after that look wakes the loop anew, whoever finds
 * is_woken still set has added his before it. That takes one order of all four steps. */
static void look_from_here(struct inbox *i) {
    if (atomic_load_explicit(&i->is_woken, memory_order_relaxed))
        atomic_store(&i->is_woken, false);
}

/* Of the loop's thread. */
static bool has_more(const struct inbox *i) {
    return i->first || i->next || has_posts(i);
}

/* What others have posted, behind what is there. */
static void collect(struct inbox *i) {
    if (!has_posts(i))
        return;
    struct post *newest = atomic_exchange(&i->last, NULL);
    struct post *oldest = NULL, *last = newest;
    while (newest) {
        struct post *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    if (!last)
        return;
    *i->next_end = oldest;
    i->next_end = &last->next;
}

static void take_posts(struct inbox *i) {
    collect(i);
    if (!i->next)
        return;
    *i->end = i->next;
    i->end = i->next_end;
    i->next = NULL;
    i->next_end = &i->next;
}

static void run_first(struct inbox *i) {
    struct post *p = i->first;
    i->first = p->next;
    if (!i->first)
        i->end = &i->first;
    p->next = NULL;
    p->run(p);
}

static void run_posts(struct inbox *i) {
    take_posts(i);
    while (i->first)
        run_first(i);
}

/* Those that are there, or as many as there is time for. */
static void run_some(struct inbox *i, struct slice *slice) {
    take_posts(i);
    while (i->first && !slice_is_over(i->loop, slice, POSTS_US))
        run_first(i);
}

static void inbox_free(struct inbox *i) {
    list_remove(&i->link);
    free(i);
}

/* Those that were closed by what ran while they were walked. */
static void free_closed(struct loop *l) {
    LIST_FOREACH_SAFE (&l->inboxes, k, after) {
        if (inbox_of(k)->is_closed)
            inbox_free(inbox_of(k));
    }
}

static void run_late(struct timer *t) {
    struct inbox *i = CONTAINER_OF(t, struct inbox, late);
    struct loop *l = i->loop;
    i->is_late = false;
    look_from_here(i);
    l->is_draining = true;
    run_posts(i);
    l->is_draining = false;
    free_closed(l);
}

struct inbox *inbox_open(struct loop *l) {
    assert(l == loop_of_thread);
    struct inbox *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->loop = l;
    i->end = &i->first;
    i->next_end = &i->next;
    i->late.run = run_late;
    list_append(&l->inboxes, &i->link);
    return i;
}

struct inbox *inbox_close(struct inbox *i) {
    if (!i)
        return NULL;
    struct loop *l = i->loop;
    assert(l == loop_of_thread);
    /* What a post set going may close the inbox while its sender is still about to wake the loop;
     * and that sender may be closing his own, and wait for what we have not sent. */
    wakes_send(&l->wakes);
    while (has_more(i) || atomic_load_explicit(&i->posting, memory_order_acquire) > 0) {
        run_posts(i);
        (void) sched_yield();
    }
    timer_clear(&i->late);
    i->is_closed = true;
    if (!l->is_draining)
        inbox_free(i);
    return NULL;
}

/* ---- posting ---- */

static void push(struct inbox *i, struct post *p) {
    struct post *before = atomic_load_explicit(&i->last, memory_order_relaxed);
    do
        p->next = before;
    while (!atomic_compare_exchange_weak(&i->last, &before, p));
}

/* From the loop's own thread, which nobody else takes anything from: behind all that was posted
 * before, as everywhere. */
static void push_own(struct inbox *i, struct post *p) {
    collect(i);
    p->next = NULL;
    *i->next_end = p;
    i->next_end = &p->next;
}

static void wake(struct inbox *i) {
    if (!atomic_load(&i->is_woken) && !atomic_exchange(&i->is_woken, true))
        poller_wake(&i->loop->poller);
}

/* From another thread. Once posted, the inbox may be drained and the loop go its way, but neither
 * end as long as this counts: see inbox_close(). */
static void hold(struct inbox *i) {
    atomic_fetch_add_explicit(&i->posting, 1, memory_order_relaxed);
}

static void release(struct inbox *i) {
    atomic_fetch_sub_explicit(&i->posting, 1, memory_order_release);
}

bool inbox_is_elsewhere(const struct inbox *i) {
    return i->loop != loop_of_thread;
}

void inbox_post(struct inbox *i, struct post *p) {
    if (!inbox_is_elsewhere(i)) {
        push_own(i, p);
        return;
    }
    hold(i);
    push(i, p);
    wake(i);
    release(i);
}

static bool is_due(const struct wakes *w, const struct inbox *i) {
    for (unsigned k = w->n; k-- > 0;)
        if (w->due[k] == i)
            return true;
    return false;
}

void inbox_post_quietly(struct inbox *i, struct post *p, struct wakes *wakes) {
    if (!wakes && loop_of_thread)
        wakes = &loop_of_thread->wakes;
    if (!wakes || !inbox_is_elsewhere(i)) {
        inbox_post(i, p);
        return;
    }
    if (!is_due(wakes, i)) {
        if (wakes->n == WAKES_MAX)
            wakes_send(wakes);
        hold(i);
        wakes->due[wakes->n++] = i;
    }
    push(i, p);
}

void wakes_send(struct wakes *w) {
    while (w->n > 0) {
        struct inbox *i = w->due[--w->n];
        if (has_posts(i)) /* else its loop was awake and has seen to them */
            wake(i);
        release(i);
    }
}

/* ---- draining ---- */

/* In a simulation what another thread says may come late. true: it does. */
static bool comes_late(struct loop *l, struct inbox *i) {
    if (!loop_is_adversary(l))
        return false;
    if (!i->is_late && loop_chance_below(l, 4) == 0 &&
        timer_set(&i->late, (int64_t) (1 + loop_chance_below(l, LATE_MS_MAX))) == 0)
        i->is_late = true;
    return i->is_late;
}

static bool drain_once(struct loop *l, struct slice *slice) {
    bool any = false;
    LIST_FOREACH (&l->inboxes, k) {
        struct inbox *i = inbox_of(k);
        if (i->is_closed || i->is_late)
            continue;
        look_from_here(i);
        if (!has_more(i) || comes_late(l, i))
            continue;
        any = true;
        run_some(i, slice);
    }
    return any;
}

bool inboxes_drain(struct loop *l) {
    bool any = false;
    struct slice slice = { 0 };
    l->is_draining = true;
    for (int round = 0; round < ROUNDS_MAX && drain_once(l, &slice); round++) {
        any = true;
        if (l->is_due_to_poll)
            break;
    }
    l->is_draining = false;
    if (any)
        free_closed(l);
    return any;
}

bool inboxes_have_posts(const struct loop *l) {
    LIST_FOREACH (&l->inboxes, k) {
        struct inbox *i = inbox_of(k);
        if (!i->is_late && has_more(i))
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
