/*
 * The loop from inside: for the files of async/ only.
 */
#pragma once

#include <stdatomic.h>

#include "async/annotate.h"
#include "async/base.h"
#include "async/debug.h"
#include "async/inbox.h"
#include "async/list.h"
#include "async/loop.h"

struct ev_loop;
struct task;
struct stack_pool;

/* ---- descriptors ---- */

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

/*
 * Watches one descriptor; embedded. It calls run() from the poll, outside any task, in every turn
 * in which one of the wanted events is there (level-triggered: take it, or stop wanting it). run()
 * must not suspend; it wakes tasks by task_ready(), and may change or stop this or any other watch,
 * and free its own memory once stopped. Errors and hang-ups come as all that was wanted.
 */
struct watch {
    void *libev[6]; /* an ev_io; poller.c alone knows */
};

typedef void watch_fn(struct watch *w, unsigned ready);

void watch_init(struct watch *w, int fd, watch_fn *run);

/* What to wait for from now on; 0 stops. Cheap: system calls happen at most once per poll and
 * descriptor. Must be 0 before the descriptor is closed or the watch freed. */
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
 * While held, the loop waits for another thread even when nothing else could wake a task: hold for
 * each job that is out on a thread and will answer through an inbox. Loop thread only. Never in
 * simulated loops.
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
    size_t capacity; /* besides entry 0 */
    size_t reserved; /* for tasks, whose timers must never fail to be set */
    size_t others;   /* set, and not a task's */
    uint64_t next_order;
};

struct poller {
    struct ev_loop *ev;
    void *watchers;  /* poller.c's: wake-up and timeout */
    size_t watching; /* active watches */
};

struct random_state {
    uint64_t s[4]; /* xoshiro256** */
};

enum { RANDOM_BUFFERED = 256 };

struct loop {
    struct task *current;
    struct task *ready_first, **ready_last; /* what runs in the next turn */
    struct task *batch;                     /* what is still to run in this one */
    size_t ready_count;                     /* of both */
    int64_t now_ms;
    void *context; /* the thread's own stack, where tasks return to */
    struct annotated_thread thread;
    int64_t timed_us;   /* when what runs now began, if slow ones are to be told of */
    int64_t looked_us;  /* when the descriptors were looked at; 0: never */
    int64_t stalled_us; /* the longest time between two looks, since somebody asked */
    struct loop_stalls stalls;
    unsigned no_suspend; /* depth of NO_SUSPEND scopes */
    unsigned runs_since_poll;
    bool is_due_to_poll; /* there is more to do, but others have waited long enough */
    uint64_t looks;      /* times that others could speak: looked at descriptors, or would have */
    struct timer_heap timers;
    struct poller poller;
    struct stack_pool *stacks;
    int64_t trimmed_ms;
    bool may_trim_more;
    bool is_draining; /* inboxes are being walked */
    bool is_stuck;    /* a deadlock was found and all tasks were cancelled */
    struct turn_hook *hooks_first, **hooks_last;
    size_t hooks_count;
    struct list inboxes;
    struct wakes wakes;       /* of other loops, for what this turn posts to them */
    struct list groups;       /* that have running tasks */
    struct list ended;        /* tasks that are still to be joined */
    struct task_names *names; /* task_name.c's; NULL: none yet */
    struct task *spare;       /* structs of tasks that have ended, kept for the next */
    int spare_count;
    struct task *root;
    int root_result;
    size_t tasks; /* not ended */
    size_t dormant;
    size_t held;
    uint64_t starved, turns, switches, polls,
            spawned; /* starved: times a task waited for a stack */
    uint64_t woken;  /* times that another thread woke it */
    struct random_state random, chance;
    uint8_t buffered[RANDOM_BUFFERED]; /* of the kernel's randomness */
    size_t buffered_left;
    struct task **shuffled;
    size_t shuffled_capacity;
    int64_t wall_offset_ms; /* simulated */
    struct loop_options options;
    struct stack_mark *marks; /* debug.c's: high water per task name */
    size_t marks_count;
};

extern _Thread_local struct loop *loop_of_thread;

/* timer.c */
MUST_CHECK int timers_reserve(struct loop *l); /* room for one more task's timer. -ENOMEM */
void timer_set_reserved(struct loop *l, struct timer *t, int64_t at_ms); /* a task's: cannot fail */
void timer_clear_reserved(struct loop *l, struct timer *t);
int64_t timers_next(const struct loop *l); /* INT64_MAX: none */
void timers_fire(struct loop *l);          /* those that are due at loop's now */
void timers_finish(struct loop *l);
void task_timer_run(struct timer *t); /* task.c's: which timers are tasks' */

/* poller.c */
MUST_CHECK int poller_open(struct poller *p);
void poller_close(struct poller *p);
/* Waits until something happens, but not past this moment of clock_us(); INT64_MAX: for as long as
 * it takes; 0: not at all. May return early for nothing. */
void poller_poll(struct poller *p, int64_t until_us);
void poller_wake(struct poller *p); /* any thread */

/* inbox.c */
bool inboxes_drain(struct loop *l); /* false: there was nothing */
bool inboxes_have_posts(const struct loop *l);
void inboxes_finish(struct loop *l);

/* random.c */
void random_seed(struct random_state *r, uint64_t seed);
uint64_t random_next(struct random_state *r);
uint64_t random_below(struct random_state *r, uint64_t bound);

/* loop.c */

/* What one kind of work may take of a turn. Zeroed: begins with the first look. */
struct slice {
    unsigned n;
    int64_t began_us;
};

/* Before each piece of it. true: the loop looks at its descriptors first. Never in simulated loops.
 */
bool slice_is_over(struct loop *l, struct slice *s, int64_t at_most_us);
int64_t clock_us(void); /* CLOCK_MONOTONIC */

/* debug.c */
void debug_time_from_here(struct loop *l);
void debug_was_slow(struct loop *l,
                    const struct task *t); /* since then, or since the last such call */
void debug_work_was_slow(struct loop *l, const char *what); /* the same, of no task's */
void debug_looks_around(
        struct loop *l); /* it is about to look at the descriptors, and maybe to wait */
void debug_has_looked(struct loop *l);
void debug_mark_stack(struct loop *l, const struct task *t, size_t used);
void debug_left_over(struct loop *l);
void debug_never_joined(struct loop *l, const struct task *t);
void debug_deadlock(struct loop *l);
void debug_finish(struct loop *l);
