/* What calls of the chat ask for: decoded, or refused by the member that is wrong. */
#include "daemon/chat/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/base.h"

enum { TEXT_MAX = 20 };

static int decode(const char *json, struct arena *a, struct chat_request *ret,
                  struct chat_refusal *why) {
    /* Of its own memory: what reads past the end is seen. */
    size_t len = strlen(json);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, json, len);
    char *kept = arena_alloc(a, len ? len : 1);
    assert_non_null(kept);
    memcpy(kept, copy, len);
    free(copy);
    return chat_request_decode(bytes_of(kept, len), TEXT_MAX, a, ret, why);
}

static void members_are_decoded_and_noted(void **state) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;

    assert_int_equal(
            decode("{\"room\":\"r1\",\"text\":\"h\\u00e9\",\"client_id\":\"c\",\"reply_to\":7,"
                   "\"attachments\":[\"a\",\"b\"],\"meta\":{ \"x\" : 1 },\"unknown\":[{}]}",
                   &a, &r, &why),
            0);
    assert_true(str_equal(r.room, STR("r1")));
    assert_true(str_equal(r.text, STR("h\xc3\xa9")));
    assert_true(str_equal(r.client_id, STR("c")));
    assert_int_equal(r.reply_to, 7);
    assert_int_equal(r.attachments.n, 2);
    assert_true(str_equal(r.attachments.items[1], STR("b")));
    assert_true(r.meta.len > 0);
    assert_int_equal(r.has, HAS(FIELD_ROOM) | HAS(FIELD_TEXT) | HAS(FIELD_CLIENT_ID) |
                                    HAS(FIELD_REPLY_TO) | HAS(FIELD_ATTACHMENTS) | HAS(FIELD_META));
}

static void nothing_stands_for_an_object_without_members(void **state) {
    static const char *const empty[] = { "", "{}", "null", " { } " };
    for (size_t i = 0; i < ELEMENTS_OF(empty); i++) {
        CLEANUP(arena_finish) struct arena a = ARENA_INIT;
        struct chat_request r;
        struct chat_refusal why;
        assert_int_equal(decode(empty[i], &a, &r, &why), 0);
        assert_int_equal(r.has, 0);
    }
}

static void null_stands_for_absence_but_of_a_status(void **state) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;

    assert_int_equal(decode("{\"room\":null,\"name\":null,\"status\":null}", &a, &r, &why), 0);
    assert_int_equal(r.has, HAS(FIELD_STATUS));
    assert_true(r.status.is_cleared);
}

static void what_means_two_things_is_either(void **state) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;

    assert_int_equal(decode("{\"around\":\"unread\",\"after\":\"u7\"}", &a, &r, &why), 0);
    assert_true(r.around_unread);
    assert_true(str_equal(r.after_text, STR("u7")));
    assert_int_equal(decode("{\"around\":12,\"after\":13}", &a, &r, &why), 0);
    assert_false(r.around_unread);
    assert_int_equal(r.around, 12);
    assert_int_equal(r.after, 13);
    assert_int_equal(r.after_text.len, 0);
}

static void the_last_of_a_repeated_member_counts(void **state) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;

    assert_int_equal(
            decode("{\"seq\":1,\"seq\":2,\"around\":\"unread\",\"around\":3}", &a, &r, &why), 0);
    assert_int_equal(r.seq, 2);
    assert_false(r.around_unread);
}

static void what_is_wrong_is_refused_by_its_name(void **state) {
    static const struct {
        const char *json;
        int code;
        const char *field;
        int64_t max;
    } bad[] = {
        { "[]", CHAT_BAD_REQUEST, NULL, 0 },
        { "7", CHAT_BAD_REQUEST, NULL, 0 },
        { "{", CHAT_BAD_REQUEST, NULL, 0 },
        { "{} x", CHAT_BAD_REQUEST, NULL, 0 },
        { "{\"room\":\"r\"", CHAT_BAD_REQUEST, NULL, 0 },
        { "{\"room\":7}", CHAT_BAD_REQUEST, "room", 0 },
        { "{\"room\":\"a\\u0000b\"}", CHAT_BAD_REQUEST, "room", 0 },
        { "{\"seq\":-1}", CHAT_BAD_REQUEST, "seq", 0 },
        { "{\"seq\":1.5}", CHAT_BAD_REQUEST, "seq", 0 },
        { "{\"seq\":\"1\"}", CHAT_BAD_REQUEST, "seq", 0 },
        { "{\"seq\":9223372036854775808}", CHAT_BAD_REQUEST, "seq", 0 },
        { "{\"slow_s\":86401}", CHAT_BAD_REQUEST, "slow_s", 0 },
        { "{\"receipts\":1}", CHAT_BAD_REQUEST, "receipts", 0 },
        { "{\"meta\":[]}", CHAT_BAD_REQUEST, "meta", 0 },
        { "{\"around\":\"read\"}", CHAT_BAD_REQUEST, "around", 0 },
        { "{\"status\":\"x\"}", CHAT_BAD_REQUEST, "status", 0 },
        { "{\"status\":{\"emoji\":1}}", CHAT_BAD_REQUEST, "status", 0 },
        { "{\"users\":\"u\"}", CHAT_BAD_REQUEST, "users", 0 },
        { "{\"users\":[1]}", CHAT_BAD_REQUEST, "users", 0 },
        { "{\"name\":\"a\\nb\"}", CHAT_BAD_REQUEST, "name", 0 },
        { "{\"text\":\"123456789012345678901\"}", CHAT_TOO_LONG, "text", TEXT_MAX },
        { "{\"kind\":\"12345678901234567\"}", CHAT_TOO_LONG, "kind", 16 },
    };
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        CLEANUP(arena_finish) struct arena a = ARENA_INIT;
        struct chat_request r;
        struct chat_refusal why;
        int code = decode(bad[i].json, &a, &r, &why);
        if (code != bad[i].code)
            fail_msg("%s: %d", bad[i].json, code);
        if (!bad[i].field != !why.field || (why.field && strcmp(bad[i].field, why.field) != 0))
            fail_msg("%s: field %s", bad[i].json, why.field ? why.field : "none");
        assert_int_equal(why.max, bad[i].max);
    }
}

static void names_are_counted_in_characters(void **state) {
    CLEANUP(arena_finish) struct arena a = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;
    char json[400] = "{\"name\":\"";

    for (int i = 0; i < 64; i++)
        strcat(json, "\xe4\xb8\x8a");
    size_t n = strlen(json);
    strcat(json, "\"}");
    assert_int_equal(decode(json, &a, &r, &why), 0);
    assert_int_equal(r.name.len, 64 * 3);
    strcpy(json + n, "x\"}");
    assert_int_equal(decode(json, &a, &r, &why), CHAT_TOO_LONG);
    assert_string_equal(why.field, "name");
    assert_int_equal(why.max, 64);
}

static void every_member_has_a_name_of_its_own(void **state) {
    for (unsigned i = 0; i < CHAT_FIELDS; i++) {
        assert_non_null(chat_field_name((enum chat_field) i));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(chat_field_name((enum chat_field) i),
                                    chat_field_name((enum chat_field) k));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_decoded_and_noted),
        cmocka_unit_test(nothing_stands_for_an_object_without_members),
        cmocka_unit_test(null_stands_for_absence_but_of_a_status),
        cmocka_unit_test(what_means_two_things_is_either),
        cmocka_unit_test(the_last_of_a_repeated_member_counts),
        cmocka_unit_test(what_is_wrong_is_refused_by_its_name),
        cmocka_unit_test(names_are_counted_in_characters),
        cmocka_unit_test(every_member_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
