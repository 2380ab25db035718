/* Commands in Protobuf. */
#include <errno.h>

#include "protocol/client.pb-c.h"
#include "protocol/emulation.h"
#include "protocol/protobuf_message.h"

/* The entries of a map, each behind its length. */
static void decode_map(struct protobuf_job *job, size_t n, const ProtobufCBinaryData *entries,
                       struct command_map *ret) {
    struct buffer out = BUFFER_INIT;
    size_t len = 0;

    *ret = (struct command_map){ 0 };
    for (size_t i = 0; i < n; i++)
        len += entries[i].len + sizeof(uint64_t);
    uint8_t *encoded = protobuf_array(job, n ? 1 : 0, len);
    if (!encoded)
        return;

    /* A buffer over the arena's memory, which it never outgrows. */
    out = (struct buffer){ .data = encoded, .cap = len };
    for (size_t i = 0; i < n; i++) {
        protobuf_append_varint(&out, entries[i].len);
        buffer_append(&out, entries[i].data, entries[i].len);
    }
    ret->encoded = bytes_of(encoded, out.len);
}

static void decode_connect(struct protobuf_job *job, const Pb__ConnectRequest *c,
                           struct command_connect *ret) {
    *ret = (struct command_connect){ .data = protobuf_bytes(c->data), .flag = c->flag };
    protobuf_text(job, c->token, &ret->token);
    protobuf_text(job, c->name, &ret->name);
    protobuf_text(job, c->version, &ret->version);
    decode_map(job, c->n_subs, c->subs, &ret->subs);
    decode_map(job, c->n_headers, c->headers, &ret->headers);
}

static void decode_subscribe(struct protobuf_job *job, const Pb__SubscribeRequest *s,
                             struct command_subscribe *ret) {
    *ret = (struct command_subscribe){
        .data = protobuf_bytes(s->data),
        .tags_filter = protobuf_bytes(s->tf),
        .offset = s->offset,
        .flag = s->flag,
        .type = (uint32_t) s->type,
        .phase = (uint32_t) s->phase,
        .limit = s->limit,
        .asc = s->asc,
        .recover = s->recover,
        .positioned = s->positioned,
        .recoverable = s->recoverable,
        .join_leave = s->join_leave,
    };
    protobuf_text(job, s->channel, &ret->channel);
    protobuf_text(job, s->token, &ret->token);
    protobuf_text(job, s->epoch, &ret->epoch);
    protobuf_text(job, s->delta, &ret->delta);
    protobuf_text(job, s->cursor, &ret->cursor);
}

static void decode_publish(struct protobuf_job *job, const Pb__PublishRequest *p,
                           struct command_publish *ret) {
    *ret = (struct command_publish){ .data = protobuf_bytes(p->data),
                                     .type = (uint32_t) p->type,
                                     .is_removed = p->removed };
    protobuf_text(job, p->channel, &ret->channel);
    protobuf_text(job, p->key, &ret->key);
}

static void decode_history(struct protobuf_job *job, const Pb__HistoryRequest *h,
                           struct command_history *ret) {
    *ret = (struct command_history){ .limit = h->limit, .reverse = h->reverse };
    protobuf_text(job, h->channel, &ret->channel);
    if (h->since) {
        ret->has_since = true;
        ret->since_offset = h->since->offset;
        protobuf_text(job, h->since->epoch, &ret->since_epoch);
    }
}

static void decode_sub_refresh(struct protobuf_job *job, const Pb__SubRefreshRequest *s,
                               struct command_sub_refresh *ret) {
    struct command_track *track = protobuf_array(job, s->n_track, sizeof *track);
    struct str *untrack = protobuf_array(job, s->n_untrack, sizeof *untrack);

    *ret = (struct command_sub_refresh){ .type = (uint32_t) s->type,
                                         .track = track,
                                         .n_track = s->n_track,
                                         .untrack = untrack,
                                         .n_untrack = s->n_untrack };
    protobuf_text(job, s->channel, &ret->channel);
    protobuf_text(job, s->token, &ret->token);
    for (size_t i = 0; track && i < s->n_track; i++) {
        const Pb__TrackBatch *batch = s->track[i];
        struct tracked_key *items = protobuf_array(job, batch->n_items, sizeof *items);

        track[i] = (struct command_track){ .items = items, .n_items = batch->n_items };
        protobuf_text(job, batch->signature, &track[i].signature);
        for (size_t k = 0; items && k < batch->n_items; k++) {
            items[k].version = batch->items[k]->version;
            protobuf_text(job, batch->items[k]->key, &items[k].key);
        }
    }
    for (size_t i = 0; untrack && i < s->n_untrack; i++)
        protobuf_text(job, s->untrack[i], &untrack[i]);
}

/* The first payload in the protocol's order counts. */
static void decode_command(struct protobuf_job *job, const Pb__Command *c, struct command *ret) {
    *ret = (struct command){ .kind = COMMAND_PONG, .id = c->id };
    if (c->connect) {
        ret->kind = COMMAND_CONNECT;
        decode_connect(job, c->connect, &ret->connect);
    } else if (c->subscribe) {
        ret->kind = COMMAND_SUBSCRIBE;
        decode_subscribe(job, c->subscribe, &ret->subscribe);
    } else if (c->unsubscribe) {
        ret->kind = COMMAND_UNSUBSCRIBE;
        protobuf_text(job, c->unsubscribe->channel, &ret->unsubscribe.channel);
    } else if (c->publish) {
        ret->kind = COMMAND_PUBLISH;
        decode_publish(job, c->publish, &ret->publish);
    } else if (c->presence) {
        ret->kind = COMMAND_PRESENCE;
        protobuf_text(job, c->presence->channel, &ret->presence.channel);
    } else if (c->presence_stats) {
        ret->kind = COMMAND_PRESENCE_STATS;
        protobuf_text(job, c->presence_stats->channel, &ret->presence.channel);
    } else if (c->history) {
        ret->kind = COMMAND_HISTORY;
        decode_history(job, c->history, &ret->history);
    } else if (c->ping) {
        ret->kind = COMMAND_PING;
    } else if (c->send) {
        ret->kind = COMMAND_SEND;
        ret->send.data = protobuf_bytes(c->send->data);
    } else if (c->rpc) {
        ret->kind = COMMAND_RPC;
        ret->rpc.data = protobuf_bytes(c->rpc->data);
        protobuf_text(job, c->rpc->method, &ret->rpc.method);
    } else if (c->refresh) {
        ret->kind = COMMAND_REFRESH;
        protobuf_text(job, c->refresh->token, &ret->refresh.token);
    } else if (c->sub_refresh) {
        ret->kind = COMMAND_SUB_REFRESH;
        decode_sub_refresh(job, c->sub_refresh, &ret->sub_refresh);
    }
}

static int broken(struct command_reader *r, int error, const char *why) {
    r->left = (struct bytes){ 0 };
    r->has_begun = false; /* whoever asks again gets no clean end */
    r->why = why;
    return error;
}

static int next_command(struct command_reader *r, struct command *ret) {
    struct protobuf_job job = { .arena = &r->arena };
    struct bytes message;
    const char *why = NULL;

    if (!r->left.len)
        return r->has_begun ? 0 : r->why ? -EBADMSG : broken(r, -EBADMSG, "a frame is empty");

    int took = protobuf_take(&r->left, &message, &why);
    if (took < 0)
        return broken(r, took, why);
    const Pb__Command *c = protobuf_unpack(&job, &pb__command__descriptor, message);
    if (c)
        decode_command(&job, c, ret);
    if (job.error)
        return broken(r, job.error, job.why);

    const char *objection = command_objection(ret);
    if (objection)
        return broken(r, -EPROTO, objection);

    r->has_begun = true;
    return 1;
}

static int bare_connect(struct command_reader *r, struct command_connect *ret) {
    struct protobuf_job job = { .arena = &r->arena };
    const Pb__ConnectRequest *c = protobuf_unpack(&job, &pb__connect_request__descriptor, r->left);

    if (c)
        decode_connect(&job, c, ret);
    if (job.error)
        return broken(r, job.error, job.why);
    r->left = (struct bytes){ 0 };
    return 0;
}

/* Unpacks a map's next entry. 1; 0; -EBADMSG; -ENOMEM. */
static int next_entry(struct command_reader *r, struct protobuf_job *job, struct command_map *map,
                      const struct ProtobufCMessageDescriptor *type, void *ret) {
    struct bytes entry;
    int took = protobuf_take(&map->encoded, &entry, &r->why);

    if (took <= 0)
        return took;
    *(void **) ret = protobuf_unpack(job, type, entry);
    return 1;
}

static int entry_result(struct command_reader *r, const struct protobuf_job *job,
                        struct command_map *map) {
    if (job->error) {
        *map = (struct command_map){ 0 };
        r->why = job->why;
        return job->error;
    }
    return 1;
}

static int next_sub(struct command_reader *r, struct command_map *map,
                    struct command_subscribe *ret) {
    static const Pb__SubscribeRequest none = PB__SUBSCRIBE_REQUEST__INIT;
    struct protobuf_job job = { .arena = &r->arena };
    Pb__SubscribeEntry *entry = NULL;

    int found = next_entry(r, &job, map, &pb__subscribe_entry__descriptor, &entry);
    if (found <= 0)
        return found;
    if (entry) {
        decode_subscribe(&job, entry->value ? entry->value : &none, ret);
        protobuf_text(&job, entry->key, &ret->channel);
    }
    return entry_result(r, &job, map);
}

static int next_header(struct command_reader *r, struct command_map *map, struct str *ret_name,
                       struct str *ret_value) {
    struct protobuf_job job = { .arena = &r->arena };
    Pb__TagEntry *entry = NULL;

    int found = next_entry(r, &job, map, &pb__tag_entry__descriptor, &entry);
    if (found <= 0)
        return found;
    if (entry) {
        protobuf_text(&job, entry->key, ret_name);
        protobuf_text(&job, entry->value, ret_value);
    }
    return entry_result(r, &job, map);
}

static int decode_emulation(struct bytes body, struct arena *a, struct emulation_request *ret,
                            const char **ret_why) {
    struct protobuf_job job = { .arena = a };
    const Pb__EmulationRequest *e = protobuf_unpack(&job, &pb__emulation_request__descriptor, body);

    if (e) {
        *ret = (struct emulation_request){ .data = protobuf_bytes(e->data) };
        protobuf_text(&job, e->session, &ret->session);
        protobuf_text(&job, e->node, &ret->node);
    }
    *ret_why = job.why;
    return job.error;
}

/*
 * To encode: protobuf-c's structs of the same values, in the arena where there are lists.
 */

/* A map as it is walked, into a list of its entries. */
static size_t encode_map(struct protobuf_job *job, const struct command_map *map,
                         ProtobufCBinaryData **ret) {
    struct arena_list list = { 0 };
    struct bytes left = map->encoded, entry;

    while (protobuf_take(&left, &entry, &job->why) > 0) {
        ProtobufCBinaryData *item = arena_list_add(job->arena, &list, sizeof *item);
        if (!item) {
            job->error = -ENOMEM;
            return 0;
        }
        *item = protobuf_from_bytes(entry);
    }
    *ret = list.items;
    return list.n;
}

static Pb__ConnectRequest encode_connect(struct protobuf_job *job,
                                         const struct command_connect *c) {
    Pb__ConnectRequest r = PB__CONNECT_REQUEST__INIT;

    r.token = protobuf_from_text(c->token);
    r.data = protobuf_from_bytes(c->data);
    r.n_subs = encode_map(job, &c->subs, &r.subs);
    r.name = protobuf_from_text(c->name);
    r.version = protobuf_from_text(c->version);
    r.n_headers = encode_map(job, &c->headers, &r.headers);
    r.flag = c->flag;
    return r;
}

static Pb__SubscribeRequest encode_subscribe(const struct command_subscribe *s) {
    Pb__SubscribeRequest r = PB__SUBSCRIBE_REQUEST__INIT;

    r.channel = protobuf_from_text(s->channel);
    r.token = protobuf_from_text(s->token);
    r.recover = s->recover;
    r.epoch = protobuf_from_text(s->epoch);
    r.offset = s->offset;
    r.data = protobuf_from_bytes(s->data);
    r.positioned = s->positioned;
    r.recoverable = s->recoverable;
    r.join_leave = s->join_leave;
    r.delta = protobuf_from_text(s->delta);
    r.tf = protobuf_from_bytes(s->tags_filter);
    r.flag = s->flag;
    r.type = (int32_t) s->type;
    r.phase = (int32_t) s->phase;
    r.cursor = protobuf_from_text(s->cursor);
    r.limit = s->limit;
    r.asc = s->asc;
    return r;
}

static Pb__TrackBatch *encode_batch(struct protobuf_job *job, const struct command_track *t) {
    Pb__TrackBatch *batch = protobuf_array(job, 1, sizeof *batch);
    Pb__TrackedKey *keys = protobuf_array(job, t->n_items, sizeof *keys);
    Pb__TrackedKey **items = protobuf_array(job, t->n_items, sizeof *items);

    if (!batch)
        return NULL;
    pb__track_batch__init(batch);
    batch->signature = protobuf_from_text(t->signature);
    if (!keys || !items)
        return batch;
    for (size_t i = 0; i < t->n_items; i++) {
        pb__tracked_key__init(&keys[i]);
        keys[i].key = protobuf_from_text(t->items[i].key);
        keys[i].version = t->items[i].version;
        items[i] = &keys[i];
    }
    batch->items = items;
    batch->n_items = t->n_items;
    return batch;
}

static Pb__SubRefreshRequest encode_sub_refresh(struct protobuf_job *job,
                                                const struct command_sub_refresh *s) {
    Pb__SubRefreshRequest r = PB__SUB_REFRESH_REQUEST__INIT;
    Pb__TrackBatch **track = protobuf_array(job, s->n_track, sizeof *track);
    ProtobufCBinaryData *untrack = protobuf_array(job, s->n_untrack, sizeof *untrack);

    r.channel = protobuf_from_text(s->channel);
    r.token = protobuf_from_text(s->token);
    r.type = (int32_t) s->type;
    for (size_t i = 0; track && i < s->n_track; i++)
        track[i] = encode_batch(job, &s->track[i]);
    for (size_t i = 0; untrack && i < s->n_untrack; i++)
        untrack[i] = protobuf_from_text(s->untrack[i]);
    r.track = track;
    r.n_track = track ? s->n_track : 0;
    r.untrack = untrack;
    r.n_untrack = untrack ? s->n_untrack : 0;
    return r;
}

/* Every payload that a command can have; which one is in use says the command. */
union payload {
    Pb__ConnectRequest connect;
    Pb__SubscribeRequest subscribe;
    Pb__UnsubscribeRequest unsubscribe;
    Pb__PublishRequest publish;
    Pb__PresenceRequest presence;
    Pb__HistoryRequest history;
    Pb__SendRequest send;
    Pb__RpcRequest rpc;
    Pb__RefreshRequest refresh;
    Pb__SubRefreshRequest sub_refresh;
};

static void encode_command(const struct command *c, struct buffer *buffer) {
    struct arena arena = ARENA_INIT;
    struct protobuf_job job = { .arena = &arena };
    Pb__StreamPosition since = PB__STREAM_POSITION__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    union payload p;

    command.id = c->id;
    switch (c->kind) {
    case COMMAND_CONNECT:
        p.connect = encode_connect(&job, &c->connect);
        command.connect = &p.connect;
        break;
    case COMMAND_SUBSCRIBE:
        p.subscribe = encode_subscribe(&c->subscribe);
        command.subscribe = &p.subscribe;
        break;
    case COMMAND_UNSUBSCRIBE:
        pb__unsubscribe_request__init(&p.unsubscribe);
        p.unsubscribe.channel = protobuf_from_text(c->unsubscribe.channel);
        command.unsubscribe = &p.unsubscribe;
        break;
    case COMMAND_PUBLISH:
        pb__publish_request__init(&p.publish);
        p.publish.channel = protobuf_from_text(c->publish.channel);
        p.publish.data = protobuf_from_bytes(c->publish.data);
        p.publish.type = (int32_t) c->publish.type;
        p.publish.key = protobuf_from_text(c->publish.key);
        p.publish.removed = c->publish.is_removed;
        command.publish = &p.publish;
        break;
    case COMMAND_PRESENCE:
    case COMMAND_PRESENCE_STATS:
        pb__presence_request__init(&p.presence);
        p.presence.channel = protobuf_from_text(c->presence.channel);
        if (c->kind == COMMAND_PRESENCE)
            command.presence = &p.presence;
        else
            command.presence_stats = &p.presence;
        break;
    case COMMAND_HISTORY:
        pb__history_request__init(&p.history);
        p.history.channel = protobuf_from_text(c->history.channel);
        p.history.limit = c->history.limit;
        p.history.reverse = c->history.reverse;
        if (c->history.has_since) {
            since.offset = c->history.since_offset;
            since.epoch = protobuf_from_text(c->history.since_epoch);
            p.history.since = &since;
        }
        command.history = &p.history;
        break;
    case COMMAND_SEND:
        pb__send_request__init(&p.send);
        p.send.data = protobuf_from_bytes(c->send.data);
        command.send = &p.send;
        break;
    case COMMAND_RPC:
        pb__rpc_request__init(&p.rpc);
        p.rpc.data = protobuf_from_bytes(c->rpc.data);
        p.rpc.method = protobuf_from_text(c->rpc.method);
        command.rpc = &p.rpc;
        break;
    case COMMAND_REFRESH:
        pb__refresh_request__init(&p.refresh);
        p.refresh.token = protobuf_from_text(c->refresh.token);
        command.refresh = &p.refresh;
        break;
    case COMMAND_SUB_REFRESH:
        p.sub_refresh = encode_sub_refresh(&job, &c->sub_refresh);
        command.sub_refresh = &p.sub_refresh;
        break;
    case COMMAND_PONG:
    case COMMAND_PING:
    case COMMAND_KINDS:
    default:
        break;
    }

    if (job.error)
        buffer->error = buffer->error ? buffer->error : job.error;
    else
        protobuf_append(buffer, &command.base);
    arena_finish(&arena);
}

static void separate(struct buffer *out) {
}

const struct codec codec_protobuf = {
    .name = "protobuf",
    .is_text = false,
    .next_command = next_command,
    .next_sub = next_sub,
    .next_header = next_header,
    .decode_connect = bare_connect,
    .decode_filter = protobuf_decode_filter,
    .decode_emulation = decode_emulation,
    .separate = separate,
    .encode_reply = protobuf_encode_reply,
    .encode_push = protobuf_encode_push,
    .encode_bare_push = protobuf_encode_bare_push,
    .encode_command = encode_command,
    .next_reply = protobuf_next_reply,
};
