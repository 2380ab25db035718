/*
 * RESP2: commands to bytes, and bytes to replies by hiredis's public reader.
 *
 * Pure: never reads, writes or waits; any split of the input gives the same replies. What a server
 * sends is bounded: a reply's memory, the length of a line, the depth of arrays (hiredis: 7).
 */
#pragma once

#include "async/base.h"
#include "protocol/buffer.h"

struct redisReply;
struct redis_replies;

enum { REDIS_LINE_MAX = 64 * 1024 }; /* of a reply that is a line: a status, an error, a number */

/* max_bytes: of one reply, counting what it takes in memory. -ENOMEM. */
MUST_CHECK int redis_replies_new(size_t max_bytes, struct redis_replies **ret);
struct redis_replies *redis_replies_free(struct redis_replies *r); /* takes NULL; returns NULL */

/* -ENOMEM; any error is the end of it. */
MUST_CHECK int redis_replies_feed(struct redis_replies *r, struct bytes in);

/* The next whole one, the caller's, redis_reply_free(). Iterator: 1 a reply, 0 needs bytes;
 * -EPROTO: no RESP2; -EMSGSIZE: past a bound; -ENOMEM. After an error nothing else comes. */
MUST_CHECK int redis_replies_next(struct redis_replies *r, struct redisReply **ret);

bool redis_replies_are_empty(
        const struct redis_replies *r); /* no byte waits for its reply's rest */
const char *redis_replies_why(const struct redis_replies *r); /* after an error: what was wrong */

/* What an error reply, or a status, says. Empty for other types. */
struct str redis_reply_text(const struct redisReply *r);

/* A status or error that begins so, or is this word. */
bool redis_reply_is_error(const struct redisReply *r, const char *code); /* NULL: any */
bool redis_reply_is_text(const struct redisReply *r, const char *text);  /* status or string */

size_t redis_command_size(const struct bytes *arguments, size_t n);
void redis_command_append(struct buffer *out, const struct bytes *arguments, size_t n);
void redis_command_begin(struct buffer *out, size_t n); /* a command of n arguments, which follow */
void redis_command_argument(struct buffer *out, struct bytes argument);
