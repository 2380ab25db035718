/* Bodies of requests to /emulation, in both forms, and the frames in them. */
#include <assert.h>
#include <errno.h>

#include "protocol/emulation.h"
#include "tests/fuzz/codec_check.h"
#include "tests/fuzz/fuzz.h"

static void decode(const struct codec *codec, struct bytes body) {
    struct arena arena = ARENA_INIT;
    struct emulation_request e;
    const char *why = NULL;

    int result = emulation_request_decode(codec, body, &arena, &e, &why);
    assert(result == 0 || (result == -EBADMSG && why));
    if (result == 0) {
        assert(e.session.len && e.data.len);
        check_commands(codec, e.data);
    }
    arena_finish(&arena);
}

int fuzz_one(const uint8_t *data, size_t size) {
    decode(&codec_json, bytes_of(data, size));
    decode(&codec_protobuf, bytes_of(data, size));
    return 0;
}
