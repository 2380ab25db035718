#include "async/debug.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "async/context.h"
#include "async/stack.h"
#include "async/task_impl.h"

enum {
    FRAMES_MAX = 24,
    DEPTH_MAX = 32,  /* of the tree */
    DORMANT_MAX = 8, /* shown of each group: thousands look alike */
    MARKS_MAX = 256,
};

struct stack_mark {
    char name[TASK_NAME_SIZE];
    size_t bytes;
};

/* ---- warnings ---- */

void loop_warn(struct loop *l, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    if (l->options.on_warning)
        l->options.on_warning(l->options.on_warning_arg, text);
    else
        (void) fprintf(stderr, "%s: %s\n", l->options.name, text);
    free(text);
}

void debug_time_from_here(struct loop *l) {
    if (l->options.slow_ms > 0)
        l->timed_us = clock_us();
}

/* The end of one is the beginning of the next: one look at the clock for each. */
void debug_was_slow(struct loop *l, const struct task *t) {
    if (l->options.slow_ms > 0)
        debug_work_was_slow(l, task_name(t));
}

void debug_work_was_slow(struct loop *l, const char *what) {
    if (l->options.slow_ms <= 0)
        return;
    int64_t now_us = clock_us();
    int64_t took_us = now_us - l->timed_us;
    l->timed_us = now_us;
    if (took_us <= (int64_t) l->options.slow_ms * 1000)
        return;
    loop_warn(l, "task \"%s\" ran for %lld.%lld ms without suspending", what,
              (long long) (took_us / 1000), (long long) (took_us % 1000 / 100));
}

void loop_warn_slow(int ms) {
    loop_of_thread->options.slow_ms = ms;
    debug_time_from_here(loop_of_thread);
}

void debug_never_joined(struct loop *l, const struct task *t) {
    loop_warn(l, "task \"%s\" ended with %d and was never joined", task_name(t), t->result);
}

static void for_each_task(struct loop *l, void (*visit)(struct loop *l, struct task *t)) {
    LIST_FOREACH (&l->groups, k) {
        struct group *g = CONTAINER_OF(k, struct group, link);
        LIST_FOREACH (&g->tasks, s) {
            visit(l, CONTAINER_OF(s, struct task, sibling));
        }
    }
    if (l->root)
        visit(l, l->root);
}

static void name_left_over(struct loop *l, struct task *t) {
    loop_warn(l, "task \"%s\" is left over: the root task ended before it", task_name(t));
}

void debug_left_over(struct loop *l) {
    for_each_task(l, name_left_over);
}

static void cancel_one(struct loop *l, struct task *t) {
    (void) l;
    task_cancel(t);
}

/*
 * Nothing will ever wake a task. All are told to stop, so that cleanups run; when those wait in
 * vain as well, the tasks are dropped where they stand.
 */
void debug_deadlock(struct loop *l) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f) {
        task_dump(f);
        (void) fclose(f);
    }
    loop_warn(l, "deadlock: %zu tasks wait, and nothing can wake them%s\n%s", l->tasks,
              l->is_stuck ? ", though cancelled" : "", text ? text : "");
    free(text);
    if (!l->is_stuck) {
        l->is_stuck = true;
        for_each_task(l, cancel_one);
        return;
    }
    /* Groups live on the very stacks that go: first leave them all. */
    struct list doomed = { 0 };
    struct link *k;
    while ((k = list_pop(&l->groups)) != NULL) {
        struct group *g = CONTAINER_OF(k, struct group, link);
        struct link *s;
        while ((s = list_pop(&g->tasks)) != NULL)
            list_append(&doomed, s);
    }
    while ((k = list_first(&doomed)) != NULL)
        task_abandon(l, CONTAINER_OF(k, struct task, sibling));
    if (l->root)
        task_abandon(l, TAKE(l->root));
    l->tasks = 0;
}

/* ---- stalls ---- */

/* Dense where it begins to be felt. */
const uint32_t loop_stall_bounds_us[LOOP_STALL_BOUNDS] = {
    50,   100,  200,   300,   500,   700,   1000,  1500,   2000,   3000,
    5000, 7000, 10000, 15000, 20000, 30000, 50000, 100000, 300000, 1000000,
};

/* From below: most are short. */
static void count_stall(struct loop_stalls *s, int64_t us) {
    size_t i = 0;
    while (i < LOOP_STALL_BOUNDS && us > loop_stall_bounds_us[i])
        i++;
    s->counts[i]++;
    s->total_us += (uint64_t) us;
}

void debug_looks_around(struct loop *l) {
    if (!l || l->looked_us == 0 || l->options.is_simulated)
        return;
    int64_t us = clock_us() - l->looked_us;
    if (us > l->stalled_us)
        l->stalled_us = us;
    count_stall(&l->stalls, us);
}

void debug_has_looked(struct loop *l) {
    if (l && !l->options.is_simulated)
        l->looked_us = clock_us();
}

int64_t loop_stall_us(void) {
    struct loop *l = loop_of_thread;
    int64_t us = l->stalled_us;
    l->stalled_us = 0;
    return us;
}

void loop_stalls(struct loop_stalls *ret) {
    *ret = loop_of_thread->stalls;
}

/* ---- high water ---- */

void debug_mark_stack(struct loop *l, const struct task *t, size_t used) {
    if (!l->marks) {
        l->marks = calloc(MARKS_MAX, sizeof *l->marks);
        if (!l->marks)
            return;
    }
    for (size_t i = 0; i < l->marks_count; i++)
        if (strcmp(l->marks[i].name, task_name(t)) == 0) {
            if (l->marks[i].bytes < used)
                l->marks[i].bytes = used;
            return;
        }
    if (l->marks_count == MARKS_MAX)
        return;
    struct stack_mark *m = &l->marks[l->marks_count++];
    (void) snprintf(m->name, sizeof m->name, "%s", task_name(t));
    m->bytes = used;
}

size_t stack_high_water(const char *task_name) {
    struct loop *l = loop_of_thread;
    for (size_t i = 0; i < l->marks_count; i++)
        if (strncmp(l->marks[i].name, task_name, TASK_NAME_SIZE - 1) == 0)
            return l->marks[i].bytes;
    return 0;
}

void debug_finish(struct loop *l) {
    struct link *k;
    while ((k = list_pop(&l->ended)) != NULL) {
        struct task *t = CONTAINER_OF(k, struct task, sibling);
        debug_never_joined(l, t);
        task_free(l, t);
    }
    free(l->marks);
    l->marks = NULL;
}

/* ---- the dump ---- */

static const char *const wait_texts[WAIT_KINDS] = {
    [WAIT_NOTHING] = "nothing",
    [WAIT_SLEEP] = "a moment",
    [WAIT_TURN] = "its turn",
    [WAIT_JOIN] = "task",
    [WAIT_GROUP] = "group",
    [WAIT_FUTURE] = "future",
    [WAIT_EVENT] = "event",
    [WAIT_MUTEX] = "mutex",
    [WAIT_CONDITION] = "condition",
    [WAIT_SEMAPHORE] = "semaphore",
    [WAIT_QUEUE_ITEM] = "an item in queue",
    [WAIT_QUEUE_ROOM] = "room in queue",
    [WAIT_LIMITER] = "limiter",
    [WAIT_READABLE] = "input from stream",
    [WAIT_WRITABLE] = "room in stream",
    [WAIT_CONNECTION] = "a connection to listener",
    [WAIT_CONNECTED] = "being connected",
    [WAIT_OFFLOAD] = "offloaded work",
    [WAIT_LANE] = "lane",
    [WAIT_SIGNAL] = "a signal",
    [WAIT_CHILD] = "a child process",
    [WAIT_HTTP] = "an HTTP answer",
    [WAIT_WOKEN] = "task_wake()",
};

const char *wait_kind_text(enum wait_kind kind) {
    return wait_texts[kind];
}

static void dump_frame(FILE *f, const char *indent, const void *pc) {
    Dl_info info;
    if (dladdr(pc, &info) && info.dli_fname) {
        const char *file = strrchr(info.dli_fname, '/');
        file = file ? file + 1 : info.dli_fname;
        if (info.dli_sname)
            (void) fprintf(f, "%s    at %s+%#tx\n", indent, info.dli_sname,
                           (const char *) pc - (const char *) info.dli_saddr);
        else
            (void) fprintf(f, "%s    at %s+%#tx\n", indent, file,
                           (const char *) pc - (const char *) info.dli_fbase);
        return;
    }
    (void) fprintf(f, "%s    at %p\n", indent, pc);
}

/* Frame pointers lead up the stack; anything that doesn't is the end. */
NOT_ADDRESS_SANITIZED static void dump_frames(FILE *f, const char *indent, const struct run *run) {
    void *pc, *frame;
    if (!context_frame(run->context, &pc, &frame))
        return;
    const char *low = run->stack->low, *high = (const char *) run - 2 * sizeof(void *);
    for (int n = 0; n < FRAMES_MAX && pc; n++) {
        dump_frame(f, indent, pc);
        void **next = frame;
        if ((char *) next < low || (char *) next > high || (uintptr_t) next % sizeof(void *) != 0)
            break;
        low = (const char *) (next + 1);
        frame = next[0];
        pc = next[1];
    }
}

static void dump_wait(FILE *f, const struct loop *l, const struct task *t) {
    const void *what = NULL;
    if (t == l->current) {
        (void) fputs(" running", f);
    } else if (t->state == TASK_NEW) {
        (void) fputs(" has not begun", f);
    } else if (t->state == TASK_READY) {
        (void) fputs(" ready", f);
    } else if (t->state == TASK_DORMANT) {
        what = task_dormant_on(t);
        (void) fprintf(f, " dormant, waits for %s",
                       wait_kind_text(what ? WAIT_READABLE : WAIT_WOKEN));
    } else {
        what = t->on.run->waits_on;
        (void) fprintf(f, " waits for %s", wait_kind_text(t->on.run->wait_kind));
    }
    if (what && t->state == TASK_WAITING && t->on.run->wait_kind == WAIT_JOIN)
        (void) fprintf(f, " \"%s\"", task_name(what));
    else if (what)
        (void) fprintf(f, " %p", what);
}

static void dump_task(FILE *f, struct loop *l, const struct task *t, int depth) {
    char indent[2 * DEPTH_MAX + 1];
    int width = 2 * depth;
    memset(indent, ' ', (size_t) width);
    indent[width] = '\0';

    (void) fprintf(f, "%s%s:", indent, task_name(t));
    dump_wait(f, l, t);
    if (t != l->current) {
        int64_t ms = l->now_ms - (int64_t) t->since_ms;
        (void) fprintf(f, ", for %lld.%03lld s", (long long) (ms / 1000), (long long) (ms % 1000));
    }
    if (t->is_cancelled)
        (void) fputs(", cancelled", f);
    (void) fputc('\n', f);
    if (t->state != TASK_DORMANT && t->on.run && t != l->current)
        dump_frames(f, indent, t->on.run);
}

/* owner NULL: tasks whose group's owner is gone. */
static void dump_below(FILE *f, struct loop *l, const struct task *owner, int depth) {
    if (owner && !owner->active_groups)
        return;
    if (depth > DEPTH_MAX) {
        (void) fprintf(f, "%*s... and deeper\n", 2 * depth, "");
        return;
    }
    LIST_FOREACH (&l->groups, k) {
        const struct group *g = CONTAINER_OF(k, struct group, link);
        if (g->owner != owner)
            continue;
        size_t dormant = 0;
        LIST_FOREACH (&g->tasks, s) {
            const struct task *t = CONTAINER_OF(s, struct task, sibling);
            if (t->state == TASK_DORMANT && ++dormant > DORMANT_MAX)
                continue;
            dump_task(f, l, t, depth);
            dump_below(f, l, t, depth + 1);
        }
        if (dormant > DORMANT_MAX)
            (void) fprintf(f, "%*s... and %zu more dormant ones\n", 2 * depth, "",
                           dormant - DORMANT_MAX);
    }
}

static void dump_marks(FILE *f, const struct loop *l) {
    if (l->marks_count == 0)
        return;
    struct stack_stats stacks;
    stack_pool_stats(l->stacks, &stacks);
    (void) fprintf(f, "stacks of %zu bytes, used at most:\n", stacks.slot_bytes);
    for (size_t i = 0; i < l->marks_count; i++)
        (void) fprintf(f, "  %s: %zu\n", l->marks[i].name, l->marks[i].bytes);
}

void task_dump(FILE *f) {
    struct loop *l = loop_of_thread;
    (void) fprintf(f, "%s: %zu tasks, %zu ready, %zu dormant\n", l->options.name, l->tasks,
                   l->ready_count, l->dormant);
    if (l->root) {
        dump_task(f, l, l->root, 0);
        dump_below(f, l, l->root, 1);
    }
    dump_below(f, l, NULL, 0);
    LIST_FOREACH (&l->ended, k) {
        const struct task *t = CONTAINER_OF(k, struct task, sibling);
        (void) fprintf(f, "%s: ended with %d, to be joined\n", task_name(t), t->result);
    }
    dump_marks(f, l);
}

/* ---- figures ---- */

void async_stats(struct async_stats *ret) {
    const struct loop *l = loop_of_thread;
    struct stack_stats stacks;
    stack_pool_stats(l->stacks, &stacks);
    *ret = (struct async_stats){
        .tasks = l->tasks,
        .ready = l->ready_count,
        .dormant = l->dormant,
        .timers = l->timers.count,
        .watches = l->poller.watching,
        .stacks_in_use = stacks.in_use,
        .stacks_idle = stacks.idle,
        .stack_bytes = stacks.slot_bytes,
        .starved = l->starved,
        .spawned = l->spawned,
        .switches = l->switches,
        .turns = l->turns,
        .polls = l->polls,
        .woken = l->woken,
    };
}

/* ---- NO_SUSPEND ---- */

struct no_suspend no_suspend_enter(void) {
    loop_of_thread->no_suspend++;
    return (struct no_suspend){ 0 };
}

void no_suspend_leave(struct no_suspend *n) {
    (void) n;
    loop_of_thread->no_suspend--;
}
