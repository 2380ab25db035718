/*
 * Members of the protocol's objects, decoded: null stands for the zero that absence means. For the
 * JSON codec's files.
 */
#pragma once

#include "protocol/json.h"

static inline bool json_field_is_null(struct json *j) {
    /* Nearly always something else stands there: that costs no call. */
    if (j->at < j->end && *j->at != 'n' && (unsigned char) *j->at > ' ')
        return false;
    return json_peek(j) == JSON_IS_NULL && json_read_null(j);
}

static inline void json_field_text(struct json *j, struct arena *a, struct str *ret) {
    *ret = (struct str){ 0 };
    if (!json_field_is_null(j))
        json_text(j, a, ret);
}

static inline void json_field_bool(struct json *j, bool *ret) {
    *ret = false;
    if (!json_field_is_null(j))
        json_bool(j, ret);
}

static inline void json_field_uint64(struct json *j, uint64_t *ret) {
    *ret = 0;
    if (!json_field_is_null(j))
        json_uint64(j, ret);
}

static inline void json_field_uint32(struct json *j, uint32_t *ret) {
    *ret = 0;
    if (!json_field_is_null(j))
        json_uint32(j, ret);
}

static inline void json_field_int32(struct json *j, int32_t *ret) {
    *ret = 0;
    if (!json_field_is_null(j))
        json_int32(j, ret);
}

static inline void json_field_int64(struct json *j, int64_t *ret) {
    *ret = 0;
    if (!json_field_is_null(j))
        json_int64(j, ret);
}

/* A payload, on one line. */
static inline void json_field_raw(struct json *j, struct arena *a, struct bytes *ret) {
    *ret = (struct bytes){ 0 };
    if (!json_field_is_null(j))
        json_value_line(j, a, ret);
}
