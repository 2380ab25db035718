/* Replies out of bytes: any split, any garbage, bounded. */
#include "storage/redis/reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/redis/server.h"

enum { MAX_BYTES = 1024 * 1024 };

static void write_out(const struct redisReply *r, struct buffer *out) {
    switch (r->type) {
    case REDIS_REPLY_ARRAY:
        buffer_printf(out, "[");
        for (size_t i = 0; i < r->elements; i++)
            write_out(r->element[i], out);
        buffer_printf(out, "]");
        break;
    case REDIS_REPLY_INTEGER:
        buffer_printf(out, "(%lld)", r->integer);
        break;
    case REDIS_REPLY_NIL:
        buffer_printf(out, "nil");
        break;
    default:
        buffer_printf(out, "%d<%.*s>", r->type, (int) r->len, r->str);
    }
}

static int drain(struct redis_replies *r, struct buffer *out) {
    struct redisReply *reply;
    int n;
    while ((n = redis_replies_next(r, &reply)) > 0) {
        write_out(reply, out);
        redis_reply_free(reply);
    }
    return n;
}

/* Fed in two pieces. */
static int read_split(const char *in, size_t len, size_t at, struct buffer *out) {
    struct redis_replies *r;
    assert_int_equal(redis_replies_new(MAX_BYTES, &r), 0);
    int error = redis_replies_feed(r, bytes_of(in, at));
    if (error == 0)
        error = drain(r, out);
    if (error == 0)
        error = redis_replies_feed(r, bytes_of(in + at, len - at));
    if (error == 0)
        error = drain(r, out);
    if (error < 0)
        assert_true(redis_replies_why(r)[0] != '\0');
    (void) redis_replies_free(r);
    return error;
}

static void any_split_gives_the_same_replies(void **state) {
    (void) state;
    static const char in[] = ":0\r\n:12\r\n:999999999999999999\r\n:1234567890123456789\r\n"
                             "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n"
                             "*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n*-1\r\n+end\r\n";
    static const char out[] = "(0)(12)(999999999999999999)(1234567890123456789)"
                              "5<OK>6<ERR no>(-42)1<he\r\no>1<>nil[1<a>[(1)[]]nil]5<end>";
    for (size_t at = 0; at < sizeof in; at++) {
        struct buffer b = BUFFER_INIT;
        assert_int_equal(read_split(in, sizeof in - 1, at, &b), 0);
        assert_int_equal(b.len, sizeof out - 1);
        assert_memory_equal(b.data, out, b.len);
        buffer_finish(&b);
    }
}

static void what_is_no_reply_is_refused(void **state) {
    (void) state;
    static const struct {
        const char *in;
        int error;
    } cases[] = {
        { "HTTP/1.1 400 Bad Request\r\n", -EPROTO },
        { "%1\r\n+a\r\n:1\r\n", -EPROTO }, /* RESP3 */
        { "$-2\r\n", -EPROTO },
        { ":\r\n:1\r\n", -EPROTO },
        { ":12x\r\n", -EPROTO },
        { "*-2\r\n", -EPROTO },
        { "*99999999999\r\n", -EPROTO },
        { "*2000000000\r\n", -EMSGSIZE },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", -EPROTO },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct buffer b = BUFFER_INIT;
        int r = read_split(cases[i].in, strlen(cases[i].in), 1, &b);
        if (r != cases[i].error)
            fail_msg("%s: %d", cases[i].in, r);
        buffer_finish(&b);
    }
}

/* head, and then byte after byte for ever. */
static int read_endless(const char *head, const char *more) {
    struct redis_replies *r;
    struct buffer b = BUFFER_INIT;
    assert_int_equal(redis_replies_new(MAX_BYTES, &r), 0);
    int error = redis_replies_feed(r, bytes_of(head, strlen(head)));
    size_t fed = 0;
    while (error == 0 && fed < (size_t) 8 * MAX_BYTES) {
        fed += strlen(more);
        error = redis_replies_feed(r, bytes_of(more, strlen(more)));
        if (error == 0)
            error = drain(r, &b);
    }
    buffer_finish(&b);
    (void) redis_replies_free(r);
    return error;
}

static void what_never_ends_is_refused(void **state) {
    (void) state;
    char more[1024];
    memset(more, 'x', sizeof more - 1);
    more[sizeof more - 1] = '\0';
    assert_int_equal(read_endless("+", more), -EMSGSIZE);
    assert_int_equal(read_endless("$", more), -EMSGSIZE);
    assert_int_equal(read_endless("$1000000000\r\n", more), -EMSGSIZE);
    assert_int_equal(read_endless("*10000\r\n", "$1000\r\n"), -EPROTO);
    /* Many small ones are as bad as a big one. */
    char element[1024];
    (void) snprintf(element, sizeof element, "$1000\r\n%.1000s\r\n", more);
    assert_int_equal(read_endless("*5000\r\n", element), -EMSGSIZE);
}

static void a_command_is_as_long_as_was_said(void **state) {
    (void) state;
    char long_one[1000];
    memset(long_one, 'v', sizeof long_one);
    struct bytes words[12] = {
        str_bytes(STR("SET")), bytes_of("a\r\nb", 4), bytes_of(long_one, sizeof long_one), { 0 }
    };
    for (size_t n = 1; n <= ELEMENTS_OF(words); n++) {
        struct buffer b = BUFFER_INIT;
        redis_command_append(&b, words, n);
        assert_int_equal(buffer_error(&b), 0);
        assert_int_equal(b.len, redis_command_size(words, n));
        struct buffer back = BUFFER_INIT;
        assert_int_equal(read_split((const char *) b.data, b.len, b.len / 2, &back), 0);
        assert_memory_equal(back.data, "[1<SET>", 7);
        buffer_finish(&b);
        buffer_finish(&back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_replies),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(what_never_ends_is_refused),
        cmocka_unit_test(a_command_is_as_long_as_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
