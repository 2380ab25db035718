/*
 * Which channels a server is subscribed to, and bringing the line for subscriptions to the same
 * state. Embedded in a server.
 *
 * A channel has at most one question out, SUBSCRIBE or UNSUBSCRIBE, so that an answer that names it
 * is the answer to that. At most REDIS_WINDOW questions are out, REDIS_BATCH in one command: what
 * Redis has to buffer of the answers stays far below its limit for subscribers, however many
 * channels come back after a break.
 */
#pragma once

#include "async/event.h"
#include "async/list.h"
#include "async/loop.h"
#include "storage/redis/line.h"
#include "storage/table.h"

enum { REDIS_BATCH = 256, REDIS_WINDOW = 4096 };

struct redis_subscriptions {
    void (*message)(void *arg, struct str channel, struct bytes payload); /* set by the owner */
    void (*resubscribed)(void *arg);                                      /* may be NULL */
    void *arg;

    struct table channels;
    struct list joining; /* wanted, and not asked for yet */
    struct list leaving; /* no longer wanted; Redis has not been told */
    struct turn_hook asking;
    struct redis_line *line; /* NULL: down */
    size_t asked;            /* questions out */
    int64_t asked_ms;        /* when the newest of them, or a ping, was sent */
    bool is_pinged;
    size_t subscribed;
    size_t returning;  /* channels that a new line still has to bring back */
    bool is_returning; /* this line is not the first */
    bool had_line, is_closed;
    uint64_t messages;
};

void redis_subscriptions_init(struct redis_subscriptions *s);
void redis_subscriptions_finish(struct redis_subscriptions *s); /* nobody waits in it */

/* As redis_server_subscribe(), redis_server_unsubscribe(). */
SUSPENDS MUST_CHECK int redis_subscriptions_join(struct redis_subscriptions *s, struct str channel);
void redis_subscriptions_leave(struct redis_subscriptions *s, struct str channel);

void redis_subscriptions_up(struct redis_subscriptions *s, struct redis_line *line);
void redis_subscriptions_down(struct redis_subscriptions *s);

/* What the line says; takes reply. -EPROTO, -EACCES ... : it ends. */
MUST_CHECK int redis_subscriptions_hear(struct redis_subscriptions *s, struct redisReply *reply);

/* Now and then: tells Redis who left, and pings. */
void redis_subscriptions_tick(struct redis_subscriptions *s, int64_t keepalive_ms);

/* How long an answer has been due, with nothing heard since; 0: none is. */
int64_t redis_subscriptions_age_ms(const struct redis_subscriptions *s);

/* Who waits in a call gets -ECANCELED. */
void redis_subscriptions_close(struct redis_subscriptions *s);
