/* The Protobuf codec, against what an official SDK's encoder made of the same messages (the hex of
 * each vector), and against the JSON codec: a message must mean the same in both. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/codec.h"
#include "protocol/emulation.h"
#include "protocol/tags_filter.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))

struct vector {
    const char *json;
    const char *hex;
};

static const struct vector commands[] = {
    { "{}", "00" },
    { "{\"id\":4294967295,\"subscribe\":{\"channel\":\"m\",\"type\":1,\"phase\":2,\"cursor\":"
      "\"cur\",\"limit\":100,\"asc\":true}}",
      "1c08ffffffff0f2a140a016d78018001028a0103637572900164980101" },
    { "{\"id\":2,\"unsubscribe\":{\"channel\":\"c\"}}", "07080232030a0163" },
    { "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":{\"text\": \"hi\"}}}",
      "1708033a130a0163120e7b2274657874223a20226869227d" },
    { "{\"id\":3,\"publish\":{\"channel\":\"m\",\"data\":1,\"type\":1,\"key\":\"k\"}}",
      "0f08033a0b0a016d120131180122016b" },
    { "{\"id\":3,\"publish\":{\"channel\":\"m\",\"type\":1,\"key\":\"k\",\"removed\":true}}",
      "0e08033a0a0a016d180122016b2801" },
    { "{\"id\":4,\"presence\":{\"channel\":\"c\"}}", "07080442030a0163" },
    { "{\"id\":5,\"presence_stats\":{\"channel\":\"c\"}}", "0708054a030a0163" },
    { "{\"id\":6,\"history\":{\"channel\":\"c\",\"limit\":-1,\"since\":{\"offset\":5,\"epoch\":"
      "\"e\"},\"reverse\":true}}",
      "1b080652170a016338ffffffffffffffffff01420508051201654801" },
    { "{\"id\":6,\"history\":{\"channel\":\"c\",\"since\":{}}}", "09080652050a01634200" },
    { "{\"id\":8,\"rpc\":{\"data\":1,\"method\":\"m\"}}", "0a08086a060a013112016d" },
    { "{\"id\":9,\"refresh\":{\"token\":\"t\"}}", "07080972030a0174" },
    { "{\"id\":10,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\"}}", "0a080a7a060a0163120174" },
    { "{\"id\":11,\"sub_refresh\":{\"channel\":\"p\",\"type\":1,\"track\":[{\"signature\":\"s\","
      "\"items\":[{\"key\":\"a\",\"version\":3},{\"key\":\"b\"}]},{\"signature\":\"z\"}]}}",
      "1f080b7a1b0a01701801220f0a017312050a0161100312030a016222030a017a" },
    { "{\"id\":12,\"sub_refresh\":{\"channel\":\"p\",\"type\":2,\"untrack\":[\"a\",\"b\"]}}",
      "0f080c7a0b0a017018022a01612a0162" },
};

static const struct vector replies[] = {
    { "{}", "00" },
    { "{\"id\":1,\"error\":{\"code\":100,\"message\":\"internal server "
      "error\",\"temporary\":true}}",
      "1f0801121b08641215696e7465726e616c20736572766572206572726f721801" },
    { "{\"id\":1,\"connect\":{\"client\":\"id\",\"version\":\"v\",\"expires\":true,\"ttl\":60,"
      "\"data\":{},\"subs\":{\"c\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":2,"
      "\"positioned\":true},\"d\":{}},\"ping\":25,\"pong\":true,\"session\":\"s\",\"node\":\"n\","
      "\"time\":5}}",
      "3608012a320a0269641201761801203c2a027b7d320e0a0163120918013201654802500132050a01641200381940"
      "014a017352016e5805" },
    { "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1,\"recoverable\":true,\"epoch\":\"e\","
      "\"publications\":[{\"data\":{\"x\": "
      "1},\"info\":{\"user\":\"u\",\"client\":\"c1\",\"conn_info\":{\"n\":1},\"chan_info\":2},"
      "\"offset\":300,\"tags\":{\"a\":\"1\",\"b\":\"2\"},\"time\":1700000000000,\"epoch\":\"e\"}],"
      "\"recovered\":true,\"offset\":7,\"positioned\":true,\"data\":1,\"was_recovering\":true,"
      "\"delta\":true}}",
      "58080232540801100118013201653a3c22087b2278223a20317d2a130a0175120263311a077b226e223a317d2201"
      "3230ac023a060a01611201313a060a01621201324880d095ffbc317201654001480750015a013160016801" },
    { "{\"id\":2,\"subscribe\":{\"epoch\":\"e\",\"offset\":9,\"type\":1,\"phase\":2,\"cursor\":"
      "\"k\",\"state\":[{\"data\":1,\"key\":\"a\",\"score\":-3},{\"data\":2,\"key\":\"b\","
      "\"removed\":true}],\"publish_debounce\":50}}",
      "2b08023227320165480978018001028a01016b9201082201315a016168059201082201325a01626001980132" },
    { "{\"id\":3,\"unsubscribe\":{}}", "0408033a00" },
    { "{\"id\":3,\"publish\":{}}", "0408034200" },
    { "{\"id\":4,\"presence\":{\"presence\":{\"c1\":{\"user\":\"u\",\"client\":\"c1\",\"conn_"
      "info\":{\"n\":1},\"chan_info\":2}}}}",
      "1f08044a1b0a190a02633112130a0175120263311a077b226e223a317d220132" },
    { "{\"id\":5,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}", "080805520408031002" },
    { "{\"id\":6,\"history\":{\"publications\":[{\"data\":1,\"offset\":1},{\"data\":2,\"offset\":2}"
      "],\"epoch\":\"e\",\"offset\":2}}",
      "1708065a130a0522013130010a0522013230021201651802" },
    { "{\"id\":7,\"rpc\":{\"data\":\"ok\"}}", "0a08076a060a04226f6b22" },
    { "{\"id\":8,\"refresh\":{\"expires\":true,\"ttl\":9}}", "080808720418012009" },
    { "{\"id\":9,\"sub_refresh\":{\"expires\":true,\"ttl\":9,\"items\":[{\"data\":7,\"key\":\"a\","
      "\"version\":4}]}}",
      "1308097a0f080110091a092201375a0161800104" },
    { "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":{\"x\": "
      "1},\"info\":{\"user\":\"u\",\"client\":\"c1\",\"conn_info\":{\"n\":1},\"chan_info\":2},"
      "\"offset\":300,\"tags\":{\"a\":\"1\",\"b\":\"2\"},\"time\":1700000000000,\"epoch\":\"e\"}}}",
      "46224412046e657773223c22087b2278223a20317d2a130a0175120263311a077b226e223a317d22013230ac023a"
      "060a01611201313a060a01621201324880d095ffbc31720165" },
    { "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":8,\"offset\":2,\"delta\":true}}}",
      "11220f12046e657773220722013830024001" },
    { "{\"push\":{\"channel\":\"c\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"c1\",\"conn_"
      "info\":{\"n\":1},\"chan_info\":2}}}}",
      "1c221a1201632a150a130a0175120263311a077b226e223a317d220132" },
    { "{\"push\":{\"channel\":\"c\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":\"c1\",\"conn_"
      "info\":{\"n\":1},\"chan_info\":2}}}}",
      "1c221a12016332150a130a0175120263311a077b226e223a317d220132" },
    { "{\"push\":{\"channel\":\"c\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient "
      "state\"}}}",
      "1e221c1201633a1710c4131a12696e73756666696369656e74207374617465" },
    { "{\"push\":{\"message\":{\"data\":9}}}", "07220542030a0139" },
    { "{\"push\":{\"channel\":\"c\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":"
      "3,\"positioned\":true,\"data\":{}}}}",
      "1422121201634a0d0801220165280330013a027b7d" },
    { "{\"push\":{\"connect\":{\"client\":\"id\",\"version\":\"v\",\"expires\":true,\"ttl\":60,"
      "\"data\":{},\"subs\":{\"c\":{}},\"ping\":25,\"pong\":true,\"session\":\"s\",\"node\":\"n\","
      "\"time\":5}}}",
      "26222452220a0269641201761a027b7d22050a016312002801303c381940014a017352016e5805" },
    { "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}",
      "11220f5a0d08b917120873687574646f776e" },
    { "{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":5}}}", "082206620408011005" },
};

/* Bytes on the heap, of exactly their number, so that reading past them is seen. */
static struct bytes from_hex(const char *hex) {
    size_t len = strlen(hex) / 2;
    uint8_t *data = malloc(len ? len : 1);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = { hex[2 * i], hex[2 * i + 1] };
        data[i] = (uint8_t) strtoul(digits, NULL, 16);
    }
    return bytes_of(data, len);
}

static void release(struct bytes b) {
    free((void *) (uintptr_t) b.data);
}

static void assert_bytes(const struct buffer *actual, struct bytes expected, const char *what) {
    assert_int_equal(buffer_error(actual), 0);
    if (bytes_equal(buffer_bytes(actual), expected))
        return;
    for (size_t i = 0; i < actual->len; i++)
        print_error("%02x", actual->data[i]);
    fail_msg(" is not the right encoding of %s", what);
}

static void assert_text(struct str actual, const char *expected) {
    if (!str_equal(actual, str_of(expected)))
        fail_msg("%.*s is not %s", (int) actual.len, actual.data, expected);
}

/* Reads the only command of a frame in one codec and writes it in the other. */
static void convert_command(const struct codec *from, struct bytes frame, const struct codec *to,
                            struct bytes expected, const char *what) {
    struct command_reader r;
    struct command c, none;
    struct buffer out = BUFFER_INIT;

    command_reader_init(&r, from, frame);
    if (command_next(&r, &c) != 1)
        fail_msg("%s: %s", what, r.why);
    to->encode_command(&c, &out);
    assert_bytes(&out, expected, what);
    assert_int_equal(command_next(&r, &none), 0);
    command_reader_finish(&r);
    buffer_finish(&out);
}

static void commands_are_what_an_official_client_sends(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(commands); i++) {
        struct bytes packed = from_hex(commands[i].hex);
        struct bytes json = str_bytes(str_of(commands[i].json));

        convert_command(&codec_protobuf, packed, &codec_json, json, commands[i].json);
        convert_command(&codec_json, json, &codec_protobuf, packed, commands[i].json);
        release(packed);
    }
}

static void convert_reply(const struct codec *from, struct bytes frame, const struct codec *to,
                          struct bytes expected, const char *what) {
    struct arena arena = ARENA_INIT;
    struct buffer out = BUFFER_INIT;
    const char *why = NULL;
    struct reply reply;

    if (from->next_reply(&frame, &arena, &reply, &why) != 1)
        fail_msg("%s: %s", what, why);
    assert_int_equal(frame.len, 0);
    to->encode_reply(&reply, &out);
    assert_bytes(&out, expected, what);
    if (reply.kind == REPLY_PUSH) {
        buffer_reset(&out);
        to->encode_push(&reply.push, &out);
        assert_bytes(&out, expected, what);
    }
    arena_finish(&arena);
    buffer_finish(&out);
}

static void replies_are_what_an_official_client_reads(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(replies); i++) {
        struct bytes packed = from_hex(replies[i].hex);
        struct bytes json = str_bytes(str_of(replies[i].json));

        convert_reply(&codec_protobuf, packed, &codec_json, json, replies[i].json);
        convert_reply(&codec_json, json, &codec_protobuf, packed, replies[i].json);
        release(packed);
    }
}

#define CONNECT_HEX                                                                                \
    "0a017412087b2261223a20317d1a0c0a01631207180132016538071a050a0164120022026a732a01313206"       \
    "0a01681201763801"

static void assert_connect(struct command_reader *r, const struct command_connect *c) {
    struct command_map subs = c->subs, headers = c->headers;
    struct command_subscribe sub;
    struct str name, value;

    assert_text(c->token, "t");
    assert_text(c->name, "js");
    assert_text(c->version, "1");
    assert_int_equal(c->flag, 1);
    assert_true(bytes_equal(c->data, str_bytes(STR("{\"a\": 1}"))));

    assert_int_equal(command_next_sub(r, &subs, &sub), 1);
    assert_text(sub.channel, "c");
    assert_true(sub.recover);
    assert_int_equal(sub.offset, 7);
    assert_text(sub.epoch, "e");
    assert_int_equal(command_next_sub(r, &subs, &sub), 1);
    assert_text(sub.channel, "d");
    assert_false(sub.recover);
    assert_int_equal(command_next_sub(r, &subs, &sub), 0);

    assert_int_equal(command_next_header(r, &headers, &name, &value), 1);
    assert_text(name, "h");
    assert_text(value, "v");
    assert_int_equal(command_next_header(r, &headers, &name, &value), 0);
}

static void a_connect_with_maps_comes_back_as_it_was(void **state) {
    struct bytes frame = from_hex("370801"
                                  "2233" CONNECT_HEX);
    struct command_reader r;
    struct command c;
    struct buffer out = BUFFER_INIT;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_CONNECT);
    assert_connect(&r, &c.connect);
    codec_protobuf.encode_command(&c, &out);
    assert_bytes(&out, frame, "connect");
    command_reader_finish(&r);
    buffer_finish(&out);
    release(frame);
}

static void a_bare_connect_needs_no_command(void **state) {
    struct bytes frame = from_hex(CONNECT_HEX);
    struct command_reader r;
    struct command_connect c;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_decode_connect(&r, &c), 0);
    assert_connect(&r, &c);
    command_reader_finish(&r);
    release(frame);

    command_reader_init(&r, &codec_json,
                        str_bytes(STR("{\"token\":\"t\",\"data\":{\"a\": 1},\"name\":\"js\","
                                      "\"version\":\"1\",\"flag\":1,\"headers\":{\"h\":\"v\"},"
                                      "\"subs\":{\"c\":{\"recover\":true,\"offset\":7,"
                                      "\"epoch\":\"e\"},\"d\":{}}}\n")));
    assert_int_equal(command_decode_connect(&r, &c), 0);
    assert_connect(&r, &c);
    command_reader_finish(&r);

    static const struct codec *const codecs[] = { &codec_json, &codec_protobuf };
    for (size_t i = 0; i < TABLE_LENGTH(codecs); i++) {
        command_reader_init(&r, codecs[i], (struct bytes){ 0 });
        assert_int_equal(command_decode_connect(&r, &c), 0);
        assert_int_equal(c.token.len, 0);
        command_reader_finish(&r);
    }

    command_reader_init(&r, &codec_json, str_bytes(STR("{\"token\":1}")));
    assert_int_equal(command_decode_connect(&r, &c), -EBADMSG);
    assert_non_null(r.why);
    command_reader_finish(&r);
    command_reader_init(&r, &codec_protobuf, str_bytes(STR("\x0a\x05t")));
    assert_int_equal(command_decode_connect(&r, &c), -EBADMSG);
    assert_non_null(r.why);
    command_reader_finish(&r);
}

static void payloads_are_any_bytes(void **state) {
    struct bytes frame = from_hex("0762050a0300c3bf"
                                  "0662040a0200ff");
    struct command_reader r;
    struct command c;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_SEND);
    assert_true(bytes_equal(c.send.data, bytes_of("\0\xc3\xbf", 3)));
    assert_int_equal(command_next(&r, &c), 1);
    assert_true(bytes_equal(c.send.data, bytes_of("\0\xff", 2)));
    assert_int_equal(command_next(&r, &c), 0);
    command_reader_finish(&r);
    release(frame);
}

static void text_keeps_its_nul_bytes(void **state) {
    struct bytes frame = from_hex("09080232050a0361006200");
    struct command_reader r;
    struct command c;

    command_reader_init(&r, &codec_protobuf, bytes_of(frame.data, 10));
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.unsubscribe.channel.len, 3);
    assert_memory_equal(c.unsubscribe.channel.data, "a\0b", 3);
    command_reader_finish(&r);
    release(frame);
}

static void a_subscription_carries_its_filter(void **state) {
    struct bytes frame = from_hex(
            "4c08ac022a470a046e657773120174180132026570380942027b7d4801500158016206666f7373696c6a20"
            "0a03616e64320a12016b1a026571220176320d12016e1a02696e2a01612a01627003");
    struct command_reader r;
    struct command c;
    const struct filter_node *f;
    const char *why = NULL;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_SUBSCRIBE);
    assert_int_equal(c.id, 300);
    assert_text(c.subscribe.delta, "fossil");
    assert_int_equal(c.subscribe.flag, 3);
    assert_true(c.subscribe.recover && c.subscribe.positioned && c.subscribe.recoverable &&
                c.subscribe.join_leave);

    assert_int_equal(codec_protobuf.decode_filter(c.subscribe.tags_filter, &r.arena, &f, &why), 0);
    assert_text(f->op, "and");
    assert_int_equal(f->n_nodes, 2);
    assert_text(f->nodes[0].key, "k");
    assert_text(f->nodes[0].cmp, "eq");
    assert_text(f->nodes[0].val, "v");
    assert_text(f->nodes[1].cmp, "in");
    assert_int_equal(f->nodes[1].n_vals, 2);
    assert_text(f->nodes[1].vals[1], "b");

    struct bytes json = str_bytes(STR(
            "{\"op\":\"and\",\"nodes\":[{\"key\":\"k\",\"cmp\":\"eq\",\"val\":\"v\"},"
            "{\"key\":\"n\",\"cmp\":\"in\",\"vals\":[\"a\",\"b\\u0041\"],\"nodes\":[],\"x\":1}]}"));
    assert_int_equal(codec_json.decode_filter(json, &r.arena, &f, &why), 0);
    assert_text(f->op, "and");
    assert_int_equal(f->n_nodes, 2);
    assert_text(f->nodes[0].val, "v");
    assert_int_equal(f->nodes[1].n_vals, 2);
    assert_text(f->nodes[1].vals[1], "bA");
    assert_int_equal(f->nodes[1].n_nodes, 0);
    command_reader_finish(&r);
    release(frame);
}

/* {"nodes":[{"nodes":[...]}]} of so many levels. */
static void nest(struct buffer *json, struct buffer *packed, int levels) {
    static const char open[] = "{\"nodes\":[", close[] = "]}";
    struct buffer inner = BUFFER_INIT;

    for (int i = 1; i < levels; i++)
        buffer_append(json, open, sizeof open - 1);
    buffer_append_str(json, STR("{}"));
    for (int i = 1; i < levels; i++) {
        buffer_append(json, close, sizeof close - 1);
        buffer_reset(&inner);
        buffer_append_bytes(&inner, buffer_bytes(packed));
        buffer_reset(packed);
        buffer_append_byte(packed, 6 << 3 | 2);
        assert_true(inner.len < 128);
        buffer_append_byte(packed, (uint8_t) inner.len);
        buffer_append_bytes(packed, buffer_bytes(&inner));
    }
    buffer_finish(&inner);
}

static void a_filter_has_bounds(void **state) {
    for (int extra = 0; extra < 2; extra++) {
        struct buffer json = BUFFER_INIT, packed = BUFFER_INIT, wide = BUFFER_INIT;
        struct arena arena = ARENA_INIT;
        const struct filter_node *f;
        const char *why = NULL;
        int expected = extra ? -EBADMSG : 0;

        nest(&json, &packed, FILTER_DEPTH_MAX + extra);
        assert_int_equal(codec_json.decode_filter(buffer_bytes(&json), &arena, &f, &why), expected);
        assert_int_equal(codec_protobuf.decode_filter(buffer_bytes(&packed), &arena, &f, &why),
                         expected);

        for (int i = 1; i < FILTER_NODES_MAX + extra; i++)
            buffer_append(&wide, "\x32\0", 2);
        assert_int_equal(codec_protobuf.decode_filter(buffer_bytes(&wide), &arena, &f, &why),
                         expected);
        arena_finish(&arena);
        buffer_finish(&json);
        buffer_finish(&packed);
        buffer_finish(&wide);
    }
}

static void what_is_no_filter_is_refused(void **state) {
    static const char *const bad[] = {
        "", "1", "[]", "{\"op\":1}", "{\"vals\":[1]}", "{\"nodes\":[1]}", "{\"nodes\":{}}", "{} {}"
    };
    struct arena arena = ARENA_INIT;
    const struct filter_node *f;

    for (size_t i = 0; i < TABLE_LENGTH(bad); i++) {
        const char *why = NULL;
        int r = codec_json.decode_filter(str_bytes(str_of(bad[i])), &arena, &f, &why);
        if (r != -EBADMSG || !why)
            fail_msg("%s: %d", bad[i], r);
    }
    const char *why = NULL;
    assert_int_equal(codec_protobuf.decode_filter(bytes_of("\x0a\x01\xff", 3), &arena, &f, &why),
                     -EBADMSG);
    assert_non_null(why);
    arena_finish(&arena);
}

static void an_emulation_request_has_two_forms(void **state) {
    static const char *const bad_json[] = { "",
                                            "1",
                                            "{}",
                                            "{\"session\":\"s\",\"node\":\"n\"}",
                                            "{\"node\":\"n\",\"data\":\"{}\"}",
                                            "{\"session\":\"s\",\"data\":{}}",
                                            "{\"session\":\"s\",\"data\":\"{}\"} 1" };
    struct arena arena = ARENA_INIT;
    struct emulation_request e;
    const char *why = NULL;

    struct bytes packed = from_hex("0a016e1201731a0100");
    assert_int_equal(emulation_request_decode(&codec_protobuf, packed, &arena, &e, &why), 0);
    assert_text(e.session, "s");
    assert_text(e.node, "n");
    assert_true(bytes_equal(e.data, bytes_of("\0", 1)));
    release(packed);

    assert_int_equal(
            emulation_request_decode(&codec_protobuf, (struct bytes){ 0 }, &arena, &e, &why),
            -EBADMSG);
    assert_int_equal(
            emulation_request_decode(&codec_protobuf, str_bytes(STR("\x0a\x10")), &arena, &e, &why),
            -EBADMSG);

    struct bytes json = str_bytes(
            STR("{\"session\":\"s\",\"node\":\"\",\"data\":\"{\\\"id\\\":1}\\n{}\",\"x\":0}"));
    assert_int_equal(emulation_request_decode(&codec_json, json, &arena, &e, &why), 0);
    assert_text(e.session, "s");
    assert_true(bytes_equal(e.data, str_bytes(STR("{\"id\":1}\n{}"))));
    for (size_t i = 0; i < TABLE_LENGTH(bad_json); i++) {
        why = NULL;
        int r = emulation_request_decode(&codec_json, str_bytes(str_of(bad_json[i])), &arena, &e,
                                         &why);
        if (r != -EBADMSG || !why)
            fail_msg("%s: %d", bad_json[i], r);
    }
    arena_finish(&arena);
}

static void a_frame_holds_many_messages(void **state) {
    struct bytes frame = from_hex("00"
                                  "07080232030a0163"
                                  "00");
    struct command_reader r;
    struct command c;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_PONG);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_UNSUBSCRIBE);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_PONG);
    assert_int_equal(command_next(&r, &c), 0);
    command_reader_finish(&r);
    release(frame);
}

static void what_cannot_be_is_refused(void **state) {
    static const struct {
        const char *hex;
        int error;
    } bad[] = {
        { "", -EBADMSG },
        { "01", -EBADMSG },                     /* shorter than its length */
        { "80", -EBADMSG },                     /* half a length */
        { "ffffffffffffffffff01", -EBADMSG },   /* a huge one */
        { "8080808080808080808000", -EBADMSG }, /* an endless one */
        { "02ffff", -EBADMSG },                 /* no message */
        { "0308012a", -EBADMSG },               /* cut in a field */
        { "04080a2a05", -EBADMSG },             /* a field longer than the message */
        { "07080232030a01ff", -EBADMSG },       /* a channel that is not UTF-8 */
        { "020801", -EPROTO },                  /* an id and nothing to do */
        { "0408075a00", -EPROTO },              /* the legacy ping */
        { "0532030a0163", -EPROTO },            /* no id */
        { "0408023200", -EPROTO },              /* no channel */
        { "06080182010100", -EPROTO },          /* only what is unknown */
    };

    for (size_t i = 0; i < TABLE_LENGTH(bad); i++) {
        struct bytes frame = from_hex(bad[i].hex);
        struct command_reader r;
        struct command c;

        command_reader_init(&r, &codec_protobuf, frame);
        int error = command_next(&r, &c);
        if (error != bad[i].error || !r.why)
            fail_msg("%s: %d %s", bad[i].hex, error, r.why);
        assert_int_equal(command_next(&r, &c), -EBADMSG);
        command_reader_finish(&r);
        release(frame);
    }
}

static void of_several_payloads_the_first_in_the_protocols_order_counts(void **state) {
    /* publish stands before unsubscribe in the frame, not in the protocol */
    struct bytes frame = from_hex("0c0802"
                                  "3a030a0170"
                                  "32030a0175");
    struct command_reader r;
    struct command c;

    command_reader_init(&r, &codec_protobuf, frame);
    assert_int_equal(command_next(&r, &c), 1);
    assert_int_equal(c.kind, COMMAND_UNSUBSCRIBE);
    assert_text(c.unsubscribe.channel, "u");
    command_reader_finish(&r);
    release(frame);
}

/* A connect request that lists many things, said again and again: each is merged with what came
 * before, which would take memory by the square. */
static void a_command_cannot_ask_for_boundless_memory(void **state) {
    struct buffer message = BUFFER_INIT, frame = BUFFER_INIT;
    struct command_reader r;
    struct command c;

    buffer_append(&message, "\x08\x01\x7a\x90\x4e", 5); /* sub_refresh of 10000 bytes */
    for (int i = 0; i < 5000; i++)
        buffer_append(&message, "\x22\x00", 2); /* track: {} */
    for (int i = 0; i < 10000; i++)
        buffer_append(&message, "\x7a\x02\x22\x00", 4);
    size_t len = message.len;
    for (; len >= 0x80; len >>= 7)
        buffer_append_byte(&frame, (uint8_t) (len | 0x80));
    buffer_append_byte(&frame, (uint8_t) len);
    buffer_append_bytes(&frame, buffer_bytes(&message));

    command_reader_init(&r, &codec_protobuf, buffer_bytes(&frame));
    assert_int_equal(command_next(&r, &c), -EBADMSG);
    assert_string_equal(r.why, "a message asks for too much memory");
    command_reader_finish(&r);
    buffer_finish(&message);
    buffer_finish(&frame);
}

/* A reply's list of publications is packed by protobuf-c: in it must stand what a push has. */
static void a_push_packed_by_hand_is_what_protobuf_c_makes(void **state) {
    static const struct client_info nobody = { { 0 } };
    static const struct client_info info = { { "u", 1 }, { "c", 1 }, { (const uint8_t *) "1", 1 } };
    static const struct tag tags[] = { { { "a", 1 }, { "1", 1 } }, { { "", 0 }, { "", 0 } } };
    char text[300];
    const struct wire_publication publications[] = {
        { .offset = 0 },
        { .data = bytes_of(text, 300), .offset = UINT64_MAX, .time_ms = -1, .info = &nobody },
        { .data = bytes_of(text, 128), .offset = 128, .tags = tags, .n_tags = 2, .info = &info },
        { .key = STR("k"), .is_removed = true, .score = -1, .version = UINT64_MAX },
        { .key = STR("k"), .score = INT64_MIN, .version = 127, .is_delta = true },
        { .key = STR("k"), .score = INT64_MAX, .version = 128, .epoch = STR("e"), .time_ms = 1 },
    };
    memset(text, 'x', sizeof text);

    for (size_t i = 0; i < TABLE_LENGTH(publications); i++) {
        struct reply reply = { .kind = REPLY_HISTORY,
                               .history.publications = wire_publications_of(&publications[i], 1) };
        struct push push = { .kind = PUSH_PUBLICATION, .publication = publications[i] };
        struct buffer by_hand = BUFFER_INIT, by_library = BUFFER_INIT;

        codec_protobuf.encode_bare_push(&push, &by_hand);
        codec_protobuf.encode_reply(&reply, &by_library);
        /* a push: length, tag, length, publication; a reply: length, tag, length, tag, length */
        size_t n = 0;
        while (n < by_hand.len && n < by_library.len &&
               by_hand.data[by_hand.len - 1 - n] == by_library.data[by_library.len - 1 - n])
            n++;
        assert_true(n + 3 + (by_hand.len > 130 ? 2 : 0) >= by_hand.len);

        struct arena arena = ARENA_INIT;
        struct reply decoded;
        const char *why = NULL;
        buffer_reset(&by_hand);
        codec_protobuf.encode_push(&push, &by_hand);
        struct bytes frame = buffer_bytes(&by_hand);
        assert_int_equal(codec_protobuf.next_reply(&frame, &arena, &decoded, &why), 1);
        const struct wire_publication *p = &decoded.push.publication;
        assert_true(bytes_equal(p->data, publications[i].data));
        assert_true(p->offset == publications[i].offset && p->score == publications[i].score);
        assert_true(p->version == publications[i].version && p->time_ms == publications[i].time_ms);
        assert_true(p->n_tags == publications[i].n_tags);
        assert_true((p->info != NULL) == (publications[i].info != NULL));
        arena_finish(&arena);
        buffer_finish(&by_hand);
        buffer_finish(&by_library);
    }
}

static void what_does_not_fit_is_an_error(void **state) {
    struct buffer out;
    struct reply reply = { .kind = REPLY_RPC, .id = 1, .rpc = { bytes_of("0123456789", 10) } };

    for (size_t limit = 1; limit < 16; limit++) {
        buffer_init(&out, limit);
        codec_protobuf.encode_reply(&reply, &out);
        assert_int_equal(buffer_error(&out), -EMSGSIZE);
        buffer_finish(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_what_an_official_client_sends),
        cmocka_unit_test(replies_are_what_an_official_client_reads),
        cmocka_unit_test(a_connect_with_maps_comes_back_as_it_was),
        cmocka_unit_test(a_bare_connect_needs_no_command),
        cmocka_unit_test(payloads_are_any_bytes),
        cmocka_unit_test(text_keeps_its_nul_bytes),
        cmocka_unit_test(a_subscription_carries_its_filter),
        cmocka_unit_test(a_filter_has_bounds),
        cmocka_unit_test(what_is_no_filter_is_refused),
        cmocka_unit_test(an_emulation_request_has_two_forms),
        cmocka_unit_test(a_frame_holds_many_messages),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(of_several_payloads_the_first_in_the_protocols_order_counts),
        cmocka_unit_test(a_command_cannot_ask_for_boundless_memory),
        cmocka_unit_test(a_push_packed_by_hand_is_what_protobuf_c_makes),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
