#include "protocol/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/deflate.h"

/* What a decoder says to an input, as text: "text(hi) ping() close(1000,bye)", and an error's code.
 */
struct story {
    enum frame_role role;
    bool is_deflated;
    struct frame_limits limits;
};

static void tell(struct buffer *out, const struct frame_event *ev) {
    const char *name = ev->opcode == FRAME_TEXT     ? "text"
                       : ev->opcode == FRAME_BINARY ? "binary"
                       : ev->opcode == FRAME_PING   ? "ping"
                       : ev->opcode == FRAME_PONG   ? "pong"
                                                    : "close";
    buffer_printf(out, "%s%s(", ev->was_deflated ? "deflated " : "", name);
    if (ev->opcode == FRAME_CLOSE)
        buffer_printf(out, "%u,", ev->close_code);
    if (ev->payload.len > 60)
        buffer_printf(out, "%zu bytes", ev->payload.len);
    else
        buffer_append_bytes(out, ev->payload);
    buffer_append_str(out, STR(") "));
}

static int feed(const struct story *s, struct frame_pool *pool, struct frame_decoder *d,
                struct bytes piece, struct buffer *out) {
    struct frame_event ev;
    int r;

    /* A copy of exactly that size, gone afterwards: nothing may be read past it or referred to
     * later. */
    uint8_t *copy = malloc(piece.len ? piece.len : 1);
    assert_non_null(copy);
    if (piece.len)
        memcpy(copy, piece.data, piece.len);
    struct bytes in = bytes_of(copy, piece.len);
    while ((r = frame_next(d, pool, &s->limits, &in, &ev)) > 0)
        tell(out, &ev);
    if (r == 0)
        assert_int_equal(in.len, 0);
    free(copy);
    return r;
}

/* step: bytes at a time; first: of the first piece only. */
static struct buffer story_of(const struct story *s, struct bytes in, size_t first, size_t step) {
    struct frame_pool *pool = frame_pool_new(2);
    struct frame_decoder d;
    struct buffer out = BUFFER_INIT;
    int r = 0;

    assert_non_null(pool);
    frame_decoder_init(&d, s->role, s->is_deflated);
    for (size_t at = 0; at < in.len && r == 0;) {
        size_t n = at == 0 && first ? first : step;
        if (n > in.len - at)
            n = in.len - at;
        r = feed(s, pool, &d, bytes_of(in.data + at, n), &out);
        at += n;
    }
    if (r < 0)
        buffer_printf(&out, "%u", frame_close_code_of(r));
    else if (!frame_decoder_is_idle(&d))
        buffer_append_str(&out, STR("..."));
    assert_int_equal(frame_pool_lent(pool), r == 0 && !frame_decoder_is_idle(&d));
    frame_decoder_finish(&d);
    frame_pool_free(pool);
    buffer_append_byte(&out, 0);
    return out;
}

static void expect(const char *why, const struct story *s, struct bytes in, const char *expected) {
    size_t splits = in.len < 400 ? in.len : 400;

    for (size_t first = 0; first <= splits + 1; first++) {
        size_t step = first == splits + 1 ? 1 : in.len;
        struct buffer got = story_of(s, in, first > splits ? 0 : first, step);
        bool is_same = strcmp((const char *) got.data, expected) == 0;
        if (!is_same)
            print_error("%s, cut at %zu:\n  got      %s\n  expected %s\n", why, first,
                        (const char *) got.data, expected);
        buffer_finish(&got);
        assert_true(is_same);
    }
}

struct row {
    const char *rule;
    struct str in;
    const char *expected;
};

#define M       "\0\0\0\0" /* a mask that changes nothing */
#define TEN     "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define M2      "\x01\x02\x03\x04" /* one that does */

static const struct row plain_rows[] = {
    { "5.6 a text", STR("\x81\x82" M "hi"), "text(hi) " },
    { "5.6 a binary", STR("\x82\x82" M "\xff\xfe"), "binary(\xff\xfe) " },
    { "5.3 unmasking", STR("\x81\x85" M2 "igohn"), "text(hello) " },
    { "an empty text", STR("\x81\x80" M), "text() " },
    { "an empty text, masked by something", STR("\x81\x80" M2), "text() " },
    { "several in one read", STR("\x81\x81" M "a\x89\x81" M "b\x81\x81" M "c"),
      "text(a) ping(b) text(c) " },
    { "5.2 half a header", STR("\x81"), "..." },
    { "5.2 header without its payload", STR("\x81\x82" M), "..." },
    { "5.4 two fragments", STR("\x01\x82" M "he\x80\x83" M "llo"), "text(hello) " },
    { "5.4 empty fragments", STR("\x01\x80" M "\x00\x80" M "\x80\x82" M "hi"), "text(hi) " },
    { "5.4 all fragments empty", STR("\x01\x80" M "\x80\x80" M), "text() " },
    { "5.4 the last is empty", STR("\x01\x82" M "hi\x80\x80" M), "text(hi) " },
    { "5.4 a ping in the midst", STR("\x01\x82" M "he\x89\x81" M "p\x80\x83" M "llo"),
      "ping(p) text(hello) " },
    { "5.4 an empty ping in the midst", STR("\x02\x82" M "he\x89\x80" M "\x80\x83" M "llo"),
      "ping() binary(hello) " },
    { "5.4 a close in the midst", STR("\x01\x82" M "he\x88\x82" M "\x03\xe8"), "close(1000,) " },
    { "5.4 unfinished", STR("\x01\x82" M "he"), "..." },
    { "5.4 a continuation of nothing", STR("\x80\x82" M "he"), "1002" },
    { "5.4 a continuation of nothing, not the last", STR("\x00\x82" M "he"), "1002" },
    { "5.4 a continuation after the end", STR("\x81\x82" M "hi\x80\x82" M "he"), "text(hi) 1002" },
    { "5.4 a text inside a text", STR("\x01\x82" M "he\x81\x83" M "llo"), "1002" },
    { "5.4 a binary inside a text", STR("\x01\x82" M "he\x02\x83" M "llo"), "1002" },
    { "5.2 RSV1", STR("\xc1\x82" M "hi"), "1002" },
    { "5.2 RSV2", STR("\xa1\x82" M "hi"), "1002" },
    { "5.2 RSV3", STR("\x91\x82" M "hi"), "1002" },
    { "5.2 RSV in a ping", STR("\x99\x80" M), "1002" },
    { "5.2 RSV in a close", STR("\xc8\x80" M), "1002" },
    { "5.2 opcode 3", STR("\x83\x80" M), "1002" },
    { "5.2 opcode 4", STR("\x84\x81" M "a"), "1002" },
    { "5.2 opcode 5", STR("\x85\x80" M), "1002" },
    { "5.2 opcode 6", STR("\x86\x80" M), "1002" },
    { "5.2 opcode 7", STR("\x87\x80" M), "1002" },
    { "5.2 opcode 11", STR("\x8b\x80" M), "1002" },
    { "5.2 opcode 12", STR("\x8c\x81" M "a"), "1002" },
    { "5.2 opcode 13", STR("\x8d\x80" M), "1002" },
    { "5.2 opcode 14", STR("\x8e\x80" M), "1002" },
    { "5.2 opcode 15", STR("\x8f\x80" M), "1002" },
    { "5.1 a server is sent no unmasked frame", STR("\x81\x02hi"), "1002" },
    { "5.1 nor an empty one", STR("\x81\x00"), "1002" },
    { "5.2 length 125 in two bytes", STR("\x82\xfe\x00\x7d" M), "1002" },
    { "5.2 length 126 in eight bytes", STR("\x82\xff\0\0\0\0\0\0\0\x7e" M), "1002" },
    { "5.2 length 1 in two bytes, and all of it", STR("\x82\xfe\x00\x01" M "a"), "1002" },
    { "5.2 length 126 in eight bytes, and all of it",
      STR("\x82\xff\0\0\0\0\0\0\0\x7e" M HUNDRED "12345678901234567890123456"), "1002" },
    { "5.2 the top bit of a length", STR("\x82\xff\x80\0\0\0\0\0\0\0" M), "1002" },
    { "5.5 a fragmented ping", STR("\x09\x81" M "a"), "1002" },
    { "5.5 a fragmented close", STR("\x08\x80" M), "1002" },
    { "5.5 a ping of 126", STR("\x89\xfe\x00\x7e" M), "1002" },
    { "5.2 a continuation, whole, and RSV1", STR("\xc0\x81" M "a"), "1002" },
    { "5.5 a ping of 126, and all of it",
      STR("\x89\xfe\x00\x7e" M HUNDRED "12345678901234567890123456"), "1002" },
    { "5.3 unmasking more than a word at a time",
      STR("\x81\x8b" M2 "\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30"), "text(12341234123) " },
    { "5.2 length 126 in two bytes",
      STR("\x82\xfe\x00\x7e" M HUNDRED "12345678901234567890123456\x89\x80" M),
      "binary(126 bytes) ping() " },
    { "5.5 a pong", STR("\x8a\x83" M "abc"), "pong(abc) " },
    { "5.5.1 a close without a code", STR("\x88\x80" M), "close(1005,) " },
    { "5.5.1 half a code", STR("\x88\x81" M "\x03"), "1002" },
    { "5.5.1 half a code, and behind it what would complete it", STR("\x88\x81" M "\x03\xe8"),
      "1002" },
    { "5.5.1 a reason",
      STR("\x88\x85" M "\x03\xe8"
          "bye"),
      "close(1000,bye) " },
    { "5.5.1 a reason that is not UTF-8", STR("\x88\x84" M "\x03\xe8\xc3\x28"), "1007" },
    { "5.5.1 a reason that is cut", STR("\x88\x83" M "\x03\xe8\xc3"), "1007" },
    { "5.5.1 nothing counts after a close", STR("\x88\x82" M "\x03\xe8\xff\xff\xff"),
      "close(1000,) " },
    { "8.1 UTF-8", STR("\x81\x83" M "\xe2\x82\xac"), "text(\xe2\x82\xac) " },
    { "8.1 a character over two fragments", STR("\x01\x81" M "\xe2\x80\x82" M "\x82\xac"),
      "text(\xe2\x82\xac) " },
    { "8.1 a bad byte",
      STR("\x81\x83" M "a\xff"
          "b"),
      "1007" },
    { "8.1 a bad byte is refused before its frame is whole", STR("\x81\x8a" M "a\xff"), "1007" },
    { "8.1 and before its message is", STR("\x01\x82" M "a\xed\x00\x85" M "\xa0"), "1007" },
    { "8.1 a message that ends inside a character", STR("\x81\x82" M "\xe2\x82"), "1007" },
    { "8.1 the same in fragments", STR("\x01\x82" M "\xe2\x82\x80\x80" M), "1007" },
    { "8.1 binaries are anything", STR("\x02\x82" M "a\xed\x80\x82" M "\xa0\xff"),
      "binary(a\xed\xa0\xff) " },
    { "10.4 a limit, seen in the header", STR("\x82\xfe\x04\x01" M), "1009" },
    { "10.4 in one that announces very much", STR("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M),
      "1009" },
    { "10.4 over fragments", STR("\x02\x82" M "ab\x80\xfe\x03\xff" M), "1009" },
};

static const struct story server = { .role = FRAME_SERVER, .limits = { .max_message = 1024 } };

static void every_rule_of_rfc_6455_is_kept_at_every_split(void **state) {
    for (size_t i = 0; i < sizeof plain_rows / sizeof *plain_rows; i++)
        expect(plain_rows[i].rule, &server, str_bytes(plain_rows[i].in), plain_rows[i].expected);
}

static void a_client_refuses_masks(void **state) {
    const struct story client = { .role = FRAME_CLIENT, .limits = { .max_message = 1024 } };

    expect("5.1", &client, str_bytes(STR("\x81\x02hi")), "text(hi) ");
    expect("5.1", &client, str_bytes(STR("\x81\x00")), "text() ");
    expect("5.1", &client, str_bytes(STR("\x81\x82" M "hi")), "1002");
    expect("5.1", &client, str_bytes(STR("\x81\x80" M)), "1002");
    expect("10.4", &client, str_bytes(STR("\x82\x7e\x04\x01")), "1009");
}

static void deflated_messages_come_out_inflated(void **state) {
    static const struct row rows[] = {
        { "RFC 7692 7.2.3.1", STR("\xc1\x87" M "\xf2\x48\xcd\xc9\xc9\x07\x00"),
          "deflated text(Hello) " },
        { "in fragments, RSV1 in the first",
          STR("\x41\x83" M "\xf2\x48\xcd\x80\x84" M "\xc9\xc9\x07\x00"), "deflated text(Hello) " },
        { "with a ping between",
          STR("\x42\x83" M "\xf2\x48\xcd\x89\x80" M "\x80\x84" M "\xc9\xc9\x07\x00"),
          "ping() deflated binary(Hello) " },
        { "a plain one beside it", STR("\x81\x82" M "hi"), "text(hi) " },
        { "6: RSV1 in a continuation", STR("\x01\x81" M "a\xc0\x81" M "b"), "1002" },
        { "6: RSV1 in a ping", STR("\xc9\x80" M), "1002" },
        { "RSV2 beside it", STR("\xe1\x80" M), "1002" },
        { "not deflated at all", STR("\xc1\x85" M "Hello"), "1007" },
        { "UTF-8 is looked at after inflating",
          STR("\xc1\x88" M "\x00\x02\x00\xfd\xff\xc3\x28\x00"), "1007" },
        { "a binary may hold that", STR("\xc2\x88" M "\x00\x02\x00\xfd\xff\xc3\x28\x00"),
          "deflated binary(\xc3\x28) " },
        { "an empty one", STR("\xc1\x81" M "\x00"), "deflated text() " },
    };
    const struct story s = { .role = FRAME_SERVER,
                             .is_deflated = true,
                             .limits = { .max_message = 1024 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].rule, &s, str_bytes(rows[i].in), rows[i].expected);
}

static void an_inflated_message_has_a_limit_of_its_own(void **state) {
    struct story s = { .role = FRAME_SERVER,
                       .is_deflated = true,
                       .limits = { .max_message = 100 } };
    struct deflater *deflater = deflater_new();
    struct frame_pool *pool = frame_pool_new(1);
    struct buffer packed = BUFFER_INIT, in = BUFFER_INIT;
    uint8_t zeros[1000] = { 0 };

    assert_int_equal(deflater_message(deflater, 12, bytes_of(zeros, sizeof zeros), &packed), 1);
    const struct frame f = { .opcode = FRAME_BINARY, .is_deflated = true, .mask = zeros };
    frame_encode(&f, buffer_bytes(&packed), &in);
    expect("ten times the other", &s, buffer_bytes(&in), "deflated binary(1000 bytes) ");
    s.limits.max_inflated = 999;
    expect("given", &s, buffer_bytes(&in), "1009");

    buffer_finish(&packed);
    buffer_finish(&in);
    deflater_free(deflater);
    frame_pool_free(pool);
}

static void close_codes_are_those_of_section_7_4(void **state) {
    for (unsigned code = 0; code < 65536; code++) {
        bool is_valid =
                (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                (code >= 3000 && code <= 4999);
        if (frame_close_code_is_valid(code) != is_valid)
            fail_msg("%u", code);
    }
    for (unsigned code = 990; code < 1020; code++) {
        const uint8_t in[] = { 0x88, 0x82, 0, 0, 0, 0, (uint8_t) (code >> 8), (uint8_t) code };
        struct buffer got = story_of(&server, bytes_of(in, sizeof in), 0, sizeof in);
        if ((strcmp((char *) got.data, "1002") == 0) == frame_close_code_is_valid(code))
            fail_msg("%u: %s", code, (char *) got.data);
        buffer_finish(&got);
    }
}

/* Around the sizes at which a header grows, and those at which wslay's own buffer is full. */
static const size_t sizes[] = {
    0,    1,    124,  125,  126,  127,  128,  4070, 4080,  4081,  4082,
    4083, 4088, 4089, 4090, 4095, 4096, 4097, 8192, 65535, 65536, 65537
};

static void what_one_end_encodes_the_other_decodes(void **state) {
    static const uint8_t key[] = { 0x12, 0xfe, 0x80, 0x7f };
    struct frame_pool *pool = frame_pool_new(4);
    const struct frame_limits limits = { .max_message = 100000 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *payload = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            payload[k] = (uint8_t) (k * 7);

        for (int role = FRAME_SERVER; role <= FRAME_CLIENT; role++) {
            const struct frame f = { .opcode = FRAME_BINARY,
                                     .mask = role == FRAME_SERVER ? key : NULL };
            struct buffer wire = BUFFER_INIT;
            /* Three of them, so that the second begins inside a read of wslay's. */
            for (int n = 0; n < 3; n++)
                frame_encode(&f, bytes_of(payload, sizes[i]), &wire);
            assert_int_equal(buffer_error(&wire), 0);

            struct frame_decoder d;
            frame_decoder_init(&d, (enum frame_role) role, false);
            for (size_t step = 1; step < 200000; step = step * 3 + 1) {
                size_t at = 0, seen = 0;
                while (at < wire.len) {
                    size_t n = step < wire.len - at ? step : wire.len - at;
                    struct bytes in = bytes_of(wire.data + at, n);
                    struct frame_event ev;
                    int r;
                    while ((r = frame_next(&d, pool, &limits, &in, &ev)) > 0) {
                        assert_int_equal(ev.opcode, FRAME_BINARY);
                        assert_true(bytes_equal(ev.payload, bytes_of(payload, sizes[i])));
                        seen++;
                    }
                    assert_int_equal(r, 0);
                    at += n;
                }
                assert_int_equal(seen, 3);
                assert_int_equal(frame_pool_lent(pool), 0);
            }
            frame_decoder_finish(&d);
            buffer_finish(&wire);
        }
        free(payload);
    }
    frame_pool_free(pool);
}

static void headers_and_frames_written_in_place_are_the_same_bytes(void **state) {
    struct frame_pool *pool = frame_pool_new(0);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *payload = calloc(1, sizes[i] + 1);
        uint8_t header[FRAME_HEADER_MAX];
        struct buffer whole = BUFFER_INIT, placed = BUFFER_INIT;
        const struct frame f = { .opcode = FRAME_TEXT, .is_deflated = true };

        frame_encode(&f, bytes_of(payload, sizes[i]), &whole);
        size_t len = frame_header(&f, sizes[i], header);
        assert_int_equal(len, sizes[i] > 65535 ? 10 : sizes[i] > 125 ? 4 : 2);
        assert_int_equal(whole.len, len + sizes[i]);
        assert_memory_equal(whole.data, header, len);

        buffer_append_str(&placed, STR("before"));
        size_t opened = frame_open(&placed);
        buffer_append(&placed, payload, sizes[i]);
        frame_shut(&f, &placed, opened);
        assert_int_equal(placed.len, 6 + whole.len);
        assert_memory_equal(placed.data + 6, whole.data, whole.len);

        buffer_finish(&whole);
        buffer_finish(&placed);
        free(payload);
    }
    frame_pool_free(pool);
}

static void a_close_frame_holds_what_fits_of_its_reason(void **state) {
    struct frame_pool *pool = frame_pool_new(0);
    struct buffer out = BUFFER_INIT;
    char reason[200];

    frame_encode_close(FRAME_CLOSE_NONE, STR("unheard"), NULL, &out);
    assert_int_equal(out.len, 2);
    buffer_reset(&out);
    frame_encode_close(3000, STR("bye"), NULL, &out);
    assert_int_equal(out.len, 7);
    assert_memory_equal(out.data,
                        "\x88\x05\x0b\xb8"
                        "bye",
                        7);

    /* 122 bytes and a character of two. */
    memset(reason, 'x', sizeof reason);
    memcpy(reason + 122, "\xc3\xa9", 2);
    buffer_reset(&out);
    frame_encode_close(3000, (struct str){ reason, 124 }, NULL, &out);
    assert_int_equal(out.len, 2 + 2 + 122);
    buffer_finish(&out);
    frame_pool_free(pool);
}

static void an_idle_connection_holds_nothing(void **state) {
    struct frame_pool *pool = frame_pool_new(1);
    struct frame_decoder a, b;
    struct frame_event ev;
    const struct frame_limits limits = { .max_message = 1024 };

    frame_decoder_init(&a, FRAME_SERVER, false);
    frame_decoder_init(&b, FRAME_SERVER, false);
    assert_true(sizeof a <= 16);

    struct bytes in = str_bytes(STR("\x81\x82" M "hi"));
    assert_int_equal(frame_next(&a, pool, &limits, &in, &ev), 1);
    assert_int_equal(frame_pool_lent(pool), 1); /* the event lies in it */

    /* Another connection in between does not touch it. */
    struct bytes other = str_bytes(STR("\x81\x82" M "no"));
    struct frame_event ev2;
    assert_int_equal(frame_next(&b, pool, &limits, &other, &ev2), 1);
    assert_memory_equal(ev.payload.data, "hi", 2);
    assert_int_equal(frame_next(&b, pool, &limits, &other, &ev2), 0);

    assert_int_equal(frame_next(&a, pool, &limits, &in, &ev), 0);
    assert_int_equal(frame_pool_lent(pool), 0);

    /* Nor does one that was closed amid a message leave the next borrower anything of it. */
    in = str_bytes(STR("\x01\x82" M "he\x88\x80" M));
    assert_int_equal(frame_next(&a, pool, &limits, &in, &ev), 1);
    assert_int_equal(ev.opcode, FRAME_CLOSE);
    assert_int_equal(frame_next(&a, pool, &limits, &in, &ev), 0);
    assert_int_equal(frame_pool_lent(pool), 0);
    other = str_bytes(STR("\x81\x83" M "llo"));
    assert_int_equal(frame_next(&b, pool, &limits, &other, &ev2), 1);
    assert_true(bytes_equal(ev2.payload, str_bytes(STR("llo"))));
    assert_int_equal(frame_next(&b, pool, &limits, &other, &ev2), 0);
    frame_decoder_finish(&a);
    frame_decoder_finish(&b);
    frame_pool_free(pool);
}

static void a_frame_that_was_cut_takes_no_more_of_the_input_than_its_own(void **state) {
    static const size_t cuts[] = { 1, 2, 3, 5, 8, 9, 50 };
    const struct str one = STR("\x81\xfe\x00\x82" M HUNDRED TEN TEN TEN);
    const struct str two = STR("\x81\x82" M "hi\x81\x82" M "ho");
    const struct frame_limits limits = { .max_message = 1024 };
    struct buffer rest = BUFFER_INIT;

    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct frame_pool *pool = frame_pool_new(1);
        struct frame_decoder d;
        struct frame_event ev;
        frame_decoder_init(&d, FRAME_SERVER, false);

        struct bytes in = bytes_of(one.data, cuts[i]);
        assert_int_equal(frame_next(&d, pool, &limits, &in, &ev), 0);
        buffer_reset(&rest);
        buffer_append(&rest, one.data + cuts[i], one.len - cuts[i]);
        buffer_append_str(&rest, two);
        in = buffer_bytes(&rest);
        assert_int_equal(frame_next(&d, pool, &limits, &in, &ev), 1);
        assert_int_equal(ev.payload.len, 130);
        assert_int_equal(in.len, two.len); /* each can be taken whole, where it lies */

        frame_decoder_finish(&d);
        frame_pool_free(pool);
    }
    buffer_finish(&rest);
}

static void no_memory_is_taken_for_what_is_only_announced(void **state) {
    /* A gigabyte announced, a byte sent; the sanitizer's limit on one allocation would show it. */
    const struct story s = { .role = FRAME_SERVER, .limits = { .max_message = (size_t) 1 << 40 } };
    struct buffer got =
            story_of(&s, str_bytes(STR("\x82\xff\x00\x00\x00\x80\x00\x00\x00\x00" M "x")), 0, 100);

    assert_string_equal((char *) got.data, "...");
    buffer_finish(&got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_rfc_6455_is_kept_at_every_split),
        cmocka_unit_test(a_client_refuses_masks),
        cmocka_unit_test(deflated_messages_come_out_inflated),
        cmocka_unit_test(an_inflated_message_has_a_limit_of_its_own),
        cmocka_unit_test(close_codes_are_those_of_section_7_4),
        cmocka_unit_test(what_one_end_encodes_the_other_decodes),
        cmocka_unit_test(headers_and_frames_written_in_place_are_the_same_bytes),
        cmocka_unit_test(a_close_frame_holds_what_fits_of_its_reason),
        cmocka_unit_test(an_idle_connection_holds_nothing),
        cmocka_unit_test(a_frame_that_was_cut_takes_no_more_of_the_input_than_its_own),
        cmocka_unit_test(no_memory_is_taken_for_what_is_only_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
