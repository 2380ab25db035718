#include "async/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "async/context.h"
#include "async/stack.h"
#include "async/task_impl.h"

_Thread_local struct loop *loop_of_thread;

#ifdef PARLEY_SANITIZED
static const size_t STACK_BYTES = (size_t) 256 * 1024;
#else
static const size_t STACK_BYTES = (size_t) 32 * 1024;
#endif

enum {
    /* With tasks ready, looking for input costs more than a short task: not in every turn. */
    RUNS_PER_POLL = 32,
    TASKS_US = 200,      /* of tasks in one turn, then the others may speak */
    LOOKS_EVERY = 8,     /* tasks, or posts, for a look at the clock */
    SHARE_PIECES = 32,   /* of a share, for the same */
    END_ROUNDS_MAX = 64, /* of posts and hooks that bring forth more of themselves, in one turn */
    TRIM_MS = 1000,
};

static const int64_t SIMULATED_START_MS =
        1000000; /* not 0: that is a moment some take for "never" */
static const int64_t SIMULATED_EPOCH_MS = 1700000000000; /* 2023-11-14 */

int64_t clock_us(void) {
    struct timespec ts;
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- what callers ask ---- */

struct loop *loop_current(void) {
    return loop_of_thread;
}

bool loop_is_simulated(const struct loop *l) {
    return l->options.is_simulated;
}

int64_t loop_now(void) {
    struct loop *l = loop_of_thread;
    return l ? l->now_ms : clock_us() / 1000;
}

int64_t loop_now_us(void) {
    struct loop *l = loop_of_thread;
    return l && l->options.is_simulated ? l->now_ms * 1000 : clock_us();
}

int64_t loop_wall_ms(void) {
    struct loop *l = loop_of_thread;
    if (l && l->options.is_simulated)
        return l->wall_offset_ms + l->now_ms;
    struct timespec ts;
    (void) clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void loop_hold(struct loop *l) {
    l->held++;
}

void loop_release(struct loop *l) {
    assert(l->held > 0);
    l->held--;
}

/* ---- the turn's end ---- */

void loop_at_turn_end(struct turn_hook *h) {
    struct loop *l = loop_of_thread;
    if (h->is_queued)
        return;
    h->is_queued = true;
    h->next = NULL;
    *l->hooks_last = h;
    l->hooks_last = &h->next;
    l->hooks_count++;
}

void loop_forget_hook(struct turn_hook *h) {
    struct loop *l = loop_of_thread;
    if (!h->is_queued)
        return;
    h->is_queued = false;
    l->hooks_count--;
    struct turn_hook **at = &l->hooks_first;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    if (l->hooks_last == &h->next)
        l->hooks_last = at;
}

/* Those that are queued now; what they add comes in the next round. */
static bool run_hooks(struct loop *l) {
    size_t count = l->hooks_count;
    bool any = count > 0;
    for (; count > 0 && l->hooks_first; count--) {
        struct turn_hook *h = l->hooks_first;
        loop_forget_hook(h);
        h->run(h);
    }
    return any;
}

/* Posts come before hooks, and what hooks post is still this turn's. Other loops are woken before
 * the hooks, which have most of the work, so that they do theirs meanwhile. */
static void end_turn(struct loop *l) {
    bool any = false;
    for (int round = 0; round < END_ROUNDS_MAX; round++) {
        bool any_posts = inboxes_drain(l);
        wakes_send(&l->wakes);
        bool any_hooks = run_hooks(l);
        if (!any_posts && !any_hooks)
            break;
        any = true;
        if (l->is_due_to_poll)
            break;
    }
    wakes_send(&l->wakes);
    if (any)
        debug_work_was_slow(l, "(posts and turn hooks)");
}

/* ---- a turn ---- */

bool slice_is_over(struct loop *l, struct slice *s, int64_t at_most_us) {
    if (l->options.is_simulated || s->n++ % LOOKS_EVERY != 0)
        return false;
    int64_t now_us = clock_us();
    if (s->n == 1)
        s->began_us = now_us;
    if (now_us - s->began_us < at_most_us)
        return false;
    l->is_due_to_poll = true;
    return true;
}

static bool share_is_over(struct loop *l, struct loop_share *s, int64_t most_us) {
    if (s->taken == 0)
        return false;
    if (l->options.is_simulated)
        return loop_is_adversary(l) && loop_chance_below(l, 8) == 0;
    int64_t now_us = clock_us();
    if (s->began_us == 0)
        s->began_us = now_us;
    return now_us - s->began_us >= most_us;
}

unsigned loop_share_take(struct loop_share *s, unsigned most, int64_t most_us) {
    struct loop *l = loop_of_thread;
    if (s->look != l->looks)
        *s = (struct loop_share){ .look = l->looks };
    if (s->taken >= most || share_is_over(l, s, most_us)) {
        l->is_due_to_poll = true;
        return 0;
    }
    unsigned n = most - s->taken < SHARE_PIECES ? most - s->taken : SHARE_PIECES;
    if (loop_is_adversary(l))
        n = 1;
    s->taken += n;
    return n;
}

static void shuffle_batch(struct loop *l, size_t count) {
    if (count < 2)
        return;
    if (l->shuffled_capacity < count) {
        struct task **grown = realloc(l->shuffled, count * sizeof *grown);
        if (!grown)
            return;
        l->shuffled = grown;
        l->shuffled_capacity = count;
    }
    size_t n = 0;
    for (struct task *t = l->batch; t; t = t->ready_next)
        l->shuffled[n++] = t;
    struct task **last = &l->batch;
    for (; n > 0; n--) {
        size_t i = (size_t) loop_chance_below(l, n);
        struct task *t = l->shuffled[i];
        l->shuffled[i] = l->shuffled[n - 1];
        *last = t;
        last = &t->ready_next;
    }
    *last = NULL;
}

static void take_batch(struct loop *l) {
    size_t count = l->ready_count;
    l->batch = l->ready_first;
    l->ready_first = NULL;
    l->ready_last = &l->ready_first;
    if (l->options.shuffle_ready)
        shuffle_batch(l, count);
}

/* A crowd's batch may take several turns. */
static void run_ready(struct loop *l) {
    if (!l->batch)
        take_batch(l);
    struct slice slice = { 0 };
    struct task *t;
    while ((t = l->batch) != NULL && !slice_is_over(l, &slice, TASKS_US)) {
        l->batch = t->ready_next;
        l->ready_count--;
        l->runs_since_poll++;
        task_run(l, t);
    }
}

static void set_now(struct loop *l, int64_t now_ms) {
    if (now_ms > l->now_ms)
        l->now_ms = now_ms;
}

static void poll_until(struct loop *l, int64_t until_us) {
    l->polls++;
    l->runs_since_poll = 0;
    /* While there is work and no descriptor to look at, other threads' posts are seen without a
     * poll. */
    if (until_us != 0 || l->poller.watching > 0) {
        poller_poll(&l->poller, until_us);
    } else {
        debug_looks_around(l);
        debug_has_looked(l);
    }
    if (!l->options.is_simulated)
        set_now(l, l->looked_us / 1000);
}

static bool has_work(const struct loop *l) {
    return l->batch || l->ready_first || l->hooks_first || inboxes_have_posts(l);
}

/* Can anything but time ever make a task ready? */
static bool may_be_woken(const struct loop *l) {
    return l->poller.watching > 0 || l->held > 0 ||
           (!l->options.is_simulated && !list_is_empty(&l->inboxes));
}

static void poll_simulated(struct loop *l, bool is_busy) {
    if (l->poller.watching > 0)
        poll_until(l, 0);
    if (is_busy || has_work(l)) {
        l->runs_since_poll = 0;
        timers_fire(l);
        return;
    }
    int64_t next = timers_next(l);
    if (next != INT64_MAX)
        set_now(l, next);
    else if (may_be_woken(l))
        poll_until(l, INT64_MAX);
    else
        debug_deadlock(l);
    timers_fire(l);
}

static void poll_real(struct loop *l, bool is_busy) {
    if (l->now_ms - l->trimmed_ms >= TRIM_MS) {
        l->trimmed_ms = l->now_ms;
        l->may_trim_more = stack_pool_trim(l->stacks);
    }
    int64_t until_us = 0;
    if (!is_busy) {
        int64_t next = timers_next(l);
        if (next == INT64_MAX && !may_be_woken(l)) {
            debug_deadlock(l);
            return;
        }
        if (l->may_trim_more && next > l->trimmed_ms + TRIM_MS)
            next = l->trimmed_ms + TRIM_MS;
        until_us = next > INT64_MAX / 1000 ? INT64_MAX : next * 1000;
    }
    poll_until(l, until_us);
    timers_fire(l);
}

static void turn(struct loop *l) {
    l->turns++;
    debug_time_from_here(l);
    run_ready(l);
    end_turn(l);
    bool is_busy = has_work(l);
    bool may_poll_later = is_busy && !l->is_due_to_poll && l->runs_since_poll > 0 &&
                          l->runs_since_poll < RUNS_PER_POLL;
    if (l->tasks == 0 || may_poll_later)
        return;
    if (l->options.is_simulated)
        poll_simulated(l, is_busy);
    else
        poll_real(l, is_busy);
    l->is_due_to_poll = false;
    l->looks++;
}

/* ---- the whole ---- */

static struct loop *loop_free(struct loop *l) {
    if (!l)
        return NULL;
    if (l->stacks)
        debug_finish(l);
    inboxes_finish(l);
    timers_finish(l);
    poller_close(&l->poller);
    stack_pool_free(l->stacks);
    context_free_thread(l->context);
    free(l->shuffled);
    while (l->spare) {
        struct task *t = l->spare;
        l->spare = t->ready_next;
        free(t);
    }
    task_names_finish(l);
    free(l);
    return NULL;
}

static int loop_new(const struct loop_options *o, struct loop **ret) {
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    if (o)
        l->options = *o;
    if (!l->options.name)
        l->options.name = "loop";
    l->ready_last = &l->ready_first;
    l->hooks_last = &l->hooks_first;
    random_seed(&l->random, l->options.seed);
    random_seed(&l->chance, l->options.seed ^ UINT64_C(0x5ca1ab1e));
    if (l->options.is_simulated) {
        l->now_ms = SIMULATED_START_MS;
        int64_t epoch = l->options.simulated_epoch_ms;
        l->wall_offset_ms = (epoch ? epoch : SIMULATED_EPOCH_MS) - l->now_ms;
    } else {
        l->now_ms = clock_us() / 1000;
    }
    l->trimmed_ms = l->now_ms;
#ifdef PARLEY_SANITIZED
    l->options.paint_stacks = true;
#endif
    size_t bytes = l->options.stack_bytes ? l->options.stack_bytes : STACK_BYTES;
    l->stacks = stack_pool_new(bytes, l->options.paint_stacks);
    errno = 0;
    l->context = context_of_thread();
    int r = !l->stacks || errno ? -ENOMEM : poller_open(&l->poller);
    if (r < 0) {
        loop_free(l);
        return r;
    }
    annotate_thread(&l->thread);
    *ret = l;
    return 0;
}

int loop_run(const struct loop_options *o, task_fn *fn, void *arg) {
    assert(!loop_of_thread);
    struct loop *l;
    int r = loop_new(o, &l);
    if (r < 0)
        return r;
    l->root = task_new(l, "root", fn, arg);
    if (!l->root) {
        loop_free(l);
        return -ENOMEM;
    }
    loop_of_thread = l;
    task_begin(l, l->root);
    while (l->tasks > 0)
        turn(l);
    r = l->is_stuck ? -EDEADLK : l->root_result;
    loop_free(l);
    loop_of_thread = NULL;
    return r;
}
