/*
 * Rubbish inflates to no more than the limit and leaves the inflater as good as new; what we
 * deflate comes back. Input: a byte that chooses the window, then a message.
 */
#include <assert.h>
#include <errno.h>

#include "protocol/deflate.h"
#include "tests/fuzz/fuzz.h"

enum { INFLATED_MAX = 50000 };

int fuzz_one(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;

    struct inflater *used = inflater_new(), *fresh = inflater_new();
    struct deflater *deflater = deflater_new();
    struct buffer first = BUFFER_INIT, second = BUFFER_INIT, packed = BUFFER_INIT;
    struct bytes in = bytes_of(data + 1, size - 1);

    assert(used && fresh && deflater);
    int r = inflater_message(used, in, INFLATED_MAX, &first);
    assert(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
    assert(first.len <= INFLATED_MAX && (r == 0 || first.len == 0));

    /* Whatever came before, the next message is read the same. */
    buffer_reset(&first);
    r = inflater_message(used, in, INFLATED_MAX, &first);
    int again = inflater_message(fresh, in, INFLATED_MAX, &second);
    assert(r == again && bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));

    r = deflater_message(deflater, DEFLATE_WINDOW_MIN + data[0] % 7, in, &packed);
    assert(r == 0 || r == 1);
    if (r == 1) {
        assert(packed.len < in.len);
        buffer_reset(&first);
        r = inflater_message(used, buffer_bytes(&packed), in.len, &first);
        assert(r == 0 && bytes_equal(buffer_bytes(&first), in));
    }
    buffer_finish(&first);
    buffer_finish(&second);
    buffer_finish(&packed);
    inflater_free(used);
    inflater_free(fresh);
    deflater_free(deflater);
    return 0;
}
