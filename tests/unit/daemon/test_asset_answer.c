#include "daemon/transport/asset_answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"

#define SPAN(text)                                                                                 \
    { (const uint8_t *) (text), sizeof(text) - 1 }
#define NAME(text)                                                                                 \
    { (text), sizeof(text) - 1 }

static const struct asset ITEMS[] = {
    { .path = NAME("/"),
      .content_type = NAME("text/html; charset=utf-8"),
      .etag = NAME("\"root\""),
      .raw = SPAN("<html>"),
      .gzip = SPAN("gzipped"),
      .brotli = SPAN("brotli!") },
    { .path = NAME("/app-1.js"),
      .content_type = NAME("text/javascript"),
      .etag = NAME("\"app1\""),
      .is_immutable = true,
      .raw = SPAN("let a;"),
      .gzip = SPAN("zip") },
    { .path = NAME("/icon.svg"),
      .content_type = NAME("image/svg+xml"),
      .etag = NAME("\"icon\""),
      .raw = SPAN("<svg/>") },
};
static const struct asset_table TABLE = { ITEMS, ELEMENTS_OF(ITEMS) };

static char answer_text[4096];

/* What assets_answer() returns; the text is in answer_text. */
static int ask(const struct asset_table *t, const char *line, const char *headers) {
    static const struct http_limits limits = { .max_line = 1024,
                                               .max_head = 4096,
                                               .max_headers = 16 };
    static char text[2048];
    static struct http_request r;
    struct buffer out = BUFFER_INIT;

    int len = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
    http_request_init(&r);
    assert_int_equal(http_request_parse(&r, &limits, bytes_of(text, (size_t) len)), 1);
    int result = assets_answer(t, &r, false, &out);
    assert_true(out.len < sizeof answer_text);
    if (out.len > 0)
        memcpy(answer_text, out.data, out.len);
    answer_text[out.len] = '\0';
    buffer_finish(&out);
    return result;
}

static bool says(const char *part) {
    if (strstr(answer_text, part))
        return true;
    print_message("no %s in:\n%s\n", part, answer_text);
    return false;
}

static bool ends_in(const char *body) {
    const char *end = strstr(answer_text, "\r\n\r\n");
    return end && strcmp(end + 4, body) == 0;
}

static void a_file_comes_with_its_type_and_rules(void **state) {
    assert_int_equal(ask(&TABLE, "GET /", ""), 1);
    assert_true(says("HTTP/1.1 200 OK\r\n"));
    assert_true(says("Content-Type: text/html; charset=utf-8\r\n"));
    assert_true(says("ETag: \"root\"\r\n"));
    assert_true(says("Cache-Control: no-cache\r\n"));
    assert_true(says("Vary: Accept-Encoding\r\n"));
    assert_true(says("X-Content-Type-Options: nosniff\r\n"));
    assert_true(says("Content-Security-Policy: default-src 'none'; script-src 'self';"));
    assert_true(says("Content-Length: 6\r\n"));
    assert_true(ends_in("<html>"));
    assert_null(strstr(answer_text, "Content-Encoding"));

    assert_int_equal(ask(&TABLE, "GET /app-1.js", ""), 1);
    assert_true(says("Cache-Control: public, max-age=31536000, immutable\r\n"));
}

static void the_smallest_accepted_form_is_sent(void **state) {
    static const struct {
        const char *line, *accept, *body;
    } cases[] = {
        { "GET /", "gzip, deflate, br", "brotli!" },
        { "GET /", "BR", "brotli!" },
        { "GET /", "gzip", "gzipped" },
        { "GET /", "gzip;q=0.5, br;q=0", "gzipped" },
        { "GET /", "br;q=0.000, gzip ; q=0", "<html>" },
        { "GET /", "*", "brotli!" },
        { "GET /", "*;q=0", "<html>" },
        { "GET /", "br;q=0, *", "gzipped" },
        { "GET /", "*;q=0, gzip", "gzipped" },
        { "GET /", "identity", "<html>" },
        { "GET /", "", "<html>" },
        { "GET /app-1.js", "br, gzip", "zip" },
        { "GET /app-1.js", "br", "let a;" },
        { "GET /icon.svg", "br, gzip", "<svg/>" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        char header[100];
        (void) snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", cases[i].accept);
        assert_int_equal(ask(&TABLE, cases[i].line, header), 1);
        if (!ends_in(cases[i].body))
            print_message("%s with %s: %s\n", cases[i].line, cases[i].accept, answer_text);
        assert_true(ends_in(cases[i].body));
    }
}

static void each_form_has_an_etag_of_its_own(void **state) {
    assert_int_equal(ask(&TABLE, "GET /", "Accept-Encoding: br\r\n"), 1);
    assert_true(says("ETag: \"root-br\"\r\n"));
    assert_true(says("Content-Encoding: br\r\n"));
    assert_int_equal(ask(&TABLE, "GET /", "Accept-Encoding: gzip\r\n"), 1);
    assert_true(says("ETag: \"root-gz\"\r\n"));
}

static void what_the_client_has_is_not_sent_again(void **state) {
    static const struct {
        const char *headers;
        bool is_same;
    } cases[] = {
        { "If-None-Match: \"root\"\r\n", true },
        { "If-None-Match: W/\"root\"\r\n", true },
        { "If-None-Match: \"other\", \"root\"\r\n", true },
        { "If-None-Match: *\r\n", true },
        { "If-None-Match: \"other\"\r\n", false },
        { "If-None-Match: root\r\n", false },
        { "If-None-Match: \"root\"\r\nAccept-Encoding: br\r\n", false },
        { "If-None-Match: \"root-br\"\r\nAccept-Encoding: br\r\n", true },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        assert_int_equal(ask(&TABLE, "GET /", cases[i].headers), 1);
        assert_true(says(cases[i].is_same ? "HTTP/1.1 304 " : "HTTP/1.1 200 "));
        assert_int_equal(ends_in(""), cases[i].is_same);
        assert_true(says("ETag: "));
    }
}

static void head_says_the_length_and_sends_nothing(void **state) {
    assert_int_equal(ask(&TABLE, "HEAD /app-1.js", ""), 1);
    assert_true(says("Content-Length: 6\r\n"));
    assert_true(ends_in(""));
}

static void what_is_not_there_is_left_to_others(void **state) {
    static const char *const lines[] = { "GET /app", "GET /app-1.jsx", "GET /zzz",
                                         "GET /../", "GET /icon",      "OPTIONS *" };
    for (size_t i = 0; i < ELEMENTS_OF(lines); i++) {
        assert_int_equal(ask(&TABLE, lines[i], ""), 0);
        assert_string_equal(answer_text, "");
    }
    assert_int_equal(ask(&(struct asset_table){ 0 }, "GET /", ""), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_with_its_type_and_rules),
        cmocka_unit_test(the_smallest_accepted_form_is_sent),
        cmocka_unit_test(each_form_has_an_etag_of_its_own),
        cmocka_unit_test(what_the_client_has_is_not_sent_again),
        cmocka_unit_test(head_says_the_length_and_sends_nothing),
        cmocka_unit_test(what_is_not_there_is_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
