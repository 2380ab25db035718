#include "protocol/deflate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct both {
    struct deflater *deflater;
    struct inflater *inflater;
    struct buffer packed, plain;
};

static int setup(void **state) {
    struct both *b = calloc(1, sizeof *b);
    if (!b)
        return -1;
    b->deflater = deflater_new();
    b->inflater = inflater_new();
    *state = b;
    return b->deflater && b->inflater ? 0 : -1;
}

static int teardown(void **state) {
    struct both *b = *state;
    deflater_free(b->deflater);
    inflater_free(b->inflater);
    buffer_finish(&b->packed);
    buffer_finish(&b->plain);
    free(b);
    return 0;
}

/* Text that compresses, and beside it noise. */
static void fill(struct buffer *b, size_t len) {
    uint32_t noise = 1;
    while (b->len < len) {
        noise = noise * 1664525 + 1013904223;
        buffer_printf(b, "{\"push\":{\"channel\":\"chat:%u\",\"pub\":{\"data\":{}}}}",
                      (noise >> 16) % 50);
    }
    b->len = len;
}

static int inflate_it(struct both *b, struct bytes packed, size_t max) {
    buffer_reset(&b->plain);
    return inflater_message(b->inflater, packed, max, &b->plain);
}

static void what_is_deflated_inflates_to_the_same(void **state) {
    struct both *b = *state;
    const size_t sizes[] = { 100, 1000, 4096, 16384, 16385, 70000, 1000000 };

    for (int bits = DEFLATE_WINDOW_MIN; bits <= DEFLATE_WINDOW_MAX; bits++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct buffer message = BUFFER_INIT;
            fill(&message, sizes[i]);
            buffer_reset(&b->packed);
            assert_int_equal(
                    deflater_message(b->deflater, bits, buffer_bytes(&message), &b->packed), 1);
            assert_true(b->packed.len < message.len);
            assert_int_equal(inflate_it(b, buffer_bytes(&b->packed), sizes[i]), 0);
            assert_true(bytes_equal(buffer_bytes(&b->plain), buffer_bytes(&message)));
            buffer_finish(&message);
        }
    }
}

static void a_message_needs_nothing_of_those_before(void **state) {
    struct both *b = *state;
    struct buffer message = BUFFER_INIT, again = BUFFER_INIT;

    fill(&message, 2000);
    assert_int_equal(deflater_message(b->deflater, 15, buffer_bytes(&message), &b->packed), 1);
    assert_int_equal(deflater_message(b->deflater, 15, buffer_bytes(&message), &again), 1);
    assert_true(bytes_equal(buffer_bytes(&b->packed), buffer_bytes(&again)));
    buffer_finish(&message);
    buffer_finish(&again);
}

static void a_message_that_would_not_shrink_is_left_alone(void **state) {
    struct both *b = *state;
    uint8_t noise[3000];
    uint32_t x = 7;

    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t) (x >> 24);
    }
    for (size_t len = 0; len < 20; len++)
        assert_int_equal(deflater_message(b->deflater, 12,
                                          bytes_of("abcdefghijklmnopqrstuvwxyz", len), &b->packed),
                         0);
    assert_int_equal(deflater_message(b->deflater, 12, bytes_of(noise, sizeof noise), &b->packed),
                     0);
    assert_int_equal(b->packed.len, 0);

    /* And leaves the compressor fit for the next. */
    what_is_deflated_inflates_to_the_same(state);
}

static void the_examples_of_rfc_7692_inflate(void **state) {
    static const struct {
        const char *section;
        struct str packed;
        struct str plain;
    } rows[] = {
        { "7.2.3.1 one block", STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), STR("Hello") },
        { "7.2.3.2 (second message, context not taken over here: literal again)",
          STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), STR("Hello") },
        { "7.2.3.3 no compression", STR("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
          STR("Hello") },
        { "7.2.3.4 BFINAL", STR("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), STR("Hello") },
        { "7.2.3.5 two blocks", STR("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
          STR("Hello") },
        { "7.2.3.6 empty", STR("\x00"), STR("") },
        { "empty, as some write it", STR(""), STR("") },
        { "BFINAL and nothing behind it", STR("\xf3\x48\xcd\xc9\xc9\x07\x00"), STR("Hello") },
    };
    struct both *b = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int r = inflate_it(b, str_bytes(rows[i].packed), 100);
        if (r != 0 || !bytes_equal(buffer_bytes(&b->plain), str_bytes(rows[i].plain)))
            fail_msg("%s: %d, %zu bytes", rows[i].section, r, b->plain.len);
    }
}

static void rubbish_is_refused(void **state) {
    static const struct {
        const char *why;
        struct str packed;
    } rows[] = {
        { "a reserved block type", STR("\x07\x00") },
        { "a stored block whose lengths disagree", STR("\x00\x05\x00\x00\x00Hello\x00") },
        { "cut long before a stored block's end", STR("\x00\x32\x00\xcd\xffHe") },
        { "cut in a stored block", STR("\x00\x05\x00\xfa\xff\x48\x65") },
        { "a distance before the beginning", STR("\x02\x01\xff\x00\x00") },
    };
    struct both *b = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (inflate_it(b, str_bytes(rows[i].packed), 100) != -EBADMSG)
            fail_msg("%s", rows[i].why);
        assert_int_equal(b->plain.len, 0);
        /* It is fit for the next. */
        assert_int_equal(inflate_it(b, str_bytes(STR("\xf2\x48\xcd\xc9\xc9\x07\x00")), 100), 0);
    }
}

static void a_bomb_stops_at_the_limit(void **state) {
    struct both *b = *state;
    size_t len = 10000000;
    uint8_t *zeros = calloc(1, len);

    assert_non_null(zeros);
    assert_int_equal(deflater_message(b->deflater, 12, bytes_of(zeros, len), &b->packed), 1);
    free(zeros);
    assert_true(b->packed.len < 20000);
    assert_int_equal(inflate_it(b, buffer_bytes(&b->packed), 100000), -EMSGSIZE);
    assert_true(b->plain.cap <= 2 * 131072);
    assert_int_equal(inflate_it(b, buffer_bytes(&b->packed), len - 1), -EMSGSIZE);
    assert_int_equal(inflate_it(b, buffer_bytes(&b->packed), len), 0);
    assert_int_equal(b->plain.len, len);
    assert_int_equal(inflate_it(b, buffer_bytes(&b->packed), SIZE_MAX), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_deflated_inflates_to_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_needs_nothing_of_those_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_would_not_shrink_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_examples_of_rfc_7692_inflate, setup, teardown),
        cmocka_unit_test_setup_teardown(rubbish_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bomb_stops_at_the_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
