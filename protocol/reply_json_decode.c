/* Replies and pushes out of JSON: a client's half. */
#include <errno.h>

#include "protocol/codec_json.h"
#include "protocol/json_fields.h"

static const struct json_field info_fields[] = {
    JSON_FIELD(struct client_info, user),
    JSON_FIELD(struct client_info, client),
    JSON_FIELD(struct client_info, conn_info),
    JSON_FIELD(struct client_info, chan_info),
};

static void decode_info(struct json *j, struct arena *a, void *at) {
    const struct client_info **ret = at;
    struct client_info *info = arena_alloc(a, sizeof *info);

    if (!info) {
        json_no_memory(j);
        return;
    }
    *info = (struct client_info){ 0 };
    json_decode_object(j, a, JSON_TABLE(info_fields), info);
    *ret = info;
}

static void decode_tags(struct json *j, struct arena *a, void *at) {
    struct wire_publication *ret = at;
    struct json_string key;
    struct arena_list tags = { 0 };

    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        struct tag *tag = json_list_add(j, a, &tags, sizeof *tag);
        if (!tag)
            return;
        if (json_string_text(key, a, &tag->key) < 0)
            json_no_memory(j);
        json_field_text(j, a, &tag->value);
    }
    ret->tags = tags.items;
    ret->n_tags = tags.n;
}

static const struct json_field publication_fields[] = {
    JSON_FIELD(struct wire_publication, data),
    JSON_FIELD_BY(struct wire_publication, info, "info", decode_info, NULL),
    JSON_FIELD(struct wire_publication, offset),
    JSON_WHOLE_BY("tags", decode_tags, NULL),
    JSON_FIELD_NAMED(struct wire_publication, is_delta, "delta"),
    JSON_FIELD_NAMED(struct wire_publication, time_ms, "time"),
    JSON_FIELD(struct wire_publication, key),
    JSON_FIELD_NAMED(struct wire_publication, is_removed, "removed"),
    JSON_FIELD(struct wire_publication, score),
    JSON_FIELD(struct wire_publication, epoch),
    JSON_FIELD(struct wire_publication, version),
};

static void decode_publications(struct json *j, struct arena *a, void *at) {
    struct wire_publications *ret = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct wire_publication *item = json_list_add(j, a, &list, sizeof *item);
        if (!item)
            return;
        json_decode_object(j, a, JSON_TABLE(publication_fields), item);
    }
    *ret = wire_publications_of(list.items, list.n);
}

static const struct json_field subscribe_fields[] = {
    JSON_FIELD(struct reply_subscribe, expires),
    JSON_FIELD_NAMED(struct reply_subscribe, ttl_s, "ttl"),
    JSON_FIELD(struct reply_subscribe, recoverable),
    JSON_FIELD(struct reply_subscribe, epoch),
    JSON_FIELD_BY(struct reply_subscribe, publications, "publications", decode_publications, NULL),
    JSON_FIELD(struct reply_subscribe, recovered),
    JSON_FIELD(struct reply_subscribe, offset),
    JSON_FIELD(struct reply_subscribe, positioned),
    JSON_FIELD(struct reply_subscribe, data),
    JSON_FIELD(struct reply_subscribe, was_recovering),
    JSON_FIELD(struct reply_subscribe, delta),
    JSON_FIELD(struct reply_subscribe, type),
    JSON_FIELD(struct reply_subscribe, phase),
    JSON_FIELD(struct reply_subscribe, cursor),
    JSON_FIELD_BY(struct reply_subscribe, state, "state", decode_publications, NULL),
    JSON_FIELD_NAMED(struct reply_subscribe, publish_debounce_ms, "publish_debounce"),
};

static void decode_subs(struct json *j, struct arena *a, void *at) {
    struct reply_connect *ret = at;
    struct json_string key;
    struct arena_list list = { 0 };

    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        struct reply_sub *sub = json_list_add(j, a, &list, sizeof *sub);
        if (!sub)
            return;
        if (json_string_text(key, a, &sub->channel) < 0)
            json_no_memory(j);
        json_decode_object(j, a, JSON_TABLE(subscribe_fields), &sub->result);
    }
    ret->subs = list.items;
    ret->n_subs = list.n;
}

static const struct json_field connect_fields[] = {
    JSON_FIELD(struct reply_connect, client),
    JSON_FIELD(struct reply_connect, version),
    JSON_FIELD(struct reply_connect, expires),
    JSON_FIELD_NAMED(struct reply_connect, ttl_s, "ttl"),
    JSON_FIELD(struct reply_connect, data),
    JSON_WHOLE_BY("subs", decode_subs, NULL),
    JSON_FIELD_NAMED(struct reply_connect, ping_s, "ping"),
    JSON_FIELD(struct reply_connect, pong),
    JSON_FIELD(struct reply_connect, session),
    JSON_FIELD(struct reply_connect, node),
    JSON_FIELD_NAMED(struct reply_connect, time_ms, "time"),
};

static const struct json_field error_fields[] = {
    JSON_FIELD(struct reply_error, code),
    JSON_FIELD(struct reply_error, message),
    JSON_FIELD_NAMED(struct reply_error, is_temporary, "temporary"),
};

/* An object by client ids, which the values name too. */
static void decode_infos(struct json *j, struct arena *a, void *at) {
    struct reply_presence *ret = at;
    struct json_string ignored;
    struct arena_list list = { 0 };

    if (!json_enter_object(j))
        return;
    while (json_member(j, &ignored)) {
        struct client_info *info = json_list_add(j, a, &list, sizeof *info);
        if (!info)
            return;
        json_decode_object(j, a, JSON_TABLE(info_fields), info);
    }
    *ret = (struct reply_presence){ .items = list.items, .n = list.n };
}

static const struct json_field presence_fields[] = {
    JSON_WHOLE_BY("presence", decode_infos, NULL),
};

static const struct json_field presence_stats_fields[] = {
    JSON_FIELD(struct reply_presence_stats, num_clients),
    JSON_FIELD(struct reply_presence_stats, num_users),
};

static const struct json_field history_fields[] = {
    JSON_FIELD_BY(struct reply_history, publications, "publications", decode_publications, NULL),
    JSON_FIELD(struct reply_history, epoch),
    JSON_FIELD(struct reply_history, offset),
};

static const struct json_field rpc_fields[] = {
    JSON_FIELD(struct reply_rpc, data),
};

static const struct json_field refresh_fields[] = {
    JSON_FIELD(struct reply_refresh, expires),
    JSON_FIELD_NAMED(struct reply_refresh, ttl_s, "ttl"),
};

static const struct json_field sub_refresh_fields[] = {
    JSON_FIELD(struct reply_sub_refresh, expires),
    JSON_FIELD_NAMED(struct reply_sub_refresh, ttl_s, "ttl"),
    JSON_FIELD_BY(struct reply_sub_refresh, items, "items", decode_publications, NULL),
};

static void decode_pushed_info(struct json *j, struct arena *a, void *at) {
    json_decode_object(j, a, JSON_TABLE(info_fields), at);
}

static const struct json_field join_fields[] = {
    JSON_WHOLE_BY("info", decode_pushed_info, NULL),
};

static const struct json_field push_unsubscribe_fields[] = {
    JSON_FIELD(struct push_unsubscribe, code),
    JSON_FIELD(struct push_unsubscribe, reason),
};

static const struct json_field message_fields[] = {
    JSON_FIELD_NAMED(struct push, message, "data"),
};

static const struct json_field push_subscribe_fields[] = {
    JSON_FIELD(struct push_subscribe, recoverable), JSON_FIELD(struct push_subscribe, epoch),
    JSON_FIELD(struct push_subscribe, offset),      JSON_FIELD(struct push_subscribe, positioned),
    JSON_FIELD(struct push_subscribe, data),
};

static const struct json_field push_disconnect_fields[] = {
    JSON_FIELD(struct push_disconnect, code),
    JSON_FIELD(struct push_disconnect, reason),
};

/* What a member of an envelope holds, and where in the envelope's struct that belongs. */
struct kind {
    struct str name;
    int kind;
    struct json_table table;
    size_t at;
};

#define TABLE(array)                                                                               \
    { array, sizeof array / sizeof array[0] }

static const struct kind push_kinds[] = {
    { { "pub", 3 },
      PUSH_PUBLICATION,
      TABLE(publication_fields),
      offsetof(struct push, publication) },
    { { "join", 4 }, PUSH_JOIN, TABLE(join_fields), offsetof(struct push, info) },
    { { "leave", 5 }, PUSH_LEAVE, TABLE(join_fields), offsetof(struct push, info) },
    { { "unsubscribe", 11 },
      PUSH_UNSUBSCRIBE,
      TABLE(push_unsubscribe_fields),
      offsetof(struct push, unsubscribe) },
    { { "message", 7 }, PUSH_MESSAGE, TABLE(message_fields), 0 },
    { { "subscribe", 9 },
      PUSH_SUBSCRIBE,
      TABLE(push_subscribe_fields),
      offsetof(struct push, subscribe) },
    { { "connect", 7 }, PUSH_CONNECT, TABLE(connect_fields), offsetof(struct push, connect) },
    { { "disconnect", 10 },
      PUSH_DISCONNECT,
      TABLE(push_disconnect_fields),
      offsetof(struct push, disconnect) },
    { { "refresh", 7 }, PUSH_REFRESH, TABLE(refresh_fields), offsetof(struct push, refresh) },
};

static const struct kind reply_kinds[] = {
    { { "error", 5 }, REPLY_ERROR, TABLE(error_fields), offsetof(struct reply, error) },
    { { "connect", 7 }, REPLY_CONNECT, TABLE(connect_fields), offsetof(struct reply, connect) },
    { { "subscribe", 9 },
      REPLY_SUBSCRIBE,
      TABLE(subscribe_fields),
      offsetof(struct reply, subscribe) },
    { { "unsubscribe", 11 }, REPLY_UNSUBSCRIBE, { 0 }, offsetof(struct reply, error) },
    { { "publish", 7 }, REPLY_PUBLISH, { 0 }, offsetof(struct reply, error) },
    { { "presence", 8 }, REPLY_PRESENCE, TABLE(presence_fields), offsetof(struct reply, presence) },
    { { "presence_stats", 14 },
      REPLY_PRESENCE_STATS,
      TABLE(presence_stats_fields),
      offsetof(struct reply, presence_stats) },
    { { "history", 7 }, REPLY_HISTORY, TABLE(history_fields), offsetof(struct reply, history) },
    { { "rpc", 3 }, REPLY_RPC, TABLE(rpc_fields), offsetof(struct reply, rpc) },
    { { "refresh", 7 }, REPLY_REFRESH, TABLE(refresh_fields), offsetof(struct reply, refresh) },
    { { "sub_refresh", 11 },
      REPLY_SUB_REFRESH,
      TABLE(sub_refresh_fields),
      offsetof(struct reply, sub_refresh) },
};

#define KIND_OF(kinds, key) kind_of(kinds, sizeof kinds / sizeof kinds[0], key)

static const struct kind *kind_of(const struct kind *kinds, size_t n, struct json_string key) {
    for (size_t i = 0; i < n; i++)
        if (json_is(key, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static void decode_push(struct json *j, struct arena *a, struct push *ret) {
    struct json_string key;

    *ret = (struct push){ .kind = PUSH_UNKNOWN };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel"))) {
            json_field_text(j, a, &ret->channel);
            continue;
        }

        const struct kind *k = KIND_OF(push_kinds, key);
        if (!k) {
            json_skip(j);
        } else if (!json_field_is_null(j)) {
            *ret = (struct push){ .kind = (enum push_kind) k->kind, .channel = ret->channel };
            json_decode_object(j, a, k->table, (char *) ret + k->at);
        }
    }
}

static void decode_reply(struct json *j, struct arena *a, struct reply *ret) {
    struct json_string key;

    *ret = (struct reply){ .kind = REPLY_UNKNOWN };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("id"))) {
            json_field_uint32(j, &ret->id);
            continue;
        }

        bool is_push = json_is(key, STR("push"));
        const struct kind *k = is_push ? NULL : KIND_OF(reply_kinds, key);
        if (!k && !is_push) {
            json_skip(j);
            continue;
        }
        if (json_field_is_null(j))
            continue;

        *ret = (struct reply){ .kind = is_push ? REPLY_PUSH : (enum reply_kind) k->kind,
                               .id = ret->id };
        if (is_push)
            decode_push(j, a, &ret->push);
        else
            json_decode_object(j, a, k->table, (char *) ret + k->at);
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
