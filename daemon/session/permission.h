/* Who may do what in a channel: names, namespaces, options. Pure. */
#pragma once

#include "daemon/config/config.h"
#include "protocol/codes.h"

struct asker {
    struct str user;    /* empty: anonymous */
    bool is_subscribed; /* to that channel */
};

/* The options that hold for the channel. 0, or the error to answer: ERROR_UNKNOWN_CHANNEL,
 * ERROR_BAD_REQUEST (a name that cannot be). */
MUST_CHECK int permission_namespace(const struct config *c, struct str channel,
                                    const struct namespace **ret);

/* p: of the namespace's options; publish, presence_of, history. */
bool permission_has(const struct config *c, const struct permission *p, struct asker who);

/* Is who may subscribe said by the channel's name alone: it is private, or lists users? */
bool permission_is_by_name(struct str channel);

/* May this user subscribe without a token? */
bool permission_subscribes(const struct config *c, const struct namespace *ns, struct str channel,
                           struct asker who);
