/* Calls of the chat and their answers as they come from other nodes: the first byte says which. */
#include <assert.h>
#include <errno.h>

#include "daemon/chat/remote_message.h"
#include "tests/fuzz/fuzz.h"

static void check_asked(struct bytes in) {
    struct buffer out = BUFFER_INIT;
    struct chat_asked a, again;

    int r = chat_asked_decode(in, &a);
    assert(r == 0 || r == -EBADMSG);
    if (r < 0)
        return;
    chat_asked_encode(&a, &out);
    assert(buffer_error(&out) == 0);
    r = chat_asked_decode(buffer_bytes(&out), &again);
    assert(r == 0 && str_equal(a.user, again.user) && str_equal(a.room, again.room) &&
           bytes_equal(a.data, again.data));
    buffer_finish(&out);
}

static void check_answer(struct bytes in) {
    struct buffer out = BUFFER_INIT;
    struct chat_answer a = { 0 }, again = { 0 };

    int r = chat_answer_decode(in, &a);
    assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
    if (r == 0) {
        chat_answer_encode(&a, &out);
        assert(buffer_error(&out) == 0);
        r = chat_answer_decode(buffer_bytes(&out), &again);
        assert(r == 0 && a.refusal.code == again.refusal.code &&
               a.refusal.is_temporary == again.refusal.is_temporary &&
               str_equal(a.refusal.text, again.refusal.text) &&
               bytes_equal(buffer_bytes(&a.out), buffer_bytes(&again.out)));
    }
    chat_answer_finish(&a);
    chat_answer_finish(&again);
    buffer_finish(&out);
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] & 1)
        check_asked(bytes_of(data + 1, size - 1));
    else
        check_answer(bytes_of(data + 1, size - 1));
    return 0;
}
