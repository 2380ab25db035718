/* The cursor: what is passed and validated. What strings mean is in json_text.c. */
#include <errno.h>

#include "protocol/json_impl.h"

void json_init(struct json *j, struct bytes text) {
    const char *begin = text.len ? (const char *) text.data : ""; /* data may be NULL then */

    *j = (struct json){ .at = begin, .end = begin + text.len, .depth_max = JSON_DEPTH_MAX };
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

/*
 * Passing a token: from a place in the text to the one behind it, or NULL after noting what is
 * wrong. The place travels in a register, not through j->at.
 */

static __attribute__((noinline)) const char *fail_at(struct json *j, const char *p,
                                                     const char *why) {
    j->at = p;
    json_fail(j, why);
    return NULL;
}

static __attribute__((noinline)) const char *pass_long_space(struct json *j, const char *p) {
    for (; p < j->end; p++) {
        if (*p == '\n' || *p == '\r')
            j->has_newline = true;
        else if (*p != ' ' && *p != '\t')
            break;
    }
    return p;
}

/* To the next token, or the end. Most texts have no white space at all. */
static inline const char *pass_space(struct json *j, const char *p) {
    return likely(p < j->end && (unsigned char) *p > ' ') ? p : pass_long_space(j, p);
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

/* The end quote of a string that holds more than plain ASCII; p is where that was seen first. */
static __attribute__((noinline)) const char *rich_string_end(struct json *j, const char *p) {
    const char *end = j->end;

    for (;; p = json_plain_end(p, end)) {
        if (p == end)
            return fail_at(j, p, "a string has no end");
        if (*p == '"')
            return p;

        if (*p == '\\') {
            const char *next = escape_end(p, end);
            if (!next)
                return fail_at(j, p, "a string holds an unknown escape");
            p = next;
        } else if ((unsigned char) *p < 0x20) {
            return fail_at(j, p, "a string holds a control character");
        } else {
            do {
                size_t len =
                        json_utf8_sequence((const unsigned char *) p, (const unsigned char *) end);
                if (!len)
                    return fail_at(j, p, "a string is not valid UTF-8");
                p += len;
            } while (p < end && (unsigned char) *p >= 0x80);
        }
    }
}

/* p: on the first quote. */
static inline const char *pass_string(struct json *j, const char *p, struct json_string *ret) {
    const char *begin = p + 1;

    p = json_plain_end(begin, j->end);
    ret->is_escaped = false;
    if (unlikely(p == j->end || *p != '"')) {
        p = rich_string_end(j, p);
        if (!p)
            return NULL;
        ret->is_escaped = memchr(begin, '\\', (size_t) (p - begin)) != NULL;
    }
    ret->raw = (struct str){ .data = begin, .len = (size_t) (p - begin) };
    return p + 1;
}

static inline bool is_digit(const char *p, const char *end) {
    return p < end && (unsigned char) (*p - '0') <= 9;
}

/* p: on the first character, a minus or a digit. What may not follow a number (01, 1x) is found by
 * whoever looks for the next comma or bracket. */
static const char *pass_number(struct json *j, const char *p, bool *ret_is_integer) {
    static const char malformed[] = "a number is malformed";
    const char *end = j->end;

    *ret_is_integer = true;
    if (*p == '-')
        p++;
    if (!is_digit(p, end))
        return fail_at(j, p, malformed);
    if (*p == '0')
        p++;
    else
        while (is_digit(p, end))
            p++;

    if (p < end && *p == '.') {
        *ret_is_integer = false;
        if (!is_digit(++p, end))
            return fail_at(j, p, malformed);
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        *ret_is_integer = false;
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            return fail_at(j, p, malformed);
        while (is_digit(p, end))
            p++;
    }
    return p;
}

static inline const char *pass_word(struct json *j, const char *p, struct str word) {
    if ((size_t) (j->end - p) < word.len || memcmp(p, word.data, word.len) != 0)
        return fail_at(j, p, "no value where one was expected");
    return p + word.len;
}

/* A member's name and colon, with the white space before each. */
static inline const char *pass_key(struct json *j, const char *p, struct json_string *ret) {
    p = pass_space(j, p);
    if (unlikely(p == j->end || *p != '"'))
        return fail_at(j, p, "no name where one was expected");
    p = pass_string(j, p, ret);
    if (unlikely(!p))
        return NULL;
    p = pass_space(j, p);
    if (unlikely(p == j->end || *p != ':'))
        return fail_at(j, p, "no colon after a name");
    return p + 1;
}

static inline bool is_object_at(uint64_t objects, unsigned depth) {
    return objects >> (depth - 1) & 1;
}

/* One value of any kind, with everything inside. */
static const char *pass_value(struct json *j, const char *p) {
    const char *end = j->end;
    const unsigned outer = j->depth;
    unsigned depth = outer;
    uint64_t objects = j->objects;
    struct json_string ignored;
    bool is_integer;

    for (;;) {
        p = pass_space(j, p);
        if (unlikely(p == end))
            return fail_at(j, p, "no value where one was expected");

        switch (*p) {
        case '"':
            p = pass_string(j, p, &ignored);
            break;
        case '{':
        case '[': {
            if (unlikely(depth >= j->depth_max))
                return fail_at(j, p, "nested too deeply");
            uint64_t bit = UINT64_C(1) << depth++;
            bool is_object = *p == '{';
            objects = is_object ? objects | bit : objects & ~bit;

            p = pass_space(j, p + 1);
            if (p < end && *p == (is_object ? '}' : ']'))
                break;
            if (is_object) {
                p = pass_key(j, p, &ignored);
                if (unlikely(!p))
                    return NULL;
            }
            continue;
        }
        case 't':
            p = pass_word(j, p, STR("true"));
            break;
        case 'f':
            p = pass_word(j, p, STR("false"));
            break;
        case 'n':
            p = pass_word(j, p, STR("null"));
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
            p = pass_number(j, p, &is_integer);
            break;
        default:
            return fail_at(j, p, "no value where one was expected");
        }
        if (unlikely(!p))
            return NULL;

        /* Behind a value, or on the bracket that ends an empty one. */
        for (;;) {
            if (depth == outer)
                return p;

            p = pass_space(j, p);
            bool is_object = is_object_at(objects, depth);
            if (unlikely(p == end))
                return fail_at(j, p, is_object ? "an object has no end" : "an array has no end");
            if (*p == ',') {
                p++;
                if (is_object) {
                    p = pass_key(j, p, &ignored);
                    if (unlikely(!p))
                        return NULL;
                }
                break;
            }
            if (*p != (is_object ? '}' : ']'))
                return fail_at(j, p,
                               is_object ? "no comma or } after a member"
                                         : "no comma or ] after an element");
            p++;
            depth--;
        }
    }
}

/* The cursor: where it stands is known between the calls of a decoder. */

static inline bool move(struct json *j, const char *p) {
    if (unlikely(!p))
        return false;
    j->at = p;
    return true;
}

static inline void skip_space(struct json *j) {
    j->at = pass_space(j, j->at);
}

enum json_type json_peek(struct json *j) {
    if (j->why)
        return JSON_IS_NONE;
    skip_space(j);
    if (j->at == j->end)
        return JSON_IS_NONE;

    switch (*j->at) {
    case '{':
        return JSON_IS_OBJECT;
    case '[':
        return JSON_IS_ARRAY;
    case '"':
        return JSON_IS_STRING;
    case 't':
    case 'f':
        return JSON_IS_BOOL;
    case 'n':
        return JSON_IS_NULL;
    case '-':
        return JSON_IS_NUMBER;
    default:
        return *j->at >= '0' && *j->at <= '9' ? JSON_IS_NUMBER : JSON_IS_NONE;
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

static inline bool enter(struct json *j, bool is_object) {
    if (unlikely(j->depth >= j->depth_max))
        return json_fail(j, "nested too deeply");

    uint64_t bit = UINT64_C(1) << j->depth++;
    j->objects = is_object ? j->objects | bit : j->objects & ~bit;
    j->is_first = true;
    j->at++;
    return true;
}

bool json_enter_object(struct json *j) {
    return expect(j, '{', "a value is not an object") && enter(j, true);
}

bool json_enter_array(struct json *j) {
    return expect(j, '[', "a value is not an array") && enter(j, false);
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
           move(j, pass_key(j, j->at, ret_key));
}

bool json_element(struct json *j) {
    return next_in_level(j, ']', "an array has no end", "no comma or ] after an element");
}

bool json_read_string(struct json *j, struct json_string *ret) {
    return expect(j, '"', "a value is not a string") && move(j, pass_string(j, j->at, ret));
}

bool json_bool(struct json *j, bool *ret) {
    if (json_peek(j) != JSON_IS_BOOL)
        return json_fail(j, "a value is not true or false");

    bool value = *j->at == 't';
    if (!move(j, pass_word(j, j->at, value ? STR("true") : STR("false"))))
        return false;
    *ret = value;
    return true;
}

bool json_read_null(struct json *j) {
    return expect(j, 'n', "a value is not null") && move(j, pass_word(j, j->at, STR("null")));
}

bool json_number(struct json *j, struct str *ret) {
    bool is_integer;

    if (json_peek(j) != JSON_IS_NUMBER)
        return json_fail(j, "a value is not a number");

    const char *begin = j->at;
    if (!move(j, pass_number(j, j->at, &is_integer)))
        return false;
    *ret = (struct str){ .data = begin, .len = (size_t) (j->at - begin) };
    return true;
}

/* An integer's sign and magnitude. */
static bool pass_integer(struct json *j, bool *ret_is_negative, uint64_t *ret_magnitude) {
    bool is_integer;

    if (json_peek(j) != JSON_IS_NUMBER)
        return json_fail(j, "a value is not a number");

    const char *p = j->at;
    bool is_negative = *p == '-';
    if (!move(j, pass_number(j, j->at, &is_integer)))
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
    return !j->why && move(j, pass_value(j, j->at));
}

bool json_value(struct json *j, struct bytes *ret) {
    if (j->why)
        return false;
    skip_space(j);

    const char *begin = j->at;
    if (!move(j, pass_value(j, begin)))
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

    if (!json_read_string(j, &s))
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
