#include "protocol/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *b, size_t limit_bytes) {
    *b = (struct buffer){ .limit = limit_bytes };
}

void buffer_finish(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){ .limit = b->limit };
}

void buffer_reset(struct buffer *b) {
    b->len = 0;
    b->error = 0;
}

int buffer_error(const struct buffer *b) {
    return b->error;
}

uint8_t *buffer_reserve_anew(struct buffer *b, size_t len) {
    if (b->error)
        return NULL;
    if (len > SIZE_MAX / 2 - b->len || (b->limit && len > b->limit - b->len)) {
        b->error = -EMSGSIZE;
        return NULL;
    }

    size_t need = b->len + len;
    if (need > b->cap || !b->data) {
        size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
        while (cap < need)
            cap += cap;
        if (b->limit && cap > b->limit)
            cap = b->limit;

        uint8_t *grown = realloc(b->data, cap);
        if (!grown) {
            b->error = -ENOMEM;
            return NULL;
        }
        b->data = grown;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buffer_added(struct buffer *b, size_t len) {
    assert(len <= b->cap - b->len);
    b->len += len;
}

void buffer_append_uint(struct buffer *b, uint64_t value) {
    enum { DIGITS_MAX = 20 };
    size_t n = 1;
    for (uint64_t limit = 10; n < DIGITS_MAX && value >= limit; limit *= 10)
        n++;

    uint8_t *at = buffer_reserve(b, n);
    if (!at)
        return;
    b->len += n;
    do {
        at[--n] = (uint8_t) ('0' + value % 10);
        value /= 10;
    } while (value);
}

void buffer_append_int(struct buffer *b, int64_t value) {
    if (value < 0)
        buffer_append_byte(b, '-');
    buffer_append_uint(b, value < 0 ? 0 - (uint64_t) value : (uint64_t) value);
}

void buffer_printf(struct buffer *b, const char *format, ...) {
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);

    uint8_t *at = len < 0 ? NULL : buffer_reserve(b, (size_t) len + 1);
    if (at) {
        (void) vsnprintf((char *) at, (size_t) len + 1, format, again);
        b->len += (size_t) len;
    }
    va_end(again);
}

void buffer_consume(struct buffer *b, size_t len) {
    assert(len <= b->len);
    b->len -= len;
    if (b->len)
        memmove(b->data, b->data + len, b->len);
}
