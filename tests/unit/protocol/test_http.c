#include "protocol/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = { .max_line = 100, .max_head = 400, .max_headers = 6 };

static void put(struct buffer *out, struct str s) {
    buffer_append_byte(out, '[');
    buffer_append_str(out, s);
    buffer_append_byte(out, ']');
}

static void tell_head(struct buffer *out, const struct http_head *h) {
    for (size_t i = 0; i < http_head_size(h); i++) {
        struct http_header header = http_head_at(h, i);
        put(out, header.name);
        put(out, header.value);
    }
}

/* What a reader says: a status, or the parts; "..." if it wants more. */
static struct buffer read_request(struct bytes in, size_t first, size_t step) {
    struct http_request *r = malloc(sizeof *r);
    struct buffer out = BUFFER_INIT;
    uint8_t *copy = NULL;
    int n = 0;

    assert_non_null(r);
    http_request_init(r);
    for (size_t at = 0; n == 0 && at < in.len;) {
        at += at == 0 && first ? first : step;
        if (at > in.len)
            at = in.len;
        /* At another place each time, of exactly that size. */
        uint8_t *moved = malloc(at);
        assert_non_null(moved);
        memcpy(moved, in.data, at);
        free(copy);
        copy = moved;
        n = http_request_parse(r, &limits, bytes_of(copy, at));
    }
    if (n < 0) {
        buffer_printf(&out, "%d", http_status_of(n));
    } else if (n == 0) {
        buffer_append_str(&out, STR("..."));
    } else {
        put(&out, r->method);
        put(&out, r->path);
        put(&out, r->query);
        put(&out, r->host);
        tell_head(&out, &r->head);
        buffer_printf(&out, " 1.%u %s%s", r->version_minor, r->keeps_alive ? "keeps" : "closes",
                      r->is_chunked ? " chunked" : "");
        if (r->has_length)
            buffer_printf(&out, " %llu", (unsigned long long) r->content_length);
        if (r->expects_continue)
            buffer_append_str(&out, STR(" continue"));
        buffer_printf(&out, " +%zu", in.len - r->size);
    }
    free(copy);
    free(r);
    buffer_append_byte(&out, 0);
    return out;
}

static struct buffer read_response(struct bytes in, size_t first, size_t step) {
    struct http_response *r = malloc(sizeof *r);
    struct buffer out = BUFFER_INIT;
    uint8_t *copy = NULL;
    int n = 0;

    assert_non_null(r);
    http_response_init(r);
    for (size_t at = 0; n == 0 && at < in.len;) {
        at += at == 0 && first ? first : step;
        if (at > in.len)
            at = in.len;
        uint8_t *moved = malloc(at);
        assert_non_null(moved);
        memcpy(moved, in.data, at);
        free(copy);
        copy = moved;
        n = http_response_parse(r, &limits, bytes_of(copy, at));
    }
    if (n < 0) {
        buffer_printf(&out, "%d", http_status_of(n));
    } else if (n == 0) {
        buffer_append_str(&out, STR("..."));
    } else {
        buffer_printf(&out, "%d", r->status);
        put(&out, r->reason);
        tell_head(&out, &r->head);
        buffer_printf(&out, " 1.%u %s%s", r->version_minor, r->keeps_alive ? "keeps" : "closes",
                      r->is_chunked ? " chunked" : "");
        if (r->has_length)
            buffer_printf(&out, " %llu", (unsigned long long) r->content_length);
    }
    free(copy);
    free(r);
    buffer_append_byte(&out, 0);
    return out;
}

struct row {
    const char *rule;
    struct str in;
    const char *expected;
};

static void expect(const struct row *row, struct buffer (*reader)(struct bytes, size_t, size_t)) {
    struct bytes in = str_bytes(row->in);

    for (size_t first = 0; first <= in.len + 1; first++) {
        bool bytewise = first == in.len + 1;
        struct buffer got = reader(in, bytewise ? 0 : first, bytewise ? 1 : in.len);
        /* Where more came than was needed the rest differs by what had arrived: no matter here, it
         * is counted from the whole. */
        bool is_same = strcmp((const char *) got.data, row->expected) == 0;
        if (!is_same)
            print_error("%s, cut at %zu:\n  got      %s\n  expected %s\n", row->rule, first,
                        (const char *) got.data, row->expected);
        buffer_finish(&got);
        assert_true(is_same);
    }
}

#define HOST "Host: a\r\n"
#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10

static const struct row requests[] = {
    { "9112 3 a request", STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
      "[GET][/][][a][Host][a] 1.1 keeps +0" },
    { "9112 3.2.1 path and query", STR("GET /a/b?c=d?e HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/a/b][c=d?e][a][Host][a] 1.1 keeps +0" },
    { "an empty query", STR("GET /? HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/][][a][Host][a] 1.1 keeps +0" },
    { "what follows is left", STR("GET / HTTP/1.1\r\n" HOST "\r\nGET"),
      "[GET][/][][a][Host][a] 1.1 keeps +3" },
    { "9112 3.2.2 absolute form", STR("GET http://b:80/c?d HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/c][d][b:80][Host][a] 1.1 keeps +0" },
    { "9112 3.2.2 without a path", STR("GET ws://b?d HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/][d][b][Host][a] 1.1 keeps +0" },
    { "no user names", STR("GET http://u@b/ HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "another scheme", STR("GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "9112 3.2.3 CONNECT", STR("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"), "501" },
    { "9112 3.2.4 OPTIONS *", STR("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
      "[OPTIONS][*][][a][Host][a] 1.1 keeps +0" },
    { "* for another method", STR("GET * HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a target without a slash", STR("GET a HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a fragment", STR("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a control character in the target", STR("GET /a\x01 HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a byte above ASCII in the target", STR("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "9112 2.2 an empty line before", STR("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/][][a][Host][a] 1.1 keeps +0" },
    { "two of them", STR("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "TLS instead", STR("\x16\x03\x01"), "400" },
    { "9112 2.2 bare LF after the request line", STR("GET / HTTP/1.1\n" HOST "\r\n"), "400" },
    { "9112 2.2 bare LF after a header", STR("GET / HTTP/1.1\r\nHost: a\n\r\n"), "400" },
    { "the same where cutting two bytes leaves a header", STR("GET / HTTP/1.1\r\nHost: ab\n\r\n"),
      "400" },
    { "and a request line", STR("GET / HTTP/1.1x\n" HOST "\r\n"), "400" },
    { "bare LF at the end", STR("GET / HTTP/1.1\r\n" HOST "\n"), "400" },
    { "9112 2.2 bare CR", STR("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), "400" },
    { "two spaces", STR("GET  / HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "two spaces, second", STR("GET /  HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a space at the end", STR("GET / HTTP/1.1 \r\n" HOST "\r\n"), "400" },
    { "a tab", STR("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "no target", STR("GET HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "a method that is no token", STR("G@T / HTTP/1.1\r\n" HOST "\r\n"), "400" },
    { "HTTP/0.9", STR("GET /\r\n"), "400" },
    { "HTTP/1.0", STR("GET / HTTP/1.0\r\n\r\n"), "[GET][/][][] 1.0 closes +0" },
    { "9112 9.3 HTTP/1.0 and keep-alive", STR("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
      "[GET][/][][][Connection][Keep-Alive] 1.0 keeps +0" },
    { "9112 9.3 close", STR("GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n"),
      "[GET][/][][a][Host][a][Connection][x, Close] 1.1 closes +0" },
    { "9112 9.3 close wins", STR("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"),
      "[GET][/][][][Connection][close, keep-alive] 1.0 closes +0" },
    { "9110 2.5 HTTP/1.2", STR("GET / HTTP/1.2\r\n" HOST "\r\n"), "505" },
    { "HTTP/2", STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505" },
    { "lower case http", STR("GET / http/1.1\r\n" HOST "\r\n"), "400" },
    { "HTTP/11", STR("GET / HTTP/11\r\n" HOST "\r\n"), "400" },
    { "9112 3.2 no Host", STR("GET / HTTP/1.1\r\nA: b\r\n\r\n"), "400" },
    { "9112 3.2 two Hosts", STR("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n"), "400" },
    { "9112 3.2 a bad Host", STR("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "400" },
    { "an empty Host", STR("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "400" },
    { "IPv6", STR("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
      "[GET][/][][[::1]:80][Host][[::1]:80] 1.1 keeps +0" },
    { "9112 5.1 a space before the colon", STR("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), "400" },
    { "9112 5.2 a folded line", STR("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n"), "400" },
    { "9112 2.2 space before the first header", STR("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "400" },
    { "no name beside a Host", STR("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"), "400" },
    { "no name", STR("GET / HTTP/1.1\r\n: a\r\n\r\n"), "400" },
    { "no colon", STR("GET / HTTP/1.1\r\nHost\r\n\r\n"), "400" },
    { "spaces around a value go", STR("GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n"),
      "[GET][/][][a][Host][a] 1.1 keeps +0" },
    { "an empty value", STR("GET / HTTP/1.1\r\n" HOST "A:\r\nB: \r\n\r\n"),
      "[GET][/][][a][Host][a][A][][B][] 1.1 keeps +0" },
    { "9110 5.5 a zero in a value", STR("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n"), "400" },
    { "DEL in a value", STR("GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n"), "400" },
    { "bytes above ASCII in a value", STR("GET / HTTP/1.1\r\n" HOST "A: \xc3\xa9\r\n\r\n"),
      "[GET][/][][a][Host][a][A][\xc3\xa9] 1.1 keeps +0" },
    { "9112 6.3 a length", STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"),
      "[POST][/][][a][Host][a][Content-Length][3] 1.1 keeps 3 +3" },
    { "9112 6.3 two lengths",
      STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\ncontent-length: 3\r\n\r\n"), "400" },
    { "9112 6.3 a list of lengths", STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n"),
      "400" },
    { "a negative length", STR("POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n"), "400" },
    { "a signed length", STR("POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n"), "400" },
    { "no length", STR("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), "400" },
    { "a length past any",
      STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999999\r\n\r\n"), "400" },
    { "9112 7.1 chunked", STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"),
      "[POST][/][][a][Host][a][Transfer-Encoding][Chunked] 1.1 keeps chunked +0" },
    { "9112 6.1 both",
      STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
      "400" },
    { "9112 6.1 both, the other way",
      STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "400" },
    { "9112 6.1 another coding",
      STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), "501" },
    { "9112 6.1 chunked twice",
      STR("POST / HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "400" },
    { "9112 6.1 in HTTP/1.0", STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400" },
    { "9110 10.1.1",
      STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
      "[POST][/][][a][Host][a][Content-Length][3][Expect][100-continue] 1.1 keeps 3 continue +0" },
    { "a line of 100 bytes", STR("GET /" X50 X10 X10 X10 "xxxx HTTP/1.1\r\n" HOST "\r\n"),
      "[GET][/" X50 X10 X10 X10 "xxxx][][a][Host][a] 1.1 keeps +0" },
    { "a line of 101 bytes", STR("GET /" X50 X10 X10 X10 "xxxxx HTTP/1.1\r\n" HOST "\r\n"), "414" },
    { "a line without end", STR("GET /" X50 X50), "414" },
    { "six headers", STR("GET / HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n\r\n"),
      "[GET][/][][a][Host][a][A][1][A][2][A][3][A][4][A][5] 1.1 keeps +0" },
    { "seven headers",
      STR("GET / HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\n\r\n"),
      "431" },
    { "too many bytes",
      STR("GET / HTTP/1.1\r\n" HOST "A: " X50 X50 X50 X50 X50 X50 X50 X50 "\r\n\r\n"), "431" },
    { "too many bytes and no end",
      STR("GET / HTTP/1.1\r\n" HOST "A: " X50 X50 X50 X50 X50 X50 X50 X50), "431" },
    { "half", STR("GET / HTTP/1.1\r\nHo"), "..." },
};

static void requests_are_read_strictly_at_every_split(void **state) {
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        expect(&requests[i], read_request);
}

static const struct row responses[] = {
    { "9112 4", STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
      "101[Switching Protocols][Upgrade][websocket] 1.1 keeps" },
    { "no reason", STR("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
      "200[][Content-Length][5] 1.1 keeps 5" },
    { "nor a space before it", STR("HTTP/1.1 200\r\n\r\n"), "200[] 1.1 keeps" },
    { "HTTP/1.0", STR("HTTP/1.0 404 No\r\n\r\n"), "404[No] 1.0 closes" },
    { "two digits", STR("HTTP/1.1 20\r\n\r\n"), "400" },
    { "four digits", STR("HTTP/1.1 2000\r\n\r\n"), "400" },
    { "status 099", STR("HTTP/1.1 099 x\r\n\r\n"), "400" },
    { "another version", STR("HTTP/2.0 200 x\r\n\r\n"), "505" },
    { "another protocol", STR("SSH-2.0-OpenSSH\r\n"), "400" },
    { "bare LF", STR("HTTP/1.1 200 OK\n\n"), "400" },
    { "a space before the colon", STR("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), "400" },
    { "both framings",
      STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), "400" },
};

static void responses_are_read_strictly_at_every_split(void **state) {
    for (size_t i = 0; i < sizeof responses / sizeof *responses; i++)
        expect(&responses[i], read_response);
}

static void lists_are_walked_over_all_headers_of_a_name(void **state) {
    struct http_request *r = malloc(sizeof *r);
    struct str in =
            STR("GET / HTTP/1.1\r\nHost: a\r\nx: one,, two ,\r\nX: \"a, b\\\", c\", three\r\n"
                "Y: , ,\r\n\r\n");
    const char *expected[] = { "one", "two", "\"a, b\\\", c\"", "three" };
    struct str got;
    size_t n = 0;

    assert_non_null(r);
    http_request_init(r);
    assert_int_equal(http_request_parse(r, &limits, str_bytes(in)), 1);
    struct http_list l = http_list_of(&r->head, STR("X"));
    while (http_list_next(&l, &got)) {
        assert_true(n < 4);
        assert_true(str_equal(got, str_of(expected[n])));
        n++;
    }
    assert_int_equal(n, 4);
    l = http_list_of(&r->head, STR("Y"));
    assert_int_equal(http_list_next(&l, &got), 0);
    assert_true(http_head_has_token(&r->head, STR("x"), STR("TWO")));
    assert_false(http_head_has_token(&r->head, STR("x"), STR("b")));
    assert_int_equal(http_head_count(&r->head, STR("x")), 2);
    free(r);
}

static void targets_are_decoded(void **state) {
    static const struct {
        const char *in;
        bool is_query;
        const char *expected; /* NULL: refused */
    } rows[] = {
        { "/a%20b", false, "/a b" }, { "a+b", false, "a+b" },
        { "a+b", true, "a b" },      { "%c3%A9", true, "\xc3\xa9" },
        { "%2f", false, "/" },       { "%", false, NULL },
        { "%4", false, NULL },       { "%4g", false, NULL },
        { "%00", false, NULL },      { "", false, "" },
    };
    char to[20];
    size_t len;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int r = http_percent_decode(str_of(rows[i].in), rows[i].is_query, to, sizeof to, &len);
        if (!rows[i].expected)
            assert_int_equal(r, -EINVAL);
        else if (r != 0 || !str_equal((struct str){ to, len }, str_of(rows[i].expected)))
            fail_msg("%s", rows[i].in);
    }
    assert_int_equal(http_percent_decode(STR("abc"), false, to, 2, &len), -ENOBUFS);

    struct str query = STR("a=1&bb=2=3&c&=4&a=5"), value;
    assert_int_equal(http_query_find(query, STR("a"), &value), 1);
    assert_true(str_equal(value, STR("1")));
    assert_int_equal(http_query_find(query, STR("bb"), &value), 1);
    assert_true(str_equal(value, STR("2=3")));
    assert_int_equal(http_query_find(query, STR("c"), &value), 1);
    assert_int_equal(value.len, 0);
    assert_int_equal(http_query_find(query, STR("b"), &value), 0);
}

static struct buffer read_body(struct bytes in, struct http_body body, size_t first, size_t step) {
    struct buffer out = BUFFER_INIT;
    size_t at = 0;
    int r = 0;

    while (at < in.len && r >= 0 && !body.is_done) {
        size_t n = at == 0 && first ? first : step;
        if (n > in.len - at)
            n = in.len - at;
        uint8_t *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, in.data + at, n);
        struct bytes piece, rest = bytes_of(copy, n);
        while ((r = http_body_next(&body, &rest, &piece)) > 0)
            buffer_append_bytes(&out, piece);
        at += n - rest.len;
        free(copy);
    }
    if (r < 0)
        buffer_printf(&out, "<%d>", http_status_of(r));
    else
        buffer_printf(&out, body.is_done ? "<+%zu>" : "<...>", in.len - at);
    buffer_append_byte(&out, 0);
    return out;
}

static void bodies_are_read_at_every_split(void **state) {
    static const struct {
        const char *rule;
        struct http_body body;
        struct str in;
        const char *expected;
    } rows[] = {
#define CHUNKED { .kind = HTTP_BODY_CHUNKED, .max_bytes = 20 }
        { "a length",
          { .kind = HTTP_BODY_LENGTH, .left = 5, .max_bytes = 20 },
          STR("helloGET"),
          "hello<+3>" },
        { "not all",
          { .kind = HTTP_BODY_LENGTH, .left = 5, .max_bytes = 20 },
          STR("hell"),
          "hell<...>" },
        { "until the end",
          { .kind = HTTP_BODY_UNTIL_END, .max_bytes = 20 },
          STR("hello"),
          "hello<...>" },
        { "until the limit",
          { .kind = HTTP_BODY_UNTIL_END, .max_bytes = 4 },
          STR("hello"),
          "hell<413>" },
        { "9112 7.1 chunks", CHUNKED, STR("5\r\nhello\r\n00b\r\n and world!\r\n0\r\n\r\nGET"),
          "hello and world!<+3>" },
        { "nothing", CHUNKED, STR("0\r\n\r\n"), "<+0>" },
        { "7.1.1 extensions", CHUNKED, STR("5 ;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n"), "hello<+0>" },
        { "7.1.2 trailers", CHUNKED, STR("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n"), "a<+0>" },
        { "a folded trailer", CHUNKED, STR("1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n"), "a<400>" },
        { "a bare LF after a size", CHUNKED, STR("5\nhello\r\n0\r\n\r\n"), "<400>" },
        { "a bare LF after data", CHUNKED, STR("5\r\nhello\n0\r\n\r\n"), "hello<400>" },
        { "a longer chunk than said", CHUNKED, STR("4\r\nhello\r\n0\r\n\r\n"), "hell<400>" },
        { "no size", CHUNKED, STR("\r\nhello"), "<400>" },
        { "a signed size", CHUNKED, STR("+5\r\nhello"), "<400>" },
        { "0x", CHUNKED, STR("0x5\r\nhello"), "<400>" },
        { "a control character in an extension", CHUNKED, STR("5;\x01\r\nhello"), "<400>" },
        { "over the limit", CHUNKED, STR("15\r\n012345678901234567890\r\n0\r\n\r\n"), "<413>" },
        { "over the limit in sum", CHUNKED, STR("a\r\n0123456789\r\nb\r\n"), "0123456789<413>" },
        { "a size past any", CHUNKED, STR("ffffffffffffffffffffff\r\n"), "<413>" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes in = str_bytes(rows[i].in);
        for (size_t first = 0; first <= in.len + 1; first++) {
            bool bytewise = first == in.len + 1;
            struct buffer got =
                    read_body(in, rows[i].body, bytewise ? 0 : first, bytewise ? 1 : in.len);
            if (strcmp((char *) got.data, rows[i].expected) != 0)
                fail_msg("%s, cut at %zu: %s", rows[i].rule, first, (char *) got.data);
            buffer_finish(&got);
        }
    }
}

static void an_announced_body_over_the_limit_is_refused_at_once(void **state) {
    struct http_request r = { .has_length = true, .content_length = 21 };
    struct http_body body;

    assert_int_equal(http_request_body(&r, 20, &body), -EMSGSIZE);
    assert_int_equal(http_status_of(-EMSGSIZE), 413);
    r.content_length = 20;
    assert_int_equal(http_request_body(&r, 20, &body), 0);
    r.has_length = false;
    r.content_length = 0;
    assert_int_equal(http_request_body(&r, 20, &body), 0);
    assert_true(body.is_done);
}

static void answers_are_written_and_nothing_is_injected(void **state) {
    const struct http_header good[] = { { STR("Content-Type"), STR("text/plain") } };
    struct http_answer a = {
        .status = 200, .headers = good, .header_count = 1, .body = bytes_of("hi", 2), .closes = true
    };
    struct buffer out = BUFFER_INIT;

    assert_int_equal(http_write_answer(&out, &a), 0);
    assert_true(str_equal((struct str){ (char *) out.data, out.len },
                          STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                              "Content-Type: text/plain\r\n\r\nhi")));
    buffer_reset(&out);
    a.is_head = true;
    assert_int_equal(http_write_answer(&out, &a), 0);
    assert_memory_equal(out.data + out.len - 4, "\r\n\r\n", 4);
    buffer_reset(&out);
    a = (struct http_answer){ .status = 204 };
    assert_int_equal(http_write_answer(&out, &a), 0);
    assert_true(str_equal((struct str){ (char *) out.data, out.len },
                          STR("HTTP/1.1 204 No Content\r\n\r\n")));

    const struct http_header bad[] = {
        { STR("A"), STR("b\r\nSet-Cookie: x") },
        { STR("A"), STR("b\n") },
        { STR("A"), STR("\0") },
        { STR("A:"), STR("b") },
        { STR("A b"), STR("c") },
        { STR(""), STR("c") },
    };
    buffer_reset(&out);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        a = (struct http_answer){ .status = 200, .headers = &bad[i], .header_count = 1 };
        assert_int_equal(http_write_answer(&out, &a), -EINVAL);
        assert_int_equal(http_write_request(&out, STR("GET"), STR("/"), STR("a"), &bad[i], 1),
                         -EINVAL);
    }
    assert_int_equal(http_write_request(&out, STR("GE T"), STR("/"), STR("a"), NULL, 0), -EINVAL);
    assert_int_equal(http_write_request(&out, STR("GET"), STR("/ x"), STR("a"), NULL, 0), -EINVAL);
    assert_int_equal(http_write_request(&out, STR("GET"), STR("/"), STR("a\r\nb"), NULL, 0),
                     -EINVAL);
    assert_int_equal(out.len, 0);
    assert_int_equal(http_write_request(&out, STR("GET"), STR("/x?y"), STR("a:1"), good, 1), 0);
    assert_true(
            str_equal((struct str){ (char *) out.data, out.len },
                      STR("GET /x?y HTTP/1.1\r\nHost: a:1\r\nContent-Type: text/plain\r\n\r\n")));
    buffer_finish(&out);
}

/* Eight at a time or one by one: what a value may hold does not depend on where it stands. */
static void each_character_of_a_value_is_looked_at(void **state) {
    for (size_t at = 0; at < 20; at++) {
        for (int c = 0; c < 256; c++) {
            char text[] = "GET / HTTP/1.1\r\nHost: a\r\nA: 0123456789abcdefghij\r\n\r\n";
            size_t len = sizeof text - 1;
            bool is_good = c == '\t' || (c >= ' ' && c != 0x7f);
            text[len - 4 - 20 + at] = (char) c;
            struct buffer got = read_request(bytes_of(text, len), 0, len);
            if ((strcmp((char *) got.data, "400") != 0) != is_good)
                fail_msg("character %d at %zu: %s", c, at, (char *) got.data);
            buffer_finish(&got);
        }
    }
}

static void letters_are_compared_without_case_and_nothing_else_is(void **state) {
    for (size_t at = 0; at < 11; at++) {
        for (int c = 0; c < 256; c++) {
            for (int flip = 0; flip < 256; flip += flip ? flip : 1) {
                char a[] = "Sec-Headers", b[] = "sEC-hEADERS";
                a[at] = (char) c;
                b[at] = (char) (c ^ flip);
                bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
                bool is_same = flip == 0 || (flip == 0x20 && is_letter);
                if (http_equal_nocase((struct str){ a, 11 }, (struct str){ b, 11 }) != is_same)
                    fail_msg("%d and %d at %zu", c, c ^ flip, at);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_strictly_at_every_split),
        cmocka_unit_test(responses_are_read_strictly_at_every_split),
        cmocka_unit_test(lists_are_walked_over_all_headers_of_a_name),
        cmocka_unit_test(targets_are_decoded),
        cmocka_unit_test(bodies_are_read_at_every_split),
        cmocka_unit_test(an_announced_body_over_the_limit_is_refused_at_once),
        cmocka_unit_test(answers_are_written_and_nothing_is_injected),
        cmocka_unit_test(each_character_of_a_value_is_looked_at),
        cmocka_unit_test(letters_are_compared_without_case_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
