#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/arena.h"
#include "protocol/buffer.h"

static void assert_holds(const struct buffer *b, struct str expected) {
    assert_int_equal(buffer_error(b), 0);
    assert_true(bytes_equal(buffer_bytes(b), str_bytes(expected)));
}

static void what_is_appended_is_there_in_order(void **state) {
    struct buffer b = BUFFER_INIT;

    buffer_append(&b, "ab", 2);
    buffer_append(&b, NULL, 0);
    buffer_append_str(&b, STR("c"));
    buffer_append_bytes(&b, str_bytes(STR("d")));
    buffer_append_byte(&b, 'e');
    buffer_printf(&b, "%d-%s", 7, "f");
    assert_holds(&b, STR("abcde7-f"));
    buffer_finish(&b);
    buffer_finish(&b);
}

static void numbers_are_written_in_full(void **state) {
    static const struct {
        int64_t value;
        const char *text;
    } table[] = {
        { 0, "0" },
        { 7, "7" },
        { -7, "-7" },
        { 1234567890, "1234567890" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };
    struct buffer b = BUFFER_INIT;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        buffer_reset(&b);
        buffer_append_int(&b, table[i].value);
        assert_holds(&b, str_of(table[i].text));
    }
    buffer_reset(&b);
    buffer_append_uint(&b, UINT64_MAX);
    assert_holds(&b, STR("18446744073709551615"));
    buffer_finish(&b);
}

static void it_grows_past_every_capacity(void **state) {
    struct buffer b = BUFFER_INIT;

    for (size_t i = 0; i < 5000; i++)
        buffer_append_byte(&b, (uint8_t) i);
    assert_int_equal(b.len, 5000);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], (uint8_t) i);
    buffer_finish(&b);
}

static void printing_longer_than_the_room_grows_it(void **state) {
    struct buffer b = BUFFER_INIT;

    buffer_printf(&b, "%0*d", 1000, 1);
    assert_int_equal(b.len, 1000);
    assert_int_equal(b.data[999], '1');
    buffer_finish(&b);
}

static void the_limit_is_kept_and_remembered(void **state) {
    struct buffer b;

    buffer_init(&b, 4);
    buffer_append_str(&b, STR("abcd"));
    assert_holds(&b, STR("abcd"));
    buffer_append_byte(&b, 'e');
    assert_int_equal(buffer_error(&b), -EMSGSIZE);

    /* Once it has gone wrong nothing more is written, not even what would fit. */
    buffer_reset(&b);
    buffer_append_str(&b, STR("abcde"));
    buffer_append_byte(&b, 'x');
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
    assert_int_equal(b.len, 0);
    assert_null(buffer_reserve(&b, 1));

    buffer_reset(&b);
    buffer_append_str(&b, STR("ok"));
    assert_holds(&b, STR("ok"));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    assert_int_equal(buffer_error(&b), -EMSGSIZE);
    buffer_finish(&b);
}

static void reserved_room_counts_when_it_is_used(void **state) {
    struct buffer b = BUFFER_INIT;
    uint8_t *at = buffer_reserve(&b, 300);

    assert_non_null(at);
    assert_int_equal(b.len, 0);
    memset(at, 'x', 300);
    buffer_added(&b, 2);
    assert_holds(&b, STR("xx"));
    buffer_finish(&b);
}

static void consuming_moves_the_rest_to_the_front(void **state) {
    struct buffer b = BUFFER_INIT;

    buffer_append_str(&b, STR("abcdef"));
    buffer_consume(&b, 2);
    assert_holds(&b, STR("cdef"));
    buffer_consume(&b, 0);
    assert_holds(&b, STR("cdef"));
    buffer_consume(&b, 4);
    assert_holds(&b, STR(""));
    buffer_finish(&b);
}

static void an_arena_keeps_all_it_gave(void **state) {
    struct arena a = ARENA_INIT;
    uint8_t *given[200];

    for (size_t i = 0; i < 200; i++) {
        given[i] = arena_alloc(&a, i * 13 % 3000);
        assert_non_null(given[i]);
        assert_int_equal((uintptr_t) given[i] % sizeof(max_align_t) % 16, 0);
        memset(given[i], (int) i, i * 13 % 3000);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 13 % 3000; k++)
            assert_int_equal(given[i][k], (uint8_t) i);
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_finish(&a);
    assert_null(a.chunks);
    arena_finish(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_there_in_order),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(it_grows_past_every_capacity),
        cmocka_unit_test(printing_longer_than_the_room_grows_it),
        cmocka_unit_test(the_limit_is_kept_and_remembered),
        cmocka_unit_test(reserved_room_counts_when_it_is_used),
        cmocka_unit_test(consuming_moves_the_rest_to_the_front),
        cmocka_unit_test(an_arena_keeps_all_it_gave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
