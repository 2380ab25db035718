#include "daemon/backend/proxy_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- requests ---- */

static const struct str CHANNELS[] = { { "a", 1 }, { "b\"", 2 } };
static const struct proxy_key KEYS[] = { { { "k", 1 }, 7 }, { { "l", 1 }, 0 } };

static struct bytes text(const char *s) {
    return str_bytes(str_of(s));
}

static struct proxy_request a_request(enum proxy_kind kind) {
    return (struct proxy_request){
        .kind = kind,
        .client = STR("id"),
        .user = STR("42"),
        .transport = STR("websocket"),
        .protocol = STR("json"),
        .meta = text("{\"m\":1}"),
        .data = text("{\"d\":1}"),
        .name = STR("js"),
        .version = STR("1.0"),
        .channels = CHANNELS,
        .n_channels = 2,
        .channel = STR("news"),
        .token = STR("tok"),
        .method = STR("add"),
        .key = STR("key"),
        .keys = KEYS,
        .n_keys = 2,
    };
}

#define ASKER                                                                                      \
    "{\"client\":\"id\",\"transport\":\"websocket\",\"protocol\":\"json\",\"encoding\":\"json\""

static void each_kind_of_request_says_what_it_is_about(void **state) {
    static const struct {
        enum proxy_kind kind;
        const char *expected;
    } cases[] = {
        { PROXY_CONNECT, ASKER ",\"meta\":{\"m\":1},\"name\":\"js\",\"version\":\"1.0\","
                               "\"channels\":[\"a\",\"b\\\"\"],\"data\":{\"d\":1}}" },
        { PROXY_REFRESH, ASKER ",\"user\":\"42\",\"meta\":{\"m\":1}}" },
        { PROXY_SUBSCRIBE, ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"channel\":\"news\","
                                 "\"token\":\"tok\",\"data\":{\"d\":1}}" },
        { PROXY_PUBLISH,
          ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"channel\":\"news\",\"data\":{\"d\":1}}" },
        { PROXY_RPC,
          ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"method\":\"add\",\"data\":{\"d\":1}}" },
        { PROXY_SUB_REFRESH, ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"channel\":\"news\"}" },
        { PROXY_MAP_PUBLISH, ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"channel\":\"news\","
                                   "\"key\":\"key\",\"data\":{\"d\":1}}" },
        { PROXY_MAP_REMOVE,
          ASKER ",\"user\":\"42\",\"meta\":{\"m\":1},\"channel\":\"news\",\"key\":\"key\"}" },
        { PROXY_POLL, "{\"channel\":\"news\",\"items\":[{\"key\":\"k\",\"version\":7},{\"key\":"
                      "\"l\",\"version\":0}]}" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = BUFFER_INIT;
        struct proxy_request r = a_request(cases[i].kind);
        assert_int_equal(proxy_request_write(&r, &out), 0);
        buffer_append_byte(&out, '\0');
        assert_string_equal((const char *) out.data, cases[i].expected);
        buffer_finish(&out);
    }
}

static void the_user_is_always_there_and_what_is_empty_is_left_out(void **state) {
    struct buffer out = BUFFER_INIT;
    struct proxy_request r = { .kind = PROXY_RPC, .client = STR("id") };
    (void) state;
    assert_int_equal(proxy_request_write(&r, &out), 0);
    buffer_append_byte(&out, '\0');
    assert_string_equal((const char *) out.data,
                        "{\"client\":\"id\",\"encoding\":\"json\",\"user\":\"\"}");
    buffer_finish(&out);
}

static void data_goes_as_json_or_as_base_64(void **state) {
    struct buffer out = BUFFER_INIT;
    struct proxy_request r = { .kind = PROXY_RPC, .data = bytes_of("\xff\x00", 2) };
    (void) state;
    assert_int_equal(proxy_request_write(&r, &out), -EBADMSG);
    assert_int_equal(out.len, 0);
    r.is_binary = true;
    assert_int_equal(proxy_request_write(&r, &out), 0);
    buffer_append_byte(&out, '\0');
    assert_string_equal((const char *) out.data,
                        "{\"encoding\":\"binary\",\"user\":\"\",\"b64data\":\"/wA=\"}");
    buffer_finish(&out);
}

/* ---- answers ---- */

struct reading {
    struct arena arena;
    struct proxy_answer answer;
    char why[PROXY_WHY_MAX];
};

static int read_answer(struct reading *r, const char *body) {
    arena_finish(&r->arena);
    r->why[0] = '\0';
    return proxy_answer_read(text(body), &r->arena, &r->answer, r->why);
}

static void assert_bytes(struct bytes b, const char *expected) {
    assert_int_equal(b.len, strlen(expected));
    assert_memory_equal(b.data, expected, b.len);
}

static void a_connect_result_has_everything_a_client_is_given(void **state) {
    struct reading r = { 0 };
    (void) state;
    assert_int_equal(
            read_answer(&r, "{\"result\":{\"user\":\"4\\u0032\",\"expire_at\":1700000000,"
                            "\"info\":{\"n\":\n1},\"b64data\":\"eyJ4IjogMX0=\",\"data\":5,"
                            "\"channels\":[\"old\"],\"meta\":{\"k\":1},\"new\":{\"in\":[2030]},"
                            "\"subs\":{\"a\":{\"expire_at\":9,\"b64info\":\"MQ==\",\"data\":2,"
                            "\"override\":{\"presence\":{\"value\":true},\"join_leave\":{}},"
                            "\"cache_recover\":true},\"b\":{}}}}"),
            0);
    const struct proxy_result *result = &r.answer.result;
    assert_int_equal(r.answer.refusal.code, 0);
    assert_true(result->is_there);
    assert_bytes(str_bytes(result->user), "42");
    assert_int_equal(result->expire_at_s, 1700000000);
    assert_true(result->has_info);
    assert_bytes(result->info, "{\"n\":1}");
    assert_true(result->has_data);
    assert_false(result->data_is_binary);
    assert_bytes(result->data, "{\"x\": 1}");
    assert_bytes(result->meta, "{\"k\":1}");
    assert_int_equal(result->n_subs, 2);
    assert_bytes(str_bytes(result->subs[0].channel), "a");
    assert_int_equal(result->subs[0].expire_at_s, 9);
    assert_bytes(result->subs[0].info, "1");
    assert_bytes(result->subs[0].data, "2");
    assert_true(result->subs[0].cache_recover);
    assert_true(result->subs[0].overrides.presence.is_set &&
                result->subs[0].overrides.presence.value);
    assert_true(result->subs[0].overrides.join_leave.is_set &&
                !result->subs[0].overrides.join_leave.value);
    assert_false(result->subs[0].overrides.force_recovery.is_set);
    assert_bytes(str_bytes(result->subs[1].channel), "b");

    assert_int_equal(read_answer(&r, "{\"result\":{\"channels\":[\"x\",\"y\"]}}"), 0);
    assert_int_equal(result->n_subs, 2);
    assert_bytes(str_bytes(result->subs[1].channel), "y");
    arena_finish(&r.arena);
}

static void a_publish_result_says_how_to_publish(void **state) {
    struct reading r = { 0 };
    (void) state;
    assert_int_equal(read_answer(&r,
                                 "{\"result\":{\"b64data\":\"/"
                                 "wA=\",\"skip_history\":true,\"tags\":{\"a\":\"b\",\"c\":\"\"},"
                                 "\"idempotency_key\":\"i\",\"delta\":true,\"version\":3,\"version_"
                                 "epoch\":\"v\"}}"),
                     0);
    const struct proxy_result *result = &r.answer.result;
    assert_true(result->data_is_binary);
    assert_int_equal(result->data.len, 2);
    assert_true(result->skips_history && result->wants_delta);
    assert_int_equal(result->n_tags, 2);
    assert_bytes(str_bytes(result->tags[0].value), "b");
    assert_bytes(str_bytes(result->idempotency_key), "i");
    assert_int_equal(result->version, 3);
    assert_bytes(str_bytes(result->version_epoch), "v");
    arena_finish(&r.arena);
}

static void a_poll_result_has_items(void **state) {
    struct reading r = { 0 };
    (void) state;
    assert_int_equal(read_answer(&r, "{\"result\":{\"epoch\":\"e\",\"items\":[{\"key\":\"a\","
                                     "\"data\":[1],\"version\":2},"
                                     "{\"key\":\"b\",\"removed\":true}]}}"),
                     0);
    const struct proxy_result *result = &r.answer.result;
    assert_int_equal(result->n_items, 2);
    assert_bytes(result->items[0].data, "[1]");
    assert_int_equal(result->items[0].version, 2);
    assert_true(result->items[1].is_removed);
    assert_bytes(str_bytes(result->epoch), "e");
    arena_finish(&r.arena);
}

static void a_disconnect_wins_over_an_error_and_both_over_a_result(void **state) {
    struct reading r = { 0 };
    (void) state;
    assert_int_equal(read_answer(&r, "{\"result\":{},\"error\":{\"code\":1000,\"message\":\"m\","
                                     "\"temporary\":true}}"),
                     0);
    assert_int_equal(r.answer.refusal.code, 1000);
    assert_false(r.answer.refusal.is_disconnect);
    assert_true(r.answer.refusal.is_temporary);
    assert_bytes(str_bytes(r.answer.refusal.text), "m");
    assert_int_equal(
            read_answer(
                    &r,
                    "{\"disconnect\":{\"code\":4501,\"reason\":\"r\"},\"error\":{\"code\":1000}}"),
            0);
    assert_int_equal(r.answer.refusal.code, 4501);
    assert_true(r.answer.refusal.is_disconnect);
    assert_bytes(str_bytes(r.answer.refusal.text), "r");
    assert_int_equal(read_answer(&r, "{\"result\":null,\"error\":null,\"disconnect\":null}"), 0);
    assert_int_equal(r.answer.refusal.code, 0);
    assert_false(r.answer.result.is_there);
    assert_int_equal(read_answer(&r, " {} "), 0);
    assert_false(r.answer.result.is_there);
    arena_finish(&r.arena);
}

static void what_is_wrong_is_told_by_its_name(void **state) {
    static const struct {
        const char *body, *why;
    } cases[] = {
        { "", "not a JSON object" },
        { "<html>", "not a JSON object" },
        { "[]", "not a JSON object" },
        { "{\"result\":{}} x", "" },
        { "{\"result\":5}", "result: " },
        { "{\"result\":{\"user\":5}}", "result.user: " },
        { "{\"result\":{\"expire_at\":\"soon\"}}", "result.expire_at: " },
        { "{\"result\":{\"expire_at\":-1}}", "result.expire_at: a time before 1970" },
        { "{\"result\":{\"b64data\":\"a\"}}", "result.b64data: not base 64" },
        { "{\"result\":{\"b64info\":\"/wA=\"}}", "result: b64info is not JSON" },
        { "{\"result\":{\"channels\":[5]}}", "result.channels: " },
        { "{\"result\":{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":1}}}}}}",
          "result.subs.override.presence.value: a value is not true or false" },
        { "{\"result\":{\"subs\":[]}}", "result.subs: " },
        { "{\"result\":{\"tags\":{\"a\":1}}}", "result.tags: " },
        { "{\"result\":{\"version\":-1}}", "result.version: " },
        { "{\"result\":{\"items\":[{}]}}", "result.items: an item has no key" },
        { "{\"error\":{}}", "error: an error's code is missing or 0" },
        { "{\"error\":{\"code\":\"x\"}}", "error.code: " },
        { "{\"disconnect\":{\"code\":200}}", "disconnect: a disconnect's code" },
        { "{\"disconnect\":{\"code\":5000}}", "disconnect: a disconnect's code" },
    };
    struct reading r = { 0 };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_answer(&r, cases[i].body), -EBADMSG);
        if (strncmp(r.why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: told \"%s\", not \"%s...\"", cases[i].body, r.why, cases[i].why);
        assert_non_null(strstr(r.why, "at byte"));
    }
    arena_finish(&r.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_request_says_what_it_is_about),
        cmocka_unit_test(the_user_is_always_there_and_what_is_empty_is_left_out),
        cmocka_unit_test(data_goes_as_json_or_as_base_64),
        cmocka_unit_test(a_connect_result_has_everything_a_client_is_given),
        cmocka_unit_test(a_publish_result_says_how_to_publish),
        cmocka_unit_test(a_poll_result_has_items),
        cmocka_unit_test(a_disconnect_wins_over_an_error_and_both_over_a_result),
        cmocka_unit_test(what_is_wrong_is_told_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
