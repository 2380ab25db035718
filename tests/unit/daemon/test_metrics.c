#include "daemon/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage/engine.h"

static char *text_of(const struct metrics *const *workers, size_t n,
                     const struct metrics_node *node) {
    struct buffer out = BUFFER_INIT;
    metrics_write(workers, n, node, &out);
    buffer_append_byte(&out, '\0');
    assert_int_equal(buffer_error(&out), 0);
    return (char *) out.data;
}

static bool has_line(const char *text, const char *line) {
    char wanted[200];
    (void) snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (strstr(text, wanted))
        return true;
    print_message("no line: %s\n", line);
    return false;
}

static void workers_are_summed(void **state) {
    static struct metrics a, b;
    const struct metrics *both[] = { &a, &b };
    metrics_count(&a, COUNT_ACCEPTED);
    metrics_add(&b, COUNT_ACCEPTED, 4);
    metrics_gauge_add(&a, GAUGE_CLIENTS, 3);
    metrics_gauge_add(&b, GAUGE_CLIENTS, -1);
    metrics_client(&a, STR("sse"), true);
    metrics_client(&b, STR("sse"), true);
    metrics_client(&b, STR("uni_sse"), true);
    metrics_client(&b, STR("uni_sse"), false);
    metrics_count_command(&a, METHOD_PUBLISH);
    metrics_count_command(&b, METHOD_PUBLISH);

    char *text = text_of(both, 2, NULL);
    assert_true(has_line(text, "parley_client_connections_accepted_total 5"));
    assert_true(has_line(text, "parley_node_num_clients 2"));
    assert_true(has_line(text, "parley_client_commands_total{method=\"publish\"} 2"));
    assert_true(has_line(text, "parley_client_commands_total{method=\"rpc\"} 0"));
    assert_true(has_line(text, "parley_client_connections_inflight{transport=\"sse\"} 2"));
    assert_true(has_line(text, "parley_client_connections_inflight{transport=\"uni_sse\"} 0"));
    free(text);
}

static void codes_are_counted_each_and_strangers_together(void **state) {
    static struct metrics m;
    const struct metrics *one[] = { &m };
    metrics_count_disconnect(&m, DISCONNECT_SLOW);
    metrics_count_disconnect(&m, DISCONNECT_SLOW);
    metrics_count_disconnect(&m, 1009);
    metrics_count_disconnect(&m, 4242);
    metrics_count_disconnect(&m, 0);
    metrics_count_error(&m, ERROR_LIMIT_EXCEEDED);
    metrics_count_unsubscribe(&m, UNSUBSCRIBE_INSUFFICIENT_STATE);

    char *text = text_of(one, 1, NULL);
    assert_true(has_line(text, "parley_client_num_server_disconnects_total{code=\"3008\"} 2"));
    assert_true(has_line(text, "parley_client_num_server_disconnects_total{code=\"1009\"} 1"));
    assert_true(has_line(text, "parley_client_num_server_disconnects_total{code=\"other\"} 2"));
    assert_true(has_line(text, "parley_client_num_reply_errors_total{code=\"106\"} 1"));
    assert_true(has_line(text, "parley_client_num_server_unsubscribes_total{code=\"2500\"} 1"));
    free(text);
}

static void times_fall_into_cumulative_buckets(void **state) {
    static struct metrics m;
    const struct metrics *one[] = { &m };
    metrics_observe(&m, TIME_PUBLISH, 0);
    metrics_observe(&m, TIME_PUBLISH, 1);
    metrics_observe(&m, TIME_PUBLISH, 9);
    metrics_observe(&m, TIME_PUBLISH, 10);
    metrics_observe(&m, TIME_PUBLISH, UINT32_MAX);

    char *text = text_of(one, 1, NULL);
    assert_true(has_line(text, "parley_publish_duration_seconds_bucket{le=\"0.000001\"} 2"));
    assert_true(has_line(text, "parley_publish_duration_seconds_bucket{le=\"0.000009\"} 3"));
    assert_true(has_line(text, "parley_publish_duration_seconds_bucket{le=\"0.000027\"} 4"));
    assert_true(has_line(text, "parley_publish_duration_seconds_bucket{le=\"+Inf\"} 5"));
    assert_true(has_line(text, "parley_publish_duration_seconds_sum 4294.967315"));
    assert_true(has_line(text, "parley_publish_duration_seconds_count 5"));
    free(text);
}

static void stalls_are_told_of_each_worker(void **state) {
    static struct metrics a, b;
    const struct metrics *both[] = { &a, &b };
    metrics_put_stalls(&a, &(struct loop_stalls){ .counts = { [0] = 5, [8] = 2 }, .total_us = 1 });
    metrics_put_stalls(&b, &(struct loop_stalls){ .counts = { [LOOP_STALL_BOUNDS] = 1 },
                                                  .total_us = 2500000 });
    char *text = text_of(both, 2, NULL);
#define STALLS "parley_loop_stall_duration_seconds"
    assert_true(has_line(text, STALLS "_bucket{worker=\"0\",le=\"0.000050\"} 5"));
    assert_true(has_line(text, STALLS "_bucket{worker=\"0\",le=\"0.001500\"} 5"));
    assert_true(has_line(text, STALLS "_bucket{worker=\"0\",le=\"0.002000\"} 7"));
    assert_true(has_line(text, STALLS "_count{worker=\"0\"} 7"));
    assert_true(has_line(text, STALLS "_bucket{worker=\"1\",le=\"1.000000\"} 0"));
    assert_true(has_line(text, STALLS "_bucket{worker=\"1\",le=\"+Inf\"} 1"));
    assert_true(has_line(text, STALLS "_sum{worker=\"1\"} 2.500000"));
    free(text);
}

static void the_engine_and_the_node_are_there(void **state) {
    struct engine_stats s = { .writable = true, .publishes = 7, .commit_ns = 1500000000 };
    struct metrics_node node = { .version = "1.2",
                                 .engine = "sqlite",
                                 .engine_stats = &s,
                                 .workers = 3,
                                 .workers_alive = 2,
                                 .uptime_ms = 90001 };
    char *text = text_of(NULL, 0, &node);
    assert_true(has_line(text, "parley_node_build{version=\"1.2\"} 1"));
    assert_true(has_line(text, "parley_node_workers_alive 2"));
    assert_true(has_line(text, "parley_node_uptime_seconds 90.001000"));
    assert_true(has_line(text, "parley_engine_writable 1"));
    assert_true(has_line(text, "parley_engine_publishes_total 7"));
    assert_true(has_line(text, "parley_engine_commit_seconds_total 1.500000"));
    free(text);
}

/* Every sample has a HELP and a TYPE before it, and no family comes twice. */
static void the_text_keeps_the_formats_rules(void **state) {
    static struct metrics m;
    const struct metrics *one[] = { &m };
    struct engine_stats s = { 0 };
    char *text = text_of(one, 1, &(struct metrics_node){ .engine_stats = &s });
    char family[100] = "", seen[20000] = "\n";

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            (void) sscanf(line, "# HELP %99s", family);
            char entry[110];
            (void) snprintf(entry, sizeof entry, "\n%s\n", family);
            assert_null(strstr(seen, entry));
            (void) strncat(seen, entry + 1, sizeof seen - strlen(seen) - 1);
        } else if (line[0] != '#') {
            assert_memory_equal(line, family, strlen(family));
            assert_memory_equal(line, "parley_", 7);
        }
    }
    free(text);
}

static void the_reference_page_is_up_to_date(void **state) {
    static char kept[1 << 16];
    struct buffer page = BUFFER_INIT;
    metrics_document(&page);
    buffer_append_byte(&page, '\0');
    assert_int_equal(buffer_error(&page), 0);

    FILE *f = fopen(PARLEY_SOURCE_DIR "/docs/metrics.md", "r");
    assert_non_null(f);
    kept[fread(kept, 1, sizeof kept - 1, f)] = '\0';
    (void) fclose(f);
    if (strcmp(kept, (char *) page.data) != 0)
        fail_msg("write it anew: build/dev/bin/parleyd --document-metrics >docs/metrics.md");
    buffer_finish(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_summed),
        cmocka_unit_test(codes_are_counted_each_and_strangers_together),
        cmocka_unit_test(times_fall_into_cumulative_buckets),
        cmocka_unit_test(stalls_are_told_of_each_worker),
        cmocka_unit_test(the_engine_and_the_node_are_there),
        cmocka_unit_test(the_text_keeps_the_formats_rules),
        cmocka_unit_test(the_reference_page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
