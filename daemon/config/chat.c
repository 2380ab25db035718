/* What the options of the chat mean for others: its channels. */
#include <errno.h>

#include "daemon/config/impl.h"

enum {
    ROOM_HISTORY = 1000, /* events of a room; who was away for more asks room.sync */
    ROOM_HISTORY_DAYS = 7,
};

/* What somebody has configured by that name stays so. NULL and 0: it is there. */
static int add(struct config_loader *l, struct str name, struct namespace **ret) {
    const struct option_group *g = &option_groups()[GROUP_NAMESPACES];

    *ret = NULL;
    if (config_find_item(l->config, g, name))
        return 0;
    *ret = config_add_item(l, g, name);
    return *ret ? 0 : -ENOMEM;
}

int config_check_chat(struct config_loader *l) {
    struct config *c = l->config;
    struct config_personal_channel *personal = &c->client.personal_channel;
    struct namespace *room, *user;

    if (!c->chat.enabled)
        return 0;
    if (c->chat.url.len && !str_starts_with(c->chat.url, STR("https://")) &&
        !str_starts_with(c->chat.url, STR("http://")))
        config_problem(l, true, config_place_of(l, "chat.url"), "chat.url",
                       "must begin with https:// or http://");
    if (c->chat.address.len && !str_starts_with(c->chat.address, STR("https://")) &&
        !str_starts_with(c->chat.address, STR("http://")))
        config_problem(l, true, config_place_of(l, "chat.address"), "chat.address",
                       "must begin with https:// or http://");
    if (!c->chat.owner && c->engine != ENGINE_REDIS)
        config_problem(l, true, config_place_of(l, "chat.owner"), "chat.owner",
                       "there are other nodes only with engine.type redis");
    if (c->chat.data_dir.len == 0)
        c->chat.data_dir = c->data_dir;
    if (c->chat.owner && c->chat.data_dir.len == 0)
        config_problem(l, true, config_place_of(l, "chat.enabled"), "chat.enabled",
                       "needs data_dir, where chat.db is");
    if (personal->enabled && !str_equal(personal->channel_namespace, STR("user"))) {
        static const char path[] =
                "client.subscribe_to_user_personal_channel.personal_channel_namespace";
        config_problem(l, true, config_place_of(l, path), path, "must be user, for the chat");
    }
    personal->enabled = true;
    personal->channel_namespace = STR("user");

    int r = add(l, STR("room"), &room);
    if (r == 0)
        r = add(l, STR("user"), &user);
    if (r < 0)
        return r;
    /* Who may subscribe is said by the rooms' members (daemon/chat/), not by these options. */
    room = room ? config_find_item(c, &option_groups()[GROUP_NAMESPACES], STR("room")) : NULL;
    if (room) {
        room->presence = true;
        room->join_leave = true;
        room->presence_of.subscriber = true;
        room->history_size = ROOM_HISTORY;
        room->history_ttl_ms = INT64_C(24) * 3600 * 1000 * ROOM_HISTORY_DAYS;
        if (room->history_ttl_ms > c->history_meta_ttl_ms)
            room->history_ttl_ms = c->history_meta_ttl_ms;
        room->force_recovery = true;
        room->force_positioning = true;
    }
    if (user)
        user->allow_user_limited_channels = true;
    return 0;
}
