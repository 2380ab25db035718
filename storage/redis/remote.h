/*
 * Calls of other loops: a task of any of them waits while the engine's loop sees to what it asks.
 */
#pragma once

#include "async/future.h"
#include "storage/redis/redis_impl.h"

/* In the frame of whoever asks, within what it asks. */
struct call {
    /* On the engine's loop. It, or what it started, says call_answer() once, unless it was given
     * up before. */
    void (*run)(struct call *self);
    /* The asker waits no longer: nobody may touch the call any more when this returns. */
    void (*give_up)(struct call *self);
    struct redis_engine *engine;
    int result;
    /* private */
    struct post post, answer, end;
    struct inbox *inbox;
    struct future answered, ended;
    bool is_answered; /* the engine's loop's */
};

/* The result. When the wait is cut short, call->result says if it was done all the same: 0.
 * -ECANCELED, -ETIMEDOUT, -ENOMEM as well. */
SUSPENDS MUST_CHECK int call_make(struct redis_engine *re, struct call *call);
void call_answer(struct call *call, int result); /* on the engine's loop */

/* ---- calls that are one command ---- */

struct simple_call;

struct simple_class {
    int (*send)(struct op *op, struct simple_call *call);
    int (*replied)(struct simple_call *call, const struct redisReply *reply); /* 0, or the error */
};

struct simple_call {
    struct call call;
    const struct simple_class *class;
    struct shard *shard;
    struct simple_op *op; /* private: NULL: none, or ended */
};

SUSPENDS MUST_CHECK int simple_call_make(struct redis_engine *re, struct simple_call *call);
