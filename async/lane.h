/*
 * A thread of its own for work that must not run side by side with itself: a database's writer. In a
 * simulated loop the lane is no thread: its runs are events of that loop at seeded times.
 */
#pragma once

#include "async/base.h"

struct lane;

/*
 * run(arg) is called on the lane's thread after each lane_kick(), once for many kicks that came before it
 * began. It takes what work there is from a queue of its owner's, and answers through an inbox.
 * name: at most 15 characters, shown by debuggers. Loop thread only. 0, -ENOMEM, -EAGAIN (no thread).
 */
MUST_CHECK int lane_open(const char *name, void (*run)(void *arg), void *arg, struct lane **ret);

void lane_kick(struct lane *l); /* any thread, run itself included; never blocks */

/* Waits, shielded, until a run for the last kick has ended, then ends the thread. Takes NULL; returns NULL. */
SUSPENDS struct lane *lane_close(struct lane *l);
