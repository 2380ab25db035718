#include "storage/redis/reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/redis/server.h"

/* A reader's spare memory is given back when it is more than this. */
enum { KEPT_BYTES = 256 * 1024 };

enum { NUMBER_DIGITS = 18 }; /* that surely fit */

struct redis_replies {
    redisReader *reader;
    redisReplyObjectFunctions makers;
    const redisReplyObjectFunctions *theirs;
    size_t max_bytes;
    size_t taken; /* by the reply under way */
    int error;
    const char *why;
};

/* ---- a reply's memory ---- */

static bool take(const redisReadTask *task, size_t bytes) {
    struct redis_replies *r = task->privdata;
    if (bytes > r->max_bytes - r->taken) {
        r->error = -EMSGSIZE;
        return false;
    }
    r->taken += bytes;
    return true;
}

static const redisReplyObjectFunctions *theirs(const redisReadTask *task) {
    const struct redis_replies *r = task->privdata;
    return r->theirs;
}

static void *make_string(const redisReadTask *task, char *text, size_t len) {
    return take(task, len + 1) ? theirs(task)->createString(task, text, len) : NULL;
}

/* A few bytes announce an array of two thousand million. */
static void *make_array(const redisReadTask *task, int n) {
    size_t each = sizeof(redisReply) + sizeof(redisReply *);
    size_t elements = n > 0 ? (size_t) n : 0;
    return take(task, elements * each) ? theirs(task)->createArray(task, n) : NULL;
}

int redis_replies_new(size_t max_bytes, struct redis_replies **ret) {
    struct redis_replies *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->reader = redisReaderCreate();
    if (!r->reader) {
        free(r);
        return -ENOMEM;
    }
    r->theirs = r->reader->fn;
    r->makers = *r->theirs;
    r->makers.createString = make_string;
    r->makers.createArray = make_array;
    r->reader->fn = &r->makers;
    r->reader->privdata = r;
    r->reader->maxbuf = KEPT_BYTES;
    r->max_bytes = max_bytes;
    *ret = r;
    return 0;
}

struct redis_replies *redis_replies_free(struct redis_replies *r) {
    if (!r)
        return NULL;
    redisReaderFree(r->reader);
    free(r);
    return NULL;
}

/* ---- reading ---- */

static int fail(struct redis_replies *r, int error, const char *why) {
    r->error = error;
    r->why = why;
    return error;
}

int redis_replies_feed(struct redis_replies *r, struct bytes in) {
    if (r->error < 0)
        return r->error;
    if (redisReaderFeed(r->reader, (const char *) in.data, in.len) != REDIS_OK)
        return fail(r, -ENOMEM, "out of memory");
    return 0;
}

static size_t pending(const struct redis_replies *r) {
    return r->reader->len - r->reader->pos;
}

/* The reader looks through an unfinished line from its beginning each time. */
static bool is_endless_line(const struct redis_replies *r) {
    size_t n = pending(r);
    if (n <= REDIS_LINE_MAX || r->reader->ridx < 0)
        return false;
    int type = r->reader->rstack[r->reader->ridx].type;
    return type != REDIS_REPLY_STRING ||
           !memchr(r->reader->buf + r->reader->pos, '\n', REDIS_LINE_MAX);
}

/* Numbers, which answer each PUBLISH, without the reader's detours. False: it is something else, or
 * not whole yet; nothing was taken. */
static bool take_number(struct redis_replies *r, void **ret) {
    redisReader *reader = r->reader;
    bool is_fresh = reader->ridx < 0 || (reader->ridx == 0 && reader->rstack[0].type < 0);
    const char *at = reader->buf + reader->pos;
    size_t n = is_fresh ? pending(r) : 0, i = 1;
    long long value = 0;
    if (n < 4 || at[0] != ':')
        return false;
    for (; i < n && i <= NUMBER_DIGITS && at[i] >= '0' && at[i] <= '9'; i++)
        value = value * 10 + (at[i] - '0');
    if (i == 1 || i + 2 > n || at[i] != '\r' || at[i + 1] != '\n')
        return false;
    const redisReadTask task = { .type = REDIS_REPLY_INTEGER, .elements = -1 };
    *ret = r->theirs->createInteger(&task, value);
    if (!*ret)
        return false;
    reader->pos += i + 2;
    reader->ridx = -1; /* between replies */
    return true;
}

int redis_replies_next(struct redis_replies *r, struct redisReply **ret) {
    if (r->error < 0)
        return r->error;
    void *reply = NULL;
    if (!take_number(r, &reply) && redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
        if (r->error == -EMSGSIZE)
            return fail(r, -EMSGSIZE, "a reply longer than allowed");
        if (r->reader->err == REDIS_ERR_OOM)
            return fail(r, -ENOMEM, "out of memory");
        return fail(r, -EPROTO, r->reader->errstr);
    }
    if (!reply) {
        if (is_endless_line(r))
            return fail(r, -EMSGSIZE, "a line longer than allowed");
        if (pending(r) > r->max_bytes)
            return fail(r, -EMSGSIZE, "a reply longer than allowed");
        return 0;
    }
    r->taken = 0;
    *ret = reply;
    return 1;
}

bool redis_replies_are_empty(const struct redis_replies *r) {
    return pending(r) == 0 && r->reader->ridx < 0;
}

const char *redis_replies_why(const struct redis_replies *r) {
    return r->why ? r->why : "";
}

void redis_reply_free(struct redisReply *r) {
    if (r)
        freeReplyObject(r);
}

/* ---- looking at replies ---- */

struct str redis_reply_text(const struct redisReply *r) {
    if (r->type != REDIS_REPLY_ERROR && r->type != REDIS_REPLY_STATUS)
        return (struct str){ 0 };
    return (struct str){ .data = r->str, .len = r->len };
}

bool redis_reply_is_error(const struct redisReply *r, const char *code) {
    return r->type == REDIS_REPLY_ERROR &&
           (!code || str_starts_with((struct str){ r->str, r->len }, str_of(code)));
}

bool redis_reply_is_text(const struct redisReply *r, const char *text) {
    return (r->type == REDIS_REPLY_STATUS || r->type == REDIS_REPLY_STRING) &&
           str_equal((struct str){ r->str, r->len }, str_of(text));
}

/* ---- commands ---- */

static size_t digits(size_t n) {
    size_t count = 1;
    for (; n >= 10; n /= 10)
        count++;
    return count;
}

size_t redis_command_size(const struct bytes *arguments, size_t n) {
    size_t size = 1 + digits(n) + 2;
    for (size_t i = 0; i < n; i++)
        size += 1 + digits(arguments[i].len) + 2 + arguments[i].len + 2;
    return size;
}

void redis_command_begin(struct buffer *out, size_t n) {
    buffer_append_byte(out, '*');
    buffer_append_uint(out, n);
    buffer_append(out, "\r\n", 2);
}

void redis_command_argument(struct buffer *out, struct bytes argument) {
    buffer_append_byte(out, '$');
    buffer_append_uint(out, argument.len);
    buffer_append(out, "\r\n", 2);
    buffer_append_bytes(out, argument);
    buffer_append(out, "\r\n", 2);
}

static uint8_t *put_number(uint8_t *at, char kind, size_t n) {
    size_t width = digits(n);
    *at++ = (uint8_t) kind;
    for (size_t i = width; i-- > 0; n /= 10)
        at[i] = (uint8_t) ('0' + n % 10);
    at += width;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* Room once for all of it: this is done for each publish. */
void redis_command_append(struct buffer *out, const struct bytes *arguments, size_t n) {
    uint8_t *at = buffer_reserve(out, redis_command_size(arguments, n));
    if (!at)
        return;
    at = put_number(at, '*', n);
    for (size_t i = 0; i < n; i++) {
        at = put_number(at, '$', arguments[i].len);
        if (arguments[i].len > 0)
            memcpy(at, arguments[i].data, arguments[i].len);
        at += arguments[i].len;
        *at++ = '\r';
        *at++ = '\n';
    }
    out->len = (size_t) (at - out->data);
}
