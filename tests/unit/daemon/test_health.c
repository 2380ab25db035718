#include "daemon/health.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/probe.h"
#include "daemon/worker_thread.h"
#include "storage/engine.h"
#include "tests/support/world.h"

static void expect(const struct health *h, int status, const char *text) {
    struct buffer out = BUFFER_INIT;
    assert_int_equal(health_write(h, &out), status);
    buffer_append_byte(&out, '\0');
    assert_int_equal(buffer_error(&out), 0);
    assert_string_equal((char *) out.data, text);
    buffer_finish(&out);
}

static void a_sound_daemon_says_so(void **state) {
    struct engine_stats s = { .writable = true };
    expect(&(struct health){ .version = "1.2",
                             .engine = "sqlite",
                             .engine_stats = &s,
                             .workers = 2,
                             .workers_alive = 2,
                             .uptime_ms = 61999 },
           200,
           "{\"status\":\"ok\",\"version\":\"1.2\",\"uptime_s\":61,"
           "\"workers\":{\"configured\":2,\"alive\":2},"
           "\"engine\":{\"type\":\"sqlite\",\"writable\":true}}\n");
}

static void an_engine_that_cannot_write_says_why(void **state) {
    struct engine_stats s = { .writable = false, .last_error = -ENOSPC };
    expect(&(struct health){ .version = "1",
                             .engine = "sqlite",
                             .engine_stats = &s,
                             .workers = 1,
                             .workers_alive = 1 },
           503,
           "{\"status\":\"read-only\",\"version\":\"1\",\"uptime_s\":0,"
           "\"workers\":{\"configured\":1,\"alive\":1},"
           "\"engine\":{\"type\":\"sqlite\",\"writable\":false,"
           "\"error\":\"No space left on device\"}}\n");
}

static void a_stuck_worker_or_a_stop_is_unhealthy(void **state) {
    expect(&(struct health){ .version = "1", .workers = 2, .workers_alive = 1 }, 503,
           "{\"status\":\"stuck\",\"version\":\"1\",\"uptime_s\":0,"
           "\"workers\":{\"configured\":2,\"alive\":1}}\n");
    expect(
            &(struct health){
                    .version = "1", .workers = 1, .workers_alive = 1, .is_stopping = true },
            503,
            "{\"status\":\"stopping\",\"version\":\"1\",\"uptime_s\":0,"
            "\"workers\":{\"configured\":1,\"alive\":1}}\n");
}

static void what_does_not_arrive_is_unhealthy(void **state) {
    static const struct {
        struct probe_result result;
        int status;
        const char *says;
    } table[] = {
        { { .took_us = 1234 }, 200, "\"ok\",*\"delivery\":{\"ok\":true,\"took_ms\":1.234}}\n" },
        { { .error = -ETIMEDOUT, .missing = 2, .took_us = 2000000 },
          503,
          "\"undelivered\",*\"delivery\":{\"ok\":false,\"error\":\"it did not reach 2 of the "
          "workers "
          "in time\",\"took_ms\":2000.000}}\n" },
        { { .error = -ETIMEDOUT }, 503, "\"undelivered\",*\"the engine did not answer in time\"*" },
        { { .error = -ENOBUFS, .missing = 1 }, 503, "\"undelivered\",*\"No buffer space*" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(table); i++) {
        struct buffer out = BUFFER_INIT;
        struct health h = {
            .version = "1", .delivery = &table[i].result, .workers = 1, .workers_alive = 1
        };
        char pattern[256];
        assert_int_equal(health_write(&h, &out), table[i].status);
        buffer_append_byte(&out, '\0');
        (void) snprintf(pattern, sizeof pattern, "{\"status\":%s", table[i].says);
        if (!text_matches((char *) out.data, pattern))
            fail_msg("%s", (char *) out.data);
        buffer_finish(&out);
    }
}

/* What /health says, asked of the first worker. */
static int ask(struct world *w, char *text, size_t cap) {
    struct buffer out = BUFFER_INIT;
    int status = daemon_write_health(&w->daemon->threads[0].worker, &out);
    (void) snprintf(text, cap, "%.*s", (int) out.len, (char *) out.data);
    buffer_finish(&out);
    return status;
}

static int asked_often(void *arg) {
    struct world *w = arg;
    char text[512];
    return ask(w, text, sizeof text) == 200 ? 0 : -EBADMSG;
}

static int probed(struct world *w, void *arg) {
    struct worker *first = &w->daemon->threads[0].worker, *last = &w->daemon->threads[2].worker;
    char text[512];

    STORY_EXPECT(w, ask(w, text, sizeof text) == 200);
    STORY_EXPECT(w, text_matches(text, "{\"status\":\"ok\",*\"delivery\":{\"ok\":true,*"));
    STORY_EXPECT(w, first->probe.number == 1);

    /* A crowd of monitors is no load. */
    STORY_EXPECT(w, task_sleep(PROBE_FRESH_MS) == 0);
    GROUP(crowd);
    for (int i = 0; i < 50; i++)
        STORY_EXPECT(w, group_spawn(&crowd, "monitor", asked_often, w) == 0);
    STORY_EXPECT(w, group_wait(&crowd) == 0);
    for (int i = 0; i < 50; i++)
        STORY_EXPECT(w, asked_often(w) == 0);
    STORY_EXPECT(w, first->probe.number == 2);

    /* One worker that publications do not reach is enough. */
    probe_close(last);
    STORY_EXPECT(w, task_sleep(PROBE_FRESH_MS) == 0);
    int64_t from = loop_now();
    STORY_EXPECT(w, ask(w, text, sizeof text) == 503);
    STORY_EXPECT(w, loop_now() - from <= PROBE_TIMEOUT_MS + 100);
    STORY_EXPECT(w, text_matches(text, "{\"status\":\"undelivered\",*did not reach 1 of*"));
    STORY_EXPECT(w, probe_open(last) == 0);
    STORY_EXPECT(w, task_sleep(PROBE_FRESH_MS) == 0);
    STORY_EXPECT(w, ask(w, text, sizeof text) == 200);
    return 0;
}

static void health_proves_that_publications_reach_every_worker(void **state) {
    struct world_options o = { .workers = 3 };
    assert_null(world_run(&o, probed, NULL));
    o.seed = 5;
    assert_null(world_run(&o, probed, NULL));
}

static int nobody_can_see(struct world *w, void *arg) {
    char text[512];
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, NULL));
    STORY_EXPECT(w, ask(w, text, sizeof text) == 200);
    PLAYS(p, "> {'id':2,'history':{'channel':'\\u00ffhealth','limit':9}}\n"
             " < {'id':2,'error':{*\n");
    STORY_EXPECT(w, strcmp(peer_hear(p, 2000), "nothing") == 0);
    return 0;
}

static void probes_are_nobodys_business(void **state) {
    const struct world_options o = { .config = "client: {insecure: true}\n" };
    assert_null(world_run(&o, nobody_can_see, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_daemon_says_so),
        cmocka_unit_test(an_engine_that_cannot_write_says_why),
        cmocka_unit_test(a_stuck_worker_or_a_stop_is_unhealthy),
        cmocka_unit_test(what_does_not_arrive_is_unhealthy),
        cmocka_unit_test(health_proves_that_publications_reach_every_worker),
        cmocka_unit_test(probes_are_nobodys_business),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
