#include "protocol/json_fields.h"

#include "protocol/codec_json.h"

static void zero(const struct json_field *f, void *at) {
    switch (f->how) {
    case JSON_TEXT:
        *(struct str *) at = (struct str){ 0 };
        break;
    case JSON_RAW:
    case JSON_MAP:
        *(struct bytes *) at = (struct bytes){ 0 };
        break;
    case JSON_FLAG:
        *(bool *) at = false;
        break;
    case JSON_U32:
    case JSON_I32:
        *(uint32_t *) at = 0;
        break;
    case JSON_U64:
    case JSON_I64:
        *(uint64_t *) at = 0;
        break;
    case JSON_BY:
    default:
        break;
    }
}

static void decode_value(struct json *j, struct arena *a, const struct json_field *f, void *at) {
    switch (f->how) {
    case JSON_TEXT:
        json_text(j, a, at);
        break;
    case JSON_RAW:
        json_value_line(j, a, at);
        break;
    case JSON_MAP:
        if (json_peek(j) == JSON_IS_OBJECT)
            json_value_line(j, a, &((struct command_map *) at)->encoded);
        else
            json_fail(j, "a map is not an object");
        break;
    case JSON_FLAG:
        json_bool(j, at);
        break;
    case JSON_U32:
        json_uint32(j, at);
        break;
    case JSON_U64:
        json_uint64(j, at);
        break;
    case JSON_I32:
        json_int32(j, at);
        break;
    case JSON_I64:
        json_int64(j, at);
        break;
    case JSON_BY:
    default:
        f->decode(j, a, at);
        break;
    }
}

void json_decode_object(struct json *j, struct arena *a, struct json_table t, void *ret) {
    struct json_string key;

    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        size_t i = 0;
        while (i < t.n && !json_is(key, t.fields[i].name))
            i++;
        if (i == t.n) {
            json_skip(j);
            continue;
        }

        const struct json_field *f = &t.fields[i];
        void *at = (char *) ret + f->at;
        if (json_field_is_null(j))
            zero(f, at);
        else
            decode_value(j, a, f, at);
    }
}

void json_put_members(struct buffer *out, struct json_table t, const void *from) {
    for (size_t i = 0; i < t.n; i++) {
        const struct json_field *f = &t.fields[i];
        const void *at = (const char *) from + f->at;

        switch (f->how) {
        case JSON_TEXT:
            json_put_text(out, f->quoted, *(const struct str *) at);
            break;
        case JSON_RAW:
            json_put_raw(out, f->quoted, *(const struct bytes *) at);
            break;
        case JSON_MAP:
            json_put_raw(out, f->quoted, ((const struct command_map *) at)->encoded);
            break;
        case JSON_FLAG:
            json_put_flag(out, f->quoted, *(const bool *) at);
            break;
        case JSON_U32:
            json_put_uint(out, f->quoted, *(const uint32_t *) at);
            break;
        case JSON_U64:
            json_put_uint(out, f->quoted, *(const uint64_t *) at);
            break;
        case JSON_I32:
            json_put_int(out, f->quoted, *(const int32_t *) at);
            break;
        case JSON_I64:
            json_put_int(out, f->quoted, *(const int64_t *) at);
            break;
        case JSON_BY:
        default:
            f->encode(out, f->quoted, at);
            break;
        }
    }
}
