#include "tests/support/redis_model/answer.h"

#include <assert.h>
#include <stdlib.h>

static struct bytes read_line(struct answer_reader *r) {
    const uint8_t *from = r->data.data + r->at;
    const uint8_t *end = memchr(from, '\r', r->data.len - r->at);
    assert(end);
    r->at += (size_t) (end - from) + 2;
    return bytes_of(from, (size_t) (end - from));
}

struct answer answer_next(struct answer_reader *r) {
    static const char marks[] = { [ANSWER_STATUS] = '+',
                                  [ANSWER_ERROR] = '-',
                                  [ANSWER_INT] = ':',
                                  [ANSWER_BULK] = '$',
                                  [ANSWER_ARRAY] = '*' };
    struct bytes line = read_line(r);
    enum answer_kind kind = ANSWER_STATUS;

    while (kind < ANSWER_ARRAY && (uint8_t) marks[kind] != line.data[0])
        kind++;
    struct answer a = { .kind = kind, .text = bytes_of(line.data + 1, line.len - 1) };
    if (kind >= ANSWER_INT)
        a.number = strtoll((const char *) a.text.data, NULL, 10); /* a CR ends it */
    if (kind >= ANSWER_BULK && a.number < 0)
        a.kind = ANSWER_NIL;
    if (a.kind == ANSWER_BULK) {
        a.text = bytes_of(r->data.data + r->at, (size_t) a.number);
        r->at += a.text.len + 2;
    }
    return a;
}
