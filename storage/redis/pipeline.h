/*
 * Commands on their way: those of a line, in the order in which their replies will come, and those
 * that wait for a line. Embedded in a server.
 */
#pragma once

#include "async/loop.h"
#include "storage/redis/line.h"
#include "storage/redis/server.h"

struct redis_pipeline {
    size_t max, max_bytes; /* set by the owner */
    int64_t wait_ms;

    struct redis_line *line; /* NULL: down */
    uint64_t base;           /* where in what the line ever took the first command begins */
    struct redis_command *first, **last; /* without a reply; down: they wait for a line */
    size_t n, bytes;
    struct buffer waiting; /* down: their bytes */
    struct timer expiry;   /* down: of the first */

    struct redis_command *refused, **refused_last; /* to be told at the turn's end */
    struct turn_hook refusing;
    struct redisReply *reply; /* while a done() runs: may be taken */
    bool is_closed;

    const struct redis_command *probe; /* one at a time is timed */
    int64_t probe_us, reply_us;
    uint64_t sent, errors, refusals;
};

void redis_pipeline_init(struct redis_pipeline *p);
void redis_pipeline_finish(struct redis_pipeline *p); /* down, and closed */

void redis_pipeline_send(struct redis_pipeline *p, struct redis_command *c,
                         const struct bytes *arguments, size_t n);

/* A greeted line; what waited goes out. */
void redis_pipeline_up(struct redis_pipeline *p, struct redis_line *line);

/* The line's next reply, which it takes. -EPROTO: no command awaits one. */
MUST_CHECK int redis_pipeline_answer(struct redis_pipeline *p, struct redisReply *reply);

/* The line is of no use any more, and still there. What was sent fails with error, the rest waits,
 * or fails with -ENOTCONN. */
void redis_pipeline_down(struct redis_pipeline *p, int error);

/* From now on all fails with -ECANCELED. The line is down. */
void redis_pipeline_close(struct redis_pipeline *p);

/* How long the oldest one on the line has waited; 0: none is there. */
int64_t redis_pipeline_age_ms(const struct redis_pipeline *p);
