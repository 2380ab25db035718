/*
 * A growing run of bytes that an encoder writes into.
 *
 * Running out of memory, or past the limit, is remembered: later appends do nothing and
 * buffer_error() says what happened, so that an encoder checks once, at its end.
 */
#pragma once

#include "protocol/bytes.h"

struct buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t limit; /* bytes; 0: none */
    int error;    /* 0, -ENOMEM, -EMSGSIZE */
};

#define BUFFER_INIT ((struct buffer){ 0 })

void buffer_init(struct buffer *b, size_t limit_bytes);
void buffer_finish(struct buffer *b); /* frees; takes a zeroed or finished one */
void buffer_reset(struct buffer *b);  /* empties and forgets the error, keeps the memory */
MUST_CHECK int buffer_error(const struct buffer *b); /* 0, -ENOMEM, -EMSGSIZE */

/* Room for len more bytes, to be written at the returned place and then counted by buffer_added().
 * NULL when there is none. */
uint8_t *buffer_reserve(struct buffer *b, size_t len);
void buffer_added(struct buffer *b, size_t len);

void buffer_append(struct buffer *b, const void *data, size_t len);
void buffer_append_bytes(struct buffer *b, struct bytes data);
void buffer_append_str(struct buffer *b, struct str s);
void buffer_append_byte(struct buffer *b, uint8_t byte);
void buffer_append_uint(struct buffer *b, uint64_t value); /* decimal */
void buffer_append_int(struct buffer *b, int64_t value);   /* decimal */
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *b, const char *format, ...);

/* Drops the first len bytes, moving the rest to the front. */
void buffer_consume(struct buffer *b, size_t len);

static inline struct bytes buffer_bytes(const struct buffer *b) {
    return bytes_of(b->data, b->len);
}
