/*
 * The loop from inside: for the files of async/ only.
 */
#pragma once

#include <stdatomic.h>

#include "async/base.h"
#include "async/inbox.h"
#include "async/list.h"
#include "async/loop.h"

struct ev_loop;
struct task;
struct stack_pool;

/* ---- descriptors ---- */

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

/*
 * Watches one descriptor; embedded. It calls run() from the poll, outside any task, in every turn in which
 * one of the wanted events is there (level-triggered: take it, or stop wanting it). run() must not suspend;
 * it wakes tasks by task_ready(), and may change or stop this or any other watch, and free its own memory
 * once stopped. Errors and hang-ups come as all that was wanted.
 */
struct watch {
    void *libev[6]; /* an ev_io; poller.c alone knows */
};

typedef void watch_fn(struct watch *w, unsigned ready);

void watch_init(struct watch *w, int fd, watch_fn *run);

/* What to wait for from now on; 0 stops. Cheap: system calls happen at most once per poll and descriptor.
 * Must be 0 before the descriptor is closed or the watch freed. */
void watch_want(struct watch *w, unsigned events);
unsigned watch_wanted(const struct watch *w);
int watch_fd(const struct watch *w);

/* ---- randomness of the runtime's own decisions ---- */

/*
 * True when the runtime should play the adversary: split reads, delay deliveries, reorder what is
 * unordered. Only in simulated loops with a seed other than 0; seed 0 is a plain virtual clock.
 */
bool loop_is_adversary(const struct loop *l);

/* Uniform in [0, bound), from a generator apart from loop_random()'s. Simulated loops only. */
uint64_t loop_chance_below(struct loop *l, uint64_t bound);

/* ---- keeping the loop from thinking it is stuck ---- */

/*
 * While held, the loop waits for another thread even when nothing else could wake a task: hold for each job
 * that is out on a thread and will answer through an inbox. Loop thread only. Never in simulated loops.
 */
void loop_hold(struct loop *l);
void loop_release(struct loop *l);

/* Text of a warning to whom the options name; printf-like, one line without its end. */
__attribute__((format(printf, 2, 3))) void loop_warn(struct loop *l, const char *format, ...);

/* ---- the rest is between loop.c, task.c, timer.c, inbox.c, poller.c, debug.c ---- */

struct timer_entry {
    int64_t at_ms;
    uint64_t order;
    struct timer *timer;
};

/* A 4-ary heap. Entry 0 is unused, so that index 0 can mean "not set". */
struct timer_heap {
    struct timer_entry *entries;
    size_t count;    /* set */
    size_t capacity; /* excluding entry 0 */
    size_t reserved; /* of tasks: their timers must never fail to be set */
    uint64_t next_order;
};

struct poller {
    struct ev_loop *ev;
    void *watchers;   /* poller.c's: wake-up and timeout */
    size_t watching;  /* active watches */
};

struct random_state {
    uint64_t s[4]; /* xoshiro256** */
};

enum { RANDOM_BUFFERED = 256 };

struct loop {
    struct task *current;
    struct task *ready_first, **ready_last; /* what runs in the next turn */
    size_t ready_count;
    struct task *batch; /* what is still to run in this turn */
    int64_t now_ms;
    void *main_context; /* where tasks return to: the thread's own stack */
    struct timer_heap timers;
    struct poller poller;
    struct stack_pool *stacks;
    struct turn_hook *hooks_first, **hooks_last;
    struct list inboxes;
    struct list groups; /* that have running tasks */
    struct list ended;  /* tasks waiting to be joined */
    struct task *root;
    size_t tasks;       /* not ended */
    size_t dormant;
    size_t starved;     /* times a task had to wait for a stack */
    size_t held;
    uint64_t turns, switches, polls, spawned;
    unsigned runs_since_poll;
    unsigned no_suspend; /* depth of NO_SUSPEND scopes */
    bool is_stuck;       /* a deadlock was found and all tasks cancelled */
    struct random_state random, chance;
    uint8_t buffered[RANDOM_BUFFERED]; /* of the kernel's randomness */
    size_t buffered_left;
    struct task **shuffled;
    size_t shuffled_capacity;
    int64_t wall_offset_ms; /* simulated */
    struct loop_options options;
    struct stack_mark *marks; /* debug.c: high water per task name */
    size_t marks_count;
#ifdef PARLEY_SANITIZED
    const void *main_stack;
    size_t main_stack_bytes;
    void *main_fiber;
#endif
};

extern _Thread_local struct loop *loop_of_thread;
