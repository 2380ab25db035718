#include "deflate.h"

#define ZLIB_CONST
#include <zlib.h>

long deflate_inflate(struct worker *w, const uint8_t *p, size_t n) {
    static _Thread_local z_stream z;
    static _Thread_local bool is_ready;
    static const uint8_t tail[] = { 0, 0, 0xff,
                                    0xff }; /* what the sender leaves off: RFC 7692, 7.2.1 */
    if (!is_ready && inflateInit2(&z, -15) != Z_OK)
        die("inflateInit2 failed");
    is_ready = true;
    if (!w->inflated)
        w->inflated = grow(NULL, RECEIVE_MAX);
    (void) inflateReset(&z);
    z.next_out = w->inflated;
    z.avail_out = RECEIVE_MAX;
    z.next_in = p;
    z.avail_in = (unsigned) n;
    int r = inflate(&z, Z_SYNC_FLUSH);
    if ((r != Z_OK && r != Z_BUF_ERROR) || z.avail_in)
        return -1;
    z.next_in = tail;
    z.avail_in = sizeof tail;
    r = inflate(&z, Z_SYNC_FLUSH);
    if ((r != Z_OK && r != Z_BUF_ERROR) || z.avail_in || z.avail_out == 0)
        return -1;
    return (long) (RECEIVE_MAX - z.avail_out);
}
