/* What a session knows of one channel that it is subscribed to; an element of session.subs. */
#pragma once

#include "daemon/session/session.h"
#include "storage/publication.h"

struct subscription {
    struct channel *channel; /* held */
    struct sub_info *info;   /* chan_info of a token; NULL: none */
    uint32_t index;          /* in the channel's array of subscribers */
    uint32_t expire_at;      /* tick at which its grace is over; 0: never */
    bool has_presence : 1;
    bool emits_joins : 1;         /* others have heard of its join, and will of its leave */
    bool is_listed : 1;           /* in the channel's array: index counts */
    bool is_server_side : 1;      /* the server made it: a client cannot come back to it alone */
    bool is_server_refreshed : 1; /* its expiry is not the client's to move */
    bool is_renewing : 1;         /* the backend is to be asked, or is being asked */
    bool is_catching_up : 1;      /* not subscribed yet: map/subscribe.h */
    bool is_in_maps : 1;          /* it stands in maps itself: map/presence.h */
};

struct sub_info {
    uint32_t len;
    uint8_t data[];
};

/* NULL: not subscribed. The place is good until subscriptions are added or removed. */
struct subscription *subscription_find(struct session *s, struct str channel);

struct sub_info *sub_info_new(struct bytes text); /* NULL: no memory */

/* Of a channel held by one of the session's subscriptions. NULL: it has gone. */
struct subscription *subscription_of(struct session *s, const struct channel *c);

struct command_subscribe;
struct command_sub_refresh;

/* 0: answered, or a reply of an error; else as session_handle(). */
SUSPENDS MUST_CHECK int subscription_start(struct session *s, uint32_t id,
                                           const struct command_subscribe *c);
SUSPENDS MUST_CHECK int subscription_refresh(struct session *s, uint32_t id,
                                             const struct command_sub_refresh *c);

/* Takes it out of channel and session, at once; the others hear of it. Presence is left to the
 * caller (subscription_end()) or to the worker's keeper (subscription_drop()). */
SUSPENDS void subscription_end(struct session *s, struct subscription *sub);
void subscription_drop(struct session *s, struct subscription *sub);

/* The same, and the client hears of it by a push. */
SUSPENDS void subscription_end_told(struct session *s, struct subscription *sub, uint32_t code,
                                    struct str reason);

void subscription_moved(struct session *s, struct channel *c, uint32_t index);

/* Its time is over: an unsubscribe push (2501), or the end of the session (3006) if the server had
 * made it. */
void subscription_expire(struct session *s, struct subscription *sub);

/* Those whose grace is over at tick now; sets session.subs_expire_at. */
void subscriptions_expire(struct session *s, uint32_t now);

/* What is said of the client in this channel from now on; empty: as before. -ENOMEM. */
MUST_CHECK int subscription_set_info(struct subscription *sub, struct bytes text);

/* While it catches up: longer than this is too slow (3008). */
void subscription_limit_catch_up(struct session *s, struct subscription *sub, int64_t ms);

/* The grace is on top of when it expires; 0: never. */
void subscription_set_expiry(struct session *s, struct subscription *sub, int64_t expire_at_s);

void subscription_announce(struct session *s, const struct subscription *sub,
                           enum publication_kind kind);

struct client_info subscription_client_info(const struct session *s,
                                            const struct subscription *sub);
