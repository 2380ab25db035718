/* The loop's timers: a 4-ary heap, shallower than a binary one and with each node's children in one
 * or two cache lines. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "async/loop_impl.h"

static bool is_sooner(const struct timer_entry *a, const struct timer_entry *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct timer_heap *h, size_t i, struct timer_entry e) {
    h->entries[i] = e;
    e.timer->index = i;
}

static void sift_up(struct timer_heap *h, size_t i, struct timer_entry e) {
    while (i > 1) {
        size_t parent = (i - 2) / 4 + 1;
        if (!is_sooner(&e, &h->entries[parent]))
            break;
        place(h, i, h->entries[parent]);
        i = parent;
    }
    place(h, i, e);
}

static void sift_down(struct timer_heap *h, size_t i, struct timer_entry e) {
    for (;;) {
        size_t child = 4 * (i - 1) + 2;
        if (child > h->count)
            break;
        size_t end = child + 4 <= h->count + 1 ? child + 4 : h->count + 1;
        size_t soonest = child;
        for (size_t c = child + 1; c < end; c++)
            if (is_sooner(&h->entries[c], &h->entries[soonest]))
                soonest = c;
        if (!is_sooner(&h->entries[soonest], &e))
            break;
        place(h, i, h->entries[soonest]);
        i = soonest;
    }
    place(h, i, e);
}

static int grow_to(struct timer_heap *h, size_t needed) {
    if (needed <= h->capacity)
        return 0;
    size_t capacity = h->capacity ? h->capacity : 32;
    while (capacity < needed)
        capacity *= 2;
    struct timer_entry *entries = realloc(h->entries, (capacity + 1) * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    h->entries = entries;
    h->capacity = capacity;
    return 0;
}

int timers_reserve(struct loop *l) {
    struct timer_heap *h = &l->timers;
    int r = grow_to(h, h->reserved + 1 + h->others);
    if (r == 0)
        h->reserved++;
    return r;
}

static void set(struct timer_heap *h, struct timer *t, int64_t at_ms) {
    struct timer_entry e = { .at_ms = at_ms, .order = h->next_order++, .timer = t };
    t->at_ms = at_ms;
    t->order = e.order;
    if (t->index == 0) {
        sift_up(h, ++h->count, e);
        return;
    }
    bool is_later = is_sooner(&h->entries[t->index], &e);
    if (is_later)
        sift_down(h, t->index, e);
    else
        sift_up(h, t->index, e);
}

static void clear(struct timer_heap *h, struct timer *t) {
    size_t hole = t->index;
    t->index = 0;
    struct timer_entry last = h->entries[h->count--];
    if (last.timer == t)
        return;
    if (hole > 1 && is_sooner(&last, &h->entries[(hole - 2) / 4 + 1]))
        sift_up(h, hole, last);
    else
        sift_down(h, hole, last);
}

void timer_set_reserved(struct loop *l, struct timer *t, int64_t at_ms) {
    set(&l->timers, t, at_ms);
}

void timer_clear_reserved(struct loop *l, struct timer *t) {
    if (t->index != 0)
        clear(&l->timers, t);
}

int timer_set(struct timer *t, int64_t in_ms) {
    struct loop *l = loop_of_thread;
    struct timer_heap *h = &l->timers;
    if (t->index == 0) {
        int r = grow_to(h, h->reserved + h->others + 1);
        if (r < 0)
            return r;
        h->others++;
    }
    if (in_ms < 0)
        in_ms = 0;
    int64_t at_ms;
    if (__builtin_add_overflow(l->now_ms, in_ms, &at_ms))
        at_ms = INT64_MAX;
    set(h, t, at_ms);
    return 0;
}

void timer_clear(struct timer *t) {
    if (t->index == 0)
        return;
    struct loop *l = loop_of_thread;
    clear(&l->timers, t);
    l->timers.others--;
}

int64_t timers_next(const struct loop *l) {
    return l->timers.count ? l->timers.entries[1].at_ms : INT64_MAX;
}

void timers_fire(struct loop *l) {
    struct timer_heap *h = &l->timers;
    /* One that is set from here on waits for the next turn, however short it is. */
    uint64_t end = h->next_order;
    while (h->count > 0) {
        struct timer_entry e = h->entries[1];
        if (e.at_ms > l->now_ms || e.order >= end)
            break;
        bool is_tasks = e.timer->run == task_timer_run;
        clear(h, e.timer);
        if (!is_tasks)
            h->others--;
        if (!is_tasks)
            debug_time_from_here(l);
        e.timer->run(e.timer);
        if (!is_tasks)
            debug_work_was_slow(l, "(a timer)");
    }
}

void timers_finish(struct loop *l) {
    for (size_t i = 1; i <= l->timers.count; i++)
        l->timers.entries[i].timer->index = 0;
    free(l->timers.entries);
}
