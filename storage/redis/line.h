/*
 * One connection to a Redis server or a Sentinel.
 *
 * First it is used by one task, question by question (redis_line_ask()): that is the greeting. Then
 * it is shared: anybody appends to `out` and calls redis_line_flush(), all of a turn goes out in
 * one write, a task of redis_line_write() goes on where the socket was full, another one reads.
 * Whoever opens it has a place for a sentence on what went wrong.
 */
#pragma once

#include "async/event.h"
#include "async/loop.h"
#include "async/stream.h"
#include "protocol/buffer.h"

struct redisReply;
struct redis_replies;

enum { REDIS_WHY_MAX = 256, REDIS_RUN_ID_MAX = 96 };

/* The first thing that went wrong; empty: nothing yet. */
struct redis_why {
    char text[REDIS_WHY_MAX];
};

/* Keeps the sentence if there is none yet. Returns error. */
__attribute__((format(printf, 3, 4))) int redis_why(struct redis_why *w, int error,
                                                    const char *format, ...);

struct redis_line_options {
    SUSPENDS int (*connect)(void *arg, const struct address *a, const struct tls *tls,
                            struct stream **ret);
    void *connect_arg;
    const struct tls *tls;
    struct str username, password; /* empty: none */
    struct str name;               /* CLIENT SETNAME; empty: none */
    unsigned database;
    size_t reply_max_bytes;
};

struct redis_line {
    struct stream *stream;
    struct redis_replies *replies;
    struct buffer out;    /* appended to by anybody, then redis_line_flush() */
    size_t out_at;        /* so many bytes of it are written */
    uint64_t written;     /* since it was connected */
    int64_t heard_ms;     /* when it last said something */
    struct event is_full; /* the writing task's turn */
    struct turn_hook flushing;
    struct redis_why *why;
    uint8_t *in;
};

/* Connected, with TLS, authenticated, named and in its database. o, why: borrowed, why for as long
 * as the line lives. -ENOMEM, -EACCES: refused; -EBUSY: it is loading, or its master is away; what
 * connecting says; as redis_line_ask(). */
SUSPENDS MUST_CHECK int redis_line_open(const struct redis_line_options *o, const struct address *a,
                                        struct redis_why *why, struct redis_line **ret);
struct redis_line *redis_line_close(struct redis_line *l); /* takes NULL; returns NULL */

/* A question and its answer, by the only task that uses it. ret: redis_reply_free(). 0;
 * -ECONNRESET, -EPROTO, -EMSGSIZE ... : it is of no use any more. */
SUSPENDS MUST_CHECK int redis_line_ask(struct redis_line *l, const struct bytes *arguments,
                                       size_t n, struct redisReply **ret);

/* The next reply. Errors as above. */
SUSPENDS MUST_CHECK int redis_line_read(struct redis_line *l, struct redisReply **ret);

/* At the turn's end what is in out is written. */
void redis_line_flush(struct redis_line *l);

/* Writes what the socket did not take at once, until it breaks. */
SUSPENDS int redis_line_write(void *line);

/* It is a master? -EROFS: no. */
SUSPENDS MUST_CHECK int redis_line_check_master(struct redis_line *l);

/* Of the process at the other end; of one that was a replica before it was master, each time
 * another.
 */
SUSPENDS MUST_CHECK int redis_line_run_id(struct redis_line *l, char ret[static REDIS_RUN_ID_MAX]);

/* -EROFS, -EBUSY, -EACCES: an error reply that says that this server, now, is not the one to talk
 * to, or does not let us. 0: it says something else. */
int redis_reply_judge(const struct redisReply *r);
