/* Commands in JSON: one object each, a newline between two, one tolerated behind the last. */
#include <errno.h>

#include "protocol/codec_json.h"
#include "protocol/emulation.h"
#include "protocol/json_fields.h"

/* The tables stand in the order of the protocol's field numbers, which is the order of encoding. */
static const struct json_field connect_fields[] = {
    JSON_FIELD(struct command_connect, token),   JSON_FIELD(struct command_connect, data),
    JSON_FIELD(struct command_connect, subs),    JSON_FIELD(struct command_connect, name),
    JSON_FIELD(struct command_connect, version), JSON_FIELD(struct command_connect, headers),
    JSON_FIELD(struct command_connect, flag),
};

static const struct json_field subscribe_fields[] = {
    JSON_FIELD(struct command_subscribe, channel),
    JSON_FIELD(struct command_subscribe, token),
    JSON_FIELD(struct command_subscribe, recover),
    JSON_FIELD(struct command_subscribe, epoch),
    JSON_FIELD(struct command_subscribe, offset),
    JSON_FIELD(struct command_subscribe, data),
    JSON_FIELD(struct command_subscribe, positioned),
    JSON_FIELD(struct command_subscribe, recoverable),
    JSON_FIELD(struct command_subscribe, join_leave),
    JSON_FIELD(struct command_subscribe, delta),
    JSON_FIELD_NAMED(struct command_subscribe, tags_filter, "tf"),
    JSON_FIELD(struct command_subscribe, flag),
    JSON_FIELD(struct command_subscribe, type),
    JSON_FIELD(struct command_subscribe, phase),
    JSON_FIELD(struct command_subscribe, cursor),
    JSON_FIELD(struct command_subscribe, limit),
    JSON_FIELD(struct command_subscribe, asc),
};

static const struct json_field unsubscribe_fields[] = {
    JSON_FIELD(struct command_unsubscribe, channel),
};

static const struct json_field publish_fields[] = {
    JSON_FIELD(struct command_publish, channel),
    JSON_FIELD(struct command_publish, data),
    JSON_FIELD(struct command_publish, type),
    JSON_FIELD(struct command_publish, key),
    JSON_FIELD_NAMED(struct command_publish, is_removed, "removed"),
};

static const struct json_field presence_fields[] = {
    JSON_FIELD(struct command_presence, channel),
};

static const struct json_field since_fields[] = {
    JSON_FIELD_NAMED(struct command_history, since_offset, "offset"),
    JSON_FIELD_NAMED(struct command_history, since_epoch, "epoch"),
};

static void decode_since(struct json *j, struct arena *a, void *at) {
    struct command_history *h = at;

    h->has_since = true;
    h->since_offset = 0;
    h->since_epoch = (struct str){ 0 };
    json_decode_object(j, a, JSON_TABLE(since_fields), h);
}

static void encode_since(struct buffer *out, struct str quoted, const void *at) {
    const struct command_history *h = at;

    if (!h->has_since)
        return;
    json_put(out, quoted);
    buffer_append_byte(out, '{');
    json_put_members(out, JSON_TABLE(since_fields), h);
    buffer_append_byte(out, '}');
}

static const struct json_field history_fields[] = {
    JSON_FIELD(struct command_history, channel),
    JSON_FIELD(struct command_history, limit),
    JSON_WHOLE_BY("since", decode_since, encode_since),
    JSON_FIELD(struct command_history, reverse),
};

static const struct json_field send_fields[] = {
    JSON_FIELD(struct command_send, data),
};

static const struct json_field rpc_fields[] = {
    JSON_FIELD(struct command_rpc, data),
    JSON_FIELD(struct command_rpc, method),
};

static const struct json_field refresh_fields[] = {
    JSON_FIELD(struct command_refresh, token),
};

static const struct json_field tracked_fields[] = {
    JSON_FIELD(struct tracked_key, key),
    JSON_FIELD(struct tracked_key, version),
};

/* An array of objects, into the arena. */
static struct arena_list decode_objects(struct json *j, struct arena *a, struct json_table t,
                                        size_t item_size) {
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return list;
    while (json_element(j)) {
        void *item = json_list_add(j, a, &list, item_size);
        if (item)
            json_decode_object(j, a, t, item);
    }
    return list;
}

static void encode_objects(struct buffer *out, struct str quoted, struct json_table t,
                           const void *items, size_t n, size_t item_size) {
    if (!n)
        return;
    json_put(out, quoted);
    for (size_t i = 0; i < n; i++) {
        buffer_append_byte(out, i ? ',' : '[');
        buffer_append_byte(out, '{');
        json_put_members(out, t, (const char *) items + i * item_size);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

static void decode_tracked(struct json *j, struct arena *a, void *at) {
    struct command_track *t = at;
    struct arena_list list = decode_objects(j, a, JSON_TABLE(tracked_fields), sizeof *t->items);

    t->items = list.items;
    t->n_items = list.n;
}

static void encode_tracked(struct buffer *out, struct str quoted, const void *at) {
    const struct command_track *t = at;

    encode_objects(out, quoted, JSON_TABLE(tracked_fields), t->items, t->n_items, sizeof *t->items);
}

static const struct json_field track_fields[] = {
    JSON_FIELD(struct command_track, signature),
    JSON_WHOLE_BY("items", decode_tracked, encode_tracked),
};

static void decode_track(struct json *j, struct arena *a, void *at) {
    struct command_sub_refresh *s = at;
    struct arena_list list = decode_objects(j, a, JSON_TABLE(track_fields), sizeof *s->track);

    s->track = list.items;
    s->n_track = list.n;
}

static void encode_track(struct buffer *out, struct str quoted, const void *at) {
    const struct command_sub_refresh *s = at;

    encode_objects(out, quoted, JSON_TABLE(track_fields), s->track, s->n_track, sizeof *s->track);
}

static void decode_untrack(struct json *j, struct arena *a, void *at) {
    struct command_sub_refresh *s = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct str *key = json_list_add(j, a, &list, sizeof *key);
        if (key)
            json_text(j, a, key);
    }
    s->untrack = list.items;
    s->n_untrack = list.n;
}

static void encode_untrack(struct buffer *out, struct str quoted, const void *at) {
    const struct command_sub_refresh *s = at;

    if (!s->n_untrack)
        return;
    json_put(out, quoted);
    for (size_t i = 0; i < s->n_untrack; i++) {
        buffer_append_byte(out, i ? ',' : '[');
        json_append_string(out, s->untrack[i]);
    }
    buffer_append_byte(out, ']');
}

static const struct json_field sub_refresh_fields[] = {
    JSON_FIELD(struct command_sub_refresh, channel),
    JSON_FIELD(struct command_sub_refresh, token),
    JSON_FIELD(struct command_sub_refresh, type),
    JSON_WHOLE_BY("track", decode_track, encode_track),
    JSON_WHOLE_BY("untrack", decode_untrack, encode_untrack),
};

/* Of a command's payload, which is at the start of the union. */
static struct json_table table_of(enum command_kind kind) {
    switch (kind) {
    case COMMAND_CONNECT:
        return JSON_TABLE(connect_fields);
    case COMMAND_SUBSCRIBE:
        return JSON_TABLE(subscribe_fields);
    case COMMAND_UNSUBSCRIBE:
        return JSON_TABLE(unsubscribe_fields);
    case COMMAND_PUBLISH:
        return JSON_TABLE(publish_fields);
    case COMMAND_PRESENCE:
    case COMMAND_PRESENCE_STATS:
        return JSON_TABLE(presence_fields);
    case COMMAND_HISTORY:
        return JSON_TABLE(history_fields);
    case COMMAND_SEND:
        return JSON_TABLE(send_fields);
    case COMMAND_RPC:
        return JSON_TABLE(rpc_fields);
    case COMMAND_REFRESH:
        return JSON_TABLE(refresh_fields);
    case COMMAND_SUB_REFRESH:
        return JSON_TABLE(sub_refresh_fields);
    case COMMAND_PONG:
    case COMMAND_PING: /* refused whatever it holds */
    case COMMAND_KINDS:
    default:
        return (struct json_table){ 0 };
    }
}

static void *payload_of(struct command *c) {
    return &c->connect;
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
    if (ret->kind == COMMAND_PING) {
        json_skip(j);
        return;
    }
    memset(payload_of(ret), 0, sizeof *ret - offsetof(struct command, connect));
    json_decode_object(j, a, table_of(ret->kind), payload_of(ret));
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

/*
 * A publish as SDKs write it: no white space, `channel`, `data` and nothing else, the id before or
 * behind. It is what clients say most, so that it is not looked up name by name.
 */

static bool pass(struct json *j, struct str literal) {
    if (json_left(j) < literal.len || memcmp(j->at, literal.data, literal.len) != 0)
        return false;
    j->at += literal.len;
    return true;
}

static bool pass_id(struct json *j, uint32_t *ret) {
    enum { DIGITS_MAX = 9 }; /* what more would do is not asked here */
    const char *begin = j->at;
    uint32_t id = 0;

    for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
        if (j->at - begin == DIGITS_MAX)
            return false;
        id = id * 10 + (uint32_t) (*j->at - '0');
    }
    *ret = id;
    return j->at > begin && *begin != '0';
}

/* false: it is something else, or wrong; the cursor stands anywhere. */
static bool decode_plain_publish(struct json *j, struct arena *a, struct command *ret) {
    struct command_publish publish = { 0 };
    uint32_t id = 0;
    bool has_id = pass(j, STR("{\"id\":"));

    if (has_id ? !pass_id(j, &id) || !pass(j, STR(",\"publish\":{\"channel\":"))
               : !pass(j, STR("{\"publish\":{\"channel\":")))
        return false;
    if (!json_text(j, a, &publish.channel) || !pass(j, STR(",\"data\":")))
        return false;
    j->depth = 2; /* braces that are open */
    j->objects = 3;
    if (json_peek(j) == JSON_IS_NULL || !json_value_line(j, a, &publish.data))
        return false;
    if (!pass(j, STR("}")) || (!has_id && pass(j, STR(",\"id\":")) && !pass_id(j, &id)) ||
        !pass(j, STR("}")))
        return false;

    j->depth = 0;
    ret->kind = COMMAND_PUBLISH;
    ret->id = id;
    ret->publish = publish;
    return true;
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
    const struct json begin = j;
    if (!decode_plain_publish(&j, &r->arena, ret)) {
        j = begin;
        decode_command(&j, &r->arena, ret);
    }
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

static int decode_connect(struct command_reader *r, struct command_connect *ret) {
    struct json j;

    *ret = (struct command_connect){ 0 };
    if (!r->left.len)
        return 0;
    json_init(&j, r->left);
    json_decode_object(&j, &r->arena, JSON_TABLE(connect_fields), ret);
    json_end(&j);
    if (json_error(&j))
        return broken(r, json_result(&j), json_error(&j));
    r->left = (struct bytes){ 0 };
    return 0;
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

    *ret = (struct command_subscribe){ 0 };
    if (!json_field_is_null(&j))
        json_decode_object(&j, &r->arena, JSON_TABLE(subscribe_fields), ret);
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

static void encode_command(const struct command *c, struct buffer *out) {
    buffer_append_byte(out, '{');
    json_put_uint(out, STR("\"id\":"), c->id);
    if (c->kind != COMMAND_PONG) {
        json_put(out, STR("\""));
        buffer_append_str(out, command_name(c->kind));
        buffer_append_str(out, STR("\":{"));
        json_put_members(out, table_of(c->kind), &c->connect);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

/* The commands' text stands in a string. */
struct emulation_text {
    struct str session, node, data;
};

static const struct json_field emulation_fields[] = {
    JSON_FIELD(struct emulation_text, session),
    JSON_FIELD(struct emulation_text, node),
    JSON_FIELD(struct emulation_text, data),
};

static int decode_emulation(struct bytes body, struct arena *a, struct emulation_request *ret,
                            const char **ret_why) {
    struct emulation_text text = { 0 };
    struct json j;

    json_init(&j, body);
    json_decode_object(&j, a, JSON_TABLE(emulation_fields), &text);
    json_end(&j);
    if (json_error(&j)) {
        *ret_why = json_error(&j);
        return json_result(&j);
    }
    *ret = (struct emulation_request){ .session = text.session,
                                       .node = text.node,
                                       .data = str_bytes(text.data) };
    return 0;
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
    .decode_connect = decode_connect,
    .decode_filter = json_decode_filter,
    .decode_emulation = decode_emulation,
    .separate = separate,
    .encode_reply = json_encode_reply,
    .encode_push = json_encode_push,
    .encode_bare_push = json_encode_bare_push,
    .encode_command = encode_command,
    .next_reply = json_next_reply,
};
