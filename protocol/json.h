/*
 * Strict JSON (RFC 8259) without a tree: a cursor that validates what it passes and hands out spans
 * of the text.
 *
 * Strict: the grammar and nothing else, UTF-8 without overlong forms, surrogates or anything past
 * U+10FFFF, at most JSON_DEPTH_MAX levels. Escapes of lone surrogates (\ud800) pass, as they do in
 * browsers. A name that is repeated in an object is handed out each time: callers that assign on
 * every member get "the last one wins", as JSON.parse() has it.
 *
 * (Names that jansson also has are avoided: a test links both.)
 *
 * Nothing recurses. Nothing is allocated, except where an arena or a buffer is asked for.
 *
 * The first error sticks: later calls do nothing and return false, json_error() says what was
 * wrong. So a decoder may check once, at its end.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum { JSON_DEPTH_MAX = 64 }; /* objects and arrays within each other */

struct json {
    const char *at;
    const char *end;
    const char *why;  /* what is wrong: static text; NULL while nothing is */
    int error;        /* 0, -EBADMSG, -ENOMEM */
    uint64_t objects; /* bit n: level n is an object */
    uint8_t depth;
    uint8_t depth_max;
    bool is_first;    /* just behind a { or [ */
    bool has_newline; /* one was passed between tokens */
};

enum json_type {
    JSON_IS_NONE, /* nothing that can start a value, or an error before */
    JSON_IS_OBJECT,
    JSON_IS_ARRAY,
    JSON_IS_STRING,
    JSON_IS_NUMBER,
    JSON_IS_BOOL,
    JSON_IS_NULL,
};

/* A string as it stands in the text: what is between the quotes, validated. */
struct json_string {
    struct str raw;
    bool is_escaped; /* holds a backslash: the meaning differs from raw */
};

/* text: borrowed for as long as the cursor and what it handed out are used. */
void json_init(struct json *j, struct bytes text);

/* What is wrong, for a log line; NULL if nothing is. Where: text.len - json_left(). */
const char *json_error(const struct json *j);
size_t json_left(const struct json *j);           /* bytes the cursor has not passed */
bool json_fail(struct json *j, const char *why);  /* the caller's own objection; returns false */
bool json_no_memory(struct json *j);              /* the same, of -ENOMEM */
MUST_CHECK int json_result(const struct json *j); /* 0; -EBADMSG; -ENOMEM: of an arena */

enum json_type json_peek(struct json *j); /* of the value the cursor stands before */

/* Passes white space and says whether the text ends there; anything else is an error. */
bool json_end(struct json *j);

/*
 * Each of these passes one value, which must be of that type (else it is an error).
 *
 *     struct json_string key;
 *     if (json_enter_object(&j))
 *         while (json_member(&j, &key))
 *             if (json_is(key, STR("id")))  json_uint32(&j, &id);
 *             else                          json_skip(&j);
 *
 * After json_member() or json_element() returned true exactly one value must be passed. They return
 * false at the end, which they pass, and on an error. After an error nothing is handed out.
 */
bool json_enter_object(struct json *j);
bool json_member(struct json *j, struct json_string *ret_key);
bool json_enter_array(struct json *j);
bool json_element(struct json *j);
bool json_read_string(struct json *j, struct json_string *ret);
bool json_bool(struct json *j, bool *ret);
bool json_read_null(struct json *j);

/* Integers, exactly: a fraction, an exponent, a value that does not fit (for unsigned: any minus)
 * is an error. */
bool json_uint32(struct json *j, uint32_t *ret);
bool json_uint64(struct json *j, uint64_t *ret);
bool json_int32(struct json *j, int32_t *ret);
bool json_int64(struct json *j, int64_t *ret);

/* Any number, as it stands. */
bool json_number(struct json *j, struct str *ret);

/* Any value: passed, or handed out as it stands, without the white space around it. */
bool json_skip(struct json *j);
bool json_value(struct json *j, struct bytes *ret);

/* The same, made fit for a protocol in which a message is one line: if a newline (LF or CR) stands
 * between its tokens it is copied to the arena without any white space. */
bool json_value_line(struct json *j, struct arena *a, struct bytes *ret);

/* The string's meaning: the raw span, or unescaped in the arena. Lone surrogates become U+FFFD. */
bool json_text(struct json *j, struct arena *a, struct str *ret);

/* Whole texts. */
bool json_is_valid(struct bytes text, const char **ret_why); /* one value; ret_why may be NULL */

/* Whether a valid text has a newline between tokens (inside strings it cannot have one). */
bool json_has_newline(struct bytes text);
void json_compact(struct bytes valid, struct buffer *out); /* without white space between tokens */

/* Strings. */
bool json_string_equal(struct json_string s, struct str text); /* by meaning, without a copy */
size_t json_unescape(struct str raw,
                     char *out); /* of a valid raw; out: raw.len bytes. Its length */
MUST_CHECK int json_string_text(struct json_string s, struct arena *a,
                                struct str *ret); /* -ENOMEM */

static inline bool json_is(struct json_string key, struct str name) {
    return key.is_escaped ? json_string_equal(key, name) : str_equal(key.raw, name);
}

/* Writes text as a JSON string, quotes included. What is not valid UTF-8 becomes U+FFFD, so that
 * the output is valid whatever comes in. Only what must be escaped is: " \ and control characters.
 */
void json_append_string(struct buffer *out, struct str text);
