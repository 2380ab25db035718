/*
 * The scanner against another parser, and against itself: passing a text in one go, walking it
 * member by member, and compacting it must agree.
 *
 * Where jansson differs, and why that is no finding: it cannot hold numbers beyond its types nor
 * zero bytes in names, it refuses lone surrogates, and it nests deeper than we allow.
 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

/* Brackets that could be open at once. jansson recurses: it is asked only where that is little. */
static size_t depth_at_most(struct bytes text) {
    size_t depth = 0, most = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '[' || text.data[i] == '{')
            most = ++depth > most ? depth : most;
        else if ((text.data[i] == ']' || text.data[i] == '}') && depth)
            depth--;
    }
    return most;
}

static void compare(struct bytes text, bool is_accepted) {
    json_error_t error;

    if (depth_at_most(text) > JSON_DEPTH_MAX)
        return;
    if (text.len && memchr(text.data, 0, text.len)) {
        assert(!is_accepted);
        return;
    }

    json_t *tree = json_loadb((const char *) text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                              &error);
    if (tree) {
        json_decref(tree);
        assert(is_accepted);
    } else if (is_accepted) {
        enum json_error_code code = json_error_code(&error);
        assert(code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
               strstr(error.text, "invalid Unicode"));
    }
}

static void check_string(struct json_string s) {
    struct arena arena = ARENA_INIT;
    struct buffer out = BUFFER_INIT;
    struct json_string again;
    struct str text;
    struct json j;

    assert(json_string_text(s, &arena, &text) == 0);
    assert(text.len <= s.raw.len);
    assert(json_string_equal(s, text));
    json_append_string(&out, text);
    json_init(&j, buffer_bytes(&out));
    assert(json_read_string(&j, &again) && json_end(&j));
    assert(json_string_equal(again, text));
    arena_finish(&arena);
    buffer_finish(&out);
}

/* Walks everything by hand. Whether there was no error. */
static bool walk(struct bytes text) {
    struct json j;
    struct json_string s;
    struct str number;
    bool flag;

    json_init(&j, text);
    do {
        /* Before a value. */
        switch (json_peek(&j)) {
        case JSON_IS_OBJECT:
            json_enter_object(&j);
            break;
        case JSON_IS_ARRAY:
            json_enter_array(&j);
            break;
        case JSON_IS_STRING:
            if (json_read_string(&j, &s))
                check_string(s);
            break;
        case JSON_IS_NUMBER:
            json_number(&j, &number);
            break;
        case JSON_IS_BOOL:
            json_bool(&j, &flag);
            break;
        case JSON_IS_NULL:
            json_read_null(&j);
            break;
        case JSON_IS_NONE:
        default:
            json_skip(&j);
            break;
        }

        /* Behind it: leave what ends here. */
        while (j.depth && !j.why) {
            bool is_object = j.objects >> (j.depth - 1) & 1;
            if (is_object ? json_member(&j, &s) : json_element(&j)) {
                if (is_object)
                    check_string(s);
                break;
            }
        }
    } while (j.depth && !j.why);
    return json_end(&j);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct bytes text = bytes_of(data, size);
    const char *why = NULL;
    bool is_accepted = json_is_valid(text, &why);

    assert(is_accepted == !why);
    assert(walk(text) == is_accepted);
    compare(text, is_accepted);

    if (is_accepted) {
        struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;
        json_compact(text, &once);
        assert(json_is_valid(buffer_bytes(&once), NULL));
        assert(!json_has_newline(buffer_bytes(&once)));
        json_compact(buffer_bytes(&once), &twice);
        assert(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
        buffer_finish(&once);
        buffer_finish(&twice);
    }
    return 0;
}
