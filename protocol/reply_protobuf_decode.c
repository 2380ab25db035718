/* Replies and pushes out of Protobuf: a client's half. */
#include "protocol/client.pb-c.h"
#include "protocol/protobuf_message.h"

static void decode_info(struct protobuf_job *job, const Pb__ClientInfo *from,
                        struct client_info *ret) {
    if (!from)
        return;
    protobuf_text(job, from->user, &ret->user);
    protobuf_text(job, from->client, &ret->client);
    ret->conn_info = protobuf_bytes(from->conn_info);
    ret->chan_info = protobuf_bytes(from->chan_info);
}

static void decode_publication(struct protobuf_job *job, const Pb__Publication *from,
                               struct wire_publication *ret) {
    struct tag *tags = protobuf_array(job, from->n_tags, sizeof *tags);

    *ret = (struct wire_publication){ .data = protobuf_bytes(from->data),
                                      .offset = from->offset,
                                      .time_ms = from->time,
                                      .tags = tags,
                                      .n_tags = tags ? from->n_tags : 0,
                                      .score = from->score,
                                      .version = from->version,
                                      .is_removed = from->removed,
                                      .is_delta = from->delta };
    for (size_t i = 0; i < ret->n_tags; i++) {
        protobuf_text(job, from->tags[i]->key, &tags[i].key);
        protobuf_text(job, from->tags[i]->value, &tags[i].value);
    }
    if (from->info) {
        struct client_info *info = protobuf_array(job, 1, sizeof *info);
        if (info)
            decode_info(job, from->info, info);
        ret->info = info;
    }
    protobuf_text(job, from->key, &ret->key);
    protobuf_text(job, from->epoch, &ret->epoch);
}

static struct wire_publications decode_publications(struct protobuf_job *job, size_t n,
                                                    Pb__Publication **from) {
    struct wire_publication *items = protobuf_array(job, n, sizeof *items);

    if (!items)
        return (struct wire_publications){ 0 };
    for (size_t i = 0; i < n; i++)
        decode_publication(job, from[i], &items[i]);
    return wire_publications_of(items, n);
}

static void decode_subscribe(struct protobuf_job *job, const Pb__SubscribeResult *from,
                             struct reply_subscribe *ret) {
    if (!from)
        return;
    *ret = (struct reply_subscribe){
        .expires = from->expires,
        .ttl_s = from->ttl,
        .recoverable = from->recoverable,
        .publications = decode_publications(job, from->n_publications, from->publications),
        .recovered = from->recovered,
        .offset = from->offset,
        .positioned = from->positioned,
        .data = protobuf_bytes(from->data),
        .was_recovering = from->was_recovering,
        .delta = from->delta,
        .type = (uint32_t) from->type,
        .phase = (uint32_t) from->phase,
        .state = decode_publications(job, from->n_state, from->state),
        .publish_debounce_ms = from->publish_debounce,
    };
    protobuf_text(job, from->epoch, &ret->epoch);
    protobuf_text(job, from->cursor, &ret->cursor);
}

static void decode_subs(struct protobuf_job *job, size_t n, Pb__SubEntry **from,
                        struct reply_connect *ret) {
    struct reply_sub *subs = protobuf_array(job, n, sizeof *subs);

    for (size_t i = 0; subs && i < n; i++) {
        protobuf_text(job, from[i]->key, &subs[i].channel);
        decode_subscribe(job, from[i]->value, &subs[i].result);
    }
    ret->subs = subs;
    ret->n_subs = subs ? n : 0;
}

/* Of the two messages for the same thing: the same fields under other numbers. */
#define DECODE_CONNECT(job, from, ret)                                                             \
    do {                                                                                           \
        *(ret) = (struct reply_connect){ .expires = (from)->expires,                               \
                                         .ttl_s = (from)->ttl,                                     \
                                         .data = protobuf_bytes((from)->data),                     \
                                         .ping_s = (from)->ping,                                   \
                                         .pong = (from)->pong,                                     \
                                         .time_ms = (from)->time };                                \
        protobuf_text(job, (from)->client, &(ret)->client);                                        \
        protobuf_text(job, (from)->version, &(ret)->version);                                      \
        protobuf_text(job, (from)->session, &(ret)->session);                                      \
        protobuf_text(job, (from)->node, &(ret)->node);                                            \
        decode_subs(job, (from)->n_subs, (from)->subs, ret);                                       \
    } while (0)

static void decode_presence(struct protobuf_job *job, const Pb__PresenceResult *from,
                            struct reply_presence *ret) {
    struct client_info *items = protobuf_array(job, from->n_presence, sizeof *items);

    for (size_t i = 0; items && i < from->n_presence; i++)
        decode_info(job, from->presence[i]->value, &items[i]);
    *ret = (struct reply_presence){ .items = items, .n = items ? from->n_presence : 0 };
}

static void decode_push(struct protobuf_job *job, const Pb__Push *from, struct push *ret) {
    *ret = (struct push){ .kind = PUSH_UNKNOWN };
    protobuf_text(job, from->channel, &ret->channel);
    if (from->pub) {
        ret->kind = PUSH_PUBLICATION;
        decode_publication(job, from->pub, &ret->publication);
    } else if (from->join) {
        ret->kind = PUSH_JOIN;
        decode_info(job, from->join->info, &ret->info);
    } else if (from->leave) {
        ret->kind = PUSH_LEAVE;
        decode_info(job, from->leave->info, &ret->info);
    } else if (from->unsubscribe) {
        ret->kind = PUSH_UNSUBSCRIBE;
        ret->unsubscribe.code = from->unsubscribe->code;
        protobuf_text(job, from->unsubscribe->reason, &ret->unsubscribe.reason);
    } else if (from->message) {
        ret->kind = PUSH_MESSAGE;
        ret->message = protobuf_bytes(from->message->data);
    } else if (from->subscribe) {
        ret->kind = PUSH_SUBSCRIBE;
        ret->subscribe = (struct push_subscribe){ .recoverable = from->subscribe->recoverable,
                                                  .positioned = from->subscribe->positioned,
                                                  .offset = from->subscribe->offset,
                                                  .data = protobuf_bytes(from->subscribe->data) };
        protobuf_text(job, from->subscribe->epoch, &ret->subscribe.epoch);
    } else if (from->connect) {
        ret->kind = PUSH_CONNECT;
        DECODE_CONNECT(job, from->connect, &ret->connect);
    } else if (from->disconnect) {
        ret->kind = PUSH_DISCONNECT;
        ret->disconnect.code = from->disconnect->code;
        protobuf_text(job, from->disconnect->reason, &ret->disconnect.reason);
    } else if (from->refresh) {
        ret->kind = PUSH_REFRESH;
        ret->refresh = (struct reply_refresh){ .expires = from->refresh->expires,
                                               .ttl_s = from->refresh->ttl };
    }
}

static void decode_reply(struct protobuf_job *job, const Pb__Reply *from, struct reply *ret) {
    *ret = (struct reply){ .kind = from->id ? REPLY_UNKNOWN : REPLY_PING, .id = from->id };
    if (from->error) {
        ret->kind = REPLY_ERROR;
        ret->error.code = from->error->code;
        ret->error.is_temporary = from->error->temporary;
        protobuf_text(job, from->error->message, &ret->error.message);
    } else if (from->push) {
        ret->kind = REPLY_PUSH;
        decode_push(job, from->push, &ret->push);
    } else if (from->connect) {
        ret->kind = REPLY_CONNECT;
        DECODE_CONNECT(job, from->connect, &ret->connect);
    } else if (from->subscribe) {
        ret->kind = REPLY_SUBSCRIBE;
        decode_subscribe(job, from->subscribe, &ret->subscribe);
    } else if (from->unsubscribe) {
        ret->kind = REPLY_UNSUBSCRIBE;
    } else if (from->publish) {
        ret->kind = REPLY_PUBLISH;
    } else if (from->presence) {
        ret->kind = REPLY_PRESENCE;
        decode_presence(job, from->presence, &ret->presence);
    } else if (from->presence_stats) {
        ret->kind = REPLY_PRESENCE_STATS;
        ret->presence_stats.num_clients = from->presence_stats->num_clients;
        ret->presence_stats.num_users = from->presence_stats->num_users;
    } else if (from->history) {
        ret->kind = REPLY_HISTORY;
        ret->history.publications = decode_publications(job, from->history->n_publications,
                                                        from->history->publications);
        ret->history.offset = from->history->offset;
        protobuf_text(job, from->history->epoch, &ret->history.epoch);
    } else if (from->rpc) {
        ret->kind = REPLY_RPC;
        ret->rpc.data = protobuf_bytes(from->rpc->data);
    } else if (from->refresh) {
        ret->kind = REPLY_REFRESH;
        ret->refresh = (struct reply_refresh){ .expires = from->refresh->expires,
                                               .ttl_s = from->refresh->ttl };
    } else if (from->sub_refresh) {
        ret->kind = REPLY_SUB_REFRESH;
        ret->sub_refresh = (struct reply_sub_refresh){
            .expires = from->sub_refresh->expires,
            .ttl_s = from->sub_refresh->ttl,
            .items = decode_publications(job, from->sub_refresh->n_items, from->sub_refresh->items),
        };
    }
}

int protobuf_next_reply(struct bytes *frame, struct arena *a, struct reply *ret,
                        const char **ret_why) {
    struct protobuf_job job = { .arena = a };
    struct bytes left = *frame, message;

    int took = protobuf_take(&left, &message, ret_why);
    if (took <= 0)
        return took;
    const Pb__Reply *from = protobuf_unpack(&job, &pb__reply__descriptor, message);
    if (from)
        decode_reply(&job, from, ret);
    if (job.error) {
        *ret_why = job.why;
        return job.error;
    }
    *frame = left;
    return 1;
}
