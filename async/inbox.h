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
 * in the same turn, before the turn's end hooks; from another it wakes the loop, once for many
 * posts. Order is that of the calls, over all senders. In a simulated loop each inbox is drained at
 * seeded times.
 */
void inbox_post(struct inbox *i, struct post *p);
