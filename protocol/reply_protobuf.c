/* Replies and pushes into Protobuf. What protobuf-c needs beside the values, lists mostly, is made
 * in an arena. The push of a publication is packed by hand (publication_protobuf.c). */
#include <assert.h>
#include <errno.h>

#include "protocol/client.pb-c.h"
#include "protocol/protobuf_message.h"

static Pb__ClientInfo encode_info(const struct client_info *info) {
    Pb__ClientInfo i = PB__CLIENT_INFO__INIT;

    i.user = protobuf_from_text(info->user);
    i.client = protobuf_from_text(info->client);
    i.conn_info = protobuf_from_bytes(info->conn_info);
    i.chan_info = protobuf_from_bytes(info->chan_info);
    return i;
}

static void encode_tags(struct protobuf_job *job, const struct wire_publication *from,
                        Pb__Publication *ret) {
    Pb__TagEntry *tags = protobuf_array(job, from->n_tags, sizeof *tags);
    Pb__TagEntry **list = protobuf_array(job, from->n_tags, sizeof *list);

    for (size_t i = 0; list && i < from->n_tags; i++) {
        pb__tag_entry__init(&tags[i]);
        tags[i].key = protobuf_from_text(from->tags[i].key);
        tags[i].value = protobuf_from_text(from->tags[i].value);
        list[i] = &tags[i];
    }
    ret->tags = list;
    ret->n_tags = list ? from->n_tags : 0;
}

/* info: room for the publisher's, which the result then points to. */
static Pb__Publication encode_publication(struct protobuf_job *job,
                                          const struct wire_publication *from,
                                          Pb__ClientInfo *info) {
    Pb__Publication p = PB__PUBLICATION__INIT;

    p.data = protobuf_from_bytes(from->data);
    if (from->info) {
        *info = encode_info(from->info);
        p.info = info;
    }
    p.offset = from->offset;
    if (from->n_tags)
        encode_tags(job, from, &p);
    p.delta = from->is_delta;
    p.time = from->time_ms;
    p.key = protobuf_from_text(from->key);
    p.removed = from->is_removed;
    p.score = from->score;
    p.epoch = protobuf_from_text(from->epoch);
    p.version = from->version;
    return p;
}

/* A publication of a list and the parts of it that it points to. */
struct item {
    Pb__Publication publication;
    Pb__ClientInfo info;
};

static size_t encode_publications(struct protobuf_job *job, const struct wire_publications *from,
                                  Pb__Publication ***ret) {
    struct item *items = protobuf_array(job, from->n, sizeof *items);
    Pb__Publication **list = protobuf_array(job, from->n, sizeof *list);

    if (!list)
        return 0;
    for (size_t i = 0; i < from->n; i++) {
        struct wire_publication p = wire_publications_at(from, i);
        items[i].publication = encode_publication(job, &p, &items[i].info);
        list[i] = &items[i].publication;
    }
    *ret = list;
    return from->n;
}

static Pb__SubscribeResult encode_subscribe(struct protobuf_job *job,
                                            const struct reply_subscribe *from) {
    Pb__SubscribeResult s = PB__SUBSCRIBE_RESULT__INIT;

    s.expires = from->expires;
    s.ttl = from->ttl_s;
    s.recoverable = from->recoverable;
    s.epoch = protobuf_from_text(from->epoch);
    s.n_publications = encode_publications(job, &from->publications, &s.publications);
    s.recovered = from->recovered;
    s.offset = from->offset;
    s.positioned = from->positioned;
    s.data = protobuf_from_bytes(from->data);
    s.was_recovering = from->was_recovering;
    s.delta = from->delta;
    s.type = (int32_t) from->type;
    s.phase = (int32_t) from->phase;
    s.cursor = protobuf_from_text(from->cursor);
    s.n_state = encode_publications(job, &from->state, &s.state);
    s.publish_debounce = from->publish_debounce_ms;
    return s;
}

static size_t encode_subs(struct protobuf_job *job, const struct reply_connect *from,
                          Pb__SubEntry ***ret) {
    Pb__SubscribeResult *results = protobuf_array(job, from->n_subs, sizeof *results);
    Pb__SubEntry *entries = protobuf_array(job, from->n_subs, sizeof *entries);
    Pb__SubEntry **list = protobuf_array(job, from->n_subs, sizeof *list);

    if (!list)
        return 0;
    for (size_t i = 0; i < from->n_subs; i++) {
        pb__sub_entry__init(&entries[i]);
        entries[i].key = protobuf_from_text(from->subs[i].channel);
        results[i] = encode_subscribe(job, &from->subs[i].result);
        entries[i].value = &results[i];
        list[i] = &entries[i];
    }
    *ret = list;
    return from->n_subs;
}

/* Of the two messages for the same thing: the same fields under other numbers. */
#define ENCODE_CONNECT(job, from, ret)                                                             \
    do {                                                                                           \
        (ret)->client = protobuf_from_text((from)->client);                                        \
        (ret)->version = protobuf_from_text((from)->version);                                      \
        (ret)->expires = (from)->expires;                                                          \
        (ret)->ttl = (from)->ttl_s;                                                                \
        (ret)->data = protobuf_from_bytes((from)->data);                                           \
        (ret)->n_subs = encode_subs(job, from, &(ret)->subs);                                      \
        (ret)->ping = (from)->ping_s;                                                              \
        (ret)->pong = (from)->pong;                                                                \
        (ret)->session = protobuf_from_text((from)->session);                                      \
        (ret)->node = protobuf_from_text((from)->node);                                            \
        (ret)->time = (from)->time_ms;                                                             \
    } while (0)

static Pb__PresenceResult encode_presence(struct protobuf_job *job,
                                          const struct reply_presence *from) {
    Pb__PresenceResult r = PB__PRESENCE_RESULT__INIT;
    Pb__ClientInfo *infos = protobuf_array(job, from->n, sizeof *infos);
    Pb__InfoEntry *entries = protobuf_array(job, from->n, sizeof *entries);
    Pb__InfoEntry **list = protobuf_array(job, from->n, sizeof *list);

    for (size_t i = 0; list && i < from->n; i++) {
        infos[i] = encode_info(&from->items[i]);
        pb__info_entry__init(&entries[i]);
        entries[i].key = protobuf_from_text(from->items[i].client);
        entries[i].value = &infos[i];
        list[i] = &entries[i];
    }
    r.presence = list;
    r.n_presence = list ? from->n : 0;
    return r;
}

/* What a push may hold, for as long as it is packed. */
struct push_parts {
    Pb__Push push;
    Pb__ClientInfo info;
    union {
        Pb__Presence presence;
        Pb__Unsubscribe unsubscribe;
        Pb__Message message;
        Pb__Subscribe subscribe;
        Pb__Connect connect;
        Pb__Disconnect disconnect;
        Pb__Refresh refresh;
    };
};

static void encode_push(struct protobuf_job *job, const struct push *from, struct push_parts *ret) {
    Pb__Push *push = &ret->push;

    pb__push__init(push);
    push->channel = protobuf_from_text(from->channel);
    switch (from->kind) {
    case PUSH_JOIN:
    case PUSH_LEAVE:
        ret->info = encode_info(&from->info);
        pb__presence__init(&ret->presence);
        ret->presence.info = &ret->info;
        *(from->kind == PUSH_JOIN ? &push->join : &push->leave) = &ret->presence;
        break;
    case PUSH_UNSUBSCRIBE:
        pb__unsubscribe__init(&ret->unsubscribe);
        ret->unsubscribe.code = from->unsubscribe.code;
        ret->unsubscribe.reason = protobuf_from_text(from->unsubscribe.reason);
        push->unsubscribe = &ret->unsubscribe;
        break;
    case PUSH_MESSAGE:
        pb__message__init(&ret->message);
        ret->message.data = protobuf_from_bytes(from->message);
        push->message = &ret->message;
        break;
    case PUSH_SUBSCRIBE:
        pb__subscribe__init(&ret->subscribe);
        ret->subscribe.recoverable = from->subscribe.recoverable;
        ret->subscribe.epoch = protobuf_from_text(from->subscribe.epoch);
        ret->subscribe.offset = from->subscribe.offset;
        ret->subscribe.positioned = from->subscribe.positioned;
        ret->subscribe.data = protobuf_from_bytes(from->subscribe.data);
        push->subscribe = &ret->subscribe;
        break;
    case PUSH_CONNECT:
        pb__connect__init(&ret->connect);
        ENCODE_CONNECT(job, &from->connect, &ret->connect);
        push->connect = &ret->connect;
        break;
    case PUSH_DISCONNECT:
        pb__disconnect__init(&ret->disconnect);
        ret->disconnect.code = from->disconnect.code;
        ret->disconnect.reason = protobuf_from_text(from->disconnect.reason);
        push->disconnect = &ret->disconnect;
        break;
    case PUSH_REFRESH:
        pb__refresh__init(&ret->refresh);
        ret->refresh.expires = from->refresh.expires;
        ret->refresh.ttl = from->refresh.ttl_s;
        push->refresh = &ret->refresh;
        break;
    case PUSH_PUBLICATION: /* packed by hand */
    case PUSH_UNKNOWN:
    default:
        assert(!"a push that can be sent");
    }
}

/* Packs, unless something was missing before, and frees what the job took. */
static void append(struct protobuf_job *job, const ProtobufCMessage *message, struct buffer *out) {
    if (!job->error)
        protobuf_append(out, message);
    else if (!out->error)
        out->error = job->error;
    arena_finish(job->arena);
}

void protobuf_encode_bare_push(const struct push *from, struct buffer *out) {
    if (from->kind == PUSH_PUBLICATION) {
        protobuf_encode_publication_push(from, true, out);
        return;
    }

    struct arena arena = ARENA_INIT;
    struct protobuf_job job = { .arena = &arena };
    struct push_parts parts;

    encode_push(&job, from, &parts);
    append(&job, &parts.push.base, out);
}

void protobuf_encode_push(const struct push *from, struct buffer *out) {
    if (from->kind == PUSH_PUBLICATION) {
        protobuf_encode_publication_push(from, false, out);
        return;
    }

    struct arena arena = ARENA_INIT;
    struct protobuf_job job = { .arena = &arena };
    Pb__Reply reply = PB__REPLY__INIT;
    struct push_parts parts;

    encode_push(&job, from, &parts);
    reply.push = &parts.push;
    append(&job, &reply.base, out);
}

/* What a reply may hold, for as long as it is packed. */
union reply_parts {
    Pb__Error error;
    Pb__ConnectResult connect;
    Pb__SubscribeResult subscribe;
    Pb__EmptyResult empty;
    Pb__PresenceResult presence;
    Pb__PresenceStatsResult presence_stats;
    Pb__HistoryResult history;
    Pb__RpcResult rpc;
    Pb__RefreshResult refresh;
    Pb__SubRefreshResult sub_refresh;
};

void protobuf_encode_reply(const struct reply *from, struct buffer *out) {
    struct arena arena = ARENA_INIT;
    struct protobuf_job job = { .arena = &arena };
    Pb__Reply reply = PB__REPLY__INIT;
    union reply_parts parts;

    reply.id = from->id;
    switch (from->kind) {
    case REPLY_PING:
        reply.id = 0;
        break;
    case REPLY_ERROR:
        pb__error__init(&parts.error);
        parts.error.code = from->error.code;
        parts.error.message = protobuf_from_text(from->error.message);
        parts.error.temporary = from->error.is_temporary;
        reply.error = &parts.error;
        break;
    case REPLY_CONNECT:
        pb__connect_result__init(&parts.connect);
        ENCODE_CONNECT(&job, &from->connect, &parts.connect);
        reply.connect = &parts.connect;
        break;
    case REPLY_SUBSCRIBE:
        parts.subscribe = encode_subscribe(&job, &from->subscribe);
        reply.subscribe = &parts.subscribe;
        break;
    case REPLY_UNSUBSCRIBE:
        pb__empty_result__init(&parts.empty);
        reply.unsubscribe = &parts.empty;
        break;
    case REPLY_PUBLISH:
        pb__empty_result__init(&parts.empty);
        reply.publish = &parts.empty;
        break;
    case REPLY_PRESENCE:
        parts.presence = encode_presence(&job, &from->presence);
        reply.presence = &parts.presence;
        break;
    case REPLY_PRESENCE_STATS:
        pb__presence_stats_result__init(&parts.presence_stats);
        parts.presence_stats.num_clients = from->presence_stats.num_clients;
        parts.presence_stats.num_users = from->presence_stats.num_users;
        reply.presence_stats = &parts.presence_stats;
        break;
    case REPLY_HISTORY:
        pb__history_result__init(&parts.history);
        parts.history.n_publications =
                encode_publications(&job, &from->history.publications, &parts.history.publications);
        parts.history.epoch = protobuf_from_text(from->history.epoch);
        parts.history.offset = from->history.offset;
        reply.history = &parts.history;
        break;
    case REPLY_RPC:
        pb__rpc_result__init(&parts.rpc);
        parts.rpc.data = protobuf_from_bytes(from->rpc.data);
        reply.rpc = &parts.rpc;
        break;
    case REPLY_REFRESH:
        pb__refresh_result__init(&parts.refresh);
        parts.refresh.expires = from->refresh.expires;
        parts.refresh.ttl = from->refresh.ttl_s;
        reply.refresh = &parts.refresh;
        break;
    case REPLY_SUB_REFRESH:
        pb__sub_refresh_result__init(&parts.sub_refresh);
        parts.sub_refresh.expires = from->sub_refresh.expires;
        parts.sub_refresh.ttl = from->sub_refresh.ttl_s;
        parts.sub_refresh.n_items =
                encode_publications(&job, &from->sub_refresh.items, &parts.sub_refresh.items);
        reply.sub_refresh = &parts.sub_refresh;
        break;
    case REPLY_PUSH:
        protobuf_encode_push(&from->push, out);
        return;
    case REPLY_UNKNOWN:
    default:
        assert(!"a reply that can be sent");
    }
    append(&job, &reply.base, out);
}
