#include "daemon/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config/config.h"

struct paper {
    char text[128 * 1024];
    size_t len;
    size_t lines;
};

static struct paper paper;

static void put_down(void *arg, const char *line, size_t len) {
    struct paper *p = arg;
    p->lines++;
    if (len < sizeof p->text - p->len) {
        memcpy(p->text + p->len, line, len);
        p->len += len;
        p->text[p->len] = '\0';
    }
}

static struct log *open_log(uint32_t level, uint32_t format, bool has_no_limit) {
    struct log *l = NULL;
    paper = (struct paper){ 0 };
    assert_int_equal(log_open(&(struct log_options){ .fd = -1,
                                                     .level = level,
                                                     .format = format,
                                                     .has_no_limit = has_no_limit,
                                                     .write = put_down,
                                                     .arg = &paper },
                              &l),
                     0);
    return l;
}

static void a_service_writes_priorities_and_fields(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_SYSTEMD, true);
    LOG_WARNING(l, "client reads too slowly", LOG_STR("client", STR("0b2c")),
                LOG_UINT("queued_bytes", 1048577), LOG_INT("delta", -3), LOG_RESULT(-ENOSPC));
    assert_string_equal(paper.text, "<4>client reads too slowly client=0b2c queued_bytes=1048577 "
                                    "delta=-3 error=\"No space left on device\"\n");
    assert_null(log_close(l));
}

static void a_terminal_gets_time_and_level(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, true);
    LOG_ERROR(l, "no listener");
    /* 2026-01-31 12:00:00.123 error    no listener */
    assert_int_equal(paper.len, strlen("2026-01-31 12:00:00.123 error    no listener\n"));
    assert_string_equal(paper.text + 23, " error    no listener\n");
    assert_int_equal(paper.text[4], '-');
    (void) log_close(l);
}

static void json_lines_are_objects(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON, true);
    LOG_NOTICE(l, "a \"b\"", LOG_TEXT("k", "v\n"), LOG_UINT("n", 7));
    assert_non_null(strstr(paper.text, "Z\",\"level\":\"notice\",\"message\":\"a \\\"b\\\"\","
                                       "\"k\":\"v\\u000a\",\"n\":7}\n"));
    assert_memory_equal(paper.text, "{\"time\":\"2", 10);
    (void) log_close(l);
}

static void what_a_peer_sent_cannot_forge_a_line(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_SYSTEMD, true);
    LOG_INFO(l, "m", LOG_TEXT("name", "x\n<0>forged \033[31m"), LOG_TEXT("empty", ""),
             LOG_TEXT("pair", "a=b"));
    assert_string_equal(paper.text, "<6>m name=\"x\\u000a<0>forged \\u001b[31m\" empty=\"\" "
                                    "pair=\"a=b\"\n");
    (void) log_close(l);
}

static void less_urgent_lines_are_dropped_until_the_level_changes(void **state) {
    struct log *l = open_log(LOG_LEVEL_WARNING, LOG_FORMAT_SYSTEMD, true);
    LOG_INFO(l, "no");
    assert_int_equal(paper.lines, 0);
    assert_false(log_wants(l, LOG_LEVEL_DEBUG));
    log_set(l, LOG_LEVEL_DEBUG, LOG_FORMAT_SYSTEMD);
    LOG_DEBUG(l, "yes");
    assert_string_equal(paper.text, "<7>yes\n");
    (void) log_close(l);
    LOG_ERROR(NULL, "nobody listens");
}

static void a_line_is_cut_at_its_limit_and_stays_whole(void **state) {
    static char long_text[2 * LOG_LINE_MAX];
    memset(long_text, '"', sizeof long_text - 1);

    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON, true);
    LOG_INFO(l, "m", LOG_TEXT("k", long_text));
    assert_string_equal(paper.text, "{\"level\":\"info\",\"message\":\"m\",\"cut\":true}\n");
    (void) log_close(l);

    l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_SYSTEMD, true);
    LOG_INFO(l, "m", LOG_TEXT("k", long_text));
    assert_int_equal(paper.lines, 1);
    assert_true(paper.len <= LOG_LINE_MAX);
    assert_int_equal(paper.text[paper.len - 1], '\n');
    (void) log_close(l);
}

static void repeated_lines_are_held_back(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_SYSTEMD, false);
    for (int i = 0; i < 1000; i++)
        LOG_INFO(l, "again and again", LOG_INT("i", i));
    LOG_INFO(l, "something else");
    assert_int_equal(paper.lines, LOG_BURST + 1);
    (void) log_close(l);
}

static void *write_many(void *arg) {
    for (int i = 0; i < 500; i++)
        LOG_INFO((struct log *) arg, "from a thread", LOG_TEXT("text", "0123456789"));
    return NULL;
}

static void threads_do_not_mix_their_lines(void **state) {
    struct log *l = open_log(LOG_LEVEL_INFO, LOG_FORMAT_SYSTEMD, true);
    pthread_t threads[4];
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, l), 0);
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);

    assert_int_equal(paper.lines, 4 * 500);
    static const char line[] = "<6>from a thread text=0123456789\n";
    for (size_t at = 0; at < paper.len; at += sizeof line - 1)
        assert_memory_equal(paper.text + at, line, sizeof line - 1);
    (void) log_close(l);
}

static void a_line_is_written_to_the_descriptor_at_once(void **state) {
    int ends[2];
    char got[64] = "";
    struct log *l = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(log_open(&(struct log_options){ .fd = ends[1],
                                                     .level = LOG_LEVEL_INFO,
                                                     .format = LOG_FORMAT_SYSTEMD },
                              &l),
                     0);
    LOG_INFO(l, "hello");
    assert_int_equal(read(ends[0], got, sizeof got), 9);
    assert_string_equal(got, "<6>hello\n");
    (void) log_close(l);
    (void) close(ends[0]);
    (void) close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_writes_priorities_and_fields),
        cmocka_unit_test(a_terminal_gets_time_and_level),
        cmocka_unit_test(json_lines_are_objects),
        cmocka_unit_test(what_a_peer_sent_cannot_forge_a_line),
        cmocka_unit_test(less_urgent_lines_are_dropped_until_the_level_changes),
        cmocka_unit_test(a_line_is_cut_at_its_limit_and_stays_whole),
        cmocka_unit_test(repeated_lines_are_held_back),
        cmocka_unit_test(threads_do_not_mix_their_lines),
        cmocka_unit_test(a_line_is_written_to_the_descriptor_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
