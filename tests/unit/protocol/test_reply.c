#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/codec.h"
#include "protocol/json.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }
#define RAW(literal)                                                                               \
    { (const uint8_t *) (literal), sizeof(literal) - 1 }

static const struct client_info alice = {
    .user = TEXT("alice"),
    .client = TEXT("c1"),
    .conn_info = RAW("{\"name\":\"Alice\"}"),
    .chan_info = RAW("[1]"),
};

static const struct client_info nobody = { .client = TEXT("c2") };

static const struct tag tags[] = { { TEXT("a"), TEXT("1") }, { TEXT("b\""), TEXT("") } };

static const struct wire_publication publications[] = {
    { .data = RAW("{\"x\":1}"), .offset = 1, .epoch = TEXT("e1") },
    { .data = RAW("2"), .offset = 2, .info = &alice, .tags = tags, .n_tags = 2, .time_ms = 99 },
    { .offset = UINT64_MAX, .info = &nobody, .is_delta = true },
};

static struct wire_publications all_publications(void) {
    return wire_publications_of(publications, TABLE_LENGTH(publications));
}

#define PUBLICATIONS                                                                               \
    "[{\"data\":{\"x\":1},\"offset\":1,\"epoch\":\"e1\"},"                                         \
    "{\"data\":2,\"info\":{\"user\":\"alice\",\"client\":\"c1\",\"conn_info\":"                    \
    "{\"name\":\"Alice\"},\"chan_info\":[1]},\"offset\":2,\"tags\":{\"a\":\"1\",\"b\\\"\":\"\"},"  \
    "\"time\":99},"                                                                                \
    "{\"data\":null,\"info\":{\"user\":\"\",\"client\":\"c2\"},\"offset\":18446744073709551615,"   \
    "\"delta\":true}]"

/*
 * Encodes and compares; then decodes, encodes that and compares again, so that each case proves
 * both directions.
 */
static void assert_encodes(const struct reply *reply, const char *expected) {
    struct buffer out = BUFFER_INIT, again = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct reply decoded;
    const char *why = NULL;

    codec_json.encode_reply(reply, &out);
    assert_int_equal(buffer_error(&out), 0);
    if (!bytes_equal(buffer_bytes(&out), str_bytes(str_of(expected))))
        fail_msg("%.*s\nis not\n%s", (int) out.len, (char *) out.data, expected);
    assert_true(json_is_valid(buffer_bytes(&out), NULL));
    assert_false(json_has_newline(buffer_bytes(&out)));

    struct bytes frame = buffer_bytes(&out);
    int r = codec_json.next_reply(&frame, &arena, &decoded, &why);
    if (r != 1)
        fail_msg("%s: %d, %s", expected, r, why);
    assert_int_equal(frame.len, 0);
    assert_int_equal(decoded.kind, reply->kind);
    assert_int_equal(decoded.id, reply->id);
    codec_json.encode_reply(&decoded, &again);
    if (!bytes_equal(buffer_bytes(&again), buffer_bytes(&out)))
        fail_msg("%.*s\nis not\n%s", (int) again.len, (char *) again.data, expected);

    buffer_finish(&out);
    buffer_finish(&again);
    arena_finish(&arena);
}

static void a_ping_is_the_empty_reply(void **state) {
    assert_encodes(&(struct reply){ .kind = REPLY_PING }, "{}");
}

static void an_error_has_code_and_message(void **state) {
    assert_encodes(&(struct reply){ .kind = REPLY_ERROR,
                                    .id = 7,
                                    .error = reply_error_of(ERROR_PERMISSION_DENIED) },
                   "{\"id\":7,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    assert_encodes(&(struct reply){ .kind = REPLY_ERROR,
                                    .id = 7,
                                    .error = reply_error_of(ERROR_INTERNAL) },
                   "{\"id\":7,\"error\":{\"code\":100,\"message\":\"internal server error\","
                   "\"temporary\":true}}");
    /* An application's, without words. */
    assert_encodes(&(struct reply){ .kind = REPLY_ERROR, .id = 7, .error = { .code = 400 } },
                   "{\"id\":7,\"error\":{\"code\":400,\"message\":\"\"}}");
}

static void empty_results_are_written(void **state) {
    static const struct {
        enum reply_kind kind;
        const char *expected;
    } table[] = {
        { REPLY_SUBSCRIBE, "{\"id\":3,\"subscribe\":{}}" },
        { REPLY_UNSUBSCRIBE, "{\"id\":3,\"unsubscribe\":{}}" },
        { REPLY_PUBLISH, "{\"id\":3,\"publish\":{}}" },
        { REPLY_RPC, "{\"id\":3,\"rpc\":{}}" },
        { REPLY_REFRESH, "{\"id\":3,\"refresh\":{}}" },
        { REPLY_SUB_REFRESH, "{\"id\":3,\"sub_refresh\":{}}" },
        /* These have members that clients read without looking. */
        { REPLY_CONNECT, "{\"id\":3,\"connect\":{\"client\":\"\"}}" },
        { REPLY_PRESENCE, "{\"id\":3,\"presence\":{\"presence\":{}}}" },
        { REPLY_PRESENCE_STATS, "{\"id\":3,\"presence_stats\":{\"num_clients\":0,"
                                "\"num_users\":0}}" },
        { REPLY_HISTORY, "{\"id\":3,\"history\":{\"publications\":[],\"epoch\":\"\","
                         "\"offset\":0}}" },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++)
        assert_encodes(&(struct reply){ .kind = table[i].kind, .id = 3 }, table[i].expected);
}

static void connect_in_full(void **state) {
    const struct reply_sub subs[] = {
        { .channel = STR("a"), .result = { .recoverable = true, .offset = 1 } },
        { .channel = STR("#\"") },
    };
    const struct reply_connect connect = {
        .client = STR("id"),
        .version = STR("0.1"),
        .expires = true,
        .ttl_s = 60,
        .data = str_bytes(STR("{}")),
        .subs = subs,
        .n_subs = 2,
        .ping_s = 25,
        .pong = true,
        .session = STR("s"),
        .node = STR("n"),
        .time_ms = 1700000000000,
    };

    assert_encodes(&(struct reply){ .kind = REPLY_CONNECT, .id = 1, .connect = connect },
                   "{\"id\":1,\"connect\":{\"client\":\"id\",\"version\":\"0.1\",\"expires\":true,"
                   "\"ttl\":60,\"data\":{},\"subs\":{\"a\":{\"recoverable\":true,\"offset\":1},"
                   "\"#\\\"\":{}},\"ping\":25,\"pong\":true,\"session\":\"s\",\"node\":\"n\","
                   "\"time\":1700000000000}}");
}

static void subscribe_in_full(void **state) {
    assert_encodes(&(struct reply){ .kind = REPLY_SUBSCRIBE,
                                    .id = 2,
                                    .subscribe = { .expires = true,
                                                   .ttl_s = 1,
                                                   .recoverable = true,
                                                   .positioned = true,
                                                   .was_recovering = true,
                                                   .recovered = true,
                                                   .delta = true,
                                                   .epoch = STR("e"),
                                                   .offset = 5,
                                                   .publications = all_publications(),
                                                   .data = str_bytes(STR("true")) } },
                   "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1,\"recoverable\":true,"
                   "\"epoch\":\"e\",\"publications\":" PUBLICATIONS
                   ",\"recovered\":true,\"offset\":5,\"positioned\":true,\"data\":true,"
                   "\"was_recovering\":true,\"delta\":true}}");
}

static void history_and_presence_in_full(void **state) {
    const struct client_info here[] = { alice, nobody };

    assert_encodes(&(struct reply){ .kind = REPLY_HISTORY,
                                    .id = 2,
                                    .history = { .publications = all_publications(),
                                                 .epoch = STR("e"),
                                                 .offset = 3 } },
                   "{\"id\":2,\"history\":{\"publications\":" PUBLICATIONS
                   ",\"epoch\":\"e\",\"offset\":3}}");
    assert_encodes(&(struct reply){ .kind = REPLY_PRESENCE,
                                    .id = 2,
                                    .presence = { .items = here, .n = 2 } },
                   "{\"id\":2,\"presence\":{\"presence\":{\"c1\":{\"user\":\"alice\","
                   "\"client\":\"c1\",\"conn_info\":{\"name\":\"Alice\"},\"chan_info\":[1]},"
                   "\"c2\":{\"user\":\"\",\"client\":\"c2\"}}}}");
    assert_encodes(&(struct reply){ .kind = REPLY_PRESENCE_STATS,
                                    .id = 2,
                                    .presence_stats = { .num_clients = 3, .num_users = 2 } },
                   "{\"id\":2,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}");
    assert_encodes(&(struct reply){ .kind = REPLY_RPC,
                                    .id = 2,
                                    .rpc = { .data = str_bytes(STR("{\"a\": 1}")) } },
                   "{\"id\":2,\"rpc\":{\"data\":{\"a\": 1}}}");
    assert_encodes(&(struct reply){ .kind = REPLY_SUB_REFRESH,
                                    .id = 2,
                                    .sub_refresh = { .expires = true, .ttl_s = 9 } },
                   "{\"id\":2,\"sub_refresh\":{\"expires\":true,\"ttl\":9}}");
}

static void every_push(void **state) {
    const struct push table[] = {
        { PUSH_PUBLICATION, STR("c"), { .publication = publications[0] } },
        { PUSH_PUBLICATION, STR("c"), { .publication = { .offset = 0 } } },
        { PUSH_JOIN, STR("c"), { .info = alice } },
        { PUSH_LEAVE, STR("c"), { .info = nobody } },
        { PUSH_UNSUBSCRIBE,
          STR("c"),
          { .unsubscribe = { UNSUBSCRIBE_INSUFFICIENT_STATE, STR("insufficient state") } } },
        { PUSH_MESSAGE, { 0 }, { .message = str_bytes(STR("[\"m\"]")) } },
        { PUSH_SUBSCRIBE,
          STR("c"),
          { .subscribe = { .recoverable = true,
                           .positioned = true,
                           .epoch = STR("e"),
                           .offset = 4,
                           .data = str_bytes(STR("1")) } } },
        { PUSH_CONNECT, { 0 }, { .connect = { .client = STR("id"), .ping_s = 25 } } },
        { PUSH_DISCONNECT, { 0 }, { .disconnect = { DISCONNECT_SHUTDOWN, STR("shutdown") } } },
        { PUSH_REFRESH, { 0 }, { .refresh = { .expires = true, .ttl_s = 5 } } },
    };
    static const char *const expected[] = {
        "{\"channel\":\"c\",\"pub\":{\"data\":{\"x\":1},\"offset\":1,\"epoch\":\"e1\"}}",
        "{\"channel\":\"c\",\"pub\":{\"data\":null}}",
        "{\"channel\":\"c\",\"join\":{\"info\":{\"user\":\"alice\",\"client\":\"c1\","
        "\"conn_info\":{\"name\":\"Alice\"},\"chan_info\":[1]}}}",
        "{\"channel\":\"c\",\"leave\":{\"info\":{\"user\":\"\",\"client\":\"c2\"}}}",
        "{\"channel\":\"c\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}",
        "{\"message\":{\"data\":[\"m\"]}}",
        "{\"channel\":\"c\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":4,"
        "\"positioned\":true,\"data\":1}}",
        "{\"connect\":{\"client\":\"id\",\"ping\":25}}",
        "{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}",
        "{\"refresh\":{\"expires\":true,\"ttl\":5}}",
    };

    assert_int_equal(TABLE_LENGTH(table), TABLE_LENGTH(expected));
    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct buffer bare = BUFFER_INIT, push = BUFFER_INIT, whole = BUFFER_INIT;

        codec_json.encode_bare_push(&table[i], &bare);
        assert_true(bytes_equal(buffer_bytes(&bare), str_bytes(str_of(expected[i]))));

        buffer_printf(&whole, "{\"push\":%s}", expected[i]);
        codec_json.encode_push(&table[i], &push);
        assert_true(bytes_equal(buffer_bytes(&push), buffer_bytes(&whole)));

        buffer_append_byte(&whole, '\0');
        assert_encodes(&(struct reply){ .kind = REPLY_PUSH, .push = table[i] },
                       (char *) whole.data);
        buffer_finish(&bare);
        buffer_finish(&push);
        buffer_finish(&whole);
    }
}

static void long_lists_keep_every_item_in_order(void **state) {
    enum { N = 37 };
    struct wire_publication items[N];
    struct tag many_tags[N];
    struct reply_sub subs[N];
    struct client_info here[N];
    char names[N][4];

    for (size_t i = 0; i < N; i++) {
        (void) snprintf(names[i], sizeof names[i], "n%zu", i);
        struct str name = str_of(names[i]);
        many_tags[i] = (struct tag){ name, name };
        items[i] = (struct wire_publication){ .offset = i + 1, .data = str_bytes(STR("1")) };
        subs[i] = (struct reply_sub){ .channel = name, .result = { .offset = i + 1 } };
        here[i] = (struct client_info){ .user = STR("u"), .client = name };
    }
    items[3].tags = many_tags;
    items[3].n_tags = N;

    const struct reply replies[] = {
        { .kind = REPLY_HISTORY,
          .id = 1,
          .history = { .publications = wire_publications_of(items, N), .offset = N } },
        { .kind = REPLY_CONNECT, .id = 1, .connect = { .subs = subs, .n_subs = N } },
        { .kind = REPLY_PRESENCE, .id = 1, .presence = { .items = here, .n = N } },
    };
    for (size_t i = 0; i < TABLE_LENGTH(replies); i++) {
        struct buffer out = BUFFER_INIT;
        codec_json.encode_reply(&replies[i], &out);
        buffer_append_byte(&out, '\0');
        assert_encodes(&replies[i], (char *) out.data);
        buffer_finish(&out);
    }
}

static void messages_are_joined_by_one_newline(void **state) {
    struct buffer out = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct reply reply;
    const char *why = NULL;

    codec_json.encode_reply(&(struct reply){ .kind = REPLY_PUBLISH, .id = 1 }, &out);
    codec_json.separate(&out);
    codec_json.encode_reply(&(struct reply){ .kind = REPLY_PING }, &out);
    assert_true(bytes_equal(buffer_bytes(&out), str_bytes(STR("{\"id\":1,\"publish\":{}}\n{}"))));

    struct bytes frame = buffer_bytes(&out);
    assert_int_equal(codec_json.next_reply(&frame, &arena, &reply, &why), 1);
    assert_int_equal(reply.kind, REPLY_PUBLISH);
    assert_int_equal(codec_json.next_reply(&frame, &arena, &reply, &why), 1);
    assert_int_equal(reply.kind, REPLY_PING);
    assert_int_equal(codec_json.next_reply(&frame, &arena, &reply, &why), 0);
    buffer_finish(&out);
    arena_finish(&arena);
}

static void a_newer_server_is_understood_as_far_as_it_goes(void **state) {
    static const struct {
        const char *frame;
        enum reply_kind kind;
    } table[] = {
        { "{\"id\":1,\"dance\":{}}", REPLY_UNKNOWN },
        { "{\"note\":1}", REPLY_PING },
        { "{\"id\":1,\"publish\":{\"new\":[1,{}]}}", REPLY_PUBLISH },
        { "{\"id\":1,\"error\":null,\"rpc\":{\"data\":1}}", REPLY_RPC },
        { "{\"push\":{\"channel\":\"c\",\"wave\":{}}}", REPLY_PUSH },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct bytes frame = str_bytes(str_of(table[i].frame));
        struct arena arena = ARENA_INIT;
        struct reply reply;
        const char *why = NULL;
        assert_int_equal(codec_json.next_reply(&frame, &arena, &reply, &why), 1);
        assert_int_equal(reply.kind, table[i].kind);
        if (reply.kind == REPLY_PUSH)
            assert_int_equal(reply.push.kind, PUSH_UNKNOWN);
        arena_finish(&arena);
    }
}

static void what_is_no_reply_is_refused(void **state) {
    static const char *const frames[] = {
        "\n",
        "[]",
        "{",
        "{}{}",
        "{}\n\n{}",
        "{\"id\":-1}",
        "{\"id\":1,\"publish\":{\"a\"}}",
        "{\"id\":1,\"error\":{\"code\":\"x\"}}",
        "{\"id\":1,\"history\":{\"publications\":{}}}",
        "{\"id\":1,\"history\":{\"publications\":[1]}}",
        "{\"push\":[]}",
        "{\"push\":{\"pub\":{\"offset\":1.5}}}",
        "{\"push\":{\"pub\":{\"tags\":{\"a\":1}}}}",
        "{\"push\":{\"pub\":{\"info\":7}}}",
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":7}}}",
        "{\"id\":1,\"presence\":{\"presence\":{\"a\":7}}}",
    };

    for (size_t i = 0; i < TABLE_LENGTH(frames); i++) {
        struct bytes frame = str_bytes(str_of(frames[i]));
        struct arena arena = ARENA_INIT;
        struct reply reply;
        const char *why = NULL;
        int r;
        while ((r = codec_json.next_reply(&frame, &arena, &reply, &why)) == 1) {
        }
        if (r != -EBADMSG)
            fail_msg("%s: %d", frames[i], r);
        assert_non_null(why);
        arena_finish(&arena);
    }
}

static void a_message_that_does_not_fit_is_an_error(void **state) {
    struct reply reply = { .kind = REPLY_HISTORY,
                           .id = 2,
                           .history = { .publications = all_publications() } };
    struct buffer whole = BUFFER_INIT;

    codec_json.encode_reply(&reply, &whole);
    for (size_t limit = 1; limit < whole.len; limit++) {
        struct buffer out;
        buffer_init(&out, limit);
        codec_json.encode_reply(&reply, &out);
        assert_int_equal(buffer_error(&out), -EMSGSIZE);
        buffer_finish(&out);
    }
    buffer_finish(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_is_the_empty_reply),
        cmocka_unit_test(an_error_has_code_and_message),
        cmocka_unit_test(empty_results_are_written),
        cmocka_unit_test(connect_in_full),
        cmocka_unit_test(subscribe_in_full),
        cmocka_unit_test(history_and_presence_in_full),
        cmocka_unit_test(every_push),
        cmocka_unit_test(long_lists_keep_every_item_in_order),
        cmocka_unit_test(messages_are_joined_by_one_newline),
        cmocka_unit_test(a_newer_server_is_understood_as_far_as_it_goes),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(a_message_that_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
