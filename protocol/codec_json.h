/* What the files of the JSON codec share; for nobody else. Users take codec_json of codec.h. */
#pragma once

#include "protocol/codec.h"
#include "protocol/json.h"

void json_encode_reply(const struct reply *reply, struct buffer *out);
void json_encode_push(const struct push *push, struct buffer *out);
void json_encode_bare_push(const struct push *push, struct buffer *out);
MUST_CHECK int json_next_reply(struct bytes *frame, struct arena *a, struct reply *ret,
                               const char **ret_why);
MUST_CHECK int json_decode_filter(struct bytes encoded, struct arena *a,
                                  const struct filter_node **ret, const char **ret_why);

/* A message's line: white space before it (false: the line is empty), and its end, past the newline
 * (false: something else stands there). */
static inline bool json_one_line_space(struct json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
    return j->at < j->end && *j->at != '\n';
}

static inline bool json_line_end(struct json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
    if (j->at == j->end)
        return true;
    return *j->at++ == '\n';
}

/*
 * Members of an object under construction. name is the quoted name with its colon, and for
 * json_put() whatever is to follow it. A comma comes first unless the object has just been opened:
 * what is written is JSON, in which no value ends with a brace that opens.
 */
static inline void json_put(struct buffer *out, struct str name) {
    if (out->len && out->data[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_append_str(out, name);
}

/* Members that are left out when they are zero. */
static inline void json_put_text(struct buffer *out, struct str name, struct str text) {
    if (text.len) {
        json_put(out, name);
        json_append_string(out, text);
    }
}

static inline void json_put_raw(struct buffer *out, struct str name, struct bytes value) {
    if (value.len) {
        json_put(out, name);
        buffer_append_bytes(out, value);
    }
}

static inline void json_put_uint(struct buffer *out, struct str name, uint64_t value) {
    if (value) {
        json_put(out, name);
        buffer_append_uint(out, value);
    }
}

static inline void json_put_int(struct buffer *out, struct str name, int64_t value) {
    if (value) {
        json_put(out, name);
        buffer_append_int(out, value);
    }
}

static inline void json_put_flag(struct buffer *out, struct str name, bool value) {
    if (value) {
        json_put(out, name);
        buffer_append_str(out, STR("true"));
    }
}
