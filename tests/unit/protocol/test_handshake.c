#include "protocol/handshake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = { .max_line = 1000, .max_head = 4000, .max_headers = 32 };

#define GET_LINE "GET /chat HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"
#define OPENING  GET_LINE UPGRADE KEY VERSION
#define ACCEPTED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define BOTH "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* The answer to a request, as it goes out. */
static struct buffer answer_to(struct str request, bool allows_deflate) {
    static const struct str spoken[] = { STR("centrifuge-json"), STR("chat") };
    const struct handshake_options o = { .subprotocols = spoken,
                                         .subprotocol_count = 2,
                                         .allows_deflate = allows_deflate };
    struct http_request *r = malloc(sizeof *r);
    struct buffer out = BUFFER_INIT;
    struct handshake h;

    assert_non_null(r);
    http_request_init(r);
    int n = http_request_parse(r, &limits, str_bytes(request));
    assert_int_equal(n, 1);
    n = handshake_check(r, &o, &h);
    if (n < 0)
        assert_int_equal(handshake_write_refusal(n, &out), 0);
    else
        assert_int_equal(handshake_write_answer(&h, NULL, 0, &out), 0);
    free(r);
    buffer_append_byte(&out, 0);
    return out;
}

struct row {
    const char *rule;
    struct str request;
    const char *expected; /* the answer's beginning: with its last line, all of it */
};

static void check(const struct row *row, bool allows_deflate) {
    struct buffer got = answer_to(row->request, allows_deflate);
    bool is_all = strncmp(row->expected, ACCEPTED, strlen(ACCEPTED)) == 0;
    if (is_all ? strcmp((char *) got.data, row->expected) != 0
               : strncmp((char *) got.data, row->expected, strlen(row->expected)) != 0)
        fail_msg("%s:\n%s\nexpected:\n%s", row->rule, (char *) got.data, row->expected);
    buffer_finish(&got);
}

static void an_opening_is_answered_or_refused(void **state) {
    static const struct row rows[] = {
        { "1.3, the example", STR(OPENING "\r\n"), ACCEPTED "\r\n" },
        { "4.2.1 names and tokens in any case",
          STR(GET_LINE "upgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\n" KEY VERSION
                       "\r\n"),
          ACCEPTED "\r\n" },
        { "4.2.1 among other upgrades",
          STR(GET_LINE "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n"),
          ACCEPTED "\r\n" },
        { "4.2.1 POST", STR("POST /chat HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"),
          "HTTP/1.1 400" },
        { "4.2.1 HTTP/1.0", STR("GET /chat HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"),
          "HTTP/1.1 400" },
        { "a body", STR(OPENING "Content-Length: 1\r\n\r\n"), "HTTP/1.1 400" },
        { "4.2.1 no Upgrade", STR(GET_LINE "Connection: Upgrade\r\n" KEY VERSION "\r\n"),
          "HTTP/1.1 400" },
        { "4.2.1 no Connection", STR(GET_LINE "Upgrade: websocket\r\n" KEY VERSION "\r\n"),
          "HTTP/1.1 400" },
        { "4.2.1 no key", STR(GET_LINE UPGRADE VERSION "\r\n"), "HTTP/1.1 400" },
        { "4.2.1 two keys", STR(OPENING KEY "\r\n"), "HTTP/1.1 400" },
        { "4.2.1 a key of 15 bytes",
          STR(GET_LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n"),
          "HTTP/1.1 400" },
        { "4.2.1 a key of 17 bytes",
          STR(GET_LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWE=\r\n\r\n"),
          "HTTP/1.1 400" },
        { "4.2.1 a key that is not base64",
          STR(GET_LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25!ZQ==\r\n\r\n"),
          "HTTP/1.1 400" },
        { "4.4 another version", STR(GET_LINE UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n"),
          "HTTP/1.1 426 Upgrade Required\r\n" },
        { "4.4 a list of versions",
          STR(GET_LINE UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"), "HTTP/1.1 426" },
        { "4.4 no version", STR(GET_LINE UPGRADE KEY "\r\n"), "HTTP/1.1 426" },
        { "4.2.1 two versions", STR(OPENING VERSION "\r\n"), "HTTP/1.1 400" },
        { "1.9 a subprotocol", STR(OPENING "Sec-WebSocket-Protocol: chat\r\n\r\n"),
          ACCEPTED "Sec-WebSocket-Protocol: chat\r\n\r\n" },
        { "1.9 the first of the client's",
          STR(OPENING "Sec-WebSocket-Protocol: x, chat\r\n"
                      "Sec-WebSocket-Protocol: centrifuge-json\r\n\r\n"),
          ACCEPTED "Sec-WebSocket-Protocol: chat\r\n\r\n" },
        { "1.9 none that we speak", STR(OPENING "Sec-WebSocket-Protocol: x\r\n\r\n"),
          ACCEPTED "\r\n" },
        { "an empty one, as centrifuge-python sends it",
          STR(OPENING "Sec-WebSocket-Protocol: \r\n\r\n"), ACCEPTED "\r\n" },
        { "4.1 not a token", STR(OPENING "Sec-WebSocket-Protocol: a b\r\n\r\n"), "HTTP/1.1 400" },
        { "9.1 an offer while it is off",
          STR(OPENING "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), ACCEPTED "\r\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i], false);
}

static void a_refused_version_is_told_which_would_do(void **state) {
    struct buffer got =
            answer_to(STR(GET_LINE UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n"), false);
    assert_non_null(strstr((char *) got.data, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr((char *) got.data, "\r\nConnection: close\r\n"));
    buffer_finish(&got);
}

static void offers_of_compression_are_judged(void **state) {
#define OFFER(text) STR(OPENING "Sec-WebSocket-Extensions: " text "\r\n\r\n")
#define TAKEN       ACCEPTED "Sec-WebSocket-Extensions: " BOTH "\r\n\r\n"
#define LIMITED(n)                                                                                 \
    ACCEPTED "Sec-WebSocket-Extensions: " BOTH "; server_max_window_bits=" n "\r\n\r\n"
#define DECLINED ACCEPTED "\r\n"
    static const struct row rows[] = {
        { "7692 7.1", OFFER("permessage-deflate"), TAKEN },
        { "in another case", OFFER("PerMessage-Deflate"), TAKEN },
        { "what browsers send", OFFER("permessage-deflate; client_max_window_bits"), TAKEN },
        { "7.1.1 no takeover", OFFER(BOTH), TAKEN },
        { "7.1.2.1 a window", OFFER("permessage-deflate; server_max_window_bits=10"),
          LIMITED("10") },
        { "7.1.2.1 quoted", OFFER("permessage-deflate; server_max_window_bits=\"15\""),
          LIMITED("15") },
        { "7.1.2.1 9", OFFER("permessage-deflate;server_max_window_bits=9"), LIMITED("9") },
        { "8 is more than zlib can", OFFER("permessage-deflate; server_max_window_bits=8"),
          DECLINED },
        { "7.1.2.1 7", OFFER("permessage-deflate; server_max_window_bits=7"), DECLINED },
        { "7.1.2.1 16", OFFER("permessage-deflate; server_max_window_bits=16"), DECLINED },
        { "7.1.2.1 09", OFFER("permessage-deflate; server_max_window_bits=09"), DECLINED },
        { "7.1.2.1 no value", OFFER("permessage-deflate; server_max_window_bits"), DECLINED },
        { "7.1.2.2 a window of the client", OFFER("permessage-deflate; client_max_window_bits=8"),
          TAKEN },
        { "7.1.2.2 a bad one", OFFER("permessage-deflate; client_max_window_bits=16"), DECLINED },
        { "7.1 a value where none belongs",
          OFFER("permessage-deflate; server_no_context_takeover=1"), DECLINED },
        { "7.1 an unknown parameter", OFFER("permessage-deflate; x"), DECLINED },
        { "7.1 a parameter twice",
          OFFER("permessage-deflate; client_no_context_takeover; client_no_context_takeover"),
          DECLINED },
        { "7.1 the other twice",
          OFFER("permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
          DECLINED },
        { "7.1 a window twice",
          OFFER("permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"),
          DECLINED },
        { "5.1 the second offer is better", OFFER("permessage-deflate; x, permessage-deflate"),
          TAKEN },
        { "5.1 only one is taken", OFFER("permessage-deflate, permessage-deflate"), TAKEN },
        { "5.1 the first that can be kept",
          OFFER("permessage-deflate; server_max_window_bits=11, permessage-deflate"),
          LIMITED("11") },
        { "another extension", OFFER("x-webkit-deflate-frame"), DECLINED },
        { "beside another", OFFER("foo; a=\"b, c\", permessage-deflate"), TAKEN },
        { "malformed: no parameter", OFFER("permessage-deflate;"), DECLINED },
        { "malformed: no semicolon", OFFER("permessage-deflate x"), DECLINED },
        { "malformed: no value", OFFER("permessage-deflate; server_max_window_bits="), DECLINED },
        { "malformed: an open quote", OFFER("permessage-deflate; server_max_window_bits=\"9"),
          DECLINED },
        { "malformed: =", OFFER("permessage-deflate; =9"), DECLINED },
        { "nothing", OFFER(""), DECLINED },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i], true);
}

static const uint8_t key[] = "the sample nonce";

static void a_client_writes_an_opening_that_a_server_takes(void **state) {
    static const struct str spoken[] = { STR("x"), STR("chat") };
    const struct handshake_options o = { .subprotocols = spoken,
                                         .subprotocol_count = 2,
                                         .allows_deflate = true };
    const struct http_header more[] = { { STR("Origin"), STR("http://a") } };
    struct buffer out = BUFFER_INIT;

    assert_int_equal(handshake_write_request(STR("a:1"), STR("/c"), key, &o, more, 1, &out), 0);
    struct buffer got = answer_to((struct str){ (char *) out.data, out.len }, true);
    assert_string_equal((char *) got.data,
                        ACCEPTED "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: " BOTH
                                 "\r\n\r\n");
    assert_int_equal(handshake_write_request(STR("a:1"), STR("/c d"), key, &o, NULL, 0, &out),
                     -EINVAL);
    buffer_finish(&got);
    buffer_finish(&out);
}

static void a_client_judges_the_answer(void **state) {
    static const struct {
        const char *rule;
        struct str answer;
        int expected;
    } rows[] = {
#define EXT(text) STR(ACCEPTED "Sec-WebSocket-Extensions: " text "\r\n\r\n")
        { "4.1", STR(ACCEPTED "\r\n"), 0 },
        { "4.1 a status", STR("HTTP/1.1 200 OK\r\n\r\n"), -ECONNREFUSED },
        { "4.1 no Upgrade",
          STR("HTTP/1.1 101 x\r\nConnection: upgrade\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
          -EBADMSG },
        { "4.1 no Connection",
          STR("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
          -EBADMSG },
        { "4.1 no Accept", STR("HTTP/1.1 101 x\r\n" UPGRADE "\r\n"), -EBADMSG },
        { "4.1 another Accept",
          STR("HTTP/1.1 101 x\r\n" UPGRADE
              "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
          -EBADMSG },
        { "4.1 two Accepts",
          STR(ACCEPTED "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), -EBADMSG },
        { "4.1 a subprotocol", STR(ACCEPTED "Sec-WebSocket-Protocol: chat\r\n\r\n"), 0 },
        { "4.1 one not asked for", STR(ACCEPTED "Sec-WebSocket-Protocol: x\r\n\r\n"), -EBADMSG },
        { "7692 7.1", EXT("permessage-deflate; server_no_context_takeover"), 0 },
        { "7692 7.1.1.1 context kept", EXT("permessage-deflate"), -EBADMSG },
        { "7692 7.1.2.1 the server's window",
          EXT("permessage-deflate; server_no_context_takeover; server_max_window_bits=8"), 0 },
        { "7692 7.1.2.2 a window we did not offer",
          EXT("permessage-deflate; server_no_context_takeover; client_max_window_bits=10"),
          -EBADMSG },
        { "7692 7.1.2.2 nor without a value",
          EXT("permessage-deflate; server_no_context_takeover; client_max_window_bits"), -EBADMSG },
        { "4.1 another extension", EXT("x"), -EBADMSG },
        { "twice", EXT(BOTH ", " BOTH), -EBADMSG },
    };
    static const struct str spoken[] = { STR("chat") };
    const struct handshake_options o = { .subprotocols = spoken,
                                         .subprotocol_count = 1,
                                         .allows_deflate = true };
    struct http_response *r = malloc(sizeof *r);

    assert_non_null(r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct handshake h;
        http_response_init(r);
        int n = http_response_parse(r, &limits, str_bytes(rows[i].answer));
        assert_int_equal(n, 1);
        n = handshake_check_answer(r, key, &o, &h);
        if (n != rows[i].expected)
            fail_msg("%s: %d", rows[i].rule, n);
    }
    free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opening_is_answered_or_refused),
        cmocka_unit_test(a_refused_version_is_told_which_would_do),
        cmocka_unit_test(offers_of_compression_are_judged),
        cmocka_unit_test(a_client_writes_an_opening_that_a_server_takes),
        cmocka_unit_test(a_client_judges_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
