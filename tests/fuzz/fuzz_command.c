/* Frames of commands. What is decoded, encoded, decoded and encoded again must be the same bytes.
 */
#include <assert.h>
#include <errno.h>

#include "protocol/codec.h"
#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

/* What the decoder promises of a payload: valid, and on one line. */
static void check_raw(struct bytes raw) {
    assert(!raw.len || (json_is_valid(raw, NULL) && !json_has_newline(raw)));
}

static void walk_maps(struct command_reader *r, const struct command *c) {
    struct command_map subs = c->connect.subs, headers = c->connect.headers;
    struct command_subscribe sub;
    struct str name, value;
    int result;

    while ((result = command_next_sub(r, &subs, &sub)) == 1) {
        check_raw(sub.data);
        check_raw(sub.tags_filter);
    }
    assert(result == 0 || result == -EBADMSG);
    while ((result = command_next_header(r, &headers, &name, &value)) == 1) {
    }
    assert(result == 0 || result == -EBADMSG);
}

static void check_command(struct command_reader *r, const struct command *c) {
    struct command_reader again;
    struct command decoded, none;
    struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;

    switch (c->kind) {
    case COMMAND_CONNECT:
        check_raw(c->connect.data);
        walk_maps(r, c);
        break;
    case COMMAND_SUBSCRIBE:
        check_raw(c->subscribe.data);
        check_raw(c->subscribe.tags_filter);
        break;
    case COMMAND_PUBLISH:
        check_raw(c->publish.data);
        break;
    case COMMAND_SEND:
        check_raw(c->send.data);
        break;
    case COMMAND_RPC:
        check_raw(c->rpc.data);
        break;
    default:
        break;
    }

    codec_json.encode_command(c, &once);
    assert(!buffer_error(&once));
    assert(!json_has_newline(buffer_bytes(&once)));

    command_reader_init(&again, &codec_json, buffer_bytes(&once));
    assert(command_next(&again, &decoded) == 1);
    assert(decoded.kind == c->kind && decoded.id == c->id);
    codec_json.encode_command(&decoded, &twice);
    assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    assert(command_next(&again, &none) == 0);
    command_reader_finish(&again);
    buffer_finish(&once);
    buffer_finish(&twice);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct command_reader r;
    struct command c;
    int result;

    command_reader_init(&r, &codec_json, bytes_of(data, size));
    while ((result = command_next(&r, &c)) == 1)
        check_command(&r, &c);
    assert(result == 0 || result == -EBADMSG || result == -EPROTO);
    assert(result == 0 || r.why);
    assert((command_next(&r, &c) == 0) == (result == 0));
    command_reader_finish(&r);
    return 0;
}
