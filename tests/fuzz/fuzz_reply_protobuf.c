/* What a client reads from a server, in Protobuf. */
#include "tests/fuzz/codec_check.h"
#include "tests/fuzz/fuzz.h"

int fuzz_one(const uint8_t *data, size_t size) {
    check_replies(&codec_protobuf, bytes_of(data, size));
    return 0;
}
