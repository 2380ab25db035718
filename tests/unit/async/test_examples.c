/*
 * The examples of docs/async.md: compiled, run, and compared with the text by structure/examples.
 * What stands between "example" and "end" is shown there as it is here.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/condition.h"
#include "async/deadline.h"
#include "async/debug.h"
#include "async/event.h"
#include "async/future.h"
#include "async/group.h"
#include "async/inbox.h"
#include "async/limiter.h"
#include "async/loop.h"
#include "async/mutex.h"
#include "async/queue.h"
#include "async/semaphore.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

static int run(task_fn *fn, void *arg) {
    return loop_run(&virtual_clock, fn, arg);
}

/* example: coroutine */
static int greet(void *arg) {
    int r = task_sleep(100); /* gives way; everything that does is marked SUSPENDS */
    if (r < 0)
        return r; /* cancelled, or out of time: clean up and pass it on */
    ++*(int *) arg;
    return 0;
}
/* end */

static void coroutine(void **state) {
    (void) state;
    /* example: run */
    int greetings = 0;
    int r = loop_run(NULL, greet, &greetings); /* a loop of this thread's, until all have ended */
    /* end */
    assert_int_equal(r, 0);
    assert_int_equal(greetings, 1);
}

/* example: task */
static int waits_for_a_task(void *arg) {
    GROUP(g); /* no task outlives the scope of its group */
    struct task *t;
    int result, r = task_spawn(&g, "greeter", greet, arg, &t);
    if (r == 0)
        r = task_join(t, &result); /* what greet() returned is carried here */
    return r < 0 ? r : result;
}
/* end */

static void task(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(waits_for_a_task, &greetings), 0);
    assert_int_equal(greetings, 1);
}

/* example: gather */
static int greets_thrice(void *arg) {
    GROUP(g);
    int r = 0;
    for (int i = 0; i < 3 && r == 0; i++)
        r = group_spawn(&g, "greeter", greet, arg);
    return r < 0 ? r : group_wait(&g); /* the first error cancels the others and is returned */
}
/* end */

static void gather(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(greets_thrice, &greetings), 0);
    assert_int_equal(greetings, 3);
}

static int fails(void *arg) {
    (void) arg;
    int r = task_sleep(10);
    return r < 0 ? r : -EIO;
}

/* example: gather with exceptions */
static int lets_all_end(void *arg) {
    GROUP(g);
    int r = group_spawn(&g, "failing", fails, NULL);
    if (r == 0)
        r = group_spawn(&g, "greeter", greet, arg);
    return r < 0 ? r : group_wait_all(&g); /* an error disturbs nobody */
}
/* end */

static void gather_with_exceptions(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(lets_all_end, &greetings), 0);
    assert_int_equal(greetings, 1);
}

static int quick(void *arg) {
    (void) arg;
    int r = task_sleep(10);
    return r < 0 ? r : 7;
}

/* example: wait */
static int takes_the_first(void *arg) {
    GROUP(g);
    int result, r = group_spawn(&g, "slow", greet, arg);
    if (r == 0)
        r = group_spawn(&g, "quick", quick, NULL);
    if (r == 0)
        r = group_wait_any(&g,
                           &result); /* FIRST_COMPLETED; the others are cancelled and waited for */
    return r < 0 ? r : result;
}
/* end */

static void wait(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(takes_the_first, &greetings), 7);
    assert_int_equal(greetings, 0);
}

/* example: timeout */
static int greets_within(void *arg) {
    DEADLINE(d, 50); /* until the end of the scope, for every call in it */
    int r = greet(arg);
    return r == -ETIMEDOUT && deadline_passed(&d) ? -EHOSTUNREACH : r;
}
/* end */

static void timeout(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(greets_within, &greetings), -EHOSTUNREACH);
}

/* example: shield */
static int says_goodbye(void *arg) {
    int r = task_sleep(10000);
    SHIELD(500); /* cancelled or not, the rest has half a second */
    return r < 0 ? greet(arg) : r;
}
/* end */

/* example: cancel */
static int cancels(void *arg) {
    GROUP(g);
    struct task *t;
    int result, r = task_spawn(&g, "goodbye", says_goodbye, arg, &t);
    if (r < 0)
        return r;
    (void) task_sleep(10);
    task_cancel(t); /* from now on its suspending calls fail, until it ends */
    r = task_join(t, &result);
    return r < 0 ? r : result;
}
/* end */

static void shield_and_cancel(void **state) {
    (void) state;
    int greetings = 0;
    assert_int_equal(run(cancels, &greetings), 0);
    assert_int_equal(greetings, 1);
}

/* example: queue */
static int produces(void *arg) {
    struct queue *q = arg;
    static int numbers[] = { 1, 2, 3, 4 };
    for (size_t i = 0; i < ELEMENTS_OF(numbers); i++) {
        int r = queue_put(q, &numbers[i], sizeof numbers[i]); /* waits while the queue is full */
        if (r < 0)
            return r;
    }
    queue_close(q);
    return 0;
}

static int sums(struct queue *q) {
    void *item;
    int r, sum = 0;
    while ((r = queue_get(q, &item)) > 0) /* 1 an item, 0 the end, or an error */
        sum += *(int *) item;
    return r < 0 ? r : sum;
}
/* end */

static int through_a_queue(void *arg) {
    struct queue *q = arg;
    GROUP(g);
    int r = group_spawn(&g, "producer", produces, q);
    return r < 0 ? r : sums(q);
}

static void queue(void **state) {
    (void) state;
    /* example: queue made */
    struct queue q; /* at most 2 items and 4,096 bytes; who puts more waits */
    queue_init(&q, 2, 4096, QUEUE_WAIT, NULL, NULL);
    /* end */
    assert_int_equal(run(through_a_queue, &q), 10);
    queue_finish(&q);
}

struct shared {
    struct semaphore seats;
    struct mutex mutex;
    struct condition changed;
    struct event ready;
    int count, most;
};

/* example: semaphore */
static int sits(struct shared *s) {
    int r = semaphore_acquire(&s->seats);
    if (r < 0)
        return r;
    CLEANUP(semaphore_releasep) struct semaphore *held = &s->seats; /* async with */
    return task_sleep(5);
}
/* end */

/* example: lock */
static int counts(struct shared *s) {
    int r = mutex_lock(&s->mutex);
    if (r < 0)
        return r;
    CLEANUP(mutex_unlockp) struct mutex *held = &s->mutex;
    int count = s->count;
    r = task_sleep(5); /* nobody else counts meanwhile */
    s->count = count + 1;
    condition_notify_all(&s->changed);
    return r;
}
/* end */

/* example: condition */
static int waits_for_three(struct shared *s) {
    int r = mutex_lock(&s->mutex);
    if (r < 0)
        return r;
    CLEANUP(mutex_unlockp) struct mutex *held = &s->mutex;
    while (s->count < 3 && r == 0)
        r = condition_wait(&s->changed, &s->mutex); /* holds it again, whatever it returns */
    return r;
}
/* end */

/* example: event */
static int starts_when_told(struct shared *s) {
    return event_wait(&s->ready); /* elsewhere: event_set(&s->ready) */
}
/* end */

static int member(void *arg) {
    struct shared *s = arg;
    int r = starts_when_told(s);
    if (r == 0)
        r = sits(s);
    return r < 0 ? r : counts(s);
}

static int meets(void *arg) {
    struct shared *s = arg;
    GROUP(g);
    int r = 0;
    for (int i = 0; i < 3 && r == 0; i++)
        r = group_spawn(&g, "member", member, s);
    event_set(&s->ready);
    return r < 0 ? r : waits_for_three(s);
}

static void locks(void **state) {
    (void) state;
    struct shared s = { 0 };
    semaphore_init(&s.seats, 2);
    mutex_init(&s.mutex);
    condition_init(&s.changed);
    event_init(&s.ready);
    assert_int_equal(run(meets, &s), 0);
    assert_int_equal(s.count, 3);
}

/* example: future */
struct request {
    struct future done; /* embedded in what it completes */
};

static int answers(void *arg) {
    struct request *q = arg;
    (void) future_resolve(&q->done, 42);
    return 0;
}

static int asks(void *arg) {
    struct request q;
    (void) arg;
    future_init(&q.done);
    GROUP(g);
    int r = group_spawn(&g, "answerer", answers, &q);
    if (r == 0)
        r = future_wait(&q.done);
    return r < 0 ? r : q.done.result;
}
/* end */

static void future(void **state) {
    (void) state;
    assert_int_equal(run(asks, NULL), 42);
}

/* example: call later */
struct reminder {
    struct timer timer; /* a callback, for what needs no task */
    int *rings;
};

static void ring(struct timer *t) {
    ++*CONTAINER_OF(t, struct reminder, timer)->rings;
}

static int is_reminded(void *arg) {
    struct reminder later = { { .run = ring }, arg };
    int r = timer_set(&later.timer, 50);
    if (r == 0)
        r = task_sleep(100);
    timer_clear(&later.timer);
    return r;
}
/* end */

static void call_later(void **state) {
    (void) state;
    int rings = 0;
    assert_int_equal(run(is_reminded, &rings), 0);
    assert_int_equal(rings, 1);
}

/* example: call soon threadsafe */
struct letter {
    struct post post; /* what is handed over, with its callback */
    struct inbox *to;
    struct future came;
};

static void on_letter(struct post *p) { /* on the loop's thread */
    (void) future_resolve(&CONTAINER_OF(p, struct letter, post)->came, 1);
}

static void *another_thread(void *arg) {
    struct letter *l = arg;
    inbox_post(l->to, &l->post); /* the one call that any thread may make */
    return NULL;
}
/* end */

static int gets_a_letter(void *arg) {
    (void) arg;
    struct letter l = { .post.run = on_letter, .to = inbox_open(loop_current()) };
    pthread_t thread;
    if (!l.to || pthread_create(&thread, NULL, another_thread, &l) != 0)
        return -EAGAIN;
    future_init(&l.came);
    int r = future_wait(&l.came);
    (void) pthread_join(thread, NULL);
    l.to = inbox_close(l.to);
    return r < 0 ? r : l.came.result;
}

static void call_soon_threadsafe(void **state) {
    (void) state;
    assert_int_equal(loop_run(NULL, gets_a_letter, NULL), 1);
}

/* example: async with */
static void shared_finish(struct shared **s) { /* takes NULL and half-built ones */
    free(*s);
}

static struct shared *shared_new(void) {
    CLEANUP(shared_finish) struct shared *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    semaphore_init(&s->seats, 2);
    return TAKE(s); /* kept: the cleanup finds NULL */
}
/* end */

static void async_with(void **state) {
    (void) state;
    CLEANUP(shared_finish) struct shared *s = shared_new();
    assert_non_null(s);
    assert_int_equal(semaphore_free(&s->seats), 2);
}

/* example: rate */
static int at_most_ten_a_second(void *arg) {
    struct limiter l;
    limiter_init(&l, 10, 1000, 1); /* 10 per 1,000 ms, 1 at once */
    int r = 0;
    while (r == 0 && *(int *) arg < 5) {
        r = limiter_take(&l, 1);
        ++*(int *) arg;
    }
    return r;
}
/* end */

static void rate(void **state) {
    (void) state;
    int n = 0;
    assert_int_equal(run(at_most_ten_a_second, &n), 0);
    assert_int_equal(n, 5);
}

/* example: dormant */
struct visitor {
    int visits;
    struct task *task;
};

static int visitor_resume(void *arg) { /* entered from the top, on a fresh stack */
    struct visitor *v = arg;
    if (task_cancelled())
        return v->visits;
    v->visits++;
    return task_dormant(NULL, INT64_MAX, visitor_resume,
                        v); /* no stack is held until it is woken */
}
/* end */

static int wakes_a_visitor(void *arg) {
    struct visitor v = { 0 };
    (void) arg;
    GROUP(g);
    int result, r = task_spawn(&g, "visitor", visitor_resume, &v, &v.task);
    if (r < 0)
        return r;
    (void) task_sleep(1);
    task_wake(v.task);
    (void) task_sleep(1);
    task_cancel(v.task);
    r = task_join(v.task, &result);
    return r < 0 ? r : result;
}

static void dormant(void **state) {
    (void) state;
    assert_int_equal(run(wakes_a_visitor, NULL), 2);
}

/* example: data */
static int visitor_comes(struct group *g, struct visitor **ret) {
    void *data;
    int r = group_spawn_with(g, "visitor", visitor_resume, sizeof(struct visitor), &data);
    if (r < 0)
        return r;
    *ret = data; /* zeroed; it begins in the next turn, and is freed when it ends */
    (*ret)->task = task_of_data(data);
    return 0;
}
/* end */

static int visitors_come(void *arg) {
    struct visitor *v;
    (void) arg;
    GROUP(g);
    int r = visitor_comes(&g, &v);
    if (r < 0)
        return r;
    (void) task_sleep(1);
    task_wake(v->task);
    (void) task_sleep(1);
    return v->visits;
}

static void data(void **state) {
    (void) state;
    assert_int_equal(run(visitors_come, NULL), 2);
}

static void debug_mode(void **state) {
    (void) state;
    int greetings = 0;
    /* example: debug mode */
    struct loop_options o = {
        .slow_ms = 100,        /* name tasks that run longer without suspending */
        .shuffle_ready = true, /* find what only works in one order ... */
        .seed = 7,             /* ... and find it again */
        .paint_stacks = true,  /* how deep does each kind of task go? */
    };
    int r = loop_run(&o, greets_thrice, &greetings);
    /* end */
    assert_int_equal(r, 0);
}

/* example: dump */
static int dumps_when_told(void *arg) {
    task_dump(arg); /* the tree: names, what each waits for, since when, and where */
    return 0;
}
/* end */

static void dump(void **state) {
    (void) state;
    char text[512] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    assert_int_equal(run(dumps_when_told, f), 0);
    (void) fclose(f);
    assert_non_null(strstr(text, "root: running"));
}

/* example: virtual time */
static void a_year_passes_in_no_time(void **state) {
    (void) state;
    struct loop_options o = { .is_simulated = true, .seed = 1 }; /* one seed, one execution */
    int greetings = 0;
    assert_int_equal(loop_run(&o, greets_thrice, &greetings), 0);
    assert_int_equal(greetings, 3);
}
/* end */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coroutine),
        cmocka_unit_test(task),
        cmocka_unit_test(gather),
        cmocka_unit_test(gather_with_exceptions),
        cmocka_unit_test(wait),
        cmocka_unit_test(timeout),
        cmocka_unit_test(shield_and_cancel),
        cmocka_unit_test(queue),
        cmocka_unit_test(locks),
        cmocka_unit_test(future),
        cmocka_unit_test(call_later),
        cmocka_unit_test(call_soon_threadsafe),
        cmocka_unit_test(async_with),
        cmocka_unit_test(rate),
        cmocka_unit_test(dormant),
        cmocka_unit_test(data),
        cmocka_unit_test(debug_mode),
        cmocka_unit_test(dump),
        cmocka_unit_test(a_year_passes_in_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
