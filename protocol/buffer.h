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
    size_t cap;   /* never above the limit */
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
static inline uint8_t *buffer_reserve(struct buffer *b, size_t len);
void buffer_added(struct buffer *b, size_t len);

static inline void buffer_append(struct buffer *b, const void *data, size_t len);
static inline void buffer_append_bytes(struct buffer *b, struct bytes data);
static inline void buffer_append_str(struct buffer *b, struct str s);
static inline void buffer_append_byte(struct buffer *b, uint8_t byte);
void buffer_append_uint(struct buffer *b, uint64_t value); /* decimal */
void buffer_append_int(struct buffer *b, int64_t value);   /* decimal */
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *b, const char *format, ...);

/* Drops the first len bytes, moving the rest to the front. */
void buffer_consume(struct buffer *b, size_t len);

static inline struct bytes buffer_bytes(const struct buffer *b) {
    return bytes_of(b->data, b->len);
}

/* ---- inline, since encoders append a few bytes at a time ---- */

uint8_t *buffer_reserve_anew(struct buffer *b, size_t len); /* private: where it may not fit */

static inline uint8_t *buffer_reserve(struct buffer *b, size_t len) {
    /* More room than is asked for: then there is memory, and what is past the limit is no room. */
    if (__builtin_expect(!b->error && b->cap - b->len > len, 1))
        return b->data + b->len;
    return buffer_reserve_anew(b, len);
}

static inline void buffer_append(struct buffer *b, const void *data, size_t len) {
    if (len == 0)
        return;

    uint8_t *at = buffer_reserve(b, len);
    if (!at)
        return;
    memcpy(at, data, len);
    b->len += len;
}

static inline void buffer_append_bytes(struct buffer *b, struct bytes data) {
    buffer_append(b, data.data, data.len);
}

static inline void buffer_append_str(struct buffer *b, struct str s) {
    buffer_append(b, s.data, s.len);
}

static inline void buffer_append_byte(struct buffer *b, uint8_t byte) {
    buffer_append(b, &byte, 1);
}
