/* What a broken or hostile Redis may send. */
#include <assert.h>
#include <errno.h>

#include "protocol/buffer.h"
#include "storage/redis/line.h"
#include "storage/redis/reply.h"
#include "storage/redis/server.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_BYTES = 64 * 1024 };

/* How many replies there are before the end, and what ends them. */
static int count(const uint8_t *data, size_t size, size_t piece, size_t *ret) {
    struct redis_replies *r;
    struct redisReply *reply;
    int error = redis_replies_new(MAX_BYTES, &r);
    *ret = 0;
    if (error < 0)
        return error;
    for (size_t at = 0; at < size && error == 0; at += piece) {
        error = redis_replies_feed(r, bytes_of(data + at, size - at < piece ? size - at : piece));
        while (error == 0 && (error = redis_replies_next(r, &reply)) > 0) {
            ++*ret;
            (void) redis_reply_judge(reply);
            (void) redis_reply_text(reply);
            redis_reply_free(reply);
            error = 0;
        }
    }
    assert(error == 0 || error == -EPROTO || error == -EMSGSIZE || error == -ENOMEM);
    assert(error == 0 || redis_replies_why(r)[0] != '\0');
    (void) redis_replies_free(r);
    return error;
}

int fuzz_one(const uint8_t *data, size_t size) {
    size_t whole, split;
    int r = count(data, size, size ? size : 1, &whole);
    int again = count(data, size, 3, &split);
    /* A line that is too long may be so sooner; else the pieces make no difference. */
    if (r != -EMSGSIZE && again != -EMSGSIZE)
        assert(r == again && whole == split);
    return 0;
}
