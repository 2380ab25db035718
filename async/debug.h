/* Seeing what the tasks of this thread's loop do. */
#pragma once

#include <stdio.h>

#include "async/base.h"

/*
 * The tree of tasks: name, what each waits for, since when, and where it is parked (frames by frame
 * pointer; names of functions if the program exports them, else addresses for addr2line). From
 * tasks, posts and hooks; not from signal handlers: have signals_next()'s task call it for SIGUSR1.
 */
void task_dump(FILE *f);

struct async_stats {
    size_t tasks;                             /* that have not ended */
    size_t ready;                             /* of them, queued to run */
    size_t dormant;                           /* of them, holding no stack */
    size_t timers;                            /* set */
    size_t watches;                           /* descriptors waited for */
    size_t stacks_in_use, stacks_idle;        /* of the pool */
    size_t stack_bytes;                       /* address space of one */
    uint64_t starved;                         /* times a task had to wait for a stack */
    uint64_t spawned, switches, turns, polls; /* since the loop began */
    uint64_t woken;                           /* by other threads, likewise: once for many posts */
};

void async_stats(struct async_stats *ret);

/* The deepest a task of that name ever was, of those that have ended or gone dormant: only where
 * stacks are painted, see loop_options. 0: unknown. */
size_t stack_high_water(const char *task_name);

/* A scope in which nothing may suspend: shared state is half changed. Aborts, naming the task, if
 * it does. */
struct no_suspend {
    char unused;
};
struct no_suspend no_suspend_enter(void);
void no_suspend_leave(struct no_suspend *n);

#define NO_SUSPEND_NAME_(line) no_suspend_at_##line
#define NO_SUSPEND_SCOPE_(line)                                                                    \
    struct no_suspend NO_SUSPEND_NAME_(line) CLEANUP(no_suspend_leave) = no_suspend_enter();       \
    (void) NO_SUSPEND_NAME_(line)
#define NO_SUSPEND_LINE_(line) NO_SUSPEND_SCOPE_(line)
#define NO_SUSPEND             NO_SUSPEND_LINE_(__LINE__)

/* The longest time that this thread's loop did not look at its descriptors, in microseconds, since
 * the last call: what a client had to wait at worst for the loop's own sake. 0 in simulated loops.
 */
int64_t loop_stall_us(void);

/* All such times since the loop began, by their length: each counts under the first bound that it
 * does not exceed, or last. */
enum { LOOP_STALL_BOUNDS = 20 };
extern const uint32_t loop_stall_bounds_us[LOOP_STALL_BOUNDS]; /* ascending */

struct loop_stalls {
    uint64_t counts[LOOP_STALL_BOUNDS + 1];
    uint64_t total_us;
};

void loop_stalls(struct loop_stalls *ret);

/* From now on warn when a task or callback runs longer without suspending; 0: never. */
void loop_warn_slow(int ms);
