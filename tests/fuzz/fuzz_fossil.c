/*
 * A patch that somebody made up is refused or makes what it says, within its bound; a patch of ours
 * makes its target, and is text if both are. Input: two bytes, the length of the source; the
 * source; then the patch, which serves as a target, too.
 */
#include <assert.h>
#include <errno.h>

#include "protocol/fossil.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { TARGET_MAX = 4096 };

static void decode(struct bytes source, struct bytes patch) {
    struct buffer out = BUFFER_INIT;

    int r = fossil_decode(source, patch, TARGET_MAX, &out);
    assert(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
    assert(out.len <= TARGET_MAX);
    buffer_finish(&out);
}

static void encode(struct bytes source, struct bytes target) {
    struct fossil_index *index = fossil_index_new(source);
    struct buffer patch = BUFFER_INIT, made = BUFFER_INIT;
    bool is_text = utf8_is_valid(source) && utf8_is_valid(target);

    assert(index);
    int r = fossil_encode(index, target, is_text, &patch);
    assert(r == 0 || (r == -EMSGSIZE && patch.len == 0));
    if (r == 0) {
        assert(patch.len < target.len);
        assert(!is_text || utf8_is_valid(buffer_bytes(&patch)));
        r = fossil_decode(source, buffer_bytes(&patch), target.len, &made);
        assert(r == 0 && bytes_equal(buffer_bytes(&made), target));
    }
    fossil_index_free(index);
    buffer_finish(&patch);
    buffer_finish(&made);
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t len = (size_t) data[0] << 8 | data[1];
    data += 2;
    size -= 2;
    len = size ? len % (size + 1) : 0;

    struct bytes source = bytes_of(data, len), rest = bytes_of(data + len, size - len);
    decode(source, rest);
    encode(source, rest);
    encode(rest, source);
    return 0;
}
