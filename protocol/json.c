/* The cursor: what is passed and validated. What strings mean is in json_text.c. */
#include <errno.h>

#include "protocol/json_impl.h"

void json_init(struct json *j, struct bytes text) {
    *j = (struct json){ .at = (const char *) text.data,
                        .end = (const char *) text.data + text.len,
                        .depth_max = JSON_DEPTH_MAX };
}

const char *json_error(const struct json *j) {
    return j->why;
}

int json_result(const struct json *j) {
    return j->error;
}

size_t json_left(const struct json *j) {
    return (size_t) (j->end - j->at);
}

static bool fail(struct json *j, int error, const char *why) {
    if (!j->why) {
        j->why = why;
        j->error = error;
    }
    return false;
}

bool json_fail(struct json *j, const char *why) {
    return fail(j, -EBADMSG, why);
}

bool json_no_memory(struct json *j) {
    return fail(j, -ENOMEM, "out of memory");
}

/* Stands on the next token, or at the end. Most texts have no white space at all. */
static inline void skip_space(struct json *j) {
    const char *p = j->at;

    if (likely(p < j->end && (unsigned char) *p > ' '))
        return;
    for (; p < j->end; p++) {
        if (*p == '\n' || *p == '\r')
            j->has_newline = true;
        else if (*p != ' ' && *p != '\t')
            break;
    }
    j->at = p;
}

/* Behind an escape that begins at p, or NULL. */
static const char *escape_end(const char *p, const char *end) {
    if (end - p < 2)
        return NULL;

    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        if (end - p < 6)
            return NULL;
        for (int i = 2; i < 6; i++)
            if (json_hex_digit(p[i]) < 0)
                return NULL;
        return p + 6;
    default:
        return NULL;
    }
}

/* Passes a string; the cursor stands on its first quote. */
static bool pass_string(struct json *j, struct json_string *ret) {
    const char *begin = j->at + 1, *p = begin, *end = j->end;
    bool is_escaped = false;

    for (;;) {
        p = json_plain_end(p, end);
        if (unlikely(p == end)) {
            j->at = p;
            return json_fail(j, "a string has no end");
        }
        if (likely(*p == '"'))
            break;

        const char *next;
        if (*p == '\\') {
            is_escaped = true;
            next = escape_end(p, end);
            if (!next) {
                j->at = p;
                return json_fail(j, "a string holds an unknown escape");
            }
        } else if ((unsigned char) *p < 0x20) {
            j->at = p;
            return json_fail(j, "a string holds a control character");
        } else {
            next = p;
            do {
                size_t len = json_utf8_sequence((const unsigned char *) next,
                                                (const unsigned char *) end);
                if (!len) {
                    j->at = next;
                    return json_fail(j, "a string is not valid UTF-8");
                }
                next += len;
            } while (next < end && (unsigned char) *next >= 0x80);
        }
        p = next;
    }

    ret->raw = (struct str){ .data = begin, .len = (size_t) (p - begin) };
    ret->is_escaped = is_escaped;
    j->at = p + 1;
    return true;
}

static inline bool is_digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

/* Passes a number; the cursor stands on its first character, a minus or a digit. */
static bool pass_number(struct json *j, bool *ret_is_integer) {
    const char *p = j->at, *end = j->end;
    bool is_integer = true;

    if (*p == '-')
        p++;
    if (!is_digit(p, end))
        goto broken;
    if (*p == '0')
        p++;
    else
        while (is_digit(p, end))
            p++;

    if (p < end && *p == '.') {
        is_integer = false;
        if (!is_digit(++p, end))
            goto broken;
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        is_integer = false;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            goto broken;
        while (is_digit(p, end))
            p++;
    }
    /* What may not follow (01, 1x) is found by whoever looks for the next comma or bracket. */
    j->at = p;
    *ret_is_integer = is_integer;
    return true;

broken:
    j->at = p;
    return json_fail(j, "a number is malformed");
}

static bool pass_word(struct json *j, struct str word) {
    if (json_left(j) < word.len || memcmp(j->at, word.data, word.len) != 0)
        return json_fail(j, "no value where one was expected");
    j->at += word.len;
    return true;
}

static inline bool push_level(struct json *j, bool is_object) {
    if (unlikely(j->depth >= j->depth_max))
        return json_fail(j, "nested too deeply");

    uint64_t bit = UINT64_C(1) << j->depth;
    j->objects = is_object ? j->objects | bit : j->objects & ~bit;
    j->depth++;
    j->at++;
    return true;
}

static inline bool is_in_object(const struct json *j) {
    return j->objects >> (j->depth - 1) & 1;
}

/* Passes a member's name and colon; the cursor stands before the name. */
static inline bool pass_key(struct json *j, struct json_string *ret) {
    skip_space(j);
    if (unlikely(j->at == j->end || *j->at != '"'))
        return json_fail(j, "no name where one was expected");
    if (!pass_string(j, ret))
        return false;
    skip_space(j);
    if (unlikely(j->at == j->end || *j->at != ':'))
        return json_fail(j, "no colon after a name");
    j->at++;
    return true;
}

/* Passes one value of any kind, with everything inside. */
static bool pass_value(struct json *j) {
    const unsigned outer = j->depth;
    struct json_string ignored;
    bool is_integer;

    for (;;) {
        skip_space(j);
        if (unlikely(j->at == j->end))
            return json_fail(j, "no value where one was expected");

        switch (*j->at) {
        case '"':
            if (!pass_string(j, &ignored))
                return false;
            break;
        case '{':
            if (!push_level(j, true))
                return false;
            skip_space(j);
            if (j->at < j->end && *j->at == '}')
                break;
            if (!pass_key(j, &ignored))
                return false;
            continue;
        case '[':
            if (!push_level(j, false))
                return false;
            skip_space(j);
            if (j->at < j->end && *j->at == ']')
                break;
            continue;
        case 't':
            if (!pass_word(j, STR("true")))
                return false;
            break;
        case 'f':
            if (!pass_word(j, STR("false")))
                return false;
            break;
        case 'n':
            if (!pass_word(j, STR("null")))
                return false;
            break;
        case '-':
        case '0':
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
        case '6':
        case '7':
        case '8':
        case '9':
            if (!pass_number(j, &is_integer))
                return false;
            break;
        default:
            return json_fail(j, "no value where one was expected");
        }

        /* Behind a value, or on the bracket that ends an empty one. */
        for (;;) {
            if (j->depth == outer)
                return true;

            skip_space(j);
            bool is_object = is_in_object(j);
            if (unlikely(j->at == j->end))
                return json_fail(j, is_object ? "an object has no end" : "an array has no end");
            if (*j->at == ',') {
                j->at++;
                if (is_object && !pass_key(j, &ignored))
                    return false;
                break;
            }
            if (*j->at != (is_object ? '}' : ']'))
                return json_fail(j, is_object ? "no comma or } after a member"
                                              : "no comma or ] after an element");
            j->at++;
            j->depth--;
        }
    }
}

enum json_type json_peek(struct json *j) {
    if (j->why)
        return JSON_NONE;
    skip_space(j);
    if (j->at == j->end)
        return JSON_NONE;

    switch (*j->at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    case '-':
        return JSON_NUMBER;
    default:
        return *j->at >= '0' && *j->at <= '9' ? JSON_NUMBER : JSON_NONE;
    }
}

bool json_end(struct json *j) {
    if (j->why)
        return false;
    skip_space(j);
    return j->at == j->end || json_fail(j, "something follows the value");
}

/* Whether a value begins with this character; else that it is not `what`. */
static inline bool expect(struct json *j, char first, const char *what) {
    if (unlikely(j->why != NULL))
        return false;
    skip_space(j);
    if (likely(j->at < j->end && *j->at == first))
        return true;
    return json_fail(j, what);
}

bool json_object(struct json *j) {
    if (!expect(j, '{', "a value is not an object") || !push_level(j, true))
        return false;
    j->is_first = true;
    return true;
}

bool json_array(struct json *j) {
    if (!expect(j, '[', "a value is not an array") || !push_level(j, false))
        return false;
    j->is_first = true;
    return true;
}

/* Whether another member or element comes; if so the cursor stands before it. */
static inline bool next_in_level(struct json *j, char close, const char *no_end,
                                 const char *no_comma) {
    if (unlikely(j->why != NULL))
        return false;
    skip_space(j);
    if (unlikely(j->at == j->end))
        return json_fail(j, no_end);

    bool is_first = j->is_first;
    j->is_first = false;
    if (*j->at == close) {
        j->at++;
        j->depth--;
        return false;
    }
    if (is_first)
        return true;
    if (unlikely(*j->at != ','))
        return json_fail(j, no_comma);
    j->at++;
    return true;
}

bool json_member(struct json *j, struct json_string *ret_key) {
    return next_in_level(j, '}', "an object has no end", "no comma or } after a member") &&
           pass_key(j, ret_key);
}

bool json_element(struct json *j) {
    return next_in_level(j, ']', "an array has no end", "no comma or ] after an element");
}

bool json_string(struct json *j, struct json_string *ret) {
    return expect(j, '"', "a value is not a string") && pass_string(j, ret);
}

bool json_bool(struct json *j, bool *ret) {
    if (json_peek(j) != JSON_BOOL)
        return json_fail(j, "a value is not true or false");

    bool value = *j->at == 't';
    if (!pass_word(j, value ? STR("true") : STR("false")))
        return false;
    *ret = value;
    return true;
}

bool json_null(struct json *j) {
    return expect(j, 'n', "a value is not null") && pass_word(j, STR("null"));
}

bool json_number(struct json *j, struct str *ret) {
    bool is_integer;

    if (json_peek(j) != JSON_NUMBER)
        return json_fail(j, "a value is not a number");

    const char *begin = j->at;
    if (!pass_number(j, &is_integer))
        return false;
    *ret = (struct str){ .data = begin, .len = (size_t) (j->at - begin) };
    return true;
}

/* An integer's sign and magnitude. */
static bool pass_integer(struct json *j, bool *ret_is_negative, uint64_t *ret_magnitude) {
    bool is_integer;

    if (json_peek(j) != JSON_NUMBER)
        return json_fail(j, "a value is not a number");

    const char *p = j->at;
    bool is_negative = *p == '-';
    if (!pass_number(j, &is_integer))
        return false;
    if (!is_integer)
        return json_fail(j, "a number is not whole");

    uint64_t magnitude = 0;
    for (p += is_negative; p < j->at; p++)
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t) (*p - '0'), &magnitude))
            return json_fail(j, "a number is out of range");

    *ret_is_negative = is_negative;
    *ret_magnitude = magnitude;
    return true;
}

bool json_uint64(struct json *j, uint64_t *ret) {
    bool is_negative;
    uint64_t magnitude;

    if (!pass_integer(j, &is_negative, &magnitude))
        return false;
    if (is_negative)
        return json_fail(j, "a number is negative");
    *ret = magnitude;
    return true;
}

bool json_uint32(struct json *j, uint32_t *ret) {
    uint64_t value;

    if (!json_uint64(j, &value))
        return false;
    if (value > UINT32_MAX)
        return json_fail(j, "a number is out of range");
    *ret = (uint32_t) value;
    return true;
}

bool json_int64(struct json *j, int64_t *ret) {
    bool is_negative;
    uint64_t magnitude;

    if (!pass_integer(j, &is_negative, &magnitude))
        return false;
    if (magnitude > (uint64_t) INT64_MAX + is_negative)
        return json_fail(j, "a number is out of range");
    /* The negative of INT64_MIN's magnitude is not an int64_t: subtract before converting. */
    *ret = is_negative && magnitude ? -(int64_t) (magnitude - 1) - 1 : (int64_t) magnitude;
    return true;
}

bool json_int32(struct json *j, int32_t *ret) {
    int64_t value;

    if (!json_int64(j, &value))
        return false;
    if (value < INT32_MIN || value > INT32_MAX)
        return json_fail(j, "a number is out of range");
    *ret = (int32_t) value;
    return true;
}

bool json_skip(struct json *j) {
    return !j->why && pass_value(j);
}

bool json_value(struct json *j, struct bytes *ret) {
    if (j->why)
        return false;
    skip_space(j);

    const char *begin = j->at;
    if (!pass_value(j))
        return false;
    *ret = bytes_of(begin, (size_t) (j->at - begin));
    return true;
}

bool json_value_line(struct json *j, struct arena *a, struct bytes *ret) {
    struct bytes value;

    if (j->why)
        return false;
    skip_space(j);
    j->has_newline = false;
    if (!json_value(j, &value))
        return false;

    if (unlikely(j->has_newline)) {
        char *line = arena_alloc(a, value.len);
        if (!line)
            return json_no_memory(j);
        value = bytes_of(line, json_compact_to(value, line));
    }
    *ret = value;
    return true;
}

bool json_text(struct json *j, struct arena *a, struct str *ret) {
    struct json_string s;

    if (!json_string(j, &s))
        return false;
    return json_string_text(s, a, ret) == 0 || json_no_memory(j);
}

bool json_is_valid(struct bytes text, const char **ret_why) {
    struct json j;

    json_init(&j, text);
    if (json_skip(&j) && json_end(&j))
        return true;
    if (ret_why)
        *ret_why = j.why;
    return false;
}
