/* JSON, a member at a time: commas come by themselves. What goes wrong is remembered by the buffer.
 * For daemon/chat/. */
#pragma once

#include "protocol/buffer.h"
#include "protocol/json.h"

/* Before a value in an array, and by out_key() before a member. */
static inline void out_next(struct buffer *out) {
    if (out->len > 0 && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
        buffer_append_byte(out, ',');
}

/* name: needs no escapes. */
static inline void out_key(struct buffer *out, const char *name) {
    out_next(out);
    buffer_append_byte(out, '"');
    buffer_append_str(out, str_of(name));
    buffer_append_str(out, STR("\":"));
}

static inline void out_open(struct buffer *out, char bracket) {
    buffer_append_byte(out, (uint8_t) bracket);
}

static inline void out_close(struct buffer *out, char bracket) {
    buffer_append_byte(out, (uint8_t) bracket);
}

static inline void out_text(struct buffer *out, const char *name, struct str text) {
    out_key(out, name);
    json_append_string(out, text);
}

/* Unless it is empty. */
static inline void out_text_if(struct buffer *out, const char *name, struct str text) {
    if (text.len > 0)
        out_text(out, name, text);
}

static inline void out_int(struct buffer *out, const char *name, int64_t number) {
    out_key(out, name);
    buffer_append_int(out, number);
}

static inline void out_uint(struct buffer *out, const char *name, uint64_t number) {
    out_key(out, name);
    buffer_append_uint(out, number);
}

/* Unless it is 0. */
static inline void out_int_if(struct buffer *out, const char *name, int64_t number) {
    if (number != 0)
        out_int(out, name, number);
}

/* Unless it is false. */
static inline void out_flag_if(struct buffer *out, const char *name, bool flag) {
    if (!flag)
        return;
    out_key(out, name);
    buffer_append_str(out, STR("true"));
}

static inline void out_bool(struct buffer *out, const char *name, bool flag) {
    out_key(out, name);
    buffer_append_str(out, flag ? STR("true") : STR("false"));
}

static inline void out_texts(struct buffer *out, const char *name, const struct str *items,
                             size_t n) {
    out_key(out, name);
    out_open(out, '[');
    for (size_t i = 0; i < n; i++) {
        out_next(out);
        json_append_string(out, items[i]);
    }
    out_close(out, ']');
}
