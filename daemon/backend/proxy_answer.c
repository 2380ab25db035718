/* Answers of the backend: members by tables, so that whatever is wrong is told by its name. */
#include <errno.h>
#include <stdio.h>

#include "daemon/backend/proxy_message.h"
#include "protocol/base64.h"
#include "protocol/json_fields.h"

enum {
    DISCONNECT_MIN = 3000, /* what a close frame may carry, and a protocol's own may not be */
    DISCONNECT_MAX = 4999,
    PATH_MAX_DEPTH = 6,
};

struct reading {
    struct json json;
    struct arena *arena;
    /* Where the first thing is wrong: the names of the members on the way there. */
    struct str path[PATH_MAX_DEPTH];
    unsigned depth, wrong_depth;
};

/* A member of an object: what it is read into hangs from into. */
struct member {
    const char *name;
    void (*read)(struct reading *r, void *into);
};

/* An object of known members; others are passed over. null: as an empty one, returns false. */
static bool read_object(struct reading *r, const struct member *members, size_t n, void *into) {
    struct json *j = &r->json;
    struct json_string key;

    if (json_field_is_null(j) || !json_enter_object(j))
        return false;
    while (json_member(j, &key)) {
        size_t i = 0;
        while (i < n && !json_is(key, str_of(members[i].name)))
            i++;
        if (i == n) {
            json_skip(j);
            continue;
        }
        if (r->depth < PATH_MAX_DEPTH)
            r->path[r->depth] = str_of(members[i].name);
        r->depth++;
        members[i].read(r, into);
        if (json_error(j) && r->wrong_depth == 0)
            r->wrong_depth = r->depth;
        r->depth--;
    }
    return true;
}

#define READ_OBJECT(r, members, into) read_object((r), (members), ELEMENTS_OF(members), (into))

/* Elements of an array in the arena, as many as come. */
struct grown {
    void *items;
    size_t n, cap;
};

static void *grow(struct reading *r, struct grown *g, size_t size) {
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 4;
        void *items = arena_alloc(r->arena, cap * size);
        if (!items) {
            json_no_memory(&r->json);
            return NULL;
        }
        if (g->n)
            memcpy(items, g->items, g->n * size);
        g->items = items;
        g->cap = cap;
    }
    void *item = (char *) g->items + g->n++ * size;
    memset(item, 0, size);
    return item;
}

/* ---- payloads ---- */

/* A payload comes as JSON or as base 64, which wins. */
struct payload {
    struct bytes json, decoded;
    bool has_json, has_decoded;
};

static void read_plain(struct reading *r, struct payload *p) {
    p->has_json = !json_field_is_null(&r->json);
    p->json = (struct bytes){ 0 };
    if (p->has_json)
        json_value_line(&r->json, r->arena, &p->json);
}

static void read_encoded(struct reading *r, struct payload *p) {
    struct str text;
    size_t len;

    p->has_decoded = false;
    json_field_text(&r->json, r->arena, &text);
    if (json_error(&r->json) || !text.len)
        return;
    uint8_t *to = arena_alloc(r->arena, base64_decoded_max(text.len));
    if (!to)
        json_no_memory(&r->json);
    else if (base64_decode(BASE64_STANDARD, text, to, &len) < 0)
        json_fail(&r->json, "not base 64");
    else
        *p = (struct payload){ .decoded = bytes_of(to, len), .has_decoded = true };
}

/* Decoded base 64 is made fit for one line if it is JSON. */
static void take_payload(struct reading *r, const struct payload *p, struct bytes *ret,
                         bool *ret_is_there, bool *ret_is_binary) {
    struct json j;

    *ret_is_there = p->has_decoded || p->has_json;
    *ret_is_binary = false;
    *ret = p->has_decoded ? p->decoded : p->json;
    if (!p->has_decoded)
        return;
    json_init(&j, p->decoded);
    struct bytes line;
    if (json_value_line(&j, r->arena, &line) && json_end(&j))
        *ret = line;
    else if (json_result(&j) == -ENOMEM)
        json_no_memory(&r->json);
    else
        *ret_is_binary = true;
}

/* Of a connection or subscription: seen by JSON clients, whatever this one speaks. */
static void take_info(struct reading *r, const struct payload *p, struct bytes *ret,
                      bool *ret_is_there) {
    bool is_binary;
    take_payload(r, p, ret, ret_is_there, &is_binary);
    if (is_binary && !json_error(&r->json)) {
        json_fail(&r->json, "b64info is not JSON");
        r->wrong_depth = r->depth;
    }
}

/* ---- small values ---- */

static void read_time(struct reading *r, int64_t *ret) {
    json_field_int64(&r->json, ret);
    if (!json_error(&r->json) && *ret < 0)
        json_fail(&r->json, "a time before 1970");
}

static void read_override(struct reading *r, struct token_override *ret);

static void read_value(struct reading *r, void *into) {
    struct token_override *o = into;
    json_field_bool(&r->json, &o->value);
}

static const struct member VALUE[] = { { "value", read_value } };

static void read_override(struct reading *r, struct token_override *ret) {
    *ret = (struct token_override){ 0 };
    ret->is_set = READ_OBJECT(r, VALUE, ret);
}

static void read_presence(struct reading *r, void *into) {
    read_override(r, &((struct token_overrides *) into)->presence);
}

static void read_join_leave(struct reading *r, void *into) {
    read_override(r, &((struct token_overrides *) into)->join_leave);
}

static void read_recovery(struct reading *r, void *into) {
    read_override(r, &((struct token_overrides *) into)->force_recovery);
}

static void read_positioning(struct reading *r, void *into) {
    read_override(r, &((struct token_overrides *) into)->force_positioning);
}

static void read_push_join_leave(struct reading *r, void *into) {
    read_override(r, &((struct token_overrides *) into)->force_push_join_leave);
}

static const struct member OVERRIDES[] = {
    { "presence", read_presence },
    { "join_leave", read_join_leave },
    { "force_recovery", read_recovery },
    { "force_positioning", read_positioning },
    { "force_push_join_leave", read_push_join_leave },
};

static void read_overrides(struct reading *r, struct token_overrides *ret) {
    *ret = (struct token_overrides){ 0 };
    (void) READ_OBJECT(r, OVERRIDES, ret);
}

/* ---- server-side subscriptions ---- */

struct sub_reading {
    struct server_sub sub;
    struct payload info, data;
};

static void sub_expire_at(struct reading *r, void *into) {
    read_time(r, &((struct sub_reading *) into)->sub.expire_at_s);
}

static void sub_info(struct reading *r, void *into) {
    read_plain(r, &((struct sub_reading *) into)->info);
}

static void sub_b64info(struct reading *r, void *into) {
    read_encoded(r, &((struct sub_reading *) into)->info);
}

static void sub_data(struct reading *r, void *into) {
    read_plain(r, &((struct sub_reading *) into)->data);
}

static void sub_b64data(struct reading *r, void *into) {
    read_encoded(r, &((struct sub_reading *) into)->data);
}

static void sub_override(struct reading *r, void *into) {
    read_overrides(r, &((struct sub_reading *) into)->sub.overrides);
}

static void sub_cache_recover(struct reading *r, void *into) {
    json_field_bool(&r->json, &((struct sub_reading *) into)->sub.cache_recover);
}

static const struct member SUB[] = {
    { "expire_at", sub_expire_at },
    { "info", sub_info },
    { "b64info", sub_b64info },
    { "data", sub_data },
    { "b64data", sub_b64data },
    { "override", sub_override },
    { "cache_recover", sub_cache_recover },
};

/* ---- the result ---- */

struct result_reading {
    struct proxy_result *result;
    struct payload info, data;
    struct grown subs, channels, tags, items;
    bool has_subs;
};

static struct proxy_result *result_of(void *into) {
    return ((struct result_reading *) into)->result;
}

static void result_user(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &result_of(into)->user);
}

static void result_expire_at(struct reading *r, void *into) {
    read_time(r, &result_of(into)->expire_at_s);
}

static void result_expired(struct reading *r, void *into) {
    json_field_bool(&r->json, &result_of(into)->is_expired);
}

static void result_info(struct reading *r, void *into) {
    read_plain(r, &((struct result_reading *) into)->info);
}

static void result_b64info(struct reading *r, void *into) {
    read_encoded(r, &((struct result_reading *) into)->info);
}

static void result_data(struct reading *r, void *into) {
    read_plain(r, &((struct result_reading *) into)->data);
}

static void result_b64data(struct reading *r, void *into) {
    read_encoded(r, &((struct result_reading *) into)->data);
}

static void result_meta(struct reading *r, void *into) {
    json_field_raw(&r->json, r->arena, &result_of(into)->meta);
}

static void result_override(struct reading *r, void *into) {
    read_overrides(r, &result_of(into)->overrides);
}

static void result_channels(struct reading *r, void *into) {
    struct grown *channels = &((struct result_reading *) into)->channels;

    *channels = (struct grown){ 0 };
    if (json_field_is_null(&r->json) || !json_enter_array(&r->json))
        return;
    while (json_element(&r->json)) {
        struct server_sub *sub = grow(r, channels, sizeof *sub);
        if (!sub || !json_text(&r->json, r->arena, &sub->channel))
            return;
        sub->source = SERVER_SUB_PROXY;
    }
}

static void result_subs(struct reading *r, void *into) {
    struct result_reading *result = into;
    struct json_string channel;

    result->subs = (struct grown){ 0 };
    result->has_subs = !json_field_is_null(&r->json);
    if (!result->has_subs || !json_enter_object(&r->json))
        return;
    while (json_member(&r->json, &channel)) {
        struct sub_reading reading = { .sub = { .source = SERVER_SUB_PROXY } };
        bool is_there;
        if (json_string_text(channel, r->arena, &reading.sub.channel) < 0)
            json_no_memory(&r->json);
        (void) READ_OBJECT(r, SUB, &reading);
        take_info(r, &reading.info, &reading.sub.info, &is_there);
        bool is_binary;
        take_payload(r, &reading.data, &reading.sub.data, &is_there, &is_binary);
        if (is_binary && !json_error(&r->json))
            json_fail(&r->json, "b64data is not JSON");
        struct server_sub *sub = grow(r, &result->subs, sizeof *sub);
        if (!sub)
            return;
        *sub = reading.sub;
    }
}

static void result_skip_history(struct reading *r, void *into) {
    json_field_bool(&r->json, &result_of(into)->skips_history);
}

static void result_delta(struct reading *r, void *into) {
    json_field_bool(&r->json, &result_of(into)->wants_delta);
}

static void result_idempotency_key(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &result_of(into)->idempotency_key);
}

static void result_version(struct reading *r, void *into) {
    json_field_uint64(&r->json, &result_of(into)->version);
}

static void result_version_epoch(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &result_of(into)->version_epoch);
}

static void result_tags(struct reading *r, void *into) {
    struct grown *tags = &((struct result_reading *) into)->tags;
    struct json_string name;

    *tags = (struct grown){ 0 };
    if (json_field_is_null(&r->json) || !json_enter_object(&r->json))
        return;
    while (json_member(&r->json, &name)) {
        struct tag *tag = grow(r, tags, sizeof *tag);
        if (!tag)
            return;
        if (json_string_text(name, r->arena, &tag->key) < 0)
            json_no_memory(&r->json);
        json_text(&r->json, r->arena, &tag->value);
    }
}

/* ---- shared poll ---- */

struct item_reading {
    struct proxy_item item;
    struct payload data;
};

static void item_key(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &((struct item_reading *) into)->item.key);
}

static void item_data(struct reading *r, void *into) {
    read_plain(r, &((struct item_reading *) into)->data);
}

static void item_b64data(struct reading *r, void *into) {
    read_encoded(r, &((struct item_reading *) into)->data);
}

static void item_version(struct reading *r, void *into) {
    json_field_uint64(&r->json, &((struct item_reading *) into)->item.version);
}

static void item_removed(struct reading *r, void *into) {
    json_field_bool(&r->json, &((struct item_reading *) into)->item.is_removed);
}

static const struct member ITEM[] = {
    { "key", item_key },         { "data", item_data },       { "b64data", item_b64data },
    { "version", item_version }, { "removed", item_removed },
};

static void result_items(struct reading *r, void *into) {
    struct grown *items = &((struct result_reading *) into)->items;

    *items = (struct grown){ 0 };
    if (json_field_is_null(&r->json) || !json_enter_array(&r->json))
        return;
    while (json_element(&r->json)) {
        struct item_reading reading = { 0 };
        bool is_there, is_binary;
        (void) READ_OBJECT(r, ITEM, &reading);
        take_payload(r, &reading.data, &reading.item.data, &is_there, &is_binary);
        if (!reading.item.key.len && !json_error(&r->json))
            json_fail(&r->json, "an item has no key");
        struct proxy_item *item = grow(r, items, sizeof *item);
        if (!item)
            return;
        *item = reading.item;
    }
}

static void result_epoch(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &result_of(into)->epoch);
}

static const struct member RESULT[] = {
    { "user", result_user },
    { "expire_at", result_expire_at },
    { "expired", result_expired },
    { "info", result_info },
    { "b64info", result_b64info },
    { "data", result_data },
    { "b64data", result_b64data },
    { "meta", result_meta },
    { "channels", result_channels },
    { "subs", result_subs },
    { "override", result_override },
    { "skip_history", result_skip_history },
    { "delta", result_delta },
    { "tags", result_tags },
    { "idempotency_key", result_idempotency_key },
    { "version", result_version },
    { "version_epoch", result_version_epoch },
    { "items", result_items },
    { "epoch", result_epoch },
};

/* ---- the answer ---- */

struct answer_reading {
    struct proxy_answer *answer;
    struct refusal error, disconnect;
};

static void refusal_code(struct reading *r, void *into) {
    json_field_uint32(&r->json, &((struct refusal *) into)->code);
}

static void refusal_text(struct reading *r, void *into) {
    json_field_text(&r->json, r->arena, &((struct refusal *) into)->text);
}

static void refusal_temporary(struct reading *r, void *into) {
    json_field_bool(&r->json, &((struct refusal *) into)->is_temporary);
}

static const struct member ERROR_MEMBERS[] = {
    { "code", refusal_code },
    { "message", refusal_text },
    { "temporary", refusal_temporary },
};

static const struct member DISCONNECT_MEMBERS[] = {
    { "code", refusal_code },
    { "reason", refusal_text },
};

static void answer_error(struct reading *r, void *into) {
    struct refusal *error = &((struct answer_reading *) into)->error;
    *error = (struct refusal){ 0 };
    if (READ_OBJECT(r, ERROR_MEMBERS, error) && !json_error(&r->json) && error->code == 0)
        json_fail(&r->json, "an error's code is missing or 0");
}

static void answer_disconnect(struct reading *r, void *into) {
    struct refusal *disconnect = &((struct answer_reading *) into)->disconnect;
    *disconnect = (struct refusal){ 0 };
    if (!READ_OBJECT(r, DISCONNECT_MEMBERS, disconnect) || json_error(&r->json))
        return;
    disconnect->is_disconnect = true;
    if (disconnect->code < DISCONNECT_MIN || disconnect->code > DISCONNECT_MAX)
        json_fail(&r->json, "a disconnect's code is not one of 3000 to 4999");
}

static void answer_result(struct reading *r, void *into) {
    struct proxy_result *result = &((struct answer_reading *) into)->answer->result;
    struct result_reading reading = { .result = result };
    bool is_binary;

    *result = (struct proxy_result){ 0 };
    result->is_there = READ_OBJECT(r, RESULT, &reading);
    take_info(r, &reading.info, &result->info, &result->has_info);
    take_payload(r, &reading.data, &result->data, &result->has_data, &is_binary);
    result->data_is_binary = is_binary;
    const struct grown *subs = reading.has_subs ? &reading.subs : &reading.channels;
    result->subs = subs->items;
    result->n_subs = subs->n;
    result->tags = reading.tags.items;
    result->n_tags = reading.tags.n;
    result->items = reading.items.items;
    result->n_items = reading.items.n;
}

static const struct member ANSWER[] = {
    { "result", answer_result },
    { "error", answer_error },
    { "disconnect", answer_disconnect },
};

static int wrong(const struct reading *r, struct bytes body, char *why) {
    unsigned depth = r->wrong_depth < PATH_MAX_DEPTH ? r->wrong_depth : PATH_MAX_DEPTH;
    size_t len = 0;

    why[0] = '\0';
    for (unsigned i = 0; i < depth && len < PROXY_WHY_MAX; i++)
        len += (size_t) snprintf(why + len, PROXY_WHY_MAX - len, "%s%.*s", i == 0 ? "" : ".",
                                 (int) r->path[i].len, r->path[i].data);
    if (len < PROXY_WHY_MAX)
        (void) snprintf(why + len, PROXY_WHY_MAX - len, "%s%s, at byte %zu", len ? ": " : "",
                        json_error(&r->json), body.len - json_left(&r->json));
    return json_result(&r->json);
}

int proxy_answer_read(struct bytes body, struct arena *a, struct proxy_answer *ret, char *why) {
    struct reading r = { .arena = a };
    struct answer_reading reading = { .answer = ret };

    *ret = (struct proxy_answer){ 0 };
    json_init(&r.json, body);
    if (json_peek(&r.json) != JSON_IS_OBJECT)
        json_fail(&r.json, "not a JSON object");
    (void) READ_OBJECT(&r, ANSWER, &reading);
    (void) json_end(&r.json);
    if (json_result(&r.json) < 0)
        return wrong(&r, body, why);

    ret->refusal = reading.disconnect.code ? reading.disconnect : reading.error;
    return 0;
}
