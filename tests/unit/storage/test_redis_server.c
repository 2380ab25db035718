/* Commands to a Redis, and their replies, in virtual time. */
#include <hiredis/hiredis.h>

#include "tests/unit/storage/redis_scene.h"

enum { SEEDS = 30 };

#define PLAY(story) assert_int_equal(scene_play((story), 0), 0)

/* ---- commands ---- */

static int in_order(void *arg) {
    struct scene *c = arg;
    enum { N = 200 };
    static struct sent sent[N];
    unsigned counter = 0;
    EXPECT_EQUAL(scene_up(c), 0);
    for (unsigned i = 0; i < N; i++) {
        char text[16];
        (void) snprintf(text, sizeof text, "%u", i);
        send_echo(c, &sent[i], &counter, text);
        EXPECT(!sent[i].is_done);
        if (i % 7 == 0)
            EXPECT_EQUAL(task_sleep(1), 0);
    }
    COMES(counter == N);
    for (unsigned i = 0; i < N; i++) {
        EXPECT_EQUAL(sent[i].error, 0);
        EXPECT_EQUAL(sent[i].order, i);
        EXPECT_EQUAL(atoi(sent[i].text), i);
    }
    return 0;
}

static int in_order_bit_by_bit(void *arg) {
    struct scene *c = arg;
    c->script.chunk = 1;
    c->options.connect_timeout_ms = 10000;
    return in_order(arg);
}

static int in_order_through_a_strait(void *arg) {
    ((struct scene *) arg)->script.capacity = 50;
    return in_order(arg);
}

static void replies_come_in_order_however_they_are_cut(void **state) {
    (void) state;
    PLAY(in_order);
    PLAY(in_order_bit_by_bit);
    PLAY(in_order_through_a_strait);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(scene_play(in_order, seed), 0);
}

static bool half_an_answer(struct script_line *l, const struct bytes *words, size_t n) {
    struct redis_script *s = l->script;
    if (!script_word_is(words[0], "ECHO") || !script_word_is(words[n - 1], "half"))
        return false;
    buffer_printf(&l->out, "$10\r\nhal");
    s->is_mute = true;
    return true;
}

static int breaks(void *arg) {
    struct scene *c = arg;
    struct sent a, b, full[8], unsent;
    unsigned counter = 0;
    c->script.hook = half_an_answer;
    c->script.capacity = 256;
    EXPECT_EQUAL(scene_up(c), 0);
    send_echo(c, &a, &counter, "whole");
    send_echo(c, &b, &counter, "half");
    COMES(a.is_done);
    EXPECT_EQUAL(a.error, 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    EXPECT(!b.is_done);
    /* Nobody reads while it is written in one go: what does not fit stays here. */
    struct redis_server_stats before, after;
    redis_server_stats(c->server, &before);
    char text[101];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < ELEMENTS_OF(full); i++)
        send_echo(c, &full[i], &counter, text);
    send_echo(c, &unsent, &counter, "unsent");
    EXPECT_EQUAL(task_yield(), 0);
    redis_script_cut(&c->script);
    COMES(unsent.is_done);
    EXPECT_EQUAL(b.error, -ECONNRESET);
    EXPECT_EQUAL(full[0].error, -ECONNRESET);
    EXPECT_EQUAL(unsent.error, -ENOTCONN);
    EXPECT(full[0].order < unsent.order && b.order < full[0].order);
    EXPECT_EQUAL(c->downs, 1);
    c->script.is_mute = false;
    COMES(c->ups == 2);
    EXPECT_EQUAL(ask_echo(c, "again"), 0);
    redis_server_stats(c->server, &after);
    EXPECT(after.errors > 0 && after.refused > 0 && after.breaks == 2 && after.waiting == 0);
    EXPECT_EQUAL(after.waiting_bytes, 0);
    return 0;
}

static void what_was_sent_is_in_doubt_and_what_was_not_is_not(void **state) {
    (void) state;
    PLAY(breaks);
}

static int mute(void *arg) {
    struct scene *c = arg;
    struct sent a, b;
    unsigned counter = 0;
    c->options.io_timeout_ms = 1000;
    EXPECT_EQUAL(scene_up(c), 0);
    c->script.is_mute = true;
    int64_t began_ms = loop_now();
    send_echo(c, &a, &counter, "a");
    send_echo(c, &b, &counter, "b");
    COMES(counter == 2);
    EXPECT(a.error == -ETIMEDOUT && b.error == -ETIMEDOUT);
    EXPECT(loop_now() - began_ms >= 1000 && loop_now() - began_ms <= 1300);
    EXPECT(strstr(c->warning, "no reply for 1000 ms"));
    return 0;
}

static bool counts_pings(struct script_line *l, const struct bytes *words, size_t n) {
    (void) n;
    if (script_word_is(words[0], "PING"))
        ++*(unsigned *) l->script->arg;
    return false;
}

static int quiet(void *arg) {
    struct scene *c = arg;
    unsigned pings = 0;
    c->script.hook = counts_pings;
    c->script.arg = &pings;
    EXPECT_EQUAL(scene_up(c), 0);
    EXPECT_EQUAL(redis_server_subscribe(c->server, STR("news")), 0);
    unsigned before = pings;
    EXPECT_EQUAL(task_sleep(60000), 0);
    EXPECT(pings >= before + 8 && pings <= before + 14); /* two lines, every 10 s and a bit */
    EXPECT(c->downs == 0);
    c->script.is_mute = true;
    COMES(c->downs == 1);
    EXPECT_EQUAL(c->down_error, -ETIMEDOUT);
    return 0;
}

static void silence_ends_a_line(void **state) {
    (void) state;
    PLAY(mute);
    PLAY(quiet);
}

/* ---- bounds ---- */

static int by_number(void *arg) {
    struct scene *c = arg;
    struct sent sent[5];
    unsigned counter = 0;
    c->options.queue_max = 4;
    EXPECT_EQUAL(scene_up(c), 0);
    for (size_t i = 0; i < ELEMENTS_OF(sent); i++)
        send_echo(c, &sent[i], &counter, "x");
    EXPECT_EQUAL(counter, 0);
    COMES(counter == 5);
    EXPECT_EQUAL(sent[4].error, -ENOBUFS);
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQUAL(sent[i].error, 0);
    EXPECT_EQUAL(ask_echo(c, "more"), 0);
    return 0;
}

static int by_bytes(void *arg) {
    struct scene *c = arg;
    struct sent small[2], big;
    unsigned counter = 0;
    char text[201];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    c->options.queue_max_bytes = 200;
    EXPECT_EQUAL(scene_up(c), 0);
    send_echo(c, &small[0], &counter, "x");
    send_echo(c, &big, &counter, text);
    send_echo(c, &small[1], &counter, "x");
    COMES(counter == 3);
    EXPECT_EQUAL(big.error, -ENOBUFS);
    EXPECT(small[0].error == 0 && small[1].error == 0);
    struct redis_server_stats stats;
    redis_server_stats(c->server, &stats);
    EXPECT_EQUAL(stats.refused, 1);
    return 0;
}

static int reply_bytes(void *arg) {
    struct scene *c = arg;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    c->options.reply_max_bytes = 2000;
    EXPECT_EQUAL(scene_up(c), 0);
    EXPECT_EQUAL(ask_echo(c, text), -ECONNRESET);
    EXPECT(strstr(c->warning, "a reply longer than allowed"));
    return 0;
}

static void commands_and_replies_are_bounded(void **state) {
    (void) state;
    PLAY(by_number);
    PLAY(by_bytes);
    PLAY(reply_bytes);
}

/* ---- giving up ---- */

static int asks_one(void *arg) {
    return ask_echo(arg, "one");
}

static int joins_one(void *arg) {
    return redis_server_subscribe(((struct scene *) arg)->server, STR("one"));
}

static int waits_for_line(void *arg) {
    return redis_server_wait_up(((struct scene *) arg)->server);
}

static int gives_up(void *arg) {
    struct scene *c = arg;
    EXPECT_EQUAL(scene_up(c), 0);
    {
        DEADLINE(impatience, 0);
        EXPECT_EQUAL(ask_echo(c, "a"), -ETIMEDOUT);
        EXPECT_EQUAL(redis_server_subscribe(c->server, STR("a")), -ETIMEDOUT);
    }
    EXPECT_EQUAL(ask_echo(c, "b"), 0); /* the answer to a is nobody's */
    EXPECT_EQUAL(redis_server_subscribe(c->server, STR("a")), 0);
    return 0;
}

static int closes(void *arg) {
    struct scene *c = arg;
    struct task *tasks[4];
    int result;
    GROUP(g);
    EXPECT_EQUAL(scene_up(c), 0);
    c->script.is_mute = true;
    EXPECT_EQUAL(task_spawn(&g, "ask", asks_one, c, &tasks[0]), 0);
    EXPECT_EQUAL(task_spawn(&g, "join", joins_one, c, &tasks[1]), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    c->server = redis_server_close(c->server);
    for (int i = 0; i < 2; i++) {
        EXPECT_EQUAL(task_join(tasks[i], &result), 0);
        EXPECT_EQUAL(result, -ECANCELED);
    }
    EXPECT_EQUAL(c->down_error, -ECANCELED);

    c->script.connect_error = -ECONNREFUSED;
    c->options.wait_ms = 60000;
    EXPECT_EQUAL(scene_open(c), 0);
    EXPECT_EQUAL(task_spawn(&g, "ask", asks_one, c, &tasks[0]), 0);
    EXPECT_EQUAL(task_spawn(&g, "join", joins_one, c, &tasks[1]), 0);
    EXPECT_EQUAL(task_spawn(&g, "wait", waits_for_line, c, &tasks[2]), 0);
    EXPECT_EQUAL(task_sleep(10), 0);
    c->server = redis_server_close(c->server);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQUAL(task_join(tasks[i], &result), 0);
        EXPECT_EQUAL(result, -ECANCELED);
    }
    return 0;
}

static void giving_up_and_closing_leave_nothing_behind(void **state) {
    (void) state;
    PLAY(gives_up);
    PLAY(closes);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(scene_play(closes, seed), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_in_order_however_they_are_cut),
        cmocka_unit_test(what_was_sent_is_in_doubt_and_what_was_not_is_not),
        cmocka_unit_test(silence_ends_a_line),
        cmocka_unit_test(commands_and_replies_are_bounded),
        cmocka_unit_test(giving_up_and_closing_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
