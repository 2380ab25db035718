#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/codec.h"
#include "protocol/json.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))

/* A frame on the heap, of exactly its length, and the reader over it. */
struct reading {
    uint8_t *frame;
    struct command_reader reader;
    struct command command;
};

static void reading_begin(struct reading *r, struct str frame) {
    r->frame = malloc(frame.len ? frame.len : 1);
    assert_non_null(r->frame);
    if (frame.len)
        memcpy(r->frame, frame.data, frame.len);
    command_reader_init(&r->reader, &codec_json, bytes_of(r->frame, frame.len));
}

static void reading_end(struct reading *r) {
    command_reader_finish(&r->reader);
    free(r->frame);
}

static int reading_next(struct reading *r) {
    return command_next(&r->reader, &r->command);
}

/* The only command of a frame. */
static const struct command *read_one(struct reading *r, const char *frame) {
    reading_begin(r, str_of(frame));
    assert_int_equal(reading_next(r), 1);
    struct command other;
    assert_int_equal(command_next(&r->reader, &other), 0);
    return &r->command;
}

static void assert_text(struct str actual, const char *expected) {
    if (!str_equal(actual, str_of(expected)))
        fail_msg("%.*s is not %s", (int) actual.len, actual.data, expected);
}

static void assert_raw(struct bytes actual, const char *expected) {
    assert_text((struct str){ (const char *) actual.data, actual.len }, expected);
}

static void connect_with_everything(void **state) {
    struct reading r;
    const struct command *c = read_one(
            &r, "{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"a\": 1},\"name\":\"js\","
                "\"version\":\"5.7\",\"flag\":5,\"dict\":\"ignored\","
                "\"headers\":{\"A\":\"b\",\"C\":null},"
                "\"subs\":{\"news\":{\"recover\":true,\"offset\":7,\"epoch\":\"e\"},\"x\":{}}}}");

    assert_int_equal(c->kind, COMMAND_CONNECT);
    assert_int_equal(c->id, 1);
    assert_text(c->connect.token, "t");
    assert_text(c->connect.name, "js");
    assert_text(c->connect.version, "5.7");
    assert_raw(c->connect.data, "{\"a\": 1}");
    assert_int_equal(c->connect.flag, 5);

    struct command_subscribe sub;
    struct command_map subs = c->connect.subs;
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);
    assert_text(sub.channel, "news");
    assert_true(sub.recover);
    assert_int_equal(sub.offset, 7);
    assert_text(sub.epoch, "e");
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);
    assert_text(sub.channel, "x");
    assert_false(sub.recover);
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 0);
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 0);

    /* The map is the caller's cursor: from the command it can be walked again. */
    subs = c->connect.subs;
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);

    struct str name, value;
    struct command_map headers = c->connect.headers;
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), 1);
    assert_text(name, "A");
    assert_text(value, "b");
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), 1);
    assert_text(name, "C");
    assert_int_equal(value.len, 0);
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), 0);
    reading_end(&r);
}

static void connect_with_nothing(void **state) {
    struct reading r;
    const struct command *c = read_one(&r, "{\"connect\":{},\"id\":1}");
    struct command_map subs = c->connect.subs, headers = c->connect.headers;
    struct command_subscribe sub;
    struct str name, value;

    assert_int_equal(c->kind, COMMAND_CONNECT);
    assert_int_equal(c->connect.token.len, 0);
    assert_int_equal(c->connect.data.len, 0);
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 0);
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), 0);
    reading_end(&r);
}

static void subscribe_with_everything(void **state) {
    struct reading r;
    const struct command *c = read_one(
            &r, "{\"id\":4294967295,\"subscribe\":{\"channel\":\"c\",\"token\":\"t\","
                "\"recover\":true,\"epoch\":\"e\",\"offset\":18446744073709551615,\"data\":[1],"
                "\"positioned\":true,\"recoverable\":true,\"join_leave\":true,"
                "\"delta\":\"fossil\",\"tf\":{\"op\":\"and\"},\"flag\":3,\"type\":1}}");
    const struct command_subscribe *s = &c->subscribe;

    assert_int_equal(c->kind, COMMAND_SUBSCRIBE);
    assert_int_equal(c->id, UINT32_MAX);
    assert_text(s->channel, "c");
    assert_text(s->token, "t");
    assert_text(s->epoch, "e");
    assert_text(s->delta, "fossil");
    assert_raw(s->data, "[1]");
    assert_raw(s->tags_filter, "{\"op\":\"and\"}");
    assert_true(s->offset == UINT64_MAX);
    assert_int_equal(s->flag, SUBSCRIBE_FLAG_CHANNEL_IDS | SUBSCRIBE_FLAG_REJECT_UNRECOVERED);
    assert_int_equal(s->type, 1);
    assert_true(s->recover && s->positioned && s->recoverable && s->join_leave);
    reading_end(&r);
}

static void the_small_commands(void **state) {
    struct reading r;
    const struct command *c;

    c = read_one(&r, "{\"id\":2,\"unsubscribe\":{\"channel\":\"c\"}}");
    assert_int_equal(c->kind, COMMAND_UNSUBSCRIBE);
    assert_text(c->unsubscribe.channel, "c");
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":\"x\",\"type\":1}}");
    assert_int_equal(c->kind, COMMAND_PUBLISH);
    assert_text(c->publish.channel, "c");
    assert_raw(c->publish.data, "\"x\"");
    assert_int_equal(c->publish.type, 1);
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"presence\":{\"channel\":\"c\"}}");
    assert_int_equal(c->kind, COMMAND_PRESENCE);
    assert_text(c->presence.channel, "c");
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"presence_stats\":{\"channel\":\"c\"}}");
    assert_int_equal(c->kind, COMMAND_PRESENCE_STATS);
    assert_text(c->presence.channel, "c");
    reading_end(&r);

    c = read_one(&r, "{\"send\":{\"data\":{}}}");
    assert_int_equal(c->kind, COMMAND_SEND);
    assert_int_equal(c->id, 0);
    assert_raw(c->send.data, "{}");
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"rpc\":{\"data\":1,\"method\":\"m\"}}");
    assert_int_equal(c->kind, COMMAND_RPC);
    assert_text(c->rpc.method, "m");
    assert_raw(c->rpc.data, "1");
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"refresh\":{\"token\":\"t\"}}");
    assert_int_equal(c->kind, COMMAND_REFRESH);
    assert_text(c->refresh.token, "t");
    reading_end(&r);

    c = read_one(&r, "{\"id\":2,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\",\"type\":2}}");
    assert_int_equal(c->kind, COMMAND_SUB_REFRESH);
    assert_text(c->sub_refresh.channel, "c");
    assert_text(c->sub_refresh.token, "t");
    assert_int_equal(c->sub_refresh.type, 2);
    reading_end(&r);
}

static void history_says_from_where(void **state) {
    struct reading r;
    const struct command *c;

    c = read_one(&r, "{\"id\":2,\"history\":{\"channel\":\"c\",\"limit\":-1,\"reverse\":true,"
                     "\"since\":{\"offset\":5,\"epoch\":\"e\"}}}");
    assert_int_equal(c->kind, COMMAND_HISTORY);
    assert_int_equal(c->history.limit, -1);
    assert_true(c->history.reverse);
    assert_true(c->history.has_since);
    assert_int_equal(c->history.since_offset, 5);
    assert_text(c->history.since_epoch, "e");
    reading_end(&r);

    /* An empty position is one; none is none. */
    c = read_one(&r, "{\"id\":2,\"history\":{\"channel\":\"c\",\"since\":{}}}");
    assert_true(c->history.has_since);
    assert_int_equal(c->history.since_offset, 0);
    reading_end(&r);
    c = read_one(&r, "{\"id\":2,\"history\":{\"channel\":\"c\",\"since\":null}}");
    assert_false(c->history.has_since);
    assert_int_equal(c->history.limit, 0);
    reading_end(&r);
}

static void the_empty_command_is_a_pong(void **state) {
    static const char *const pongs[] = { "{}",
                                         " { } ",
                                         "{\"id\":0}",
                                         "{\"id\":null}",
                                         "{\"publish\":null}",
                                         "{\"unknown\":{\"a\":[]}}" };

    for (size_t i = 0; i < TABLE_LENGTH(pongs); i++) {
        struct reading r;
        assert_int_equal(read_one(&r, pongs[i])->kind, COMMAND_PONG);
        reading_end(&r);
    }
}

static void null_is_as_good_as_absent(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\"id\":1,\"connect\":null,\"publish\":null,\"subscribe\":"
                         "{\"channel\":\"c\",\"token\":null,\"recover\":null,\"offset\":null,"
                         "\"data\":null,\"flag\":null,\"tf\":null,\"type\":null}}");

    assert_int_equal(c->kind, COMMAND_SUBSCRIBE);
    assert_int_equal(c->subscribe.token.len, 0);
    assert_int_equal(c->subscribe.data.len, 0);
    reading_end(&r);
}

static void of_a_repeated_member_the_last_counts(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\"id\":1,\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1},"
                         "\"publish\":{\"channel\":\"b\",\"channel\":\"c\"}}");

    assert_int_equal(c->id, 2);
    assert_text(c->publish.channel, "c");
    assert_int_equal(c->publish.data.len, 0); /* nothing of the first is left */
    reading_end(&r);
}

static void of_several_payloads_the_first_of_the_protocol_counts(void **state) {
    static const struct {
        const char *frame;
        enum command_kind kind;
    } table[] = {
        { "{\"id\":1,\"rpc\":{},\"connect\":{}}", COMMAND_CONNECT },
        { "{\"id\":1,\"connect\":{},\"rpc\":{}}", COMMAND_CONNECT },
        { "{\"id\":1,\"history\":{\"channel\":\"c\"},\"publish\":{\"channel\":\"c\"},\"rpc\":{}}",
          COMMAND_PUBLISH },
        { "{\"id\":1,\"sub_refresh\":{\"channel\":\"c\"},\"refresh\":{}}", COMMAND_REFRESH },
        /* Of the others only the syntax is looked at, even where they come first. */
        { "{\"id\":1,\"connect\":{},\"publish\":{\"channel\":7}}", COMMAND_CONNECT },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct reading r;
        assert_int_equal(read_one(&r, table[i].frame)->kind, table[i].kind);
        reading_end(&r);
    }
}

static void names_and_strings_may_be_escaped(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\"\\u0069d\":1,\"\\u0070ublish\":{\"ch\\u0061nnel\":\"n\\u0065ws\\/x\","
                         "\"data\":\"\\u0041\"}}");

    assert_int_equal(c->kind, COMMAND_PUBLISH);
    assert_int_equal(c->id, 1);
    assert_text(c->publish.channel, "news/x");
    assert_raw(c->publish.data, "\"\\u0041\""); /* payloads are the client's bytes */
    reading_end(&r);
}

static void escaped_names_in_maps_too(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\"id\":1,\"connect\":{\"subs\":{\"a\\nb\":{},\"\\u0063\":null},"
                         "\"headers\":{\"\\u0041\":\"\\u0042\"}}}");
    struct command_map subs = c->connect.subs, headers = c->connect.headers;
    struct command_subscribe sub;
    struct str name, value;

    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);
    assert_text(sub.channel, "a\nb");
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);
    assert_text(sub.channel, "c");
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 0);
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), 1);
    assert_text(name, "A");
    assert_text(value, "B");
    reading_end(&r);
}

static void maps_object_when_they_are_walked(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\"id\":1,\"connect\":{\"subs\":{\"a\":{},\"b\":{\"offset\":-1}},"
                         "\"headers\":{\"a\":1}}}");
    struct command_map subs = c->connect.subs, headers = c->connect.headers;
    struct command_subscribe sub;
    struct str name, value;

    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 1);
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), -EBADMSG);
    assert_string_equal(r.reader.why, "a number is negative");
    assert_int_equal(command_next_sub(&r.reader, &subs, &sub), 0);
    assert_int_equal(command_next_header(&r.reader, &headers, &name, &value), -EBADMSG);
    reading_end(&r);
}

static void a_payload_over_several_lines_becomes_one(void **state) {
    struct reading r;
    const struct command *c =
            read_one(&r, "{\n \"id\": 1,\n \"publish\": {\n  \"channel\": \"c\",\n"
                         "  \"data\": {\n   \"a b\": [1, 2]\n  }\n }\n}\n");

    assert_raw(c->publish.data, "{\"a b\":[1,2]}");
    reading_end(&r);
}

static void a_frame_holds_many_commands(void **state) {
    static const struct {
        const char *frame;
        int n;
    } table[] = {
        { "{}", 1 }, { "{}\n", 1 }, { "{}\n{}", 2 }, { "{}\n{}\n{}\n", 3 }, { "{} \t\r\n {}", 2 },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct reading r;
        int n = 0;
        reading_begin(&r, str_of(table[i].frame));
        while (reading_next(&r) == 1)
            n++;
        assert_int_equal(n, table[i].n);
        assert_int_equal(reading_next(&r), 0);
        assert_null(r.reader.why);
        reading_end(&r);
    }
}

static void earlier_commands_outlive_later_ones(void **state) {
    struct reading r;
    struct command first, second;

    reading_begin(&r, STR("{\"id\":1,\"publish\":{\"channel\":\"\\u0061\",\"data\":[\n1]}}\n"
                          "{\"id\":2,\"publish\":{\"channel\":\"\\u0062\",\"data\":[\n2]}}"));
    assert_int_equal(command_next(&r.reader, &first), 1);
    assert_int_equal(command_next(&r.reader, &second), 1);
    assert_text(first.publish.channel, "a");
    assert_raw(first.publish.data, "[1]");
    assert_text(second.publish.channel, "b");
    assert_raw(second.publish.data, "[2]");
    reading_end(&r);
}

static void what_cannot_be_decoded_is_refused_with_words(void **state) {
    static const struct {
        const char *frame;
        int error;
        const char *why;
    } table[] = {
        { "", -EBADMSG, "a frame is empty" },
        { "\n", -EBADMSG, "a line is empty" },
        { " ", -EBADMSG, "a line is empty" },
        { "\n{}", -EBADMSG, "a line is empty" },
        { "x", -EBADMSG, "a value is not an object" },
        { "[]", -EBADMSG, "a value is not an object" },
        { "null", -EBADMSG, "a value is not an object" },
        { "1", -EBADMSG, "a value is not an object" },
        { "{", -EBADMSG, "an object has no end" },
        { "{\"id\":1", -EBADMSG, "an object has no end" },
        { "{}{}", -EBADMSG, "something follows a command on its line" },
        { "{} {}", -EBADMSG, "something follows a command on its line" },
        { "{},", -EBADMSG, "something follows a command on its line" },
        { "{\"id\":\"1\"}", -EBADMSG, "a value is not a number" },
        { "{\"id\":-1}", -EBADMSG, "a number is negative" },
        { "{\"id\":1.5}", -EBADMSG, "a number is not whole" },
        { "{\"id\":4294967296}", -EBADMSG, "a number is out of range" },
        { "{\"id\":1,\"publish\":[]}", -EBADMSG, "a value is not an object" },
        { "{\"id\":1,\"publish\":{\"channel\":1}}", -EBADMSG, "a value is not a string" },
        { "{\"id\":1,\"publish\":{\"data\":}}", -EBADMSG, "no value where one was expected" },
        { "{\"id\":1,\"publish\":{\"data\":\"\xff\"}}", -EBADMSG, "a string is not valid UTF-8" },
        { "{\"id\":1,\"subscribe\":{\"recover\":1}}", -EBADMSG, "a value is not true or false" },
        { "{\"id\":1,\"subscribe\":{\"offset\":1e3}}", -EBADMSG, "a number is not whole" },
        { "{\"id\":1,\"history\":{\"limit\":2147483648}}", -EBADMSG, "a number is out of range" },
        { "{\"id\":1,\"history\":{\"since\":1}}", -EBADMSG, "a value is not an object" },
        { "{\"id\":1,\"connect\":{\"subs\":[]}}", -EBADMSG, "a map is not an object" },
        { "{\"id\":1,\"connect\":{\"headers\":{\"a\"}}}", -EBADMSG, "no colon after a name" },
        /* Decodable, yet not a command that can be. */
        { "{\"id\":1}", -EPROTO, "a command has an id and nothing known to do" },
        { "{\"id\":1,\"shout\":{}}", -EPROTO, "a command has an id and nothing known to do" },
        { "{\"id\":1,\"ping\":{}}", -EPROTO, "a command is the ping of an older protocol" },
        { "{\"connect\":{}}", -EPROTO, "a command that is answered has no id" },
        { "{\"id\":0,\"publish\":{\"channel\":\"c\"}}", -EPROTO,
          "a command that is answered has no id" },
        { "{\"id\":1,\"subscribe\":{}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"unsubscribe\":{}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"publish\":{\"channel\":\"\"}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"presence\":{}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"presence_stats\":{}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"history\":{}}", -EPROTO, "a command names no channel" },
        { "{\"id\":1,\"sub_refresh\":{\"token\":\"t\"}}", -EPROTO, "a command names no channel" },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct reading r;
        reading_begin(&r, str_of(table[i].frame));
        int result = reading_next(&r);
        if (result != table[i].error || strcmp(r.reader.why, table[i].why) != 0)
            fail_msg("%s: %d, %s", table[i].frame, result, r.reader.why);
        /* And nothing more can be read. */
        assert_true(reading_next(&r) < 0);
        reading_end(&r);
    }
}

static void commands_before_a_broken_one_are_handed_out(void **state) {
    struct reading r;

    reading_begin(&r, STR("{}\n\n"));
    assert_int_equal(reading_next(&r), 1);
    assert_int_equal(reading_next(&r), -EBADMSG);
    reading_end(&r);

    reading_begin(&r, STR("{\"id\":1,\"rpc\":{}}\n{"));
    assert_int_equal(reading_next(&r), 1);
    assert_int_equal(r.command.kind, COMMAND_RPC);
    assert_int_equal(reading_next(&r), -EBADMSG);
    assert_int_equal(reading_next(&r), -EBADMSG);
    reading_end(&r);
}

static void no_beginning_of_a_command_is_one(void **state) {
    static const char whole[] = "{\"id\":1,\"subscribe\":{\"channel\":\"\xd1\x86\\u0041\","
                                "\"offset\":12,\"recover\":true,\"data\":[1,{\"a\":null}]}}";

    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct reading r;
        reading_begin(&r, (struct str){ whole, len });
        assert_int_equal(reading_next(&r), -EBADMSG);
        reading_end(&r);
    }
}

static void a_publish_is_the_same_however_it_is_written(void **state) {
    static const struct {
        const char *frame, *data;
        uint32_t id; /* 0: it is refused */
    } table[] = {
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":{\"a\":[1]}}}", "{\"a\":[1]}", 7 },
        { "{\"publish\":{\"channel\":\"c\",\"data\":{\"a\":[1]}},\"id\":7}", "{\"a\":[1]}", 7 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\": \"x\" }}\n", "\"x\"", 7 },
        { " {\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":1}}\r\n", "1", 7 },
        { "{\"id\":7,\"publish\":{\"channel\":\"\\u0063\",\"data\":1}}", "1", 7 },
        { "{\"id\":7,\"publish\":{\"data\":1,\"channel\":\"c\"}}", "1", 7 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":1,\"data\":2}}", "2", 7 },
        { "{\"id\":7,\"publish\":{\"channel\":\"b\",\"data\":1,\"channel\":\"c\"}}", "1", 7 },
        { "{\"id\":6,\"publish\":{\"channel\":\"c\",\"data\":1},\"id\":7}", "1", 7 },
        { "{\"publish\":{\"channel\":\"c\",\"data\":1},\"id\":6,\"id\":7}", "1", 7 },
        { "{\"id\":999999999,\"publish\":{\"channel\":\"c\",\"data\":1}}", "1", 999999999 },
        { "{\"id\":4294967295,\"publish\":{\"channel\":\"c\",\"data\":1}}", "1", 4294967295 },
        { "{\"id\":4294967296,\"publish\":{\"channel\":\"c\",\"data\":1}}", "", 0 },
        { "{\"id\":07,\"publish\":{\"channel\":\"c\",\"data\":1}}", "", 0 },
        { "{\"id\":7.5,\"publish\":{\"channel\":\"c\",\"data\":1}}", "", 0 },
        { "{\"id\":,\"publish\":{\"channel\":\"c\",\"data\":1}}", "", 0 },
        { "{\"publish\":{\"channel\":\"c\",\"data\":1},\"id\":}", "", 0 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":1}", "", 0 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":1}}}", "", 0 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":01}}", "", 0 },
        { "{\"id\":7,\"publish\":{\"channel\":\"c\",\"data\":}}", "", 0 },
        { "{\"id\":7,\"publish\":{\"channel\":1,\"data\":1}}", "", 0 },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct reading r;
        struct command c;
        reading_begin(&r, str_of(table[i].frame));
        assert_int_equal(command_next(&r.reader, &c), table[i].id ? 1 : -EBADMSG);
        if (table[i].id) {
            assert_int_equal(c.kind, COMMAND_PUBLISH);
            assert_int_equal(c.id, table[i].id);
            assert_text(c.publish.channel, "c");
            assert_raw(c.publish.data, table[i].data);
            assert_int_equal(c.publish.type, 0);
            assert_int_equal(c.publish.key.len, 0);
            assert_false(c.publish.is_removed);
        }
        reading_end(&r);
    }
}

static void depth_counts_from_the_command_on(void **state) {
    /* {publish:{data: are two levels; 62 more may follow. */
    for (size_t depth = 61; depth <= 64; depth++) {
        struct buffer frame = BUFFER_INIT;
        struct reading r;

        buffer_append_str(&frame, STR("{\"id\":1,\"publish\":{\"channel\":\"c\",\"data\":"));
        for (size_t i = 0; i < depth; i++)
            buffer_append_byte(&frame, '[');
        for (size_t i = 0; i < depth; i++)
            buffer_append_byte(&frame, ']');
        buffer_append_str(&frame, STR("}}"));

        reading_begin(&r, (struct str){ (char *) frame.data, frame.len });
        assert_int_equal(reading_next(&r), depth <= JSON_DEPTH_MAX - 2 ? 1 : -EBADMSG);
        reading_end(&r);
        buffer_finish(&frame);
    }
}

static void what_a_client_encodes_is_decoded_as_the_same(void **state) {
    static const char *const frames[] = {
        "{}",
        "{\"id\":1,\"connect\":{}}",
        "{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"a\":1},\"subs\":{\"a\":{}},"
        "\"name\":\"n\",\"version\":\"v\",\"headers\":{\"a\":\"b\"},\"flag\":-1}}",
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\\\"b\\n\",\"token\":\"t\",\"recover\":true,"
        "\"epoch\":\"e\",\"offset\":18446744073709551615,\"data\":[],\"positioned\":true,"
        "\"recoverable\":true,\"join_leave\":true,\"delta\":\"d\",\"tf\":{},\"flag\":3,"
        "\"type\":4}}",
        "{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":\"x\",\"type\":1}}",
        "{\"id\":3,\"presence\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"presence_stats\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"history\":{\"channel\":\"c\",\"limit\":-1,\"since\":{\"offset\":1,"
        "\"epoch\":\"e\"},\"reverse\":true}}",
        "{\"id\":3,\"history\":{\"channel\":\"c\",\"since\":{}}}",
        "{\"send\":{\"data\":1}}",
        "{\"id\":3,\"rpc\":{\"data\":1,\"method\":\"m\"}}",
        "{\"id\":3,\"refresh\":{\"token\":\"t\"}}",
        "{\"id\":3,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\",\"type\":1}}",
    };

    for (size_t i = 0; i < TABLE_LENGTH(frames); i++) {
        struct reading r;
        struct buffer out = BUFFER_INIT;
        codec_json.encode_command(read_one(&r, frames[i]), &out);
        assert_raw(buffer_bytes(&out), frames[i]);
        buffer_finish(&out);
        reading_end(&r);
    }
}

static void kinds_have_the_protocols_names(void **state) {
    assert_text(command_name(COMMAND_PONG), "pong");
    assert_text(command_name(COMMAND_SUB_REFRESH), "sub_refresh");
    assert_text(command_name(COMMAND_KINDS), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_with_everything),
        cmocka_unit_test(connect_with_nothing),
        cmocka_unit_test(subscribe_with_everything),
        cmocka_unit_test(the_small_commands),
        cmocka_unit_test(history_says_from_where),
        cmocka_unit_test(the_empty_command_is_a_pong),
        cmocka_unit_test(null_is_as_good_as_absent),
        cmocka_unit_test(of_a_repeated_member_the_last_counts),
        cmocka_unit_test(of_several_payloads_the_first_of_the_protocol_counts),
        cmocka_unit_test(names_and_strings_may_be_escaped),
        cmocka_unit_test(escaped_names_in_maps_too),
        cmocka_unit_test(maps_object_when_they_are_walked),
        cmocka_unit_test(a_payload_over_several_lines_becomes_one),
        cmocka_unit_test(a_frame_holds_many_commands),
        cmocka_unit_test(earlier_commands_outlive_later_ones),
        cmocka_unit_test(what_cannot_be_decoded_is_refused_with_words),
        cmocka_unit_test(commands_before_a_broken_one_are_handed_out),
        cmocka_unit_test(no_beginning_of_a_command_is_one),
        cmocka_unit_test(a_publish_is_the_same_however_it_is_written),
        cmocka_unit_test(depth_counts_from_the_command_on),
        cmocka_unit_test(what_a_client_encodes_is_decoded_as_the_same),
        cmocka_unit_test(kinds_have_the_protocols_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
