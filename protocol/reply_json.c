/* Replies and pushes into JSON. What is zero is left out, but for the members that clients read
 * without looking: those are always written. */
#include <assert.h>

#include "protocol/codec_json.h"

static void append_client_info(struct buffer *out, const struct client_info *info) {
    buffer_append_str(out, STR("{\"user\":"));
    json_append_string(out, info->user);
    buffer_append_str(out, STR(",\"client\":"));
    json_append_string(out, info->client);
    json_put_raw(out, STR("\"conn_info\":"), info->conn_info);
    json_put_raw(out, STR("\"chan_info\":"), info->chan_info);
    buffer_append_byte(out, '}');
}

static void put_client_info(struct buffer *out, struct str name, const struct client_info *info) {
    json_put(out, name);
    append_client_info(out, info);
}

static void append_publication(struct buffer *out, const struct wire_publication *p) {
    buffer_append_str(out, STR("{\"data\":"));
    if (p->data.len && p->data_is_string)
        json_append_string(out, (struct str){ (const char *) p->data.data, p->data.len });
    else if (p->data.len && p->data_is_spaced)
        json_compact(p->data, out);
    else if (p->data.len)
        buffer_append_bytes(out, p->data);
    else
        buffer_append_str(out, STR("null"));

    if (p->info)
        put_client_info(out, STR("\"info\":"), p->info);
    json_put_uint(out, STR("\"offset\":"), p->offset);
    if (p->n_tags) {
        json_put(out, STR("\"tags\":{"));
        for (size_t i = 0; i < p->n_tags; i++) {
            if (i)
                buffer_append_byte(out, ',');
            json_append_string(out, p->tags[i].key);
            buffer_append_byte(out, ':');
            json_append_string(out, p->tags[i].value);
        }
        buffer_append_byte(out, '}');
    }
    json_put_flag(out, STR("\"delta\":"), p->is_delta);
    json_put_int(out, STR("\"time\":"), p->time_ms);
    json_put_text(out, STR("\"key\":"), p->key);
    json_put_flag(out, STR("\"removed\":"), p->is_removed);
    json_put_int(out, STR("\"score\":"), p->score);
    json_put_text(out, STR("\"epoch\":"), p->epoch);
    json_put_uint(out, STR("\"version\":"), p->version);
    buffer_append_byte(out, '}');
}

static void append_publications(struct buffer *out, const struct wire_publications *list) {
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        struct wire_publication item = wire_publications_at(list, i);
        if (i)
            buffer_append_byte(out, ',');
        append_publication(out, &item);
    }
    buffer_append_byte(out, ']');
}

static void put_subscribe(struct buffer *out, const struct reply_subscribe *s) {
    json_put_flag(out, STR("\"expires\":"), s->expires);
    json_put_uint(out, STR("\"ttl\":"), s->ttl_s);
    json_put_flag(out, STR("\"recoverable\":"), s->recoverable);
    json_put_text(out, STR("\"epoch\":"), s->epoch);
    if (s->publications.n) {
        json_put(out, STR("\"publications\":"));
        append_publications(out, &s->publications);
    }
    json_put_flag(out, STR("\"recovered\":"), s->recovered);
    json_put_uint(out, STR("\"offset\":"), s->offset);
    json_put_flag(out, STR("\"positioned\":"), s->positioned);
    json_put_raw(out, STR("\"data\":"), s->data);
    json_put_flag(out, STR("\"was_recovering\":"), s->was_recovering);
    json_put_flag(out, STR("\"delta\":"), s->delta);
    json_put_uint(out, STR("\"type\":"), s->type);
    json_put_uint(out, STR("\"phase\":"), s->phase);
    json_put_text(out, STR("\"cursor\":"), s->cursor);
    if (s->state.n) {
        json_put(out, STR("\"state\":"));
        append_publications(out, &s->state);
    }
    json_put_uint(out, STR("\"publish_debounce\":"), s->publish_debounce_ms);
}

static void put_connect(struct buffer *out, const struct reply_connect *c) {
    json_put(out, STR("\"client\":"));
    json_append_string(out, c->client);
    json_put_text(out, STR("\"version\":"), c->version);
    json_put_flag(out, STR("\"expires\":"), c->expires);
    json_put_uint(out, STR("\"ttl\":"), c->ttl_s);
    json_put_raw(out, STR("\"data\":"), c->data);
    if (c->n_subs) {
        json_put(out, STR("\"subs\":{"));
        for (size_t i = 0; i < c->n_subs; i++) {
            if (i)
                buffer_append_byte(out, ',');
            json_append_string(out, c->subs[i].channel);
            buffer_append_str(out, STR(":{"));
            put_subscribe(out, &c->subs[i].result);
            buffer_append_byte(out, '}');
        }
        buffer_append_byte(out, '}');
    }
    json_put_uint(out, STR("\"ping\":"), c->ping_s);
    json_put_flag(out, STR("\"pong\":"), c->pong);
    json_put_text(out, STR("\"session\":"), c->session);
    json_put_text(out, STR("\"node\":"), c->node);
    json_put_int(out, STR("\"time\":"), c->time_ms);
}

static void put_refresh(struct buffer *out, const struct reply_refresh *r) {
    json_put_flag(out, STR("\"expires\":"), r->expires);
    json_put_uint(out, STR("\"ttl\":"), r->ttl_s);
}

static void put_sub_refresh(struct buffer *out, const struct reply_sub_refresh *r) {
    json_put_flag(out, STR("\"expires\":"), r->expires);
    json_put_uint(out, STR("\"ttl\":"), r->ttl_s);
    if (r->items.n) {
        json_put(out, STR("\"items\":"));
        append_publications(out, &r->items);
    }
}

/* The object of a code and a reason; Python's client wants both. */
static void put_reason(struct buffer *out, struct str name, uint32_t code, struct str reason) {
    json_put(out, name);
    buffer_append_str(out, STR("{\"code\":"));
    buffer_append_uint(out, code);
    buffer_append_str(out, STR(",\"reason\":"));
    json_append_string(out, reason);
    buffer_append_byte(out, '}');
}

void json_encode_bare_push(const struct push *p, struct buffer *out) {
    buffer_append_byte(out, '{');
    json_put_text(out, STR("\"channel\":"), p->channel);

    switch (p->kind) {
    case PUSH_PUBLICATION:
        json_put(out, STR("\"pub\":"));
        append_publication(out, &p->publication);
        break;
    case PUSH_JOIN:
        json_put(out, STR("\"join\":{"));
        put_client_info(out, STR("\"info\":"), &p->info);
        buffer_append_byte(out, '}');
        break;
    case PUSH_LEAVE:
        json_put(out, STR("\"leave\":{"));
        put_client_info(out, STR("\"info\":"), &p->info);
        buffer_append_byte(out, '}');
        break;
    case PUSH_UNSUBSCRIBE:
        put_reason(out, STR("\"unsubscribe\":"), p->unsubscribe.code, p->unsubscribe.reason);
        break;
    case PUSH_MESSAGE:
        json_put(out, STR("\"message\":{"));
        json_put_raw(out, STR("\"data\":"), p->message);
        buffer_append_byte(out, '}');
        break;
    case PUSH_SUBSCRIBE:
        json_put(out, STR("\"subscribe\":{"));
        json_put_flag(out, STR("\"recoverable\":"), p->subscribe.recoverable);
        json_put_text(out, STR("\"epoch\":"), p->subscribe.epoch);
        json_put_uint(out, STR("\"offset\":"), p->subscribe.offset);
        json_put_flag(out, STR("\"positioned\":"), p->subscribe.positioned);
        json_put_raw(out, STR("\"data\":"), p->subscribe.data);
        buffer_append_byte(out, '}');
        break;
    case PUSH_CONNECT:
        json_put(out, STR("\"connect\":{"));
        put_connect(out, &p->connect);
        buffer_append_byte(out, '}');
        break;
    case PUSH_DISCONNECT:
        put_reason(out, STR("\"disconnect\":"), p->disconnect.code, p->disconnect.reason);
        break;
    case PUSH_REFRESH:
        json_put(out, STR("\"refresh\":{"));
        put_refresh(out, &p->refresh);
        buffer_append_byte(out, '}');
        break;
    case PUSH_UNKNOWN:
    default:
        assert(!"a push that can be sent");
    }
    buffer_append_byte(out, '}');
}

void json_encode_push(const struct push *p, struct buffer *out) {
    buffer_append_str(out, STR("{\"push\":"));
    json_encode_bare_push(p, out);
    buffer_append_byte(out, '}');
}

/* What is answered most often. */
static void encode_published(uint32_t id, struct buffer *out) {
    if (id) {
        buffer_append_str(out, STR("{\"id\":"));
        buffer_append_uint(out, id);
        buffer_append_str(out, STR(",\"publish\":{}}"));
    } else {
        buffer_append_str(out, STR("{\"publish\":{}}"));
    }
}

void json_encode_reply(const struct reply *r, struct buffer *out) {
    if (r->kind == REPLY_PUBLISH) {
        encode_published(r->id, out);
        return;
    }
    if (r->kind == REPLY_PUSH) {
        json_encode_push(&r->push, out);
        return;
    }

    buffer_append_byte(out, '{');
    json_put_uint(out, STR("\"id\":"), r->id);
    switch (r->kind) {
    case REPLY_PING:
        buffer_append_byte(out, '}');
        return;
    case REPLY_ERROR:
        json_put(out, STR("\"error\":{\"code\":"));
        buffer_append_uint(out, r->error.code);
        buffer_append_str(out, STR(",\"message\":"));
        json_append_string(out, r->error.message);
        json_put_flag(out, STR("\"temporary\":"), r->error.is_temporary);
        break;
    case REPLY_CONNECT:
        json_put(out, STR("\"connect\":{"));
        put_connect(out, &r->connect);
        break;
    case REPLY_SUBSCRIBE:
        json_put(out, STR("\"subscribe\":{"));
        put_subscribe(out, &r->subscribe);
        break;
    case REPLY_UNSUBSCRIBE:
        json_put(out, STR("\"unsubscribe\":{"));
        break;
    case REPLY_PRESENCE:
        json_put(out, STR("\"presence\":{\"presence\":{"));
        for (size_t i = 0; i < r->presence.n; i++) {
            const struct client_info *info = &r->presence.items[i];
            if (i)
                buffer_append_byte(out, ',');
            json_append_string(out, info->client);
            buffer_append_byte(out, ':');
            append_client_info(out, info);
        }
        buffer_append_byte(out, '}');
        break;
    case REPLY_PRESENCE_STATS:
        json_put(out, STR("\"presence_stats\":{\"num_clients\":"));
        buffer_append_uint(out, r->presence_stats.num_clients);
        buffer_append_str(out, STR(",\"num_users\":"));
        buffer_append_uint(out, r->presence_stats.num_users);
        break;
    case REPLY_HISTORY:
        json_put(out, STR("\"history\":{\"publications\":"));
        append_publications(out, &r->history.publications);
        buffer_append_str(out, STR(",\"epoch\":"));
        json_append_string(out, r->history.epoch);
        buffer_append_str(out, STR(",\"offset\":"));
        buffer_append_uint(out, r->history.offset);
        break;
    case REPLY_RPC:
        json_put(out, STR("\"rpc\":{"));
        json_put_raw(out, STR("\"data\":"), r->rpc.data);
        break;
    case REPLY_REFRESH:
        json_put(out, STR("\"refresh\":{"));
        put_refresh(out, &r->refresh);
        break;
    case REPLY_SUB_REFRESH:
        json_put(out, STR("\"sub_refresh\":{"));
        put_sub_refresh(out, &r->sub_refresh);
        break;
    case REPLY_PUBLISH:
    case REPLY_PUSH:
    case REPLY_UNKNOWN:
    default:
        assert(!"a reply that can be sent");
    }
    buffer_append_str(out, STR("}}"));
}
