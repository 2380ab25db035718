#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/deadline.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/outbox.h"

/* An outbox, the stream it sends into and what came out of it. */
struct bench {
    struct outbox_set set;
    struct turn_hook flush;
    struct outbox outbox;
    struct stream *ours, *theirs;
    struct buffer got;
    int broken; /* what broken() was called with */
    int times_broken;
    int result;
    uint64_t sends;
};

static void on_broken(struct outbox *o, int why) {
    struct bench *b = CONTAINER_OF(o, struct bench, outbox);
    b->broken = why;
    b->times_broken++;
}

static void on_flush(struct turn_hook *h) {
    struct outbox_set *set = &CONTAINER_OF(h, struct bench, flush)->set;
    outbox_set_flush_left(set);
    outbox_set_flush(set);
}

static int open_bench(struct bench *b, size_t pipe_bytes, size_t max_bytes) {
    b->flush.run = on_flush;
    outbox_set_init(&b->set,
                    &(struct outbox_limits){ .max_bytes = max_bytes, .write_timeout_ms = 1000 },
                    &b->flush, on_broken);
    int r = stream_pair(pipe_bytes, &b->ours, &b->theirs);
    if (r == 0)
        outbox_init(&b->outbox, &b->set, b->ours);
    return r;
}

/* What waits in all outboxes is what waits in the only one, until the end, and then nothing. */
static void close_bench(struct bench *b) {
    bool is_sum = b->set.waiting == b->outbox.waiting;
    b->ours = stream_close(b->ours);
    outbox_finish(&b->outbox);
    if (!is_sum || b->set.waiting != 0)
        b->result = -EBADMSG;
    outbox_set_finish(&b->set);
    loop_forget_hook(&b->flush);
    b->theirs = stream_close(b->theirs);
}

/* Reads what comes until nothing has for a while. */
static void read_all(struct bench *b) {
    for (;;) {
        DEADLINE(quiet, 100);
        uint8_t *at = buffer_reserve(&b->got, 1000);
        ssize_t n = at ? stream_read(b->theirs, at, 1000) : -ENOMEM;
        if (n <= 0)
            return;
        buffer_added(&b->got, (size_t) n);
    }
}

static struct batch *batch_of(const char *text) {
    struct batch *b = batch_new(NULL);
    if (b)
        buffer_append(&b->bytes, text, strlen(text));
    return b;
}

static void append(struct bench *b, const char *text) {
    outbox_append_copy(&b->outbox, bytes_of(text, strlen(text)), bytes_of(NULL, 0));
}

static const char *got(struct bench *b) {
    buffer_append_byte(&b->got, 0);
    return (const char *) b->got.data;
}

static void run(struct bench *b, task_fn *fn, uint64_t seed) {
    memset(b, 0, sizeof *b);
    struct loop_options o = { .is_simulated = true, .seed = seed };
    assert_int_equal(loop_run(&o, fn, b), 0);
    assert_int_equal(b->result, 0);
}

/* ---- */

static int one_turn(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 65536, 10000);
    append(b, "reply one, ");
    append(b, "reply two, ");
    struct batch *shared = batch_of("a publication");
    outbox_append(&b->outbox, shared, 0, 13);
    outbox_append(&b->outbox, shared, 1, 13);
    batch_unref(shared);
    append(b, ".");
    bool waits = b->outbox.waiting == 11 + 11 + 13 + 12 + 1 && b->set.waiting == b->outbox.waiting;
    read_all(b);
    b->sends = b->set.sends;
    b->result = waits && outbox_is_empty(&b->outbox) ? b->result : -EBADMSG;
    close_bench(b);
    return 0;
}

static void what_a_turn_appends_goes_out_in_one_send_in_order(void **state) {
    struct bench *b = *state;
    run(b, one_turn, 0);
    assert_string_equal(got(b), "reply one, reply two, a publication publication.");
    assert_int_equal(b->sends, 1);
    assert_int_equal(b->times_broken, 0);
}

static int sent_directly(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 65536, 10000);
    struct batch *one = batch_of("one "), *two = batch_of("two");
    outbox_send(&b->outbox, one, 0, (uint32_t) one->bytes.len);
    bool is_gone = outbox_is_empty(&b->outbox) && one->refs == 1;
    append(b, "before ");
    outbox_send(&b->outbox, two, 0, (uint32_t) two->bytes.len); /* not before what waits */
    batch_unref(one);
    batch_unref(two);
    read_all(b);
    b->sends = b->set.sends;
    b->result = is_gone ? b->result : -EBADMSG;
    close_bench(b);
    return 0;
}

static void a_single_frame_is_sent_at_once_but_never_overtakes(void **state) {
    struct bench *b = *state;
    run(b, sent_directly, 0);
    assert_string_equal(got(b), "one before two");
    assert_int_equal(b->sends, 2);
}

enum { LINES = 400 };

static int through_a_narrow_pipe(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 100, 1000000);
    for (int i = 0; i < LINES; i++) {
        char line[32];
        (void) snprintf(line, sizeof line, "%d\n", i);
        if (i % 3) {
            struct batch *shared = batch_of(line);
            outbox_append(&b->outbox, shared, 0, (uint32_t) shared->bytes.len);
            batch_unref(shared);
        } else {
            append(b, line);
        }
        if (i % 50 == 0 && task_yield() < 0)
            return -1;
    }
    read_all(b);
    close_bench(b);
    return 0;
}

static void order_survives_a_socket_that_takes_little(void **state) {
    struct bench *b = *state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        run(b, through_a_narrow_pipe, seed);
        const char *at = got(b);
        for (int i = 0; i < LINES; i++) {
            char *after;
            assert_int_equal(strtol(at, &after, 10), i);
            assert_int_equal(*after, '\n');
            at = after + 1;
        }
        assert_int_equal(*at, 0);
        assert_true(b->set.backed_up > 0);
        assert_int_equal(b->times_broken, 0);
        buffer_finish(&b->got);
    }
}

static int too_much(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 100, 1000);
    for (int i = 0; i < 300; i++)
        append(b, "0123456789");
    bool is_refusing = b->outbox.is_broken && b->outbox.waiting <= 1000 + 10;
    outbox_end(&b->outbox, str_bytes(STR("<bye>")));
    append(b, "never");
    DEADLINE(patience, 100);
    int r = outbox_drain(&b->outbox); /* nobody reads yet */
    b->result = is_refusing && r == -ETIMEDOUT ? 0 : -EBADMSG;
    close_bench(b);
    return 0;
}

static void more_than_may_wait_is_refused_once(void **state) {
    struct bench *b = *state;
    run(b, too_much, 0);
    assert_int_equal(b->broken, -ENOBUFS);
    assert_int_equal(b->times_broken, 1);
}

static int said_goodbye(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 100, 1000000);
    char begun[251];
    memset(begun, 'b', 250);
    begun[250] = 0;
    append(b, begun);
    outbox_flush(&b->outbox); /* 100 are on the wire */
    struct batch *shared = batch_of("dropped");
    for (int i = 0; i < 20; i++)
        outbox_append(&b->outbox, shared, 0, 7);
    outbox_end(&b->outbox, str_bytes(STR("<bye>")));
    bool are_dropped = shared->refs == 1;
    batch_unref(shared);
    append(b, "never");
    read_all(b);
    int r = outbox_drain(&b->outbox);
    b->result = are_dropped && r == 0 ? b->result : -EBADMSG;
    close_bench(b);
    return 0;
}

static void a_goodbye_drops_what_waits_but_finishes_what_was_begun(void **state) {
    struct bench *b = *state;
    run(b, said_goodbye, 0);
    const char *text = got(b);
    assert_int_equal(strlen(text), 255);
    assert_int_equal(strspn(text, "b"), 250);
    assert_string_equal(text + 250, "<bye>");
}

static int no_progress(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 10, 1000000);
    append(b, "more than fits into it");
    int r = task_sleep(900);
    bool is_patient = !b->times_broken;
    r = r < 0 ? r : task_sleep(200);
    b->result = is_patient ? r : -EBADMSG;
    close_bench(b);
    return 0;
}

static int held(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 1000, 1000000);
    outbox_hold(&b->outbox);
    append(b, "one");
    struct batch *shared = batch_of("two");
    outbox_send(&b->outbox, shared, 0, (uint32_t) shared->bytes.len);
    batch_unref(shared);
    outbox_flush(&b->outbox);
    read_all(b);
    b->sends = b->set.sends; /* so far */
    if (b->times_broken == 0) {
        outbox_release(&b->outbox);
        read_all(b);
    }
    close_bench(b);
    return 0;
}

static void what_is_held_is_sent_when_it_is_let_go(void **state) {
    struct bench *b = *state;
    run(b, held, 0);
    assert_int_equal(b->sends, 0);
    assert_string_equal(got(b), "onetwo");
}

static int thought_better_of(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 1000, 1000000);
    outbox_hold(&b->outbox);
    append(b, "yes");
    outbox_end(&b->outbox, str_bytes(STR("no")));
    int r = outbox_drain(&b->outbox);
    read_all(b);
    b->result = b->result < 0 ? b->result : r;
    close_bench(b);
    return 0;
}

static void what_is_held_may_still_be_another_answer(void **state) {
    struct bench *b = *state;
    run(b, thought_better_of, 0);
    assert_string_equal(got(b), "no");
}

static void a_peer_that_takes_nothing_breaks_it_after_the_write_timeout(void **state) {
    struct bench *b = *state;
    run(b, no_progress, 0);
    assert_int_equal(b->broken, -ETIMEDOUT);
    assert_int_equal(b->times_broken, 1);
}

static int cut(void *arg) {
    struct bench *b = arg;
    b->result = open_bench(b, 10, 1000000);
    stream_pair_cut(b->theirs);
    append(b, "to nobody");
    b->result = task_sleep(1);
    outbox_end(&b->outbox, str_bytes(STR("<bye>")));
    if (b->result == 0)
        b->result = outbox_drain(&b->outbox);
    close_bench(b);
    return 0;
}

static void a_broken_stream_is_told_once_and_ends_without_a_wait(void **state) {
    struct bench *b = *state;
    run(b, cut, 0);
    assert_true(b->broken < 0);
    assert_int_equal(b->times_broken, 1);
}

static int make(void **state) {
    *state = calloc(1, sizeof(struct bench));
    return *state ? 0 : -1;
}

static int unmake(void **state) {
    struct bench *b = *state;
    buffer_finish(&b->got);
    free(b);
    return 0;
}

#define OUTBOX_TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(what_a_turn_appends_goes_out_in_one_send_in_order),
        OUTBOX_TEST(a_single_frame_is_sent_at_once_but_never_overtakes),
        OUTBOX_TEST(order_survives_a_socket_that_takes_little),
        OUTBOX_TEST(more_than_may_wait_is_refused_once),
        OUTBOX_TEST(a_goodbye_drops_what_waits_but_finishes_what_was_begun),
        OUTBOX_TEST(what_is_held_is_sent_when_it_is_let_go),
        OUTBOX_TEST(what_is_held_may_still_be_another_answer),
        OUTBOX_TEST(a_peer_that_takes_nothing_breaks_it_after_the_write_timeout),
        OUTBOX_TEST(a_broken_stream_is_told_once_and_ends_without_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
