#include "daemon/health.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "storage/engine.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_daemon_says_so),
        cmocka_unit_test(an_engine_that_cannot_write_says_why),
        cmocka_unit_test(a_stuck_worker_or_a_stop_is_unhealthy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
