#include "daemon/map/publish.h"

#include "daemon/session/impl.h"

/* The key that this client may write. */
static struct str key_of(struct session *s, const struct namespace *ns, struct str asked,
                         struct client_text *text) {
    switch (ns->map.client_key) {
    case CLIENT_KEY_CLIENT_ID:
        return session_client(s, text);
    case CLIENT_KEY_USER_ID:
        return session_user(s);
    default:
        return asked;
    }
}

const struct config_proxy *map_publish_backend(const struct namespace *ns,
                                               const struct command_publish *c) {
    return c->is_removed ? ns->map.remove_proxy : ns->map.publish_proxy;
}

int map_publish_judge(struct session *s, const struct config *config, const struct namespace *ns,
                      const struct command_publish *c) {
    const struct config_map *m = &ns->map;
    bool asks_backend = map_publish_backend(ns, c) != NULL;

    if (ns->type != SUBSCRIPTION_MAP) /* of presence only the server writes */
        return ERROR_PERMISSION_DENIED;
    if (!asks_backend && !permission_has(config, c->is_removed ? &m->remove : &m->publish,
                                         session_asker(s, c->channel)))
        return ERROR_PERMISSION_DENIED;
    struct client_text text;
    struct str key = key_of(s, ns, c->key, &text);
    if (key.len == 0 || key.len > config->channel_max_length)
        return ERROR_BAD_REQUEST;
    return c->is_removed || publish_accepts(ns, c->data) ? 0 : ERROR_BAD_REQUEST;
}

void map_publish_fill(struct session *s, const struct namespace *ns,
                      const struct command_publish *c, struct client_text *text,
                      struct publication_parts *parts, struct publish_terms *terms) {
    publish_map_terms(ns, terms);
    parts->key = key_of(s, ns, c->key, text);
    parts->is_removed = c->is_removed;
    if (c->is_removed)
        parts->data = (struct bytes){ 0 };
}
