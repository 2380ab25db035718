/* Bounded spans: what the input is cut into. Borrowed always; who owns the bytes is said where a
 * span is stored. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef MUST_CHECK
#define MUST_CHECK __attribute__((warn_unused_result))
#endif

/* Any bytes. data may be NULL when len is 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

/* Text: valid UTF-8 wherever a decoder handed it out. Not terminated. */
struct str {
    const char *data;
    size_t len;
};

#define STR(literal)                                                                               \
    ((struct str){ .data = ("" literal), .len = sizeof(literal) - 1 }) /* of a string literal */

static inline struct str str_of(const char *terminated) {
    return (struct str){ .data = terminated, .len = terminated ? strlen(terminated) : 0 };
}

static inline struct bytes bytes_of(const void *data, size_t len) {
    return (struct bytes){ .data = (const uint8_t *) data, .len = len };
}

static inline struct bytes str_bytes(struct str s) {
    return bytes_of(s.data, s.len);
}

static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_starts_with(struct str s, struct str prefix) {
    return s.len >= prefix.len && memcmp(s.data, prefix.data, prefix.len) == 0;
}
