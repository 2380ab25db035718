#include "daemon/map/presence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/channel.h"
#include "daemon/log.h"
#include "daemon/publish.h"
#include "daemon/session/impl.h"

/* A change that nobody waits for. Frees itself. */
struct entry {
    struct publish publish;
};

static void entry_done(struct publish *p) {
    struct entry *e = CONTAINER_OF(p, struct entry, publish);
    if (p->request.result < 0)
        LOG_WARNING(p->worker->daemon->log, "presence in a map was lost",
                    LOG_RESULT(p->request.result));
    free(e);
}

/* What is to be changed: a key of the map. */
struct change {
    struct str map, key;
    const struct client_info *info; /* NULL: none */
    bool is_removed;
    bool only_keeps; /* there already: it lives on, and nobody hears of it */
};

static void publish_entry(struct session *s, const struct namespace *ns, const struct change *c) {
    struct publish_terms terms = { 0 };
    struct entry *e = calloc(1, sizeof *e);

    if (!e)
        return; /* the next renewal, or the entry's time, puts it right */
    publish_map_terms(ns, &terms);
    terms.map.key_mode = c->only_keeps ? MAP_KEY_IF_NEW : MAP_KEY_ANY;
    terms.map.refreshes_ttl = c->only_keeps;
    e->publish.done = entry_done;
    int r = publish_start_on(&e->publish, s->worker, ns,
                             &(struct publication_parts){ .kind = PUBLICATION_DATA,
                                                          .channel = c->map,
                                                          .key = c->key,
                                                          .info = c->info,
                                                          .is_removed = c->is_removed },
                             &terms);
    if (r < 0)
        free(e);
}

/* The map of that prefix for the channel, if the configuration has it; its name is put together in
 * the buffer. */
static const struct namespace *map_of(struct session *s, struct str prefix, struct str channel,
                                      uint32_t type, struct buffer *name, struct str *ret) {
    buffer_reset(name);
    buffer_append_str(name, prefix);
    buffer_append_str(name, channel);
    if (prefix.len == 0 || buffer_error(name) < 0)
        return NULL;
    *ret = (struct str){ (const char *) name->data, name->len };
    const struct namespace *ns = config_namespace_of(s->worker->config, *ret);
    return ns && ns->type == type ? ns : NULL;
}

static void tell_maps(struct session *s, struct subscription *sub, const struct namespace *ns,
                      bool is_removed, bool only_keeps) {
    CLEANUP(buffer_finish) struct buffer name = BUFFER_INIT;
    struct client_text text;
    struct client_info info = subscription_client_info(s, sub, &text);
    struct change c = { .info = is_removed ? NULL : &info,
                        .is_removed = is_removed,
                        .only_keeps = only_keeps };
    struct str channel = channel_name(sub->channel);

    const struct namespace *clients = map_of(s, ns->map_clients_presence_prefix, channel,
                                             SUBSCRIPTION_MAP_CLIENTS, &name, &c.map);
    if (clients) {
        c.key = info.client;
        publish_entry(s, clients, &c);
    }
    const struct namespace *users = map_of(s, ns->map_users_presence_prefix, channel,
                                           SUBSCRIPTION_MAP_USERS, &name, &c.map);
    if (users && session_user(s).len && !is_removed) {
        c.key = session_user(s);
        c.only_keeps = true; /* another connection of the same user may have entered it */
        publish_entry(s, users, &c);
    }
}

/* Does the key that the client has written go with it? */
static bool takes_key_along(const struct namespace *ns) {
    return ns->type == SUBSCRIPTION_MAP && ns->map.remove_client_on_unsubscribe &&
           ns->map.client_key != CLIENT_KEY_ANY;
}

void map_presence_enter(struct session *s, struct subscription *sub, const struct namespace *ns) {
    sub->is_in_maps = ns->map_clients_presence_prefix.len > 0 ||
                      ns->map_users_presence_prefix.len > 0 || takes_key_along(ns);
    if (sub->is_in_maps)
        tell_maps(s, sub, ns, false, false);
}

static const struct namespace *namespace_of(struct session *s, const struct subscription *sub) {
    return config_namespace_of(s->worker->config, channel_name(sub->channel));
}

void map_presence_renew(struct session *s) {
    for (unsigned i = 0; i < s->n_subs; i++) {
        struct subscription *sub = session_sub(s, i);
        const struct namespace *ns = sub->is_in_maps ? namespace_of(s, sub) : NULL;
        if (ns)
            tell_maps(s, sub, ns, false, true);
    }
}

static void remove_own_key(struct session *s, struct subscription *sub,
                           const struct namespace *ns) {
    struct change c = { .map = channel_name(sub->channel), .is_removed = true };
    struct client_text text;

    c.key = ns->map.client_key == CLIENT_KEY_CLIENT_ID ? session_client(s, &text) : session_user(s);
    if (c.key.len)
        publish_entry(s, ns, &c);
}

void map_presence_leave(struct session *s, struct subscription *sub) {
    if (!sub->is_in_maps)
        return;
    const struct namespace *ns = namespace_of(s, sub);
    if (!ns)
        return;
    tell_maps(s, sub, ns, true, false);
    if (takes_key_along(ns))
        remove_own_key(s, sub, ns);
}
