/*
 * The protocol's objects as tables: each member's name, and where in a struct its value belongs.
 * One walk decodes, and one encodes, any object that has a table. For the JSON codec's files.
 *
 * Null stands for the zero that absence means. Members that no table names are ignored.
 */
#pragma once

#include "protocol/command.h"
#include "protocol/json.h"

/* By the C type of the member, or JSON_BY: by functions of its own. */
enum json_how {
    JSON_TEXT,
    JSON_RAW, /* any value; on one line */
    JSON_MAP, /* an object, left encoded; on one line */
    JSON_FLAG,
    JSON_U32,
    JSON_U64,
    JSON_I32,
    JSON_I64,
    JSON_BY,
};

struct json_field {
    struct str name;
    struct str quoted; /* with its colon, for json_put() */
    enum json_how how;
    size_t at; /* of the member; JSON_BY: what is handed to the functions */
    /* Passes one value, which is not null. */
    void (*decode)(struct json *j, struct arena *a, void *at);
    /* Writes the member, unless it is zero. NULL: of objects that are only decoded. */
    void (*encode)(struct buffer *out, struct str quoted, const void *at);
};

struct json_table {
    const struct json_field *fields;
    size_t n;
};

#define JSON_FIELD_NAMES(text)                                                                     \
    .name = { text, sizeof(text) - 1 }, .quoted = { "\"" text "\":", sizeof(text) + 2 }

/* Of a struct's member: `JSON_FIELD(struct command_history, limit)`. */
#define JSON_FIELD_NAMED(type, member, text)                                                       \
    {                                                                                              \
        JSON_FIELD_NAMES(text),                                                                    \
                .how = _Generic(((type *) 0)->member, struct str                                   \
                                : JSON_TEXT, struct bytes                                          \
                                : JSON_RAW, struct command_map                                     \
                                : JSON_MAP, bool                                                   \
                                : JSON_FLAG, uint32_t                                              \
                                : JSON_U32, uint64_t                                               \
                                : JSON_U64, int32_t                                                \
                                : JSON_I32, int64_t                                                \
                                : JSON_I64),                                                       \
                .at = offsetof(type, member)                                                       \
    }
#define JSON_FIELD(type, member) JSON_FIELD_NAMED(type, member, #member)

/* Of a member, or of a whole struct, that has functions of its own. */
#define JSON_FIELD_BY(type, member, text, decode_by, encode_by)                                    \
    {                                                                                              \
        JSON_FIELD_NAMES(text), .how = JSON_BY, .at = offsetof(type, member), .decode = decode_by, \
                                .encode = encode_by                                                \
    }
#define JSON_WHOLE_BY(text, decode_by, encode_by)                                                  \
    { JSON_FIELD_NAMES(text), .how = JSON_BY, .decode = decode_by, .encode = encode_by }

#define JSON_TABLE(array) ((struct json_table){ array, sizeof array / sizeof array[0] })

/* Passes an object; ret: zeroed by the caller. A name that is repeated: the last one wins. Errors
 * stay with the cursor. */
void json_decode_object(struct json *j, struct arena *a, struct json_table t, void *ret);

/* The members that are not zero, in the table's order, without the braces. */
void json_put_members(struct buffer *out, struct json_table t, const void *from);

/*
 * One member at a time, for objects without a table. Null is passed and leaves zero.
 */
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

static inline void json_field_uint32(struct json *j, uint32_t *ret) {
    *ret = 0;
    if (!json_field_is_null(j))
        json_uint32(j, ret);
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

/* The list's next item; NULL and the cursor's error: no memory. */
static inline void *json_list_add(struct json *j, struct arena *a, struct arena_list *l,
                                  size_t item_size) {
    void *item = arena_list_add(a, l, item_size);

    if (!item)
        json_no_memory(j);
    return item;
}
