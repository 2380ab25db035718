/* What a session knows of one channel that it is subscribed to. */
#pragma once

#include "daemon/session/session.h"
#include "storage/publication.h"

/* What few subscriptions have. */
struct sub_terms {
    uint32_t expire_at; /* tick at which its grace is over; 0: never */
    uint32_t info_len;
    uint8_t info[]; /* chan_info of a token */
};

static inline uint32_t subscription_expires_at(const struct subscription *sub) {
    return sub->terms ? sub->terms->expire_at : 0;
}

/* Takes a hold of a channel and terms, on success. -ENOMEM. */
MUST_CHECK int subscription_add(struct session *s, const struct subscription *sub);

/* NULL: not subscribed. The place is good until subscriptions are added or removed. */
struct subscription *subscription_find(struct session *s, struct str channel);

struct sub_terms *sub_terms_new(struct bytes info); /* NULL: no memory */

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

/* Those whose grace is over at tick now; sets session_more.subs_expire_at. */
void subscriptions_expire(struct session *s, uint32_t now);

/* What is said of the client in this channel from now on; empty: as before. -ENOMEM. */
MUST_CHECK int subscription_set_info(struct subscription *sub, struct bytes text);

/* While it catches up: longer than this is too slow (3008). */
void subscription_limit_catch_up(struct session *s, struct subscription *sub, int64_t ms);

/* The grace is on top of when it expires; 0: never. Without memory for it the session ends. */
void subscription_set_expiry(struct session *s, struct subscription *sub, int64_t expire_at_s);

void subscription_announce(struct session *s, const struct subscription *sub,
                           enum publication_kind kind);

/* As session_info(), with the channel's part. */
struct client_info subscription_client_info(const struct session *s, const struct subscription *sub,
                                            struct client_text *text);
