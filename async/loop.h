/*
 * The event loop of one thread: it runs tasks that are ready, then waits for what makes others
 * ready.
 *
 * A turn is: the tasks that were ready when it began; posts of this thread's inboxes; the turn's
 * end hooks; then one poll. What becomes ready during a turn runs in the next one.
 */
#pragma once

#include "async/base.h"

struct loop;

struct loop_options {
    const char *name;  /* in dumps and logs; "loop" if NULL */
    bool is_simulated; /* virtual clock, seeded randomness, no threads: one seed, one execution */
    uint64_t seed; /* simulated: of everything; 0: a plain virtual clock, no adversity (late posts,
                      split reads). Otherwise: of the ready queue's shuffle */
    bool shuffle_ready; /* run ready tasks in a seeded random order, to find hidden assumptions */
    int64_t simulated_epoch_ms; /* simulated: wall clock at the start; 0: a fixed date */
    size_t stack_bytes;         /* of a task; 0: 32 KiB, 256 KiB under sanitizers */
    bool paint_stacks; /* measure how deep each task goes, see debug.h; always under sanitizers */
    int slow_ms;       /* warn when a task or callback runs longer without suspending; 0: never */
    void (*on_warning)(void *arg, const char *text); /* slow callbacks, never-joined and left-over
                                                        tasks; NULL: a line on stderr */
    void *on_warning_arg;
};

/* Runs fn as the root task and the loop until it and all below it have ended; returns fn's result.
 * Not from inside a loop of the same thread. o may be NULL. -ENOMEM, -EMFILE and the like: no loop.
 * -EDEADLK: at some point tasks waited for nothing that could come. The warning has the tree of
 * tasks; all were cancelled. */
MUST_CHECK int loop_run(const struct loop_options *o, task_fn *fn, void *arg);

/* The clocks and loop_random() below also answer on threads without a loop, from the kernel. */
struct loop *loop_current(void); /* this thread's; NULL outside loop_run() */
bool loop_is_simulated(const struct loop *l);
int64_t loop_now(void);     /* ms, monotonic, fixed within one turn */
int64_t loop_now_us(void);  /* us, monotonic, the moment itself (simulated: virtual) */
int64_t loop_wall_ms(void); /* ms since 1970, wall clock (simulated: virtual) */

/* Unpredictable bytes; in a simulated loop from its seed. For anything that a peer must not guess,
 * and for all randomness of code that simulations run. Never fails. */
void loop_random(void *buf, size_t len);
void loop_random_hex(char *ret, size_t digits); /* in lower case, and a NUL behind them */
uint64_t loop_random_below(uint64_t bound);     /* uniform in [0, bound); bound > 0 */

/* A callback at the end of the turn; embedded. May be added again from inside itself, for the same
 * turn's end. Must not suspend. Hooks run in the order they were added. */
struct turn_hook {
    struct turn_hook *next;
    bool is_queued;
    void (*run)(struct turn_hook *self);
};

void loop_at_turn_end(struct turn_hook *h); /* does nothing if already queued */
void loop_forget_hook(struct turn_hook *h);

/*
 * What one kind of work has had of the loop since the loop last looked at its descriptors. Whoever
 * has more to do at a turn's end than others should wait for takes a share of each turn and queues
 * its hook again for the rest. Embedded; begins zeroed.
 */
struct loop_share {
    uint64_t look;
    unsigned taken;
    int64_t began_us;
};

/* How many pieces may be done before this is asked again, of at most so many in so much time. 0: it
 * is enough, the loop is about to look. By number alone in simulated loops; with a seed it may come
 * early, but never before the first piece. */
unsigned loop_share_take(struct loop_share *s, unsigned most, int64_t most_us);

/* A callback at a time; embedded. No task, no stack. Must not suspend. */
struct timer {
    int64_t at_ms;  /* loop_now() time */
    uint64_t order; /* private */
    size_t index;   /* private; 0: not set */
    void (*run)(struct timer *self);
};

MUST_CHECK int timer_set(struct timer *t,
                         int64_t in_ms); /* sets, or moves. -ENOMEM only when it was not set */
void timer_clear(struct timer *t);       /* does nothing if not set */
