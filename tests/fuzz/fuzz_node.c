/* What comes from other nodes, or from whoever can publish in Redis. */
#include <assert.h>
#include <errno.h>

#include "daemon/node/message.h"
#include "tests/fuzz/fuzz.h"

/* What was accepted says the same when it is written again. */
static void check_again(const struct node_message *m) {
    struct buffer out = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct node_message again;
    node_message_encode(m, &out);
    assert(buffer_error(&out) == 0);
    int r = node_message_decode(buffer_bytes(&out), &arena, &again);
    assert(r == 0);
    assert(again.kind == m->kind && again.id == m->id && again.within_ms == m->within_ms);
    assert(again.result == m->result && again.number == m->number);
    assert(str_equal(again.name, m->name) && bytes_equal(again.body, m->body));
    arena_finish(&arena);
    buffer_finish(&out);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct arena arena = ARENA_INIT;
    struct node_message m;
    int r = node_message_decode(bytes_of(data, size), &arena, &m);
    assert(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ENOMEM);
    if (r == 0)
        check_again(&m);
    arena_finish(&arena);
    return 0;
}
