/* What clients put into a URL: the query's parameters, and the connect request in cf_connect. */
#include <assert.h>
#include <errno.h>

#include "daemon/transport/transport.h"
#include "protocol/codec.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

static void encode(struct bytes in, struct buffer *out) {
    buffer_append_str(out, STR("cf_connect="));
    for (size_t i = 0; i < in.len; i++)
        buffer_printf(out, "%%%02x", in.data[i]);
}

/* Encoded again, it is found again. */
static void check_round(struct bytes value) {
    CLEANUP(buffer_finish) struct buffer encoded = BUFFER_INIT, again = BUFFER_INIT;
    encode(value, &encoded);
    struct str query = { (const char *) encoded.data, encoded.len };
    assert(transport_query(query, STR("cf_connect"), &again) == 1);
    assert(bytes_equal(buffer_bytes(&again), value));
    buffer_finish(&again);
}

/* What is sound can be walked to its end, or says where it is not. */
static void check_request(struct bytes value) {
    CLEANUP(command_reader_finish) struct command_reader reader;
    struct command_connect c;
    struct command_subscribe sub;
    struct str name, text;

    int r = transport_check_connect(value);
    assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
    command_reader_init(&reader, &codec_json, value);
    assert(command_decode_connect(&reader, &c) == r);
    if (r < 0)
        return;
    while (command_next_sub(&reader, &c.subs, &sub) > 0)
        ;
    while (command_next_header(&reader, &c.headers, &name, &text) > 0)
        ;
}

int fuzz_one(const uint8_t *data, size_t size) {
    CLEANUP(buffer_finish) struct buffer value = BUFFER_INIT;
    struct str query = { (const char *) data, size };

    if (size && memchr(data, 0, size)) /* the reader of requests lets none through */
        return 0;
    int r = transport_query(query, STR("cf_connect"), &value);
    assert(r == 1 || r == 0 || r == -EINVAL || r == -ENOMEM);
    if (r == 1) {
        assert(value.len <= size && utf8_is_valid(buffer_bytes(&value)));
        check_round(buffer_bytes(&value));
        check_request(buffer_bytes(&value));
    } else {
        assert(value.len == 0);
    }
    (void) transport_query_is(query, STR("format"), STR("protobuf"));
    return 0;
}
