#include "daemon/session/permission.h"

int permission_namespace(const struct config *c, struct str channel, const struct namespace **ret) {
    if (channel.len == 0 || channel.len > c->channel_max_length)
        return ERROR_BAD_REQUEST;

    const struct namespace *ns = config_namespace_of(c, channel);
    if (!ns)
        return ERROR_UNKNOWN_CHANNEL;
    if (!namespace_allows_name(ns, channel))
        return ERROR_BAD_REQUEST;
    *ret = ns;
    return 0;
}

bool permission_has(const struct config *c, const struct permission *p, struct asker who) {
    if (c->client.insecure)
        return true;
    if (who.user.len == 0 && !p->anonymous) /* a subscription makes nobody somebody */
        return false;
    return p->client || (p->subscriber && who.is_subscribed);
}

/* The last '#' begins a list of user ids. */
static bool is_user_limited(struct str channel, struct str *ret_users) {
    for (size_t i = channel.len; i-- > 0;) {
        if (channel.data[i] != '#')
            continue;
        *ret_users = (struct str){ channel.data + i + 1, channel.len - i - 1 };
        return true;
    }
    return false;
}

static bool lists_user(struct str users, struct str user) {
    size_t from = 0;
    for (size_t i = 0; i <= users.len; i++) {
        if (i < users.len && users.data[i] != ',')
            continue;
        if (str_equal((struct str){ users.data + from, i - from }, user))
            return true;
        from = i + 1;
    }
    return false;
}

bool permission_is_by_name(struct str channel) {
    struct str users;
    return channel.data[0] == '$' || is_user_limited(channel, &users);
}

bool permission_subscribes(const struct config *c, const struct namespace *ns, struct str channel,
                           struct asker who) {
    struct str users;

    if (channel.data[0] == '$')
        return false;
    if (is_user_limited(channel, &users))
        return ns->allow_user_limited_channels && who.user.len > 0 && lists_user(users, who.user);
    return permission_has(c, &ns->subscribe, who);
}
