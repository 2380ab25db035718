/*
 * One call of a method: from the bytes of the request to those of the result, whoever brought them
 * (a session's rpc command, a publish into a room).
 */
#pragma once

#include "async/base.h"
#include "daemon/session/refusal.h"
#include "protocol/buffer.h"

struct worker;

enum { CHAT_WHY_MAX = 128 };

/* The caller's, zeroed before. */
struct chat_answer {
    struct buffer out;      /* JSON on one line; if there is no refusal */
    struct refusal refusal; /* code 0: it is done */
    char why[CHAT_WHY_MAX]; /* its text may be here */
};

void chat_answer_finish(struct chat_answer *a);

/* It is refused. code: an enum chat_error, or an error code of the protocol's; why may be NULL. */
struct chat_refusal;
void chat_refuse_call(struct chat_answer *a, int code, const struct chat_refusal *why);

/* Is it one of ours, and the chat on? */
bool chat_serves(const struct worker *w, struct str method);

/* room: empty, or in place of what the request says. */
struct chat_asked {
    struct str user;   /* who asks; of a connection, which may have none */
    struct str method; /* chat_serves() it */
    struct str room;
    struct bytes data;
};

/*
 * Suspends until it is done: a change that has begun is waited for even if the task is cancelled.
 *
 * 0: *ret says what became of it. -ENOMEM; -ECANCELED, -ETIMEDOUT: the wait was cut short.
 */
SUSPENDS MUST_CHECK int chat_call(struct worker *w, const struct chat_asked *asked,
                                  struct chat_answer *ret);
