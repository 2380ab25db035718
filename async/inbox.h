/*
 * The one way into a loop from another thread: a queue of callbacks, run on the loop in the order
 * they were posted.
 */
#pragma once

#include "async/base.h"

struct loop;
struct inbox;

/* Embedded in what is handed over; not touched by the sender again once posted. */
struct post {
    struct post *next;
    void (*run)(struct post *self); /* on the loop's thread, outside any task; must not suspend */
};

/* Loop thread only. NULL: no memory. The loop keeps running while an inbox is open only if it has
 * tasks; an inbox alone does not hold it. */
struct inbox *inbox_open(struct loop *l);

/* Loop thread only. What was posted before is run first. Takes NULL; returns NULL. */
struct inbox *inbox_close(struct inbox *i);

/*
 * Any thread, the inbox's own included. Never fails. From the loop's own thread the post runs later
 * in the same turn, before the turn's end hooks, unless those before it take long: then the loop
 * looks at its descriptors first. From another it wakes the loop, if nobody has since it last
 * looked. Order is that of the calls, over all senders. In a simulated loop each inbox is drained at
 * seeded times.
 */
void inbox_post(struct inbox *i, struct post *p);

enum { WAKES_MAX = 64 };

/* Loops that are to be woken together, once for all that they were posted. Zeroed: none. One
 * thread's. */
struct wakes {
    struct inbox *due[WAKES_MAX];
    unsigned n;
};

/*
 * As inbox_post(), order included, but another loop that sleeps is not woken before wakes_send().
 * Until then its inbox cannot be closed: do not wait for that thread in between. wakes: NULL: those
 * of the caller's loop, which it sends in the same turn, after its inboxes' posts have run and
 * before its hooks; on a thread without a loop the other one is woken at once.
 */
void inbox_post_quietly(struct inbox *i, struct post *p, struct wakes *wakes);
void wakes_send(struct wakes *w);

/* Any thread: would a post of this thread come from elsewhere than the inbox's own loop? */
bool inbox_is_elsewhere(const struct inbox *i);
