/* The scanner against the categories that JSON parsers are commonly tested by: what must be
 * accepted, what must be refused, and what the RFC leaves open, where we say what we do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/json.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))

/* A literal with its length: some hold zero bytes. */
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

/* A copy of exactly its length on the heap, so that a byte read past the end is a sanitizer's. */
static struct bytes exact(struct str text) {
    uint8_t *copy = malloc(text.len ? text.len : 1);

    assert_non_null(copy);
    if (text.len)
        memcpy(copy, text.data, text.len);
    return bytes_of(copy, text.len);
}

static void release(struct bytes text) {
    union {
        const uint8_t *borrowed;
        void *owned;
    } u = { .borrowed = text.data };

    free(u.owned);
}

static bool is_accepted(struct str text) {
    struct bytes copy = exact(text);
    const char *why = NULL;
    bool is_valid = json_is_valid(copy, &why);

    assert_true(is_valid == (why == NULL));
    release(copy);
    return is_valid;
}

static const struct str accepted[] = {
    /* structure */
    TEXT("[]"),
    TEXT("{}"),
    TEXT("[[]]"),
    TEXT("[{}]"),
    TEXT("{\"a\":{}}"),
    TEXT("[[],[[]],{}]"),
    TEXT("{\"a\":[1,{\"b\":[]}],\"c\":null}"),
    TEXT("[null,1,\"1\",{}]"),
    TEXT("[\"\"]"),
    TEXT("{\"\":0}"),
    TEXT("{\"a\":1,\"a\":2}"), /* names may repeat */
    TEXT("{\"\\u0061\":1}"),
    TEXT("{\"a\\u0000b\":1}"),
    /* lone values */
    TEXT("1"),
    TEXT("-0"),
    TEXT("\"\""),
    TEXT("\"a\""),
    TEXT("true"),
    TEXT("false"),
    TEXT("null"),
    /* white space */
    TEXT(" [] "),
    TEXT("\t\r\n [1\t,\r2\n,3 ]\n"),
    TEXT("{ \"a\" : \"b\" , \"c\" : 1 }"),
    TEXT(" 1 "),
    TEXT("[1\n]"),
    /* numbers */
    TEXT("0"),
    TEXT("[0,-0,1,-1,10,123456789]"),
    TEXT("[0.5,-0.5,1.25,0.0,1.0000]"),
    TEXT("[1e1,1E1,1e+1,1e-1,0e0,0E+7,1.5e10,-1.5E-10]"),
    TEXT("[123123e100000]"), /* beyond any float, well-formed */
    TEXT("[-237462374673276894279832749832423479823246327846]"),
    TEXT("[0.000000000000000000000000000000000000000000000000000000000000000000001]"),
    /* strings */
    TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    TEXT("[\"\\u0000\\u001f\\u00e9\\u20AC\\uFFFF\"]"),
    TEXT("[\"\\ud83d\\ude00\"]"),
    TEXT("[\"a/b\"]"),
    TEXT("[\"\x7f\"]"),                     /* DEL is no control character to JSON */
    TEXT("[\"\xc2\x80\"]"),                 /* the least of two bytes */
    TEXT("[\"\xdf\xbf\"]"),                 /* the greatest */
    TEXT("[\"\xe0\xa0\x80\"]"),             /* the least of three */
    TEXT("[\"\xed\x9f\xbf\"]"),             /* just below the surrogates */
    TEXT("[\"\xee\x80\x80\"]"),             /* just above */
    TEXT("[\"\xef\xbf\xbe\xef\xbf\xbf\"]"), /* noncharacters */
    TEXT("[\"\xf0\x90\x80\x80\"]"),         /* the least of four */
    TEXT("[\"\xf4\x8f\xbf\xbf\"]"),         /* U+10FFFF */
    TEXT("[\"\xe2\x80\xa8\xe2\x80\xa9\"]"), /* line separators, plain */
    TEXT("{\"\xd1\x86\":\"\xe6\x97\xa5\xe6\x9c\xac\"}"),
    TEXT("[\"0123456\",\"01234567\",\"012345678\",\"0123456789abcdef\",\"0123456789abcdefg\"]"),
    /* left open by the RFC: lone surrogates as escapes pass */
    TEXT("[\"\\ud800\"]"),
    TEXT("[\"\\udc00\"]"),
    TEXT("[\"\\ud800\\ud800\"]"),
    TEXT("[\"\\ud800x\\udc00\"]"),
    TEXT("[\"\\ude00\\ud83d\"]"),
};

static const struct str refused[] = {
    /* nothing, or too much */
    TEXT(""), TEXT(" "), TEXT("\n"), TEXT("1 2"), TEXT("[] []"), TEXT("{}{}"), TEXT("[1]x"),
    TEXT("{}#"), TEXT("\xef\xbb\xbf{}"), /* left open by the RFC: a byte order mark is refused */
    TEXT("\0"), TEXT("[]\0"), TEXT("[\0]"),
    /* structure */
    TEXT("["), TEXT("]"), TEXT("{"), TEXT("}"), TEXT("[}"), TEXT("{]"), TEXT("[1}"),
    TEXT("{\"a\":1]"), TEXT("[[]"), TEXT("[]]"), TEXT("[,]"), TEXT("[1,]"), TEXT("[,1]"),
    TEXT("[1,,2]"), TEXT("[1 2]"), TEXT("[1:2]"), TEXT("[\"a\":1]"), TEXT("[1"), TEXT("[1,"),
    TEXT("{,}"), TEXT("{\"a\"}"), TEXT("{\"a\":}"), TEXT("{\"a\":1,}"), TEXT("{,\"a\":1}"),
    TEXT("{\"a\":1,,\"b\":2}"), TEXT("{\"a\" 1}"), TEXT("{\"a\":1 \"b\":2}"), TEXT("{\"a\"::1}"),
    TEXT("{a:1}"), TEXT("{'a':1}"), TEXT("{1:1}"), TEXT("{null:1}"), TEXT("{[]:1}"), TEXT("{\"a\""),
    TEXT("{\"a\":"), TEXT("{\"a\":1"), TEXT("{\"a\":1,"), TEXT("{\"a\",\"b\"}"), TEXT("[/* */]"),
    TEXT("[1]//"),
    /* white space that is none to JSON */
    TEXT("[\f]"), TEXT("[\v]"), TEXT("[\xc2\xa0]"), TEXT("[\xe2\x80\x8b]"),
    /* words */
    TEXT("nul"), TEXT("nulL"), TEXT("nullx"), TEXT("tru"), TEXT("True"), TEXT("fals"),
    TEXT("[truefalse]"), TEXT("NaN"), TEXT("-NaN"), TEXT("Infinity"), TEXT("-Infinity"),
    TEXT("undefined"),
    /* numbers */
    TEXT("01"), TEXT("-01"), TEXT("00"), TEXT("+1"), TEXT("-"), TEXT("--1"), TEXT("- 1"),
    TEXT(".5"), TEXT("-.5"), TEXT("1."), TEXT("1.e1"), TEXT("1e"), TEXT("1e+"), TEXT("1E-"),
    TEXT("1e1.5"), TEXT("0x1"), TEXT("1_000"), TEXT("1,000"), TEXT("0e"), TEXT("[1.2.3]"),
    TEXT("[1e2e3]"), TEXT("\xef\xbc\x91"), /* a full-width 1 */
    /* strings */
    TEXT("\""), TEXT("\"a"), TEXT("'a'"), TEXT("\"\\"), TEXT("\"\\\""), TEXT("\"\\x41\""),
    TEXT("\"\\a\""), TEXT("\"\\'\""), TEXT("\"\\0\""), TEXT("\"\\U0041\""), TEXT("\"\\u\""),
    TEXT("\"\\u1\""), TEXT("\"\\u12\""), TEXT("\"\\u123\""), TEXT("\"\\u123g\""),
    TEXT("\"\\ud800\\\""), TEXT("\"\\ud800\\u\""), TEXT("\"\\u00"), TEXT("\"a\nb\""),
    TEXT("\"a\tb\""), TEXT("\"a\0b\""), TEXT("\"\x1f\""), TEXT("\"0123456789\x01\""),
    TEXT("\"a\"b\""),
    /* UTF-8 */
    TEXT("\"\x80\""),                   /* a continuation alone */
    TEXT("\"\xbf\""), TEXT("\"\xc2\""), /* cut short */
    TEXT("\"\xe2\x82\""), TEXT("\"\xf0\x9f\x98\""), TEXT("\"\xc2"), TEXT("\"\xe2\x82"),
    TEXT("\"\xc0\x80\""), /* overlong */
    TEXT("\"\xc1\xbf\""), TEXT("\"\xe0\x80\x80\""), TEXT("\"\xe0\x9f\xbf\""),
    TEXT("\"\xf0\x80\x80\x80\""), TEXT("\"\xf0\x8f\xbf\xbf\""),
    TEXT("\"\xed\xa0\x80\""), /* surrogates */
    TEXT("\"\xed\xbf\xbf\""), TEXT("\"\xed\xa0\xbd\xed\xb8\x80\""),
    TEXT("\"\xf4\x90\x80\x80\""), /* past U+10FFFF */
    TEXT("\"\xf5\x80\x80\x80\""), TEXT("\"\xfe\""), TEXT("\"\xff\""), TEXT("\"\xc2\xc2\x80\""),
    TEXT("{\"\xff\":1}"), TEXT("[\xff]"), TEXT("\"abcdefgh\xe9\""), /* Latin-1 */
};

static void what_the_grammar_allows_is_accepted(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(accepted); i++)
        if (!is_accepted(accepted[i]))
            fail_msg("refused: %.*s", (int) accepted[i].len, accepted[i].data);
}

static void everything_else_is_refused(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(refused); i++)
        if (is_accepted(refused[i]))
            fail_msg("accepted (%zu): %.*s", i, (int) refused[i].len, refused[i].data);
}

/* Objects and arrays are whole only with their last byte. (Of a number a beginning may be one too.)
 */
static void no_beginning_of_an_object_or_array_is_accepted(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(accepted); i++) {
        struct str whole = accepted[i];
        while (whole.len && (whole.data[whole.len - 1] == ' ' || whole.data[whole.len - 1] == '\n'))
            whole.len--;
        if (whole.data[whole.len - 1] != '}' && whole.data[whole.len - 1] != ']')
            continue;
        for (size_t len = 0; len < whole.len; len++)
            assert_false(is_accepted((struct str){ whole.data, len }));
    }
}

static void every_byte_of_a_character_is_looked_at(void **state) {
    /* Each of the 65536 pairs, as a string: what is valid is known by a rule simpler than the
     * code's. */
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char text[] = { '"', (char) first, (char) second, '"' };
            bool plain_first = first >= 0x20 && first < 0x80 && first != '"' && first != '\\';
            bool plain_second = second >= 0x20 && second < 0x80 && second != '"' && second != '\\';
            bool two_bytes = first >= 0xc2 && first <= 0xdf && second >= 0x80 && second <= 0xbf;
            bool escape = first == '\\' && second && strchr("\"\\/bfnrt", (int) second);
            bool expected = (plain_first && plain_second) || two_bytes || escape;
            assert_int_equal(is_accepted((struct str){ text, sizeof text }), expected);
        }
    }
}

static void a_stop_character_is_seen_at_any_distance(void **state) {
    /* Scanning goes by blocks: put each kind of stop at each place of strings of many lengths. */
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[48];
            memset(text, 'a', sizeof text);
            text[0] = text[len + 1] = '"';
            struct str s = { text, len + 2 };

            assert_true(is_accepted(s));
            static const char stops[] = { '"', '\x1f', '\xff', '\0', '\\' };
            for (size_t i = 0; i < sizeof stops; i++) {
                text[1 + at] = stops[i];
                assert_false(is_accepted(s));
            }
            text[1 + at] = '\x7f';
            assert_true(is_accepted(s));
        }
    }
}

static char *nested(size_t depth, char open, char close) {
    char *text = calloc(1, depth * 6 + 2), *to = text;

    assert_non_null(text);
    for (size_t i = 0; i < depth; i++)
        to = stpcpy(to, open == '{' ? (i + 1 < depth ? "{\"a\":" : "{") : "[");
    memset(to, close, depth);
    return text;
}

static void depth_has_a_limit(void **state) {
    static const char kinds[][2] = { { '[', ']' }, { '{', '}' } };

    for (size_t i = 0; i < TABLE_LENGTH(kinds); i++) {
        for (size_t depth = 1; depth < 200; depth++) {
            char *text = nested(depth, kinds[i][0], kinds[i][1]);
            assert_int_equal(is_accepted(str_of(text)), depth <= JSON_DEPTH_MAX);
            free(text);
        }
    }
    /* A million levels: nothing recurses. */
    char *text = nested(1000000, '[', ']');
    const char *why = NULL;
    assert_false(json_is_valid(str_bytes(str_of(text)), &why));
    assert_string_equal(why, "nested too deeply");
    free(text);
}

static void depth_is_counted_through_the_cursor_too(void **state) {
    char *text = nested(JSON_DEPTH_MAX + 1, '[', ']');
    struct json j;

    json_init(&j, str_bytes(str_of(text)));
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        assert_true(json_enter_array(&j));
        assert_true(json_element(&j));
    }
    assert_false(json_enter_array(&j));
    assert_string_equal(json_error(&j), "nested too deeply");

    /* Entered by hand and skipped: both count against the one limit. */
    json_init(&j, str_bytes(str_of(text)));
    assert_true(json_enter_array(&j));
    assert_true(json_element(&j));
    assert_false(json_skip(&j));
    assert_string_equal(json_error(&j), "nested too deeply");
    free(text);
}

static void the_cursor_walks_what_it_validates(void **state) {
    struct json j;
    struct json_string key, text;
    struct bytes value;
    uint32_t number = 0;
    bool flag = false;
    int members = 0;

    json_init(&j, str_bytes(STR(" { \"n\" : 7 , \"s\":\"x\", \"list\":[1, [2], {}], \"b\":true,"
                                "\"nothing\":null, \"o\":{\"k\":[]}, \"empty\":{} } ")));
    assert_int_equal(json_peek(&j), JSON_IS_OBJECT);
    assert_true(json_enter_object(&j));
    while (json_member(&j, &key)) {
        members++;
        if (json_is(key, STR("n"))) {
            assert_int_equal(json_peek(&j), JSON_IS_NUMBER);
            assert_true(json_uint32(&j, &number));
        } else if (json_is(key, STR("s"))) {
            assert_int_equal(json_peek(&j), JSON_IS_STRING);
            assert_true(json_read_string(&j, &text));
        } else if (json_is(key, STR("list"))) {
            int elements = 0;
            assert_int_equal(json_peek(&j), JSON_IS_ARRAY);
            assert_true(json_enter_array(&j));
            for (; json_element(&j); elements++)
                assert_true(json_skip(&j));
            assert_int_equal(elements, 3);
        } else if (json_is(key, STR("b"))) {
            assert_int_equal(json_peek(&j), JSON_IS_BOOL);
            assert_true(json_bool(&j, &flag));
        } else if (json_is(key, STR("nothing"))) {
            assert_int_equal(json_peek(&j), JSON_IS_NULL);
            assert_true(json_read_null(&j));
        } else if (json_is(key, STR("empty"))) {
            assert_true(json_enter_object(&j));
            assert_false(json_member(&j, &key));
        } else {
            assert_true(json_value(&j, &value));
        }
    }
    assert_true(json_end(&j));
    assert_null(json_error(&j));
    assert_int_equal(json_result(&j), 0);
    assert_int_equal(members, 7);
    assert_int_equal(number, 7);
    assert_true(flag);
    assert_true(str_equal(text.raw, STR("x")));
    assert_true(bytes_equal(value, str_bytes(STR("{\"k\":[]}"))));
}

static void the_first_error_sticks(void **state) {
    struct json j;
    struct json_string s;
    uint32_t number = 1;

    json_init(&j, str_bytes(STR("[1,x,2]")));
    assert_true(json_enter_array(&j));
    assert_true(json_element(&j));
    assert_true(json_skip(&j));
    assert_true(json_element(&j));
    assert_false(json_read_string(&j, &s));
    const char *why = json_error(&j);
    assert_non_null(why);
    assert_int_equal(json_result(&j), -EBADMSG);

    size_t left = json_left(&j);
    assert_false(json_skip(&j));
    assert_false(json_element(&j));
    assert_false(json_member(&j, &s));
    assert_false(json_enter_object(&j));
    assert_false(json_enter_array(&j));
    assert_false(json_read_null(&j));
    assert_false(json_uint32(&j, &number));
    assert_false(json_end(&j));
    assert_false(json_fail(&j, "something else"));
    assert_int_equal(json_peek(&j), JSON_IS_NONE);
    assert_ptr_equal(json_error(&j), why);
    assert_int_equal(json_left(&j), left);
    assert_int_equal(number, 1);
}

static void a_value_of_another_type_is_an_error(void **state) {
    static const struct str values[] = { TEXT("{}"), TEXT("[]"),   TEXT("\"1\""),
                                         TEXT("1"),  TEXT("true"), TEXT("null") };

    for (size_t is = 0; is < TABLE_LENGTH(values); is++) {
        for (size_t asked = 0; asked < TABLE_LENGTH(values); asked++) {
            struct json j;
            struct json_string s;
            uint64_t number;
            bool flag, r = false;

            json_init(&j, str_bytes(values[is]));
            switch (asked) {
            case 0:
                r = json_enter_object(&j);
                break;
            case 1:
                r = json_enter_array(&j);
                break;
            case 2:
                r = json_read_string(&j, &s);
                break;
            case 3:
                r = json_uint64(&j, &number);
                break;
            case 4:
                r = json_bool(&j, &flag);
                break;
            default:
                r = json_read_null(&j);
                break;
            }
            assert_int_equal(r, is == asked);
        }
    }
}

static void integers_are_exact_or_refused(void **state) {
    static const struct {
        const char *text;
        bool fits_u32, fits_u64, fits_i32, fits_i64;
        int64_t value;
    } table[] = {
        { "0", true, true, true, true, 0 },
        { "-0", false, false, true, true, 0 },
        { "1", true, true, true, true, 1 },
        { "-1", false, false, true, true, -1 },
        { "2147483647", true, true, true, true, 2147483647 },
        { "2147483648", true, true, false, true, 2147483648 },
        { "-2147483648", false, false, true, true, -2147483648 },
        { "-2147483649", false, false, false, true, -2147483649 },
        { "4294967295", true, true, false, true, 4294967295 },
        { "4294967296", false, true, false, true, 4294967296 },
        { "9007199254740993", false, true, false, true, 9007199254740993 }, /* no double */
        { "9223372036854775807", false, true, false, true, INT64_MAX },
        { "9223372036854775808", false, true, false, false, INT64_MIN },
        { "-9223372036854775808", false, false, false, true, INT64_MIN },
        { "-9223372036854775809", false, false, false, false, 0 },
        { "18446744073709551615", false, true, false, false, -1 },
        { "18446744073709551616", false, false, false, false, 0 },
        { "99999999999999999999999999", false, false, false, false, 0 },
        { "1.0", false, false, false, false, 0 },
        { "1e0", false, false, false, false, 0 },
        { "1E2", false, false, false, false, 0 },
        { "\"1\"", false, false, false, false, 0 },
        { "true", false, false, false, false, 0 },
        { "null", false, false, false, false, 0 },
        { "", false, false, false, false, 0 },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct json j;
        uint32_t u32 = 5;
        uint64_t u64 = 5;
        int32_t i32 = 5;
        int64_t i64 = 5;
        struct bytes text = str_bytes(str_of(table[i].text));

        json_init(&j, text);
        assert_int_equal(json_uint32(&j, &u32), table[i].fits_u32);
        json_init(&j, text);
        assert_int_equal(json_uint64(&j, &u64), table[i].fits_u64);
        json_init(&j, text);
        assert_int_equal(json_int32(&j, &i32), table[i].fits_i32);
        json_init(&j, text);
        assert_int_equal(json_int64(&j, &i64), table[i].fits_i64);

        assert_true(u32 == (table[i].fits_u32 ? (uint32_t) table[i].value : 5));
        assert_true(u64 == (table[i].fits_u64 ? (uint64_t) table[i].value : 5));
        assert_true(i32 == (table[i].fits_i32 ? (int32_t) table[i].value : 5));
        assert_true(i64 == (table[i].fits_i64 ? table[i].value : 5));
    }
}

static void strings_mean_what_their_escapes_say(void **state) {
    static const struct {
        struct str raw, text;
    } table[] = {
        { TEXT(""), TEXT("") },
        { TEXT("plain"), TEXT("plain") },
        { TEXT("\\\"\\\\\\/\\b\\f\\n\\r\\t"), TEXT("\"\\/\b\f\n\r\t") },
        { TEXT("a\\nb\\nc"), TEXT("a\nb\nc") },
        { TEXT("\\u0041\\u00e9\\u20ac"), TEXT("A\xc3\xa9\xe2\x82\xac") },
        { TEXT("\\u0000"), TEXT("\0") },
        { TEXT("\\u007f\\u0080\\u07ff\\u0800\\uffff"),
          TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
        { TEXT("\\ud83d\\ude00"), TEXT("\xf0\x9f\x98\x80") },
        { TEXT("\\uD800\\uDC00"), TEXT("\xf0\x90\x80\x80") },
        { TEXT("\\udbff\\udfff"), TEXT("\xf4\x8f\xbf\xbf") },
        { TEXT("\\ud800"), TEXT("\xef\xbf\xbd") },
        { TEXT("\\ud800x"), TEXT("\xef\xbf\xbdx") },
        { TEXT("\\udc00\\ud800"), TEXT("\xef\xbf\xbd\xef\xbf\xbd") },
        { TEXT("\\ud800\\ud83d\\ude00"), TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80") },
        { TEXT("\\ud800\\n"), TEXT("\xef\xbf\xbd\n") },
        { TEXT("\\ud800\\u0041"), TEXT("\xef\xbf\xbd"
                                       "A") },
        { TEXT("\xd1\x86\\u0446"), TEXT("\xd1\x86\xd1\x86") },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct buffer quoted = BUFFER_INIT;
        buffer_append_byte(&quoted, '"');
        buffer_append_str(&quoted, table[i].raw);
        buffer_append_byte(&quoted, '"');

        struct json j;
        struct json_string s;
        json_init(&j, buffer_bytes(&quoted));
        assert_true(json_read_string(&j, &s));
        assert_true(json_end(&j));
        assert_int_equal(s.is_escaped, memchr(s.raw.data, '\\', s.raw.len) != NULL);

        struct arena arena = ARENA_INIT;
        struct str text;
        assert_int_equal(json_string_text(s, &arena, &text), 0);
        assert_true(str_equal(text, table[i].text));
        assert_int_equal(arena.chunks != NULL, s.is_escaped);

        /* Equal to itself, and to nothing shorter, longer or different. */
        assert_true(json_string_equal(s, text));
        struct buffer other = BUFFER_INIT;
        buffer_append_str(&other, text);
        buffer_append_byte(&other, 'x');
        assert_false(json_string_equal(s, (struct str){ (char *) other.data, other.len }));
        if (text.len) {
            assert_false(json_string_equal(s, (struct str){ text.data, text.len - 1 }));
            other.data[text.len - 1] ^= 1;
            assert_false(json_string_equal(s, (struct str){ (char *) other.data, text.len }));
        }

        /* And what is written of it is read as the same. */
        buffer_reset(&quoted);
        json_append_string(&quoted, text);
        json_init(&j, buffer_bytes(&quoted));
        assert_true(json_read_string(&j, &s));
        assert_true(json_end(&j));
        assert_true(json_string_equal(s, text));

        buffer_finish(&quoted);
        buffer_finish(&other);
        arena_finish(&arena);
    }
}

static void names_are_compared_by_meaning(void **state) {
    struct json j;
    struct json_string key;
    uint32_t value = 0;

    json_init(&j, str_bytes(STR("{\"\\u0069d\":9}")));
    assert_true(json_enter_object(&j));
    assert_true(json_member(&j, &key));
    assert_true(json_is(key, STR("id")));
    assert_false(json_is(key, STR("idx")));
    assert_false(json_is(key, STR("i")));
    assert_true(json_uint32(&j, &value));
    assert_int_equal(value, 9);
}

static void written_strings_are_escaped_as_little_as_can_be(void **state) {
    static const struct {
        struct str text, written;
    } table[] = {
        { TEXT(""), TEXT("\"\"") },
        { TEXT("plain"), TEXT("\"plain\"") },
        { TEXT("a/b"), TEXT("\"a/b\"") },
        { TEXT("\"\\"), TEXT("\"\\\"\\\\\"") },
        { TEXT("\b\f\n\r\t"), TEXT("\"\\b\\f\\n\\r\\t\"") },
        { TEXT("\0\x01\x1f\x7f"), TEXT("\"\\u0000\\u0001\\u001f\x7f\"") },
        { TEXT("\xe2\x80\xa8\xf0\x9f\x98\x80"), TEXT("\"\xe2\x80\xa8\xf0\x9f\x98\x80\"") },
        /* what is no text becomes the replacement character, byte by byte */
        { TEXT("a\xff"
               "b"),
          TEXT("\"a\xef\xbf\xbd"
               "b\"") },
        { TEXT("\xed\xa0\x80"), TEXT("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
        { TEXT("\xe2\x82"), TEXT("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct buffer out = BUFFER_INIT;
        json_append_string(&out, table[i].text);
        assert_true(bytes_equal(buffer_bytes(&out), str_bytes(table[i].written)));
        assert_true(json_is_valid(buffer_bytes(&out), NULL));
        buffer_finish(&out);
    }
}

static void a_value_over_several_lines_becomes_one(void **state) {
    static const struct {
        struct str text, line;
    } table[] = {
        { TEXT("{\"a\":1}"), TEXT("{\"a\":1}") },
        { TEXT("{ \"a\" : 1 }"), TEXT("{ \"a\" : 1 }") }, /* spaces harm nobody */
        { TEXT("{\n \"a\" : 1 }"), TEXT("{\"a\":1}") },
        { TEXT("[1,\r2]"), TEXT("[1,2]") },
        { TEXT("[ \"a b\\n\\\"c \" ,\n\"\\\\\" ]"), TEXT("[\"a b\\n\\\"c \",\"\\\\\"]") },
        { TEXT("[\n]"), TEXT("[]") },
        { TEXT("[true ,\n false, null]"), TEXT("[true,false,null]") },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct buffer text = BUFFER_INIT;
        struct arena arena = ARENA_INIT;
        struct bytes line;
        struct json j;

        /* Newlines around the value are not its own. */
        buffer_append_str(&text, STR("\n\n"));
        buffer_append_str(&text, table[i].text);
        buffer_append_str(&text, STR("\n"));
        json_init(&j, buffer_bytes(&text));
        assert_true(json_value_line(&j, &arena, &line));
        assert_true(json_end(&j));
        assert_true(bytes_equal(line, str_bytes(table[i].line)));
        assert_int_equal(json_has_newline(str_bytes(table[i].text)), arena.chunks != NULL);
        buffer_finish(&text);
        arena_finish(&arena);
    }
}

static void compacting_takes_out_white_space_and_nothing_else(void **state) {
    struct buffer out = BUFFER_INIT;

    json_compact(str_bytes(STR(" { \"a b\" : [ 1 , \"\\\" \" ] } ")), &out);
    assert_true(bytes_equal(buffer_bytes(&out), str_bytes(STR("{\"a b\":[1,\"\\\" \"]}"))));
    buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_accepted),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(no_beginning_of_an_object_or_array_is_accepted),
        cmocka_unit_test(every_byte_of_a_character_is_looked_at),
        cmocka_unit_test(a_stop_character_is_seen_at_any_distance),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(depth_is_counted_through_the_cursor_too),
        cmocka_unit_test(the_cursor_walks_what_it_validates),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(a_value_of_another_type_is_an_error),
        cmocka_unit_test(integers_are_exact_or_refused),
        cmocka_unit_test(strings_mean_what_their_escapes_say),
        cmocka_unit_test(names_are_compared_by_meaning),
        cmocka_unit_test(written_strings_are_escaped_as_little_as_can_be),
        cmocka_unit_test(a_value_over_several_lines_becomes_one),
        cmocka_unit_test(compacting_takes_out_white_space_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
