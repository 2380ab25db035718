/* Replies and pushes out of JSON: a client's half. */
#include <errno.h>

#include "protocol/codec_json.h"
#include "protocol/json_fields.h"

/*
 * A list of unknown length, growing in the arena: what was outgrown is left behind, which at most
 * doubles what the list takes.
 */
struct list {
    void *items;
    size_t n;
    size_t cap;
};

/* Room for one more item, zeroed; NULL and the cursor's error: no memory. */
static void *list_add(struct json *j, struct arena *a, struct list *l, size_t item_size) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        void *items = arena_alloc(a, cap * item_size);
        if (!items) {
            json_no_memory(j);
            return NULL;
        }
        if (l->n)
            memcpy(items, l->items, l->n * item_size);
        l->items = items;
        l->cap = cap;
    }

    void *item = (char *) l->items + l->n++ * item_size;
    memset(item, 0, item_size);
    return item;
}

static void decode_client_info(struct json *j, struct arena *a, struct client_info *ret) {
    struct json_string key;

    *ret = (struct client_info){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("user")))
            json_field_text(j, a, &ret->user);
        else if (json_is(key, STR("client")))
            json_field_text(j, a, &ret->client);
        else if (json_is(key, STR("conn_info")))
            json_field_raw(j, a, &ret->conn_info);
        else if (json_is(key, STR("chan_info")))
            json_field_raw(j, a, &ret->chan_info);
        else
            json_skip(j);
    }
}

static void decode_info_field(struct json *j, struct arena *a, const struct client_info **ret) {
    *ret = NULL;
    if (json_field_is_null(j))
        return;

    struct client_info *info = arena_alloc(a, sizeof *info);
    if (!info) {
        json_no_memory(j);
        return;
    }
    decode_client_info(j, a, info);
    *ret = info;
}

static void decode_tags(struct json *j, struct arena *a, struct wire_publication *ret) {
    struct json_string key;
    struct list tags = { 0 };

    ret->tags = NULL;
    ret->n_tags = 0;
    if (json_field_is_null(j) || !json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        struct tag *tag = list_add(j, a, &tags, sizeof *tag);
        if (!tag)
            return;
        if (json_string_text(key, a, &tag->key) < 0)
            json_no_memory(j);
        json_field_text(j, a, &tag->value);
    }
    ret->tags = tags.items;
    ret->n_tags = tags.n;
}

static void decode_publication(struct json *j, struct arena *a, struct wire_publication *ret) {
    struct json_string key;

    *ret = (struct wire_publication){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("info")))
            decode_info_field(j, a, &ret->info);
        else if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->offset);
        else if (json_is(key, STR("tags")))
            decode_tags(j, a, ret);
        else if (json_is(key, STR("delta")))
            json_field_bool(j, &ret->is_delta);
        else if (json_is(key, STR("time")))
            json_field_int64(j, &ret->time_ms);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->epoch);
        else
            json_skip(j);
    }
}

static void decode_publications(struct json *j, struct arena *a, struct wire_publications *ret) {
    struct list list = { 0 };

    *ret = (struct wire_publications){ 0 };
    if (json_field_is_null(j) || !json_enter_array(j))
        return;
    while (json_element(j)) {
        struct wire_publication *item = list_add(j, a, &list, sizeof *item);
        if (!item)
            return;
        decode_publication(j, a, item);
    }
    *ret = wire_publications_of(list.items, list.n);
}

static void decode_subscribe(struct json *j, struct arena *a, struct reply_subscribe *ret) {
    struct json_string key;

    *ret = (struct reply_subscribe){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("expires")))
            json_field_bool(j, &ret->expires);
        else if (json_is(key, STR("ttl")))
            json_field_uint32(j, &ret->ttl_s);
        else if (json_is(key, STR("recoverable")))
            json_field_bool(j, &ret->recoverable);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->epoch);
        else if (json_is(key, STR("publications")))
            decode_publications(j, a, &ret->publications);
        else if (json_is(key, STR("recovered")))
            json_field_bool(j, &ret->recovered);
        else if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->offset);
        else if (json_is(key, STR("positioned")))
            json_field_bool(j, &ret->positioned);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("was_recovering")))
            json_field_bool(j, &ret->was_recovering);
        else if (json_is(key, STR("delta")))
            json_field_bool(j, &ret->delta);
        else
            json_skip(j);
    }
}

static void decode_subs(struct json *j, struct arena *a, struct reply_connect *ret) {
    struct json_string key;
    struct list list = { 0 };

    ret->subs = NULL;
    ret->n_subs = 0;
    if (json_field_is_null(j) || !json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        struct reply_sub *sub = list_add(j, a, &list, sizeof *sub);
        if (!sub)
            return;
        if (json_string_text(key, a, &sub->channel) < 0)
            json_no_memory(j);
        decode_subscribe(j, a, &sub->result);
    }
    ret->subs = list.items;
    ret->n_subs = list.n;
}

static void decode_connect(struct json *j, struct arena *a, struct reply_connect *ret) {
    struct json_string key;

    *ret = (struct reply_connect){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("client")))
            json_field_text(j, a, &ret->client);
        else if (json_is(key, STR("version")))
            json_field_text(j, a, &ret->version);
        else if (json_is(key, STR("expires")))
            json_field_bool(j, &ret->expires);
        else if (json_is(key, STR("ttl")))
            json_field_uint32(j, &ret->ttl_s);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("subs")))
            decode_subs(j, a, ret);
        else if (json_is(key, STR("ping")))
            json_field_uint32(j, &ret->ping_s);
        else if (json_is(key, STR("pong")))
            json_field_bool(j, &ret->pong);
        else if (json_is(key, STR("session")))
            json_field_text(j, a, &ret->session);
        else if (json_is(key, STR("node")))
            json_field_text(j, a, &ret->node);
        else if (json_is(key, STR("time")))
            json_field_int64(j, &ret->time_ms);
        else
            json_skip(j);
    }
}

static void decode_error(struct json *j, struct arena *a, struct reply_error *ret) {
    struct json_string key;

    *ret = (struct reply_error){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("code")))
            json_field_uint32(j, &ret->code);
        else if (json_is(key, STR("message")))
            json_field_text(j, a, &ret->message);
        else if (json_is(key, STR("temporary")))
            json_field_bool(j, &ret->is_temporary);
        else
            json_skip(j);
    }
}

static void decode_presence(struct json *j, struct arena *a, struct reply_presence *ret) {
    struct json_string key, ignored;
    struct list list = { 0 };

    *ret = (struct reply_presence){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (!json_is(key, STR("presence"))) {
            json_skip(j);
            continue;
        }
        list = (struct list){ 0 };
        if (json_field_is_null(j) || !json_enter_object(j))
            continue;
        while (json_member(j, &ignored)) { /* the client id, which the value names too */
            struct client_info *info = list_add(j, a, &list, sizeof *info);
            if (!info)
                return;
            decode_client_info(j, a, info);
        }
    }
    *ret = (struct reply_presence){ .items = list.items, .n = list.n };
}

static void decode_presence_stats(struct json *j, struct reply_presence_stats *ret) {
    struct json_string key;

    *ret = (struct reply_presence_stats){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("num_clients")))
            json_field_uint32(j, &ret->num_clients);
        else if (json_is(key, STR("num_users")))
            json_field_uint32(j, &ret->num_users);
        else
            json_skip(j);
    }
}

static void decode_history(struct json *j, struct arena *a, struct reply_history *ret) {
    struct json_string key;

    *ret = (struct reply_history){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("publications")))
            decode_publications(j, a, &ret->publications);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->epoch);
        else if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->offset);
        else
            json_skip(j);
    }
}

/* An object of which only `data` matters. */
static void decode_data(struct json *j, struct arena *a, struct bytes *ret) {
    struct json_string key;

    *ret = (struct bytes){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("data")))
            json_field_raw(j, a, ret);
        else
            json_skip(j);
    }
}

static void decode_refresh(struct json *j, struct reply_refresh *ret) {
    struct json_string key;

    *ret = (struct reply_refresh){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("expires")))
            json_field_bool(j, &ret->expires);
        else if (json_is(key, STR("ttl")))
            json_field_uint32(j, &ret->ttl_s);
        else
            json_skip(j);
    }
}

static void decode_sub_refresh(struct json *j, struct arena *a, struct reply_sub_refresh *ret) {
    struct json_string key;

    *ret = (struct reply_sub_refresh){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("expires")))
            json_field_bool(j, &ret->expires);
        else if (json_is(key, STR("ttl")))
            json_field_uint32(j, &ret->ttl_s);
        else if (json_is(key, STR("items")))
            decode_publications(j, a, &ret->items);
        else
            json_skip(j);
    }
}

static void decode_reason(struct json *j, struct arena *a, uint32_t *ret_code,
                          struct str *ret_reason) {
    struct json_string key;

    *ret_code = 0;
    *ret_reason = (struct str){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("code")))
            json_field_uint32(j, ret_code);
        else if (json_is(key, STR("reason")))
            json_field_text(j, a, ret_reason);
        else
            json_skip(j);
    }
}

static void decode_join(struct json *j, struct arena *a, struct client_info *ret) {
    struct json_string key;

    *ret = (struct client_info){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("info")) && json_peek(j) == JSON_IS_OBJECT)
            decode_client_info(j, a, ret);
        else
            json_skip(j);
    }
}

static void decode_push_subscribe(struct json *j, struct arena *a, struct push_subscribe *ret) {
    struct json_string key;

    *ret = (struct push_subscribe){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("recoverable")))
            json_field_bool(j, &ret->recoverable);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->epoch);
        else if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->offset);
        else if (json_is(key, STR("positioned")))
            json_field_bool(j, &ret->positioned);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else
            json_skip(j);
    }
}

static enum push_kind push_kind_of(struct json_string key) {
    static const struct {
        struct str name;
        enum push_kind kind;
    } kinds[] = {
        { { "pub", 3 }, PUSH_PUBLICATION }, { { "join", 4 }, PUSH_JOIN },
        { { "leave", 5 }, PUSH_LEAVE },     { { "unsubscribe", 11 }, PUSH_UNSUBSCRIBE },
        { { "message", 7 }, PUSH_MESSAGE }, { { "subscribe", 9 }, PUSH_SUBSCRIBE },
        { { "connect", 7 }, PUSH_CONNECT }, { { "disconnect", 10 }, PUSH_DISCONNECT },
        { { "refresh", 7 }, PUSH_REFRESH },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (json_is(key, kinds[i].name))
            return kinds[i].kind;
    return PUSH_UNKNOWN;
}

static void decode_push(struct json *j, struct arena *a, struct push *ret) {
    struct json_string key;

    ret->kind = PUSH_UNKNOWN;
    ret->channel = (struct str){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel"))) {
            json_field_text(j, a, &ret->channel);
            continue;
        }

        enum push_kind kind = push_kind_of(key);
        if (kind == PUSH_UNKNOWN) {
            json_skip(j);
            continue;
        }
        if (json_field_is_null(j))
            continue;

        ret->kind = kind;
        switch (kind) {
        case PUSH_PUBLICATION:
            decode_publication(j, a, &ret->publication);
            break;
        case PUSH_JOIN:
        case PUSH_LEAVE:
            decode_join(j, a, &ret->info);
            break;
        case PUSH_UNSUBSCRIBE:
            decode_reason(j, a, &ret->unsubscribe.code, &ret->unsubscribe.reason);
            break;
        case PUSH_MESSAGE:
            decode_data(j, a, &ret->message);
            break;
        case PUSH_SUBSCRIBE:
            decode_push_subscribe(j, a, &ret->subscribe);
            break;
        case PUSH_CONNECT:
            decode_connect(j, a, &ret->connect);
            break;
        case PUSH_DISCONNECT:
            decode_reason(j, a, &ret->disconnect.code, &ret->disconnect.reason);
            break;
        case PUSH_REFRESH:
            decode_refresh(j, &ret->refresh);
            break;
        case PUSH_UNKNOWN:
        default:
            json_skip(j);
            break;
        }
    }
}

static enum reply_kind reply_kind_of(struct json_string key) {
    static const struct {
        struct str name;
        enum reply_kind kind;
    } kinds[] = {
        { { "push", 4 }, REPLY_PUSH },
        { { "error", 5 }, REPLY_ERROR },
        { { "connect", 7 }, REPLY_CONNECT },
        { { "subscribe", 9 }, REPLY_SUBSCRIBE },
        { { "unsubscribe", 11 }, REPLY_UNSUBSCRIBE },
        { { "publish", 7 }, REPLY_PUBLISH },
        { { "presence", 8 }, REPLY_PRESENCE },
        { { "presence_stats", 14 }, REPLY_PRESENCE_STATS },
        { { "history", 7 }, REPLY_HISTORY },
        { { "rpc", 3 }, REPLY_RPC },
        { { "refresh", 7 }, REPLY_REFRESH },
        { { "sub_refresh", 11 }, REPLY_SUB_REFRESH },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (json_is(key, kinds[i].name))
            return kinds[i].kind;
    return REPLY_UNKNOWN;
}

static void decode_reply(struct json *j, struct arena *a, struct reply *ret) {
    struct json_string key;

    ret->kind = REPLY_UNKNOWN;
    ret->id = 0;
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("id"))) {
            json_field_uint32(j, &ret->id);
            continue;
        }

        enum reply_kind kind = reply_kind_of(key);
        if (kind == REPLY_UNKNOWN) {
            json_skip(j);
            continue;
        }
        if (json_field_is_null(j))
            continue;

        ret->kind = kind;
        switch (kind) {
        case REPLY_PUSH:
            decode_push(j, a, &ret->push);
            break;
        case REPLY_ERROR:
            decode_error(j, a, &ret->error);
            break;
        case REPLY_CONNECT:
            decode_connect(j, a, &ret->connect);
            break;
        case REPLY_SUBSCRIBE:
            decode_subscribe(j, a, &ret->subscribe);
            break;
        case REPLY_PRESENCE:
            decode_presence(j, a, &ret->presence);
            break;
        case REPLY_PRESENCE_STATS:
            decode_presence_stats(j, &ret->presence_stats);
            break;
        case REPLY_HISTORY:
            decode_history(j, a, &ret->history);
            break;
        case REPLY_RPC:
            decode_data(j, a, &ret->rpc.data);
            break;
        case REPLY_SUB_REFRESH:
            decode_sub_refresh(j, a, &ret->sub_refresh);
            break;
        case REPLY_REFRESH:
            decode_refresh(j, &ret->refresh);
            break;
        case REPLY_UNSUBSCRIBE:
        case REPLY_PUBLISH:
        case REPLY_PING:
        case REPLY_UNKNOWN:
        default:
            json_skip(j);
            break;
        }
    }

    if (ret->kind == REPLY_UNKNOWN && !ret->id)
        ret->kind = REPLY_PING;
}

int json_next_reply(struct bytes *frame, struct arena *a, struct reply *ret, const char **ret_why) {
    struct json j;

    if (!frame->len)
        return 0;

    json_init(&j, *frame);
    if (!json_one_line_space(&j))
        json_fail(&j, "a line is empty");
    decode_reply(&j, a, ret);
    if (!json_error(&j) && !json_line_end(&j))
        json_fail(&j, "something follows a reply on its line");
    if (json_error(&j)) {
        *ret_why = json_error(&j);
        return json_result(&j);
    }

    *frame = bytes_of(j.at, json_left(&j));
    return 1;
}
