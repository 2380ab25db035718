/* What nodes do when something becomes of their Redis. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/stream.h"
#include "tests/integration/redis_nodes.h"

/* ---- what becomes of Redis ---- */

static int flush_story(struct world *a, struct world *b) {
    struct position before, after, other, at;
    CHECK(a, world_publish(a, "x", "1", keep_ten, &before) == 0);
    CHECK(a, world_publish(b, "x", "2", keep_ten, NULL) == 0);
    CHECK(a, strcmp(tell(a, "FLUSHALL"), "+OK\r\n") == 0);
    CHECK(a, strcmp(tell(a, "SCRIPT FLUSH"), "+OK\r\n") == 0);
    static struct attempt all[20];
    int order = 0;
    for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
        char data[16];
        (void) snprintf(data, sizeof data, "%zu", i);
        all[i] = (struct attempt){ .order = &order };
        attempt_start(a, &all[i], "x", data, keep_ten);
    }
    for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
        CHECK(a, attempt_wait(&all[i]) == 0);
        CHECK(a, all[i].place == (int) i && all[i].request.position.offset == i + 1);
    }
    after = all[0].request.position;
    CHECK(a, strcmp(after.epoch, before.epoch) != 0);
    CHECK(a, world_publish(b, "x", "2", keep_ten, &other) == 0);
    CHECK(a, other.offset == 21 && strcmp(other.epoch, after.epoch) == 0);
    CHECK(a, engine_position(a->engine, STR("x"), keep_ten, &at) == 0);
    CHECK(a, at.offset == 21 && strcmp(at.epoch, after.epoch) == 0);
    return 0;
}

static void an_emptied_redis_begins_new_streams_in_order(void **state) {
    (void) state;
    run_both(flush_story);
}

static int kill_story(struct world *w) {
    struct listening ear;
    listening_init(&ear, w);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("x")) == 0);
    CHECK(w, engine_listen(w->engine, &ear.ear) == 0);
    struct position before, after;
    CHECK(w, world_publish(w, "x", "1", keep_ten, &before) == 0);
    world_settle(w);
    CHECK(w, tell(w, "CLIENT KILL TYPE pubsub SKIPME yes")[0] == ':');
    CHECK(w, await_missed(&ear));
    CHECK(w, world_publish(w, "x", "2", keep_ten, &after) == 0);
    CHECK(w, world_await(w, 2) && strcmp(before.epoch, after.epoch) == 0);

    CHECK(w, tell(w, "CLIENT KILL TYPE normal SKIPME yes")[0] == ':');
    int r;
    do /* an attempt may meet the line that is gone */
        r = world_publish(w, "x", "3", keep_ten, &after);
    while (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE);
    CHECK(w, r == 0 && after.offset == 3 && strcmp(before.epoch, after.epoch) == 0);
    CHECK(w, world_await(w, 3));
    engine_unlisten(w->engine, &ear.ear);
    engine_detach(w->engine, &w->listener.sink, STR("x"));
    CHECK(w, hears(w, "1=1 2=2 3=3"));
    return 0;
}

static void broken_lines_come_back_and_epochs_stay(void **state) {
    (void) state;
    run_one(kill_story);
}

static bool await_writable(struct world *w, bool is_writable, struct engine_stats *ret) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS;;) {
        engine_stats(w->engine, ret);
        if (ret->writable == is_writable)
            return true;
        if (loop_now() > until_ms || task_sleep(5) < 0)
            return false;
    }
}

static int freeze_story(struct world *w) {
    static struct attempt all[5];
    struct engine_stats stats;
    struct position at;
    int order = 0;
    w->redis_options.io_timeout_ms = 300;
    w->redis_options.connect_timeout_ms = 300;
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("x")) == 0);
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == 0);
    redis_process_freeze(w->redis);
    for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
        all[i] = (struct attempt){ .order = &order };
        attempt_start(w, &all[i], "x", "lost?", i % 2 ? keep_none : keep_ten);
    }
    for (size_t i = 0; i < ELEMENTS_OF(all); i++) {
        int r = attempt_wait(&all[i]);
        CHECK(w, r == -ETIMEDOUT || r == -ECONNRESET);
        CHECK(w, all[i].place == (int) i);
    }
    CHECK(w, await_writable(w, false, &stats) && stats.problem[0]);
    CHECK(w, world_publish(w, "x", "not sent", keep_ten, NULL) == -ENOTCONN);
    CHECK(w, engine_position(w->engine, STR("x"), keep_ten, &at) == -ENOTCONN);
    redis_process_thaw(w->redis);
    CHECK(w, await_writable(w, true, &stats) && !stats.problem[0]);
    CHECK(w, world_publish(w, "x", "2", keep_ten, NULL) == 0);
    engine_detach(w->engine, &w->listener.sink, STR("x"));
    return 0;
}

static void a_redis_that_hangs_fails_publishes_in_time_and_comes_back(void **state) {
    (void) state;
    run_closed(freeze_story);
}

static int crash(struct world *w, bool keeps_epochs) {
    struct engine_stats stats;
    struct position before, promised, after;
    struct page page;
    char text[256];
    w->redis_options.keeps_epochs = keeps_epochs;
    CHECK(w, world_open(w) == 0);
    CHECK(w, tell(w, "CONFIG SET appendonly yes appendfsync always")[0] == '+');
    CHECK(w, tell(w, "CONFIG REWRITE")[0] == '+');
    while (strstr(tell(w, "INFO persistence"), "aof_rewrite_in_progress:1"))
        CHECK(w, task_sleep(5) == 0);
    struct listening ear;
    listening_init(&ear, w);
    CHECK(w, engine_listen(w->engine, &ear.ear) == 0);
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("x")) == 0);
    CHECK(w, world_publish_times(w, "x", 3, keep_ten) == 0);
    CHECK(w, engine_position(w->engine, STR("x"), keep_ten, &before) == 0);
    CHECK(w, engine_position(w->engine, STR("y"), keep_ten, &promised) == 0);
    redis_process_kill(w->redis);
    CHECK(w, await_writable(w, false, &stats));
    CHECK(w, redis_process_again(w->redis) == 0);
    CHECK(w, await_writable(w, true, &stats));
    CHECK(w, await_missed(&ear)); /* from here on it is heard again */

    CHECK(w, world_publish(w, "x", "4", keep_ten, &after) == 0);
    CHECK(w, after.offset == 4 && (strcmp(before.epoch, after.epoch) == 0) == keeps_epochs);
    CHECK(w, world_history(w, "x", keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "1=1 2=2 3=3 4=4") == 0);
    CHECK(w, world_await(w, 4));
    engine_unlisten(w->engine, &ear.ear);
    engine_detach(w->engine, &w->listener.sink, STR("x"));
    CHECK(w, engine_position(w->engine, STR("y"), keep_ten, &after) == 0);
    CHECK(w, (strcmp(promised.epoch, after.epoch) == 0) == keeps_epochs);
    world_close(w);
    return 0;
}

static int crash_story(struct world *w) {
    return crash(w, false);
}

static int kept_crash_story(struct world *w) {
    return crash(w, true);
}

static void a_redis_that_crashed_may_lack_something_and_epochs_say_so(void **state) {
    (void) state;
    run_closed(crash_story);
}

static void unless_it_is_said_to_keep_all(void **state) {
    (void) state;
    run_closed(kept_crash_story);
}

static int waiting_story(struct world *w) {
    struct position at;
    struct attempt attempt = { 0 };
    w->redis_options.wait_ms = PATIENCE_MS;
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == 0);
    struct engine_stats stats;
    redis_process_kill(w->redis);
    CHECK(w, await_writable(w, false, &stats));
    attempt_start(w, &attempt, "x", "waits", keep_ten);
    CHECK(w, redis_process_again(w->redis) == 0);
    CHECK(w, attempt_wait(&attempt) == 0);
    CHECK(w, engine_position(w->engine, STR("x"), keep_ten, &at) == 0);
    CHECK(w, at.offset == attempt.request.position.offset &&
                     strcmp(at.epoch, attempt.request.position.epoch) == 0);
    return 0;
}

static void publishes_may_wait_for_redis(void **state) {
    (void) state;
    run_closed(waiting_story);
}

static int full_story(struct world *w) {
    struct position before, after;
    struct engine_stats stats;
    CHECK(w, world_publish(w, "x", "1", keep_ten, &before) == 0);
    CHECK(w, tell(w, "CONFIG SET maxmemory 1")[0] == '+');
    CHECK(w, world_publish(w, "x", "2", keep_ten, NULL) == -ENOSPC);
    CHECK(w, world_publish(w, "new", "2", keep_ten, NULL) == -ENOSPC);
    engine_stats(w->engine, &stats);
    CHECK(w, !stats.writable && stats.last_error == -ENOSPC);
    CHECK(w, tell(w, "CONFIG SET maxmemory 0")[0] == '+');
    CHECK(w, world_publish(w, "x", "2", keep_ten, &after) == 0);
    CHECK(w, after.offset == 2 && strcmp(after.epoch, before.epoch) == 0); /* nothing was burnt */
    engine_stats(w->engine, &stats);
    CHECK(w, stats.writable);
    return 0;
}

static void a_full_redis_refuses_and_no_offset_is_burnt(void **state) {
    (void) state;
    run_one(full_story);
}

/* ---- several servers ---- */

static int shards_story(struct world *w) {
    struct redis_process *other;
    CHECK(w, redis_process_start(&(struct redis_process_options){ 0 }, &other) == 0);
    struct redis_shard_options shards[2] = { w->redis_shard, w->redis_shard };
    shards[1].addresses[0] = *redis_process_address(other);
    w->redis_options.shards = shards;
    w->redis_options.n_shards = 2;
    CHECK(w, world_open(w) == 0);
    char name[16];
    for (int i = 0; i < 40; i++) {
        (void) snprintf(name, sizeof name, "c%d", i);
        CHECK(w, world_publish(w, name, "x", keep_ten, NULL) == 0);
    }
    int here = 0;
    for (int i = 0; i < 40; i++) {
        char line[64];
        (void) snprintf(line, sizeof line, "EXISTS parley.stream.c%d", i);
        here += atoi(tell(w, line) + 1);
    }
    CHECK(w, here > 8 && here < 32);

    struct engine_stats stats;
    redis_process_kill(other);
    CHECK(w, await_writable(w, false, &stats) && strstr(stats.problem, "redis 2"));
    int accepted = 0;
    for (int i = 0; i < 40; i++) {
        (void) snprintf(name, sizeof name, "c%d", i);
        int r = world_publish(w, name, "y", keep_ten, NULL);
        CHECK(w, r == 0 || r == -ENOTCONN);
        accepted += r == 0;
    }
    CHECK(w, accepted == here);
    world_close(w);
    redis_process_free(other);
    return 0;
}

static void channels_are_spread_over_servers(void **state) {
    (void) state;
    run_closed(shards_story);
}

/* ---- opening ---- */

static int absent_story(struct world *w) {
    struct engine_stats stats;
    redis_process_kill(w->redis);
    w->redis_options.connect_timeout_ms = 200;
    CHECK(w, world_open(w) == 0);
    engine_stats(w->engine, &stats);
    CHECK(w, !stats.writable && stats.problem[0]);
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == -ENOTCONN);
    CHECK(w, redis_process_again(w->redis) == 0);
    CHECK(w, await_writable(w, true, &stats));
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == 0);
    return 0;
}

static void a_node_that_is_there_before_redis_waits_for_it(void **state) {
    (void) state;
    run_closed(absent_story);
}

static int password_story(struct world *w) {
    w->redis_shard.password = STR("wrong");
    CHECK(w, tell(w, "CONFIG SET requirepass right")[0] == '+');
    CHECK(w, world_open(w) == -EACCES);
    CHECK(w, w->why && strstr(w->why, "redis cannot be used: "));
    w->redis_shard.password = STR("right");
    CHECK(w, world_open(w) == 0);
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == 0);
    return 0;
}

static void a_wrong_password_is_an_error_at_once(void **state) {
    (void) state;
    run_closed(password_story);
}

static int stranger_task(void *arg) {
    struct listener *l = arg; /* async's */
    for (;;) {
        struct stream *s;
        int r = listener_next(l, &s);
        if (r < 0)
            return r;
        static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
        (void) stream_try_send(s, answer, sizeof answer - 1);
        stream_close(s);
    }
}

static int stranger_story(struct world *w) {
    struct address any;
    struct listener *l;
    CHECK(w, address_parse("127.0.0.1:0", &any) == 0);
    CHECK(w, listener_open(&any, NULL, &l) == 0);
    (void) listener_address(l, w->redis_shard.addresses[0].text, ADDRESS_TEXT_MAX);
    GROUP(g);
    CHECK(w, group_spawn(&g, "stranger", stranger_task, l) == 0);
    int r = world_open(w);
    group_finish(&g);
    listener_close(l);
    CHECK(w, r == -EPROTO && w->why && strstr(w->why, "redis cannot be used: "));
    return 0;
}

static void another_kind_of_server_is_an_error_at_once(void **state) {
    (void) state;
    run_closed(stranger_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_emptied_redis_begins_new_streams_in_order),
        TEST(broken_lines_come_back_and_epochs_stay),
        TEST(a_redis_that_hangs_fails_publishes_in_time_and_comes_back),
        TEST(a_redis_that_crashed_may_lack_something_and_epochs_say_so),
        TEST(unless_it_is_said_to_keep_all),
        TEST(publishes_may_wait_for_redis),
        TEST(a_full_redis_refuses_and_no_offset_is_burnt),
        TEST(channels_are_spread_over_servers),
        TEST(a_node_that_is_there_before_redis_waits_for_it),
        TEST(a_wrong_password_is_an_error_at_once),
        TEST(another_kind_of_server_is_an_error_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
