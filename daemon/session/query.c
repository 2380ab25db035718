/* presence, presence_stats, history, unsubscribe: commands that read, or always succeed. */
#include <errno.h>

#include "daemon/keys/rate.h"
#include "daemon/session/impl.h"
#include "daemon/wire_page.h"

int session_unsubscribe(struct session *s, uint32_t id, const struct command_unsubscribe *c) {
    struct subscription *sub = subscription_find(s, c->channel);
    if (sub)
        subscription_end(s, sub);
    session_reply(s, &(struct reply){ .kind = REPLY_UNSUBSCRIBE, .id = id });
    return 0;
}

/* 0, or the error. */
static int judge_presence(struct session *s, struct str channel) {
    const struct config *config = s->worker->config;
    const struct namespace *ns;

    int error = permission_namespace(config, channel, &ns);
    if (error)
        return error;
    if (!ns->presence)
        return ERROR_NOT_AVAILABLE;
    return permission_has(config, &ns->presence_of, session_asker(s, channel))
                   ? rate_allow(s, RATE_PRESENCE, ns)
                   : ERROR_PERMISSION_DENIED;
}

/* About how many bytes they are on the wire; rather more than less. */
static size_t presence_bytes(const struct presence *who) {
    enum { NAMES = 80 };
    size_t n = 0;
    for (size_t i = 0; i < who->n; i++) {
        const struct client_info *info = &who->items[i];
        n += NAMES + info->user.len + 2 * info->client.len + info->conn_info.len +
             info->chan_info.len;
    }
    return n;
}

int session_presence(struct session *s, uint32_t id, const struct command_presence *c) {
    int error = judge_presence(s, c->channel);
    if (error)
        return session_error(s, id, (uint32_t) error);

    CLEANUP(presence_finish) struct presence who = { 0 };
    int r = engine_presence(s->worker->daemon->engine, c->channel, &who);
    if (r < 0 && r != -EMSGSIZE)
        return session_failed(s, id, r);
    if (r < 0 ||
        presence_bytes(&who) > session_reply_max(s)) /* presence_stats still tells how many */
        return session_error(s, id, ERROR_LIMIT_EXCEEDED);
    session_reply(s, &(struct reply){ .kind = REPLY_PRESENCE,
                                      .id = id,
                                      .presence = { .items = who.items, .n = who.n } });
    return 0;
}

int session_presence_stats(struct session *s, uint32_t id, const struct command_presence *c) {
    int error = judge_presence(s, c->channel);
    if (error)
        return session_error(s, id, (uint32_t) error);

    size_t clients, users;
    int r = engine_presence_stats(s->worker->daemon->engine, c->channel, &clients, &users);
    if (r < 0)
        return session_failed(s, id, r);
    session_reply(s, &(struct reply){ .kind = REPLY_PRESENCE_STATS,
                                      .id = id,
                                      .presence_stats = { (uint32_t) clients, (uint32_t) users } });
    return 0;
}

static int judge_history(struct session *s, const struct command_history *c,
                         const struct namespace **ret) {
    const struct config *config = s->worker->config;

    int error = permission_namespace(config, c->channel, ret);
    if (error)
        return error;
    if (!namespace_has_history(*ret))
        return ERROR_NOT_AVAILABLE;
    if (!permission_has(config, &(*ret)->history, session_asker(s, c->channel)))
        return ERROR_PERMISSION_DENIED;
    if (c->reverse && c->has_since && c->since_offset == 0)
        return ERROR_BAD_REQUEST;
    return rate_allow(s, RATE_HISTORY, *ret);
}

int session_history(struct session *s, uint32_t id, const struct command_history *c) {
    const struct namespace *ns = NULL;
    int error = judge_history(s, c, &ns);
    if (error)
        return session_error(s, id, (uint32_t) error);

    uint32_t max = s->worker->config->client.history_max;
    struct history_query q = {
        .channel = c->channel,
        .keep = ns->keep,
        .has_since = c->has_since,
        .since_offset = c->since_offset,
        .limit = c->limit < 0 || (uint32_t) c->limit > max ? max : (uint32_t) c->limit,
        .reverse = c->reverse,
    };
    CLEANUP(page_finish) struct page page = { 0 };
    int r = engine_history(s->worker->daemon->engine, &q, &page);
    if (r < 0)
        return session_failed(s, id, r);

    struct str epoch = str_of(page.top.epoch);
    if (c->has_since && c->since_epoch.len && !str_equal(c->since_epoch, epoch))
        return session_error(s, id, ERROR_UNRECOVERABLE_POSITION);
    struct wire_page items = { .page = page.items,
                               .n_page = page.n,
                               .is_text = wire_codec(session_format(s))->is_text };
    struct wire_publications publications;
    if (wire_page_bytes(&items) > session_reply_max(s)) /* it may ask for fewer */
        return session_error(s, id, ERROR_LIMIT_EXCEEDED);
    if (wire_page_list(&items, &publications) < 0)
        return session_end(s, DISCONNECT_INAPPROPRIATE_PROTOCOL);
    session_reply(s, &(struct reply){ .kind = REPLY_HISTORY,
                                      .id = id,
                                      .history = { .publications = publications,
                                                   .epoch = epoch,
                                                   .offset = page.top.offset } });
    return 0;
}
