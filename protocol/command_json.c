/* Commands in JSON: one object each, a newline between two, one tolerated behind the last. */
#include <errno.h>

#include "protocol/codec_json.h"
#include "protocol/json_fields.h"

static void map_field(struct json *j, struct arena *a, struct command_map *ret) {
    *ret = (struct command_map){ 0 };
    if (json_field_is_null(j))
        return;
    if (json_peek(j) == JSON_IS_OBJECT)
        json_value_line(j, a, &ret->encoded);
    else
        json_fail(j, "a map is not an object");
}

static void decode_connect(struct json *j, struct arena *a, struct command_connect *ret) {
    struct json_string key;

    *ret = (struct command_connect){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("token")))
            json_field_text(j, a, &ret->token);
        else if (json_is(key, STR("name")))
            json_field_text(j, a, &ret->name);
        else if (json_is(key, STR("version")))
            json_field_text(j, a, &ret->version);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("subs")))
            map_field(j, a, &ret->subs);
        else if (json_is(key, STR("headers")))
            map_field(j, a, &ret->headers);
        else if (json_is(key, STR("flag")))
            json_field_int64(j, &ret->flag);
        else
            json_skip(j);
    }
}

static void decode_subscribe(struct json *j, struct arena *a, struct command_subscribe *ret) {
    struct json_string key;

    *ret = (struct command_subscribe){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel")))
            json_field_text(j, a, &ret->channel);
        else if (json_is(key, STR("token")))
            json_field_text(j, a, &ret->token);
        else if (json_is(key, STR("recover")))
            json_field_bool(j, &ret->recover);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->epoch);
        else if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->offset);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("positioned")))
            json_field_bool(j, &ret->positioned);
        else if (json_is(key, STR("recoverable")))
            json_field_bool(j, &ret->recoverable);
        else if (json_is(key, STR("join_leave")))
            json_field_bool(j, &ret->join_leave);
        else if (json_is(key, STR("delta")))
            json_field_text(j, a, &ret->delta);
        else if (json_is(key, STR("tf")))
            json_field_raw(j, a, &ret->tags_filter);
        else if (json_is(key, STR("flag")))
            json_field_int64(j, &ret->flag);
        else if (json_is(key, STR("type")))
            json_field_uint32(j, &ret->type);
        else
            json_skip(j);
    }
}

static void decode_channel(struct json *j, struct arena *a, struct str *ret) {
    struct json_string key;

    *ret = (struct str){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel")))
            json_field_text(j, a, ret);
        else
            json_skip(j);
    }
}

static void decode_publish(struct json *j, struct arena *a, struct command_publish *ret) {
    struct json_string key;

    *ret = (struct command_publish){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel")))
            json_field_text(j, a, &ret->channel);
        else if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("type")))
            json_field_uint32(j, &ret->type);
        else
            json_skip(j);
    }
}

static void decode_since(struct json *j, struct arena *a, struct command_history *ret) {
    struct json_string key;

    ret->has_since = false;
    ret->since_offset = 0;
    ret->since_epoch = (struct str){ 0 };
    if (json_field_is_null(j) || !json_enter_object(j))
        return;
    ret->has_since = true;
    while (json_member(j, &key)) {
        if (json_is(key, STR("offset")))
            json_field_uint64(j, &ret->since_offset);
        else if (json_is(key, STR("epoch")))
            json_field_text(j, a, &ret->since_epoch);
        else
            json_skip(j);
    }
}

static void decode_history(struct json *j, struct arena *a, struct command_history *ret) {
    struct json_string key;

    *ret = (struct command_history){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel")))
            json_field_text(j, a, &ret->channel);
        else if (json_is(key, STR("limit")))
            json_field_int32(j, &ret->limit);
        else if (json_is(key, STR("since")))
            decode_since(j, a, ret);
        else if (json_is(key, STR("reverse")))
            json_field_bool(j, &ret->reverse);
        else
            json_skip(j);
    }
}

static void decode_send(struct json *j, struct arena *a, struct command_send *ret) {
    struct json_string key;

    *ret = (struct command_send){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else
            json_skip(j);
    }
}

static void decode_rpc(struct json *j, struct arena *a, struct command_rpc *ret) {
    struct json_string key;

    *ret = (struct command_rpc){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("data")))
            json_field_raw(j, a, &ret->data);
        else if (json_is(key, STR("method")))
            json_field_text(j, a, &ret->method);
        else
            json_skip(j);
    }
}

static void decode_refresh(struct json *j, struct arena *a, struct command_refresh *ret) {
    struct json_string key;

    *ret = (struct command_refresh){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("token")))
            json_field_text(j, a, &ret->token);
        else
            json_skip(j);
    }
}

static void decode_sub_refresh(struct json *j, struct arena *a, struct command_sub_refresh *ret) {
    struct json_string key;

    *ret = (struct command_sub_refresh){ 0 };
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("channel")))
            json_field_text(j, a, &ret->channel);
        else if (json_is(key, STR("token")))
            json_field_text(j, a, &ret->token);
        else if (json_is(key, STR("type")))
            json_field_uint32(j, &ret->type);
        else
            json_skip(j);
    }
}

/* What a member of the envelope asks for; COMMAND_PONG: nothing we know. */
static enum command_kind kind_of(struct json_string key) {
#define COMMAND_BY_NAME(name, text)                                                                \
    if (name != COMMAND_PONG && json_is(key, STR(text)))                                           \
        return name;

    COMMAND_TABLE(COMMAND_BY_NAME)
    return COMMAND_PONG;
}

static void decode_payload(struct json *j, struct arena *a, struct command *ret) {
    switch (ret->kind) {
    case COMMAND_CONNECT:
        decode_connect(j, a, &ret->connect);
        break;
    case COMMAND_SUBSCRIBE:
        decode_subscribe(j, a, &ret->subscribe);
        break;
    case COMMAND_UNSUBSCRIBE:
        decode_channel(j, a, &ret->unsubscribe.channel);
        break;
    case COMMAND_PUBLISH:
        decode_publish(j, a, &ret->publish);
        break;
    case COMMAND_PRESENCE:
    case COMMAND_PRESENCE_STATS:
        decode_channel(j, a, &ret->presence.channel);
        break;
    case COMMAND_HISTORY:
        decode_history(j, a, &ret->history);
        break;
    case COMMAND_SEND:
        decode_send(j, a, &ret->send);
        break;
    case COMMAND_RPC:
        decode_rpc(j, a, &ret->rpc);
        break;
    case COMMAND_REFRESH:
        decode_refresh(j, a, &ret->refresh);
        break;
    case COMMAND_SUB_REFRESH:
        decode_sub_refresh(j, a, &ret->sub_refresh);
        break;
    case COMMAND_PONG:
    case COMMAND_PING:
    case COMMAND_KINDS:
    default:
        json_skip(j);
        break;
    }
}

static void decode_command(struct json *j, struct arena *a, struct command *ret) {
    struct json_string key;

    ret->kind = COMMAND_PONG;
    ret->id = 0;
    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("id"))) {
            json_field_uint32(j, &ret->id);
            continue;
        }

        enum command_kind kind = kind_of(key);
        bool counts = kind != COMMAND_PONG && (ret->kind == COMMAND_PONG || kind <= ret->kind);
        if (!counts) {
            json_skip(j);
        } else if (!json_field_is_null(j)) {
            ret->kind = kind;
            decode_payload(j, a, ret);
        }
    }
}

static int broken(struct command_reader *r, int error, const char *why) {
    r->left = (struct bytes){ 0 };
    r->has_begun = false; /* whoever asks again gets no clean end */
    r->why = why;
    return error;
}

static int next_command(struct command_reader *r, struct command *ret) {
    struct json j;

    if (!r->left.len)
        return r->has_begun ? 0 : r->why ? -EBADMSG : broken(r, -EBADMSG, "a frame is empty");

    json_init(&j, r->left);
    if (!json_one_line_space(&j))
        return broken(r, -EBADMSG, "a line is empty");
    decode_command(&j, &r->arena, ret);
    if (json_error(&j))
        return broken(r, json_result(&j), json_error(&j));
    if (!json_line_end(&j))
        return broken(r, -EBADMSG, "something follows a command on its line");

    const char *objection = command_objection(ret);
    if (objection)
        return broken(r, -EPROTO, objection);

    r->left = bytes_of(j.at, json_left(&j));
    r->has_begun = true;
    return 1;
}

/*
 * A map is walked from a cursor that is itself a span: all of it at first, later what is left from
 * a comma or the closing brace on. Its syntax was checked when the command was decoded.
 */
static bool next_in_map(struct json *j, struct command_map *map, struct json_string *ret_key) {
    json_init(j, map->encoded);
    if (j->at == j->end)
        return false;
    if (*j->at == '{') {
        if (!json_enter_object(j))
            return false;
    } else {
        j->depth = 1;
        j->objects = 1;
    }
    return json_member(j, ret_key);
}

static int map_result(struct command_reader *r, struct json *j, struct command_map *map,
                      int found) {
    if (json_error(j)) {
        *map = (struct command_map){ 0 };
        r->why = json_error(j);
        return json_result(j);
    }
    map->encoded = bytes_of(j->at, json_left(j));
    return found;
}

static int next_sub(struct command_reader *r, struct command_map *map,
                    struct command_subscribe *ret) {
    struct json j;
    struct json_string key;

    if (!next_in_map(&j, map, &key))
        return map_result(r, &j, map, 0);

    if (json_field_is_null(&j))
        *ret = (struct command_subscribe){ 0 };
    else
        decode_subscribe(&j, &r->arena, ret);
    if (!json_error(&j) && json_string_text(key, &r->arena, &ret->channel) < 0)
        return -ENOMEM;
    return map_result(r, &j, map, 1);
}

static int next_header(struct command_reader *r, struct command_map *map, struct str *ret_name,
                       struct str *ret_value) {
    struct json j;
    struct json_string key;

    if (!next_in_map(&j, map, &key))
        return map_result(r, &j, map, 0);

    json_field_text(&j, &r->arena, ret_value);
    if (!json_error(&j) && json_string_text(key, &r->arena, ret_name) < 0)
        return -ENOMEM;
    return map_result(r, &j, map, 1);
}

static void encode_subscribe(const struct command_subscribe *s, struct buffer *out) {
    json_put_text(out, STR("\"channel\":"), s->channel);
    json_put_text(out, STR("\"token\":"), s->token);
    json_put_flag(out, STR("\"recover\":"), s->recover);
    json_put_text(out, STR("\"epoch\":"), s->epoch);
    json_put_uint(out, STR("\"offset\":"), s->offset);
    json_put_raw(out, STR("\"data\":"), s->data);
    json_put_flag(out, STR("\"positioned\":"), s->positioned);
    json_put_flag(out, STR("\"recoverable\":"), s->recoverable);
    json_put_flag(out, STR("\"join_leave\":"), s->join_leave);
    json_put_text(out, STR("\"delta\":"), s->delta);
    json_put_raw(out, STR("\"tf\":"), s->tags_filter);
    json_put_int(out, STR("\"flag\":"), s->flag);
    json_put_uint(out, STR("\"type\":"), s->type);
}

static void encode_payload(const struct command *c, struct buffer *out) {
    switch (c->kind) {
    case COMMAND_CONNECT:
        json_put_text(out, STR("\"token\":"), c->connect.token);
        json_put_raw(out, STR("\"data\":"), c->connect.data);
        json_put_raw(out, STR("\"subs\":"), c->connect.subs.encoded);
        json_put_text(out, STR("\"name\":"), c->connect.name);
        json_put_text(out, STR("\"version\":"), c->connect.version);
        json_put_raw(out, STR("\"headers\":"), c->connect.headers.encoded);
        json_put_int(out, STR("\"flag\":"), c->connect.flag);
        break;
    case COMMAND_SUBSCRIBE:
        encode_subscribe(&c->subscribe, out);
        break;
    case COMMAND_UNSUBSCRIBE:
        json_put_text(out, STR("\"channel\":"), c->unsubscribe.channel);
        break;
    case COMMAND_PUBLISH:
        json_put_text(out, STR("\"channel\":"), c->publish.channel);
        json_put_raw(out, STR("\"data\":"), c->publish.data);
        json_put_uint(out, STR("\"type\":"), c->publish.type);
        break;
    case COMMAND_PRESENCE:
    case COMMAND_PRESENCE_STATS:
        json_put_text(out, STR("\"channel\":"), c->presence.channel);
        break;
    case COMMAND_HISTORY:
        json_put_text(out, STR("\"channel\":"), c->history.channel);
        json_put_int(out, STR("\"limit\":"), c->history.limit);
        if (c->history.has_since) {
            json_put(out, STR("\"since\":{"));
            json_put_uint(out, STR("\"offset\":"), c->history.since_offset);
            json_put_text(out, STR("\"epoch\":"), c->history.since_epoch);
            buffer_append_byte(out, '}');
        }
        json_put_flag(out, STR("\"reverse\":"), c->history.reverse);
        break;
    case COMMAND_SEND:
        json_put_raw(out, STR("\"data\":"), c->send.data);
        break;
    case COMMAND_RPC:
        json_put_raw(out, STR("\"data\":"), c->rpc.data);
        json_put_text(out, STR("\"method\":"), c->rpc.method);
        break;
    case COMMAND_REFRESH:
        json_put_text(out, STR("\"token\":"), c->refresh.token);
        break;
    case COMMAND_SUB_REFRESH:
        json_put_text(out, STR("\"channel\":"), c->sub_refresh.channel);
        json_put_text(out, STR("\"token\":"), c->sub_refresh.token);
        json_put_uint(out, STR("\"type\":"), c->sub_refresh.type);
        break;
    case COMMAND_PONG:
    case COMMAND_PING:
    case COMMAND_KINDS:
    default:
        break;
    }
}

static void encode_command(const struct command *c, struct buffer *out) {
    buffer_append_byte(out, '{');
    json_put_uint(out, STR("\"id\":"), c->id);
    if (c->kind != COMMAND_PONG) {
        json_put(out, STR("\""));
        buffer_append_str(out, command_name(c->kind));
        buffer_append_str(out, STR("\":{"));
        encode_payload(c, out);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

static void separate(struct buffer *out) {
    buffer_append_byte(out, '\n');
}

const struct codec codec_json = {
    .name = "json",
    .is_text = true,
    .next_command = next_command,
    .next_sub = next_sub,
    .next_header = next_header,
    .separate = separate,
    .encode_reply = json_encode_reply,
    .encode_push = json_encode_push,
    .encode_bare_push = json_encode_bare_push,
    .encode_command = encode_command,
    .next_reply = json_next_reply,
};
