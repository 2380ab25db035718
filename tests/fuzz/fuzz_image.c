/* Whatever a file begins with: read within it, and a size is a whole one or none. */
#include <assert.h>

#include "protocol/image.h"
#include "tests/fuzz/fuzz.h"

int fuzz_one(const uint8_t *data, size_t size) {
    struct image i = image_of(bytes_of(data, size));
    assert((i.width == 0) == (i.height == 0));
    assert(i.width <= IMAGE_SIDE_MAX && i.height <= IMAGE_SIDE_MAX);
    assert(i.type.len > 0 || i.width == 0);
    return 0;
}
