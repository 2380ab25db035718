#include "storage/redis/remote.h"

#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"

enum { PATIENCE_MS = 60000 };

static void answer_arrives(struct post *post) {
    struct call *call = CONTAINER_OF(post, struct call, answer);
    (void) future_resolve(&call->answered, 0);
}

void call_answer(struct call *call, int result) {
    call->is_answered = true;
    call->result = result;
    call->answer = (struct post){ .run = answer_arrives };
    inbox_post_quietly(call->inbox, &call->answer, NULL);
}

static void run_call(struct post *post) {
    struct call *call = CONTAINER_OF(post, struct call, post);
    call->run(call);
}

static void end_arrives(struct post *post) {
    struct call *call = CONTAINER_OF(post, struct call, end);
    (void) future_resolve(&call->ended, 0);
}

static void run_end(struct post *post) {
    struct call *call = CONTAINER_OF(post, struct call, end);
    if (!call->is_answered) { /* else the answer is on its way, before this */
        call->is_answered = true;
        call->result = -ECANCELED;
        call->give_up(call);
    }
    call->end = (struct post){ .run = end_arrives };
    inbox_post_quietly(call->inbox, &call->end, NULL);
}

/* The loop of the engine answers at once, whatever it is waiting for itself. */
static void wait_out(struct call *call) {
    future_init(&call->ended);
    call->end = (struct post){ .run = run_end };
    inbox_post(call->engine->inbox, &call->end);
    while (!call->ended.is_resolved) {
        SHIELD(PATIENCE_MS);
        if (future_wait(&call->ended) == 0)
            return;
    }
}

int call_make(struct redis_engine *re, struct call *call) {
    call->engine = re;
    call->is_answered = false;
    call->result = -ECANCELED; /* nothing was done */
    call->inbox = inbox_open(loop_current());
    if (!call->inbox)
        return -ENOMEM;
    future_init(&call->answered);
    call->post = (struct post){ .run = run_call };
    inbox_post_quietly(re->inbox, &call->post, NULL);
    int r = future_wait(&call->answered);
    if (r < 0)
        wait_out(call);
    inbox_close(call->inbox);
    return r < 0 ? r : call->result;
}

/* ---- one command ---- */

/* Outlives the call that is given up: Redis will answer all the same. */
struct simple_op {
    struct op op;
    struct simple_call *call; /* NULL: given up */
};

static struct simple_op *simple_of(struct op *op) {
    return CONTAINER_OF(op, struct simple_op, op);
}

static int simple_send(struct op *op) {
    struct simple_call *call = simple_of(op)->call;
    return call ? call->class->send(op, call) : -ECANCELED;
}

static int simple_replied(struct op *op, const struct redisReply *reply) {
    struct simple_call *call = simple_of(op)->call;
    return call ? call->class->replied(call, reply) : 0;
}

static void simple_finish(struct op *op, int error) {
    struct simple_op *simple = simple_of(op);
    if (simple->call) {
        simple->call->op = NULL;
        call_answer(&simple->call->call, error);
    }
    free(simple);
}

static const struct op_class simple_op_class = {
    .send = simple_send,
    .replied = simple_replied,
    .finish = simple_finish,
};

static void simple_run(struct call *call) {
    struct simple_call *s = CONTAINER_OF(call, struct simple_call, call);
    s->op = malloc(sizeof *s->op);
    if (!s->op) {
        call_answer(call, -ENOMEM);
        return;
    }
    *s->op = (struct simple_op){ .op.class = &simple_op_class, .call = s };
    op_start(&s->op->op, s->shard, false);
}

static void simple_give_up(struct call *call) {
    struct simple_call *s = CONTAINER_OF(call, struct simple_call, call);
    if (s->op)
        s->op->call = NULL;
}

int simple_call_make(struct redis_engine *re, struct simple_call *call) {
    call->call.run = simple_run;
    call->call.give_up = simple_give_up;
    call->op = NULL;
    return call_make(re, &call->call);
}
