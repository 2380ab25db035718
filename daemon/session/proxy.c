#include "daemon/session/proxy.h"

#include <errno.h>

#include "daemon/publish.h"
#include "daemon/session/control.h"
#include "daemon/session/grant.h"
#include "daemon/transport/forwarded.h"

int session_ask_proxy(struct session *s, const struct config_proxy *to,
                      struct proxy_request *request, struct arena *a, struct proxy_answer *ret) {
    const struct wire_traits *traits = wire_traits(session_format(s));
    struct client_text client;

    request->transport = traits->transport;
    request->protocol = traits->codec->is_text ? STR("json") : STR("protobuf");
    request->client = session_client(s, &client);
    if (s->identity) {
        request->user = session_user(s);
        request->meta = session_meta(s);
    }
    s->is_waiting = true;
    int r = proxy_ask(s->worker, to, request, s->more ? s->more->headers : NULL, a, ret);
    s->is_waiting = false;
    request->client = (struct str){ 0 };
    return r;
}

static bool has_passed(int64_t expire_at_s) {
    return expire_at_s != 0 && expire_at_s <= loop_wall_ms() / 1000;
}

/* What a granted thing brings for this very client. */
static bool is_unsayable(const struct session *s, const struct proxy_result *r) {
    return r->data_is_binary && wire_codec(session_format(s))->is_text;
}

/* ---- connect ---- */

/* What the client had subscriptions to, made by the server. */
static int list_channels(struct command_reader *reader, const struct command_connect *asked,
                         struct arena *a, struct proxy_request *ret) {
    struct command_map map = asked->subs;
    struct command_subscribe sub;
    size_t n = 0;
    int r;

    while ((r = command_next_sub(reader, &map, &sub)) > 0)
        n++;
    if (r < 0 || n == 0)
        return r;
    struct str *channels = arena_alloc(a, n * sizeof *channels);
    if (!channels)
        return -ENOMEM;
    map = asked->subs;
    for (size_t i = 0; i < n && (r = command_next_sub(reader, &map, &sub)) > 0; i++)
        channels[i] = sub.channel;
    ret->channels = channels;
    ret->n_channels = n;
    return r < 0 ? r : 0;
}

static int keep_headers(struct session *s, const struct config *c, struct command_reader *reader,
                        const struct command_connect *asked) {
    struct command_map map = asked->headers;
    struct str name, value;
    int r = 0;

    if (!forwarded_wants_emulated(c))
        return 0;
    struct session_more *more = session_more(s);
    if (!more)
        return -ENOMEM;
    while (r == 0 && (r = command_next_header(reader, &map, &name, &value)) > 0)
        r = forwarded_keep_emulated(&more->headers, c, name, value);
    return r;
}

static void take_credentials(const struct proxy_result *r, struct credentials *who) {
    *who = (struct credentials){
        .source = CREDENTIALS_PROXY,
        .user = r->user,
        .info = r->info,
        .data = r->data,
        .meta = r->meta,
        .expire_at_s = r->expire_at_s,
        .subs = r->subs,
        .n_subs = r->n_subs,
    };
}

int session_keep_headers(struct session *s, const struct config *c, struct command_reader *reader,
                         const struct command_connect *asked) {
    int r = keep_headers(s, c, reader, asked);
    return r == -EBADMSG ? 0 : r; /* the decoder says it of the whole command */
}

int session_proxy_connect(struct session *s, const struct config *c, struct command_reader *reader,
                          const struct command_connect *asked, struct arena *a,
                          struct credentials *who, struct refusal *why) {
    struct proxy_request request = {
        .kind = PROXY_CONNECT, .data = asked->data, .name = asked->name, .version = asked->version
    };
    struct proxy_answer answer;

    int r = list_channels(reader, asked, a, &request);
    if (r == -EBADMSG) {
        *why = refusal_of(DISCONNECT_BAD_REQUEST);
        return 0;
    }
    if (r == 0)
        r = session_ask_proxy(s, &c->client.connect_proxy, &request, a, &answer);
    if (r < 0)
        return r;
    *why = answer.refusal;
    if (why->code || !answer.result.is_there)
        return 0;
    if (has_passed(answer.result.expire_at_s))
        *why = refusal_of(ERROR_EXPIRED);
    else if (is_unsayable(s, &answer.result))
        *why = refusal_of(DISCONNECT_INAPPROPRIATE_PROTOCOL);
    else
        take_credentials(&answer.result, who);
    return 0;
}

/* ---- subscribe ---- */

int session_proxy_subscribe(struct session *s, const struct command_subscribe *asked,
                            struct arena *a, struct grant *g, struct refusal *why) {
    struct proxy_request request = { .kind = PROXY_SUBSCRIBE,
                                     .channel = asked->channel,
                                     .token = asked->token,
                                     .data = asked->data };
    struct proxy_answer answer;

    int r = session_ask_proxy(s, g->ns->subscribe_proxy, &request, a, &answer);
    if (r < 0)
        return r;
    const struct proxy_result *result = &answer.result;
    *why = answer.refusal;
    if (why->code)
        return 0;
    if (!result->is_there)
        *why = refusal_of(ERROR_PERMISSION_DENIED);
    else if (has_passed(result->expire_at_s))
        *why = refusal_of(ERROR_EXPIRED);
    else if (is_unsayable(s, result))
        *why = refusal_of(DISCONNECT_INAPPROPRIATE_PROTOCOL);
    if (why->code)
        return 0;
    g->info = result->info;
    g->data = result->data;
    g->overrides = result->overrides;
    g->expire_at_s = result->expire_at_s;
    return 0;
}

/* ---- publish ---- */

int session_proxy_publish(struct session *s, const struct config_proxy *to,
                          const struct command_publish *asked, struct arena *a,
                          struct publication_parts *parts, struct publish_terms *terms,
                          struct refusal *why) {
    enum proxy_kind of_map = parts->is_removed ? PROXY_MAP_REMOVE : PROXY_MAP_PUBLISH;
    struct proxy_request request = { .kind = terms->map.is_map ? of_map : PROXY_PUBLISH,
                                     .channel = asked->channel,
                                     .key = parts->key,
                                     .data = asked->data };
    struct proxy_answer answer;

    int r = session_ask_proxy(s, to, &request, a, &answer);
    if (r < 0)
        return r;
    const struct proxy_result *result = &answer.result;
    *why = answer.refusal;
    if (!why->code && !result->is_there)
        *why = refusal_of(ERROR_PERMISSION_DENIED);
    if (why->code)
        return 0;
    if (result->has_data && !parts->is_removed) {
        parts->data = result->data;
        parts->is_json_line = !result->data_is_binary;
    }
    parts->tags = result->tags;
    parts->n_tags = result->n_tags;
    parts->wants_delta = result->wants_delta;
    parts->version = result->version;
    terms->skips_history = result->skips_history;
    terms->idempotency_key = result->idempotency_key;
    terms->version = result->version;
    terms->version_epoch = result->version_epoch;
    return 0;
}
