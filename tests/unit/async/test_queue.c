#include "async/queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

static const struct loop_options virtual_clock = { .is_simulated = true };

enum { TEXT_SIZE = 64 };

/* Items are letters; what is dropped and what is got is noted. */
struct letters {
    struct queue queue;
    char got[TEXT_SIZE], dropped[TEXT_SIZE];
    int results[16];
    size_t count;
    int64_t took;
};

static char alphabet[] = "abcdefghijklmnopqrstuvwxyz";

static void note(char *text, const char *letter) {
    size_t len = strlen(text);
    if (len + 1 < TEXT_SIZE) {
        text[len] = *letter;
        text[len + 1] = '\0';
    }
}

static void on_drop(void *arg, void *item) {
    note(((struct letters *) arg)->dropped, item);
}

static void set_up(struct letters *s, size_t items, size_t bytes, enum queue_policy policy) {
    memset(s, 0, sizeof *s);
    queue_init(&s->queue, items, bytes, policy, on_drop, s);
}

static void put(struct letters *s, char letter, size_t bytes) {
    s->results[s->count++] = queue_try_put(&s->queue, &alphabet[letter - 'a'], bytes);
}

static void get_all(struct letters *s) {
    void *item;
    while (queue_try_get(&s->queue, &item) > 0)
        note(s->got, item);
}

/* ---- what full means; no loop is needed for that ---- */

static void a_rejecting_queue_says_so_and_leaves_the_item(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 2, SIZE_MAX, QUEUE_REJECT);
    for (char c = 'a'; c <= 'c'; c++)
        put(&s, c, 1);
    assert_int_equal(s.results[1], 0);
    assert_int_equal(s.results[2], -ENOBUFS);
    get_all(&s);
    assert_string_equal(s.got, "ab");
    assert_string_equal(s.dropped, "");
    queue_finish(&s.queue);
}

static void dropping_the_oldest_keeps_what_is_new(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 3, 10, QUEUE_DROP_OLDEST);
    put(&s, 'a', 1);
    put(&s, 'b', 4);
    put(&s, 'c', 4);
    put(&s, 'd', 6); /* by bytes, two have to go */
    put(&s, 'e', 11);
    assert_int_equal(s.results[3], 0);
    assert_int_equal(s.results[4], -EMSGSIZE);
    assert_string_equal(s.dropped, "ab");
    assert_int_equal(queue_dropped(&s.queue), 2);
    assert_int_equal(queue_bytes(&s.queue), 10);
    get_all(&s);
    assert_string_equal(s.got, "cd");
    assert_int_equal(queue_bytes(&s.queue), 0);
    queue_finish(&s.queue);
}

static void dropping_the_newest_keeps_what_is_old(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 2, SIZE_MAX, QUEUE_DROP_NEWEST);
    for (char c = 'a'; c <= 'd'; c++)
        put(&s, c, 1);
    assert_int_equal(s.results[3], 0);
    assert_string_equal(s.dropped, "cd");
    get_all(&s);
    assert_string_equal(s.got, "ab");
    queue_finish(&s.queue);
}

static void the_ring_grows_and_wraps_and_keeps_its_order(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, SIZE_MAX, SIZE_MAX, QUEUE_REJECT);
    size_t next_in = 0, next_out = 0;
    for (size_t round = 1; round <= 40; round++) {
        for (size_t i = 0; i < round; i++)
            assert_int_equal(queue_try_put(&s.queue, &alphabet[next_in++ % 26], 2), 0);
        for (size_t i = 0; i < round / 2; i++) {
            void *item;
            assert_int_equal(queue_try_get(&s.queue, &item), 1);
            assert_ptr_equal(item, &alphabet[next_out++ % 26]);
        }
    }
    assert_int_equal(queue_count(&s.queue), next_in - next_out);
    assert_int_equal(queue_bytes(&s.queue), 2 * (next_in - next_out));
    queue_finish(&s.queue);
}

static void what_is_left_is_dropped_at_the_end(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 5, SIZE_MAX, QUEUE_REJECT);
    put(&s, 'a', 1);
    put(&s, 'b', 1);
    queue_finish(&s.queue);
    assert_string_equal(s.dropped, "ab");
}

/* ---- waiting ---- */

static int puts_five(void *arg) {
    struct letters *s = arg;
    for (int i = 0; i < 5; i++) {
        int r = queue_put(&s->queue, &alphabet[i], 1);
        if (r < 0)
            return r;
    }
    queue_close(&s->queue);
    return 0;
}

static int gets_slowly(void *arg) {
    struct letters *s = arg;
    void *item;
    int r;
    while ((r = queue_get(&s->queue, &item)) > 0) {
        note(s->got, item);
        (void) task_sleep(10);
    }
    return r;
}

static int producer_and_consumer(void *arg) {
    struct letters *s = arg;
    int64_t began = loop_now();
    GROUP(g);
    int r = group_spawn(&g, "put", puts_five, s);
    if (r == 0)
        r = group_spawn(&g, "get", gets_slowly, s);
    if (r == 0)
        r = group_wait(&g);
    s->took = loop_now() - began;
    return r;
}

static void a_full_queue_makes_its_producer_wait(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 2, SIZE_MAX, QUEUE_WAIT);
    assert_int_equal(loop_run(&virtual_clock, producer_and_consumer, &s), 0);
    assert_string_equal(s.got, "abcde");
    assert_int_equal(s.took, 50);
    queue_finish(&s.queue);
}

struct big {
    struct letters *all;
    char letter;
    size_t bytes;
    int result;
};

static int puts_one(void *arg) {
    struct big *b = arg;
    b->result = queue_put(&b->all->queue, &alphabet[b->letter - 'a'], b->bytes);
    return 0;
}

static int small_behind_big(void *arg) {
    struct letters *s = arg;
    struct big big = { s, 'b', 9, 1 }, small = { s, 'c', 1, 1 };
    put(s, 'a', 5);
    GROUP(g);
    struct task *t;
    int r = task_spawn(&g, "big", puts_one, &big, &t);
    if (r == 0)
        r = group_spawn(&g, "small", puts_one, &small);
    if (r < 0)
        return r;
    (void) task_sleep(1);
    s->results[1] = small.result; /* it would fit, but nobody overtakes */
    s->results[2] = queue_try_put(&s->queue, &alphabet[3], 1);
    task_cancel(t);
    r = task_join(t, NULL);
    (void) task_sleep(1);
    s->results[3] = big.result;
    s->results[4] = small.result; /* the way is free */
    get_all(s);
    return r;
}

static void nobody_overtakes_and_who_gives_up_lets_the_next_through(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 10, 10, QUEUE_WAIT);
    assert_int_equal(loop_run(&virtual_clock, small_behind_big, &s), 0);
    assert_int_equal(s.results[1], 1);
    assert_int_equal(s.results[2], -ENOBUFS);
    assert_int_equal(s.results[3], -ECANCELED);
    assert_int_equal(s.results[4], 0);
    assert_string_equal(s.got, "ac");
    queue_finish(&s.queue);
}

/* ---- closing ---- */

static int closes_under_a_putter(void *arg) {
    struct letters *s = arg;
    struct big late = { s, 'b', 1, 1 };
    put(s, 'a', 1);
    GROUP(g);
    int r = group_spawn(&g, "late", puts_one, &late);
    if (r < 0)
        return r;
    (void) task_sleep(1);
    queue_close(&s->queue);
    (void) task_sleep(1);
    s->results[1] = late.result;
    s->results[2] = queue_put(&s->queue, &alphabet[2], 1);
    void *item;
    s->results[3] = queue_get(&s->queue, &item);
    s->results[4] = queue_get(&s->queue, &item);
    return 0;
}

static void a_closed_queue_takes_nothing_but_can_be_drained(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 1, SIZE_MAX, QUEUE_WAIT);
    assert_int_equal(loop_run(&virtual_clock, closes_under_a_putter, &s), 0);
    assert_int_equal(s.results[1], -EPIPE);
    assert_int_equal(s.results[2], -EPIPE);
    assert_int_equal(s.results[3], 1);
    assert_int_equal(s.results[4], 0);
    queue_finish(&s.queue);
}

static int waits_until_drained(void *arg) {
    struct letters *s = arg;
    for (char c = 'a'; c <= 'c'; c++)
        put(s, c, 1);
    queue_close(&s->queue);
    int64_t began = loop_now();
    GROUP(g);
    int r = group_spawn(&g, "get", gets_slowly, s);
    if (r == 0)
        r = queue_wait_drained(&s->queue);
    s->took = loop_now() - began;
    return r < 0 ? r : group_wait(&g);
}

static void draining_can_be_waited_for(void **state) {
    (void) state;
    struct letters s;
    set_up(&s, 5, SIZE_MAX, QUEUE_WAIT);
    assert_int_equal(loop_run(&virtual_clock, waits_until_drained, &s), 0);
    assert_int_equal(s.took, 20);
    assert_string_equal(s.got, "abc");
    queue_finish(&s.queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rejecting_queue_says_so_and_leaves_the_item),
        cmocka_unit_test(dropping_the_oldest_keeps_what_is_new),
        cmocka_unit_test(dropping_the_newest_keeps_what_is_old),
        cmocka_unit_test(the_ring_grows_and_wraps_and_keeps_its_order),
        cmocka_unit_test(what_is_left_is_dropped_at_the_end),
        cmocka_unit_test(a_full_queue_makes_its_producer_wait),
        cmocka_unit_test(nobody_overtakes_and_who_gives_up_lets_the_next_through),
        cmocka_unit_test(a_closed_queue_takes_nothing_but_can_be_drained),
        cmocka_unit_test(draining_can_be_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
