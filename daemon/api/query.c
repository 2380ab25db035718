/* presence, presence_stats, history, history_remove, rpc: what is asked of storage. */
#include <errno.h>

#include "daemon/api/impl.h"
#include "protocol/json.h"
#include "storage/engine.h"

static void put_client_info(struct buffer *out, const struct client_info *info) {
    buffer_append_str(out, STR("{\"client\":"));
    json_append_string(out, info->client);
    buffer_append_str(out, STR(",\"user\":"));
    json_append_string(out, info->user);
    if (info->conn_info.len)
        api_put_payload(out, STR(",\"conn_info\":"), STR(",\"b64conn_info\":"), info->conn_info);
    if (info->chan_info.len)
        api_put_payload(out, STR(",\"chan_info\":"), STR(",\"b64chan_info\":"), info->chan_info);
    buffer_append_byte(out, '}');
}

static int presence_namespace(struct api_call *c) {
    const struct namespace *ns = NULL;
    int r = api_namespace(c, c->params->channel, &ns);
    if (r)
        return r;
    return ns->presence ? 0
                        : api_error(c, ERROR_NOT_AVAILABLE,
                                    "presence is off in the channel's namespace");
}

int api_presence(struct api_call *c) {
    CLEANUP(presence_finish) struct presence who = { 0 };
    int r = presence_namespace(c);
    if (r)
        return r;
    r = engine_presence(c->worker->daemon->engine, c->params->channel, &who);
    if (r == -EMSGSIZE)
        return api_error(c, ERROR_LIMIT_EXCEEDED,
                         "too many are there for one answer; presence_stats says how many");
    if (r < 0)
        return api_failed(c, r);

    buffer_append_str(c->out, STR("{\"presence\":{"));
    for (size_t i = 0; i < who.n; i++) {
        if (i)
            buffer_append_byte(c->out, ',');
        json_append_string(c->out, who.items[i].client);
        buffer_append_byte(c->out, ':');
        put_client_info(c->out, &who.items[i]);
        if ((r = api_breathe(i)) < 0)
            return r;
    }
    buffer_append_str(c->out, STR("}}"));
    return 0;
}

int api_presence_stats(struct api_call *c) {
    size_t clients, users;
    int r = presence_namespace(c);
    if (r)
        return r;
    r = engine_presence_stats(c->worker->daemon->engine, c->params->channel, &clients, &users);
    if (r < 0)
        return api_failed(c, r);
    buffer_printf(c->out, "{\"num_clients\":%zu,\"num_users\":%zu}", clients, users);
    return 0;
}

/* ---- history ---- */

static int history_namespace(struct api_call *c, const struct namespace **ret) {
    int r = api_namespace(c, c->params->channel, ret);
    if (r)
        return r;
    return namespace_has_history(*ret)
                   ? 0
                   : api_error(c, ERROR_NOT_AVAILABLE, "history is off in the channel's namespace");
}

static void put_publication(struct buffer *out, const struct publication *p) {
    buffer_append_byte(out, '{');
    api_put_payload(out, STR("\"data\":"), STR("\"data\":null,\"b64data\":"), p->data);
    if (p->has_info) {
        buffer_append_str(out, STR(",\"info\":"));
        put_client_info(out, &p->info);
    }
    buffer_printf(out, ",\"offset\":%llu", (unsigned long long) p->position.offset);
    api_put_tags(out, p->tags, p->n_tags);
    if (p->time_ms)
        buffer_printf(out, ",\"time\":%lld", (long long) p->time_ms);
    buffer_append_byte(out, '}');
}

int api_history(struct api_call *c) {
    const struct api_params *q = c->params;
    const struct namespace *ns = NULL;
    CLEANUP(page_finish) struct page page = { 0 };

    int r = history_namespace(c, &ns);
    if (r)
        return r;
    if (q->reverse && q->since.is_set && q->since.offset == 0)
        return api_error(c, ERROR_BAD_REQUEST, "since.offset must not be 0 in reverse");
    r = engine_history(
            c->worker->daemon->engine,
            &(struct history_query){ .channel = q->channel,
                                     .keep = ns->keep,
                                     .has_since = q->since.is_set,
                                     .since_offset = q->since.offset,
                                     .limit = q->limit < 0 ? UINT32_MAX : (uint32_t) q->limit,
                                     .reverse = q->reverse },
            &page);
    if (r < 0)
        return api_failed(c, r);
    struct str epoch = str_of(page.top.epoch);
    if (q->since.is_set && q->since.epoch.len && !str_equal(q->since.epoch, epoch))
        return api_error(c, ERROR_UNRECOVERABLE_POSITION, "since.epoch is not the stream's");

    buffer_append_str(c->out, STR("{\"publications\":["));
    for (size_t i = 0; i < page.n; i++) {
        if (i)
            buffer_append_byte(c->out, ',');
        put_publication(c->out, page.items[i]);
        if ((r = api_breathe(i)) < 0)
            return r;
    }
    buffer_append_str(c->out, STR("],\"epoch\":"));
    json_append_string(c->out, epoch);
    buffer_printf(c->out, ",\"offset\":%llu}", (unsigned long long) page.top.offset);
    return 0;
}

int api_history_remove(struct api_call *c) {
    const struct namespace *ns = NULL;
    int r = history_namespace(c, &ns);
    if (r)
        return r;
    r = engine_history_remove(c->worker->daemon->engine, c->params->channel);
    if (r < 0)
        return api_failed(c, r);
    buffer_append_str(c->out, STR("{}"));
    return 0;
}

/* Procedures are the application's, and it need not ask us for those; of our own there is none. */
int api_rpc(struct api_call *c) {
    return api_error(c, ERROR_METHOD_NOT_FOUND, "there is no such procedure");
}
