#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "async/base.h"
#include "daemon/wire.h"
#include "protocol/deflate.h"

static const struct push news = {
    .kind = PUSH_PUBLICATION,
    .channel = { "c", 1 },
    .publication = { .data = { (const uint8_t *) "{}", 2 } },
};

static void expect(const struct buffer *out, struct bytes wanted) {
    assert_int_equal(buffer_error(out), 0);
    if (!bytes_equal(buffer_bytes(out), wanted))
        fail_msg("%.*s, not %.*s", (int) out->len, (const char *) out->data, (int) wanted.len,
                 (const char *) wanted.data);
}

#define EXPECT(out, text) expect((out), bytes_of(("" text), sizeof(text) - 1))

/* Of a push, encoded once for whoever has that format. */
static void a_push_is_framed_as_its_transport_wants(void **state) {
    struct wire w;
    struct buffer out = BUFFER_INIT;
    assert_int_equal(wire_init(&w), 0);

    assert_int_equal(wire_append_push(&w, WIRE_JSON, &news, &out), 0);
    EXPECT(&out, "\x81\x2a{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{}}}}");
    buffer_reset(&out);
    assert_int_equal(wire_append_push(&w, WIRE_STREAM_JSON, &news, &out), 0);
    EXPECT(&out, "2b\r\n{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{}}}}\n\r\n");
    buffer_reset(&out);
    assert_int_equal(wire_append_push(&w, WIRE_SSE_JSON, &news, &out), 0);
    EXPECT(&out, "32\r\ndata: {\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{}}}}\n\n\r\n");

    buffer_finish(&out);
    wire_finish(&w);
}

/* Reply{push: Push{channel: "c", pub: Publication{data: "{}"}}} */
#define PROTOBUF                                                                                   \
    "\x0b\x22\x09\x12\x01"                                                                         \
    "c\x22\x04\x22\x02{}"

static void protobuf_goes_in_binary_frames_and_in_chunks_without_ends_of_lines(void **state) {
    struct wire w;
    struct buffer out = BUFFER_INIT;
    assert_int_equal(wire_init(&w), 0);

    assert_int_equal(wire_append_push(&w, WIRE_PROTOBUF, &news, &out), 0);
    EXPECT(&out, "\x82\x0c" PROTOBUF);
    buffer_reset(&out);
    assert_int_equal(wire_append_push(&w, WIRE_STREAM_PROTOBUF, &news, &out), 0);
    EXPECT(&out, "c\r\n" PROTOBUF "\r\n");

    buffer_finish(&out);
    wire_finish(&w);
}

static void who_only_listens_gets_bare_pushes(void **state) {
    struct wire w;
    struct buffer out = BUFFER_INIT;
    assert_int_equal(wire_init(&w), 0);

    assert_int_equal(wire_append_push(&w, WIRE_UNI_JSON, &news, &out), 0);
    EXPECT(&out, "\x81\x21{\"channel\":\"c\",\"pub\":{\"data\":{}}}");
    buffer_reset(&out);
    assert_int_equal(wire_append_push(&w, WIRE_UNI_STREAM_JSON, &news, &out), 0);
    EXPECT(&out, "22\r\n{\"channel\":\"c\",\"pub\":{\"data\":{}}}\n\r\n");
    buffer_reset(&out);
    assert_int_equal(wire_append_push(&w, WIRE_UNI_SSE_JSON, &news, &out), 0);
    EXPECT(&out, "29\r\ndata: {\"channel\":\"c\",\"pub\":{\"data\":{}}}\n\n\r\n");

    buffer_finish(&out);
    wire_finish(&w);
}

static void a_connect_reply_is_a_push_for_who_only_listens_and_others_are_nothing(void **state) {
    struct wire w;
    struct buffer out = BUFFER_INIT;
    struct reply connected = { .kind = REPLY_CONNECT,
                               .id = 1,
                               .connect = { .client = STR("me"), .version = STR("1") } };
    struct reply published = { .kind = REPLY_PUBLISH, .id = 2 };
    assert_int_equal(wire_init(&w), 0);

    assert_int_equal(wire_append_reply(&w, WIRE_UNI_STREAM_JSON, &connected, &out), 0);
    EXPECT(&out, "2a\r\n{\"connect\":{\"client\":\"me\",\"version\":\"1\"}}\n\r\n");
    buffer_reset(&out);
    assert_int_equal(wire_append_reply(&w, WIRE_UNI_JSON, &published, &out), 0);
    assert_int_equal(out.len, 0);

    buffer_finish(&out);
    wire_finish(&w);
}

static void pings_are_the_empty_message_everywhere(void **state) {
    static const struct {
        enum wire_format format;
        struct bytes wanted;
    } cases[] = {
        { WIRE_JSON, { (const uint8_t *) "\x81\x02{}", 4 } },
        { WIRE_PROTOBUF, { (const uint8_t *) "\x82\x01\0", 3 } },
        { WIRE_STREAM_JSON, { (const uint8_t *) "3\r\n{}\n\r\n", 8 } },
        { WIRE_STREAM_PROTOBUF, { (const uint8_t *) "1\r\n\0\r\n", 6 } },
        { WIRE_SSE_JSON, { (const uint8_t *) "a\r\ndata: {}\n\n\r\n", 15 } },
        { WIRE_UNI_JSON, { (const uint8_t *) "\x81\x02{}", 4 } },
        { WIRE_UNI_STREAM_JSON, { (const uint8_t *) "3\r\n{}\n\r\n", 8 } },
        { WIRE_UNI_SSE_JSON, { (const uint8_t *) "a\r\ndata: {}\n\n\r\n", 15 } },
    };
    struct wire w;
    struct buffer out = BUFFER_INIT;
    assert_int_equal(wire_init(&w), 0);

    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        buffer_reset(&out);
        assert_int_equal(
                wire_append_reply(&w, cases[i].format, &(struct reply){ .kind = REPLY_PING }, &out),
                0);
        expect(&out, cases[i].wanted);
    }
    buffer_reset(&out);
    wire_append_ping(&w, &out);
    EXPECT(&out, "\x89\0");

    buffer_finish(&out);
    wire_finish(&w);
}

static void a_body_ends_with_the_empty_chunk_and_a_websocket_has_none(void **state) {
    struct buffer out = BUFFER_INIT;

    wire_append_end(WIRE_JSON, &out);
    wire_append_end(WIRE_UNI_JSON, &out);
    assert_int_equal(out.len, 0);
    wire_append_end(WIRE_SSE_JSON, &out);
    EXPECT(&out, "0\r\n\r\n");
    buffer_finish(&out);
}

static void what_is_long_is_compressed_in_either_encoding(void **state) {
    struct wire w;
    struct buffer out = BUFFER_INIT;
    char text[4096];
    struct push push = news;
    static const enum wire_format formats[] = { WIRE_JSON_DEFLATED, WIRE_PROTOBUF_DEFLATED };

    memset(text, '1', sizeof text);
    push.publication.data = bytes_of(text, sizeof text);
    assert_int_equal(wire_init(&w), 0);
    for (size_t i = 0; i < ELEMENTS_OF(formats); i++) {
        buffer_reset(&out);
        assert_int_equal(wire_append_push(&w, formats[i], &push, &out), 0);
        assert_true(out.len < 200);
        assert_int_equal(out.data[0], 0xc0 | (i == 0 ? FRAME_TEXT : FRAME_BINARY));
    }
    buffer_finish(&out);
    wire_finish(&w);
}

static void every_format_says_what_it_is(void **state) {
    for (int f = 0; f < WIRE_FORMATS; f++) {
        const struct wire_traits *t = wire_traits((enum wire_format) f);
        assert_non_null(t->codec);
        assert_true(t->transport.len > 0);
        assert_false(t->is_websocket && t->is_event);
        assert_int_equal(wire_is_emulated((enum wire_format) f),
                         !t->is_websocket && !t->is_unidirectional);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_is_framed_as_its_transport_wants),
        cmocka_unit_test(protobuf_goes_in_binary_frames_and_in_chunks_without_ends_of_lines),
        cmocka_unit_test(who_only_listens_gets_bare_pushes),
        cmocka_unit_test(a_connect_reply_is_a_push_for_who_only_listens_and_others_are_nothing),
        cmocka_unit_test(pings_are_the_empty_message_everywhere),
        cmocka_unit_test(a_body_ends_with_the_empty_chunk_and_a_websocket_has_none),
        cmocka_unit_test(what_is_long_is_compressed_in_either_encoding),
        cmocka_unit_test(every_format_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
