/*
 * What a session has subscriptions in: the one that most have lies in the session itself, more are
 * an array of the heap. What one is says subscription.h.
 */
#pragma once

#include "async/base.h"

struct channel;
struct sub_terms;

struct subscription {
    struct channel *channel; /* held */
    struct sub_terms *terms; /* NULL: none */
    uint32_t index;          /* in the channel's array of subscribers */
    bool has_presence : 1;
    bool emits_joins : 1;         /* others have heard of its join, and will of its leave */
    bool is_listed : 1;           /* in the channel's array: index counts */
    bool is_server_side : 1;      /* the server made it: a client cannot come back to it alone */
    bool is_server_refreshed : 1; /* its expiry is not the client's to move */
    bool is_renewing : 1;         /* the backend is to be asked, or is being asked */
    bool is_catching_up : 1;      /* not subscribed yet: map/subscribe.h */
    bool is_in_maps : 1;          /* it stands in maps itself: map/presence.h */
};

/* Of session.n_subs subscriptions. */
union subscriptions {
    struct subscription one;   /* n_subs is 1 */
    struct subscription *many; /* n_subs is 2 or more */
};
