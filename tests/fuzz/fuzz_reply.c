/* What a client reads from a server: any bytes at all. What is decoded, encoded, decoded and
 * encoded again must be the same bytes. */
#include <assert.h>
#include <errno.h>

#include "protocol/codec.h"
#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

static void check_reply(const struct reply *reply) {
    struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct reply decoded;
    const char *why = NULL;

    if (reply->kind == REPLY_UNKNOWN ||
        (reply->kind == REPLY_PUSH && reply->push.kind == PUSH_UNKNOWN))
        return;

    codec_json.encode_reply(reply, &once);
    assert(!buffer_error(&once));
    assert(json_is_valid(buffer_bytes(&once), NULL));
    assert(!json_has_newline(buffer_bytes(&once)));

    struct bytes frame = buffer_bytes(&once);
    assert(codec_json.next_reply(&frame, &arena, &decoded, &why) == 1);
    assert(!frame.len && decoded.kind == reply->kind);
    assert(decoded.id == reply->id || reply->kind == REPLY_PUSH);
    codec_json.encode_reply(&decoded, &twice);
    assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
    arena_finish(&arena);
    buffer_finish(&once);
    buffer_finish(&twice);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct bytes frame = bytes_of(data, size);
    struct arena arena = ARENA_INIT;
    struct reply reply;
    const char *why = NULL;
    int result;

    while ((result = codec_json.next_reply(&frame, &arena, &reply, &why)) == 1)
        check_reply(&reply);
    assert(result == 0 || (result == -EBADMSG && why));
    arena_finish(&arena);
    return 0;
}
