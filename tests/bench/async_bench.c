/*
 * What the runtime's primitives cost, in nanoseconds of CPU time each, medians of several rounds.
 * async_bench.py measures their counterparts in asyncio and prints both side by side.
 *
 *     async_bench [ROUNDS [PART_OF_NAME]]        lines of "name ns"
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "async/context.h"
#include "async/deadline.h"
#include "async/future.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/queue.h"
#include "async/semaphore.h"
#include "async/task.h"

enum { ROUNDS_DEFAULT = 9, ROUNDS_MAX = 99 };

struct bench {
    const char *name;
    long count;
    int (*run)(long count); /* as the root task */
};

static double now_ns(void) {
    struct timespec ts;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

/* ---- the bare switch, without a loop ---- */

static void *bench_here, *bench_there; /* a context has no argument */

static void switch_back(void) {
    for (;;)
        context_switch(&bench_there, bench_here);
}

static int bare_switches(long count) {
    enum { BYTES = 64 * 1024 };
    char *stack = aligned_alloc(64, BYTES);
    if (!stack)
        return -ENOMEM;
    bench_here = context_of_thread();
    bench_there = context_make(stack, BYTES, switch_back);
    for (long i = 0; i < count / 2; i++)
        context_switch(&bench_here, bench_there);
    context_free_thread(bench_here);
    free(stack);
    return 0;
}

/* ---- tasks ---- */

static int yields(void *arg) {
    int r = 0;
    for (long n = *(long *) arg; n > 0 && r == 0; n--)
        r = task_yield();
    return r;
}

static int yield(long count) {
    long each = count / 2;
    GROUP(g);
    int r = group_spawn(&g, "a", yields, &each);
    if (r == 0)
        r = group_spawn(&g, "b", yields, &each);
    return r < 0 ? r : group_wait(&g);
}

static int does_nothing(void *arg) {
    (void) arg;
    return 0;
}

static int spawn_and_join(long count) {
    GROUP(g);
    for (long i = 0; i < count; i++) {
        struct task *t;
        int r = task_spawn(&g, "t", does_nothing, NULL, &t);
        if (r == 0)
            r = task_join(t, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int spawn_in_group(long count) {
    enum { AT_ONCE = 100 };
    for (long i = 0; i < count / AT_ONCE; i++) {
        GROUP(g);
        for (int n = 0; n < AT_ONCE; n++) {
            int r = group_spawn(&g, "t", does_nothing, NULL);
            if (r < 0)
                return r;
        }
        int r = group_wait(&g);
        if (r < 0)
            return r;
    }
    return 0;
}

struct sleeper {
    long left;
};

static int sleeper_resume(void *arg) {
    struct sleeper *s = arg;
    if (--s->left <= 0)
        return 0;
    task_wake(task_current());
    return task_dormant(NULL, INT64_MAX, sleeper_resume, s);
}

static int dormant_wakes(long count) {
    struct sleeper a = { count / 2 }, b = a;
    GROUP(g);
    int r = group_spawn(&g, "a", sleeper_resume, &a);
    if (r == 0)
        r = group_spawn(&g, "b", sleeper_resume, &b);
    return r < 0 ? r : group_wait(&g);
}

/* ---- queues, futures, semaphores ---- */

struct pair {
    struct queue queue;
    long count;
};

static int puts_all(void *arg) {
    struct pair *p = arg;
    int r = 0;
    for (long i = 0; i < p->count && r == 0; i++)
        r = queue_put(&p->queue, p, 1);
    queue_close(&p->queue);
    return r;
}

static int gets_all(void *arg) {
    struct pair *p = arg;
    void *item;
    int r;
    while ((r = queue_get(&p->queue, &item)) > 0)
        ;
    return r;
}

static int through_queue(long count, size_t size) {
    struct pair p = { .count = count };
    queue_init(&p.queue, size, SIZE_MAX, QUEUE_WAIT, NULL, NULL);
    int r;
    {
        GROUP(g);
        r = group_spawn(&g, "put", puts_all, &p);
        if (r == 0)
            r = group_spawn(&g, "get", gets_all, &p);
        if (r == 0)
            r = group_wait(&g);
    }
    queue_finish(&p.queue);
    return r;
}

static int queue_1(long count) {
    return through_queue(count, 1);
}

static int queue_100(long count) {
    return through_queue(count, 100);
}

static int resolves(void *arg) {
    return future_resolve(arg, 1) ? 0 : -EALREADY;
}

static int futures(long count) {
    GROUP(g);
    for (long i = 0; i < count; i++) {
        struct future f;
        future_init(&f);
        int r = group_spawn(&g, "resolve", resolves, &f);
        if (r == 0)
            r = future_wait(&f);
        if (r < 0)
            return r;
    }
    return 0;
}

static int semaphores(long count) {
    struct semaphore s;
    semaphore_init(&s, 1);
    for (long i = 0; i < count; i++) {
        int r = semaphore_acquire(&s);
        if (r < 0)
            return r;
        semaphore_release(&s);
    }
    return 0;
}

/* ---- time ---- */

static void run_nothing(struct timer *t) {
    (void) t;
}

static int timers_among(long count, size_t others) {
    struct timer *many = calloc(others + 1, sizeof *many);
    if (!many)
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; i < others && r == 0; i++) {
        many[i].run = run_nothing;
        r = timer_set(&many[i], 1000000 + (int64_t) (i * 7919 % 100000));
    }
    struct timer *t = &many[others];
    t->run = run_nothing;
    for (long i = 0; i < count && r == 0; i++) {
        r = timer_set(t, 1000000 + (i * 7919 % 100000));
        timer_clear(t);
    }
    for (size_t i = 0; i < others; i++)
        timer_clear(&many[i]);
    free(many);
    return r;
}

static int timers(long count) {
    return timers_among(count, 0);
}

static int timers_10000(long count) {
    return timers_among(count, 10000);
}

static int deadlines(long count) {
    for (long i = 0; i < count; i++) {
        DEADLINE(d, 60000);
        int r = task_yield();
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- memory ---- */

static int dozes(void *arg) {
    (void) arg;
    return task_cancelled() ? 0 : task_dormant(NULL, INT64_MAX, dozes, NULL);
}

/* Not a time: what the heap holds for each of many dormant tasks. */
static int dormant_bytes(void *arg) {
    enum { MANY = 10000 };
    GROUP(g);
    for (int n = 0; n < 2; n++) {
        /* The first few warm up what is not theirs alone. */
        size_t before = mallinfo2().uordblks, many = n == 0 ? 10 : MANY;
        for (size_t i = 0; i < many; i++) {
            int r = group_spawn(&g, "dozing", dozes, NULL);
            if (r < 0)
                return r;
        }
        int r = task_sleep(1);
        if (r < 0)
            return r;
        *(double *) arg = (double) (mallinfo2().uordblks - before) / (double) many;
    }
    return 0;
}

/* ---- */

static const struct bench benches[] = {
    { "context switch, bare", 10000000, bare_switches },
    { "yield", 2000000, yield },
    { "spawn + run + join", 1000000, spawn_and_join },
    { "spawn + run in a group", 1000000, spawn_in_group },
    { "wake a dormant task", 1000000, dormant_wakes },
    { "queue put + get, size 1", 1000000, queue_1 },
    { "queue put + get, size 100", 1000000, queue_100 },
    { "future: spawn, resolve, wait", 1000000, futures },
    { "semaphore acquire + release", 2000000, semaphores },
    { "timer set + clear", 2000000, timers },
    { "timer set + clear among 10,000", 2000000, timers_10000 },
    { "deadline + yield", 1000000, deadlines },
};

struct round {
    const struct bench *bench;
    double ns;
};

static int run_round(void *arg) {
    struct round *r = arg;
    double began = now_ns();
    int result = r->bench->run(r->bench->count);
    r->ns = (now_ns() - began) / (double) r->bench->count;
    return result;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    if (rounds < 1 || rounds > ROUNDS_MAX || argc > 3) {
        (void) fprintf(stderr, "usage: async_bench [ROUNDS [PART_OF_NAME]], at most %d rounds\n",
                       ROUNDS_MAX);
        return 64;
    }
    for (size_t i = 0; i < ELEMENTS_OF(benches); i++) {
        if (argc > 2 && !strstr(benches[i].name, argv[2]))
            continue;
        double ns[ROUNDS_MAX];
        for (long n = 0; n < rounds; n++) {
            struct round round = { .bench = &benches[i] };
            int r = loop_run(NULL, run_round, &round);
            if (r < 0) {
                (void) fprintf(stderr, "%s: %d\n", benches[i].name, r);
                return 1;
            }
            ns[n] = round.ns;
        }
        qsort(ns, (size_t) rounds, sizeof ns[0], by_size);
        (void) printf("%-32s %8.1f\n", benches[i].name, ns[rounds / 2]);
        (void) fflush(stdout);
    }
    double bytes;
    if (argc < 3 && loop_run(NULL, dormant_bytes, &bytes) == 0)
        (void) printf("%-32s %8.1f\n", "heap bytes per dormant task", bytes);
    return 0;
}
