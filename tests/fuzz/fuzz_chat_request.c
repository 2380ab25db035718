/* What clients ask of the chat. */
#include <assert.h>
#include <errno.h>

#include "daemon/chat/request.h"
#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

static bool is_within(struct str s, size_t max) {
    return s.len <= max && (s.len == 0 || s.data);
}

int fuzz_one(const uint8_t *data, size_t size) {
    enum { TEXT_MAX = 100 };
    struct arena arena = ARENA_INIT;
    struct chat_request r;
    struct chat_refusal why;

    int e = chat_request_decode(bytes_of(data, size), TEXT_MAX, &arena, &r, &why);
    assert(e == 0 || e == CHAT_BAD_REQUEST || e == CHAT_TOO_LONG || e == -ENOMEM);
    if (e == CHAT_TOO_LONG)
        assert(why.field && why.max > 0);
    if (e == 0) {
        assert(size == 0 || json_is_valid(bytes_of(data, size), NULL));
        assert(is_within(r.text, TEXT_MAX) && is_within(r.room, 64) && is_within(r.user, 64));
        assert(r.seq <= INT64_MAX && r.since <= INT64_MAX && r.until >= 0);
        assert(!(r.has & HAS(FIELD_META)) || json_is_valid(r.meta, NULL));
        for (size_t i = 0; i < r.users.n; i++)
            assert(is_within(r.users.items[i], 64));
    }
    arena_finish(&arena);
    return 0;
}
