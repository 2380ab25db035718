#include "tests/fuzz/codec_check.h"

#include <assert.h>
#include <errno.h>

#include "protocol/json.h"

/* What the decoder promises of a payload: valid, and on one line. */
static void check_raw(const struct codec *codec, struct bytes raw) {
    assert(!codec->is_text || !raw.len || (json_is_valid(raw, NULL) && !json_has_newline(raw)));
}

static void walk_maps(struct command_reader *r, const struct command *c) {
    struct command_map subs = c->connect.subs, headers = c->connect.headers;
    struct command_subscribe sub;
    struct str name, value;
    int result;

    while ((result = command_next_sub(r, &subs, &sub)) == 1) {
        check_raw(r->codec, sub.data);
        check_raw(r->codec, sub.tags_filter);
    }
    assert(result == 0 || result == -EBADMSG);
    while ((result = command_next_header(r, &headers, &name, &value)) == 1) {
    }
    assert(result == 0 || result == -EBADMSG);
}

static void check_command(struct command_reader *r, const struct command *c) {
    const struct codec *codec = r->codec;
    struct command_reader again;
    struct command decoded, none;
    struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;

    switch (c->kind) {
    case COMMAND_CONNECT:
        check_raw(codec, c->connect.data);
        walk_maps(r, c);
        break;
    case COMMAND_SUBSCRIBE:
        check_raw(codec, c->subscribe.data);
        check_raw(codec, c->subscribe.tags_filter);
        break;
    case COMMAND_PUBLISH:
        check_raw(codec, c->publish.data);
        break;
    case COMMAND_SEND:
        check_raw(codec, c->send.data);
        break;
    case COMMAND_RPC:
        check_raw(codec, c->rpc.data);
        break;
    default:
        break;
    }

    codec->encode_command(c, &once);
    assert(!buffer_error(&once));
    assert(!codec->is_text || !json_has_newline(buffer_bytes(&once)));

    command_reader_init(&again, codec, buffer_bytes(&once));
    assert(command_next(&again, &decoded) == 1);
    assert(decoded.kind == c->kind && decoded.id == c->id);
    codec->encode_command(&decoded, &twice);
    assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    assert(command_next(&again, &none) == 0);
    command_reader_finish(&again);
    buffer_finish(&once);
    buffer_finish(&twice);
}

void check_commands(const struct codec *codec, struct bytes frame) {
    struct command_reader r;
    struct command c;
    int result;

    command_reader_init(&r, codec, frame);
    while ((result = command_next(&r, &c)) == 1)
        check_command(&r, &c);
    assert(result == 0 || result == -EBADMSG || result == -EPROTO);
    assert(result == 0 || r.why);
    assert((command_next(&r, &c) == 0) == (result == 0));
    command_reader_finish(&r);

    struct command_connect connect;
    command_reader_init(&r, codec, frame);
    result = command_decode_connect(&r, &connect);
    assert(result == 0 || (result == -EBADMSG && r.why));
    if (result == 0)
        check_raw(codec, connect.data);
    command_reader_finish(&r);
}

static void check_reply(const struct codec *codec, const struct reply *reply) {
    struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct reply decoded;
    const char *why = NULL;

    if (reply->kind == REPLY_UNKNOWN ||
        (reply->kind == REPLY_PUSH && reply->push.kind == PUSH_UNKNOWN))
        return;

    codec->encode_reply(reply, &once);
    assert(!buffer_error(&once));
    assert(!codec->is_text ||
           (json_is_valid(buffer_bytes(&once), NULL) && !json_has_newline(buffer_bytes(&once))));

    struct bytes frame = buffer_bytes(&once);
    assert(codec->next_reply(&frame, &arena, &decoded, &why) == 1);
    assert(!frame.len && decoded.kind == reply->kind);
    assert(decoded.id == reply->id || reply->kind == REPLY_PUSH);
    codec->encode_reply(&decoded, &twice);
    assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    arena_finish(&arena);
    buffer_finish(&once);
    buffer_finish(&twice);
}

void check_replies(const struct codec *codec, struct bytes frame) {
    struct arena arena = ARENA_INIT;
    struct reply reply;
    const char *why = NULL;
    int result;

    while ((result = codec->next_reply(&frame, &arena, &reply, &why)) == 1)
        check_reply(codec, &reply);
    assert(result == 0 || (result == -EBADMSG && why));
    arena_finish(&arena);
}
