/*
 * The n-th allocation of a loop's life fails, for every n: whoever asked is told so, or it is done
 * a little later; nothing is lost and nothing leaks. libev's own allocations do not come by here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/inbox.h"
#include "async/loop.h"
#include "async/queue.h"
#include "async/task.h"
#include "tests/support/failing_memory.h"

/* Does it again if it was the one that failed. */
#define TWICE(call)                                                                                \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        if (r_ == -ENOMEM && has_failed)                                                           \
            r_ = (call);                                                                           \
        if (r_ < 0)                                                                                \
            return r_;                                                                             \
    } while (0)

enum { TASKS = 40, TIMERS = 70 };

struct story {
    struct queue queue;
    struct timer timers[TIMERS];
    size_t ended, got, posted, fired;
};

struct counted_post {
    struct post post;
    struct story *story;
};

static void on_post(struct post *p) {
    CONTAINER_OF(p, struct counted_post, post)->story->posted++;
}

static void on_timer(struct timer *t) {
    (void) t; /* that it is set no more says that it fired */
}

static int sleeps(void *arg) {
    struct story *s = arg;
    DEADLINE(d, 1000);
    int r = task_sleep(5);
    s->ended++;
    return r;
}

static int gets(void *arg) {
    struct story *s = arg;
    void *item;
    int r;
    while ((r = queue_get(&s->queue, &item)) > 0) {
        s->got++;
        r = task_sleep(1);
        if (r < 0)
            break;
    }
    return r;
}

static int tell(void *arg) {
    struct story *s = arg;
    struct counted_post post = { .post.run = on_post, .story = s };
    struct inbox *inbox = inbox_open(loop_current());
    if (!inbox)
        inbox = inbox_open(loop_current());
    if (!inbox)
        return -ENOMEM;
    inbox_post(inbox, &post.post);
    {
        GROUP(g);
        for (int i = 0; i < TASKS; i++)
            TWICE(group_spawn(&g, "sleeper", sleeps, s));
        for (int i = 0; i < TIMERS; i++) {
            s->timers[i].run = on_timer;
            TWICE(timer_set(&s->timers[i], 2));
        }
        TWICE(group_spawn(&g, "getter", gets, s));
        for (int i = 0; i < TASKS; i++)
            TWICE(queue_put(&s->queue, s, 1));
        queue_close(&s->queue);
        int r = group_wait(&g);
        if (r < 0)
            return r;
    }
    for (int i = 0; i < TIMERS; i++)
        s->fired += s->timers[i].index == 0;
    inbox = inbox_close(inbox);
    return 0;
}

static void any_allocation_may_fail(void **state) {
    (void) state;
    unsigned n = 1;
    for (;; n++) {
        struct story s = { 0 };
        queue_init(&s.queue, 20, SIZE_MAX, QUEUE_WAIT, NULL, NULL);
        const struct loop_options o = { .is_simulated = true, .seed = n };
        has_failed = false;
        fails_in = n;
        int r = loop_run(&o, tell, &s);
        fails_in = 0;
        queue_finish(&s.queue);
        if (r == -ENOMEM && has_failed && s.ended == 0)
            continue; /* there was no loop */
        assert_int_equal(r, 0);
        assert_int_equal(s.ended, TASKS);
        assert_int_equal(s.got, TASKS);
        assert_int_equal(s.posted, 1);
        assert_int_equal(s.fired, TIMERS);
        if (!has_failed)
            break;
    }
    assert_true(n > 10);
}

/* ---- dormant until a moment ---- */

struct doze {
    size_t *woken;
    bool has_slept;
};

static int dozes(void *arg) {
    struct doze *d = arg;
    if (d->has_slept) {
        ++*d->woken;
        return 0;
    }
    d->has_slept = true;
    return task_dormant(NULL, loop_now() + 5, dozes, d);
}

struct dozing {
    size_t woken;
    bool has_begun;
    int result;
};

static int doze_by_the_dozen(void *arg) {
    struct dozing *all = arg;
    GROUP(g);
    all->has_begun = true;
    for (int i = 0; i < TIMERS; i++) {
        void *data;
        TWICE(group_spawn_with(&g, "dozing", dozes, sizeof(struct doze), &data));
        ((struct doze *) data)->woken = &all->woken;
    }
    int r = group_wait_all(&g);
    all->result = g.first_error;
    return r;
}

/* Whose moment finds no memory ends with that, at once; the others are woken by theirs. */
static void the_moment_that_wakes_a_dormant_task_may_find_no_memory(void **state) {
    (void) state;
    unsigned n = 1, ended = 0;
    for (;; n++) {
        struct dozing all = { 0 };
        const struct loop_options o = { .is_simulated = true, .seed = n };
        has_failed = false;
        fails_in = n;
        int r = loop_run(&o, doze_by_the_dozen, &all);
        fails_in = 0;
        if (r == -ENOMEM && has_failed && !all.has_begun)
            continue; /* there was no loop */
        assert_int_equal(r, 0);
        assert_true(all.result == 0 || (all.result == -ENOMEM && has_failed));
        assert_int_equal(all.woken, all.result == 0 ? TIMERS : TIMERS - 1);
        ended += all.result < 0;
        if (!has_failed)
            break;
    }
    assert_in_range(ended, TIMERS, n); /* each by the n of its own */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(the_moment_that_wakes_a_dormant_task_may_find_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
