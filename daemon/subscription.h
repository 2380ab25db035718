/* What a session knows of one channel that it is subscribed to; an element of session.subs. */
#pragma once

#include "daemon/session.h"

struct subscription {
    struct channel *channel; /* held */
    struct sub_info *info;   /* chan_info of a token; NULL: none */
    uint32_t index;          /* in the channel's array of subscribers */
    uint32_t expire_at;      /* tick at which its grace is over; 0: never */
    bool has_presence;
    bool emits_joins; /* others hear of its join and leave */
    bool is_listed;   /* in the channel's array: index counts */
};

struct sub_info {
    uint32_t len;
    uint8_t data[];
};

/* NULL: not subscribed. The place is good until subscriptions are added or removed. */
struct subscription *subscription_find(struct session *s, struct str channel);

struct command_subscribe;
struct command_sub_refresh;
struct push_unsubscribe;

/* 0: answered, or a reply of an error; else as session_handle(). */
SUSPENDS MUST_CHECK int subscription_start(struct session *s, uint32_t id,
                                           const struct command_subscribe *c);
SUSPENDS MUST_CHECK int subscription_refresh(struct session *s, uint32_t id,
                                             const struct command_sub_refresh *c);

/* Takes it out of channel and session, at once; the others hear of it. Presence is left to the
 * caller (subscription_end()) or to the worker's keeper (subscription_drop()). */
SUSPENDS void subscription_end(struct session *s, struct subscription *sub);
void subscription_drop(struct session *s, struct subscription *sub);

void subscription_moved(struct session *s, struct channel *c, uint32_t index);

/* Ends with an unsubscribe push those whose grace is over at tick now; sets session.subs_expire_at.
 */
void subscriptions_expire(struct session *s, uint32_t now);

struct client_info subscription_client_info(const struct session *s,
                                            const struct subscription *sub);
