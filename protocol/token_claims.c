#include "protocol/token_claims.h"

#include "protocol/base64.h"
#include "protocol/json_fields.h"

/* A NumericDate (RFC 7519 §2): seconds, perhaps with a fraction, which is dropped. null: absent. */
static void date_field(struct json *j, bool *ret_is_there, int64_t *ret) {
    struct str number;

    *ret_is_there = false;
    *ret = 0;
    if (json_field_is_null(j) || !json_number(j, &number))
        return;

    const char *dot = memchr(number.data, '.', number.len);
    if (dot && !memchr(number.data, 'e', number.len) && !memchr(number.data, 'E', number.len))
        number.len = (size_t) (dot - number.data);

    struct json whole;
    json_init(&whole, str_bytes(number));
    if (json_int64(&whole, ret))
        *ret_is_there = true;
    else
        json_fail(j, "a token's date is not a number of seconds");
}

/* Bytes as base 64 in a string; they win over the plain JSON of the same meaning. */
static void base64_field(struct json *j, struct arena *a, struct bytes *ret) {
    struct str text;

    json_field_text(j, a, &text);
    if (json_error(j) || !text.len)
        return;

    uint8_t *to = arena_alloc(a, base64_decoded_max(text.len));
    size_t len;
    if (!to)
        json_no_memory(j);
    else if (base64_decode(BASE64_STANDARD, text, to, &len) < 0)
        json_fail(j, "a token's claim is not base 64");
    else
        *ret = bytes_of(to, len);
}

/* {"value": bool}, or null. */
static void override_field(struct json *j, struct token_override *ret) {
    struct json_string key;

    *ret = (struct token_override){ 0 };
    if (json_field_is_null(j) || !json_enter_object(j))
        return;
    ret->is_set = true;
    while (json_member(j, &key)) {
        if (json_is(key, STR("value")))
            json_field_bool(j, &ret->value);
        else
            json_skip(j);
    }
}

static void overrides_field(struct json *j, struct token_overrides *ret) {
    struct json_string key;

    *ret = (struct token_overrides){ 0 };
    if (json_field_is_null(j) || !json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, STR("presence")))
            override_field(j, &ret->presence);
        else if (json_is(key, STR("join_leave")))
            override_field(j, &ret->join_leave);
        else if (json_is(key, STR("force_recovery")))
            override_field(j, &ret->force_recovery);
        else if (json_is(key, STR("force_positioning")))
            override_field(j, &ret->force_positioning);
        else if (json_is(key, STR("force_push_join_leave")))
            override_field(j, &ret->force_push_join_leave);
        else
            json_skip(j);
    }
}

static struct token_sub *add_sub(struct json *j, struct arena *a, struct token_claims *c) {
    if (c->n_subs == c->subs_cap) {
        size_t cap = c->subs_cap ? c->subs_cap * 2 : 4;
        struct token_sub *grown = arena_alloc(a, cap * sizeof *grown);
        if (!grown) {
            json_no_memory(j);
            return NULL;
        }
        if (c->n_subs)
            memcpy(grown, c->subs, c->n_subs * sizeof *grown);
        c->subs = grown;
        c->subs_cap = cap;
    }

    struct token_sub *sub = &c->subs[c->n_subs++];
    *sub = (struct token_sub){ 0 };
    return sub;
}

static void forget_subs(struct token_claims *c) {
    c->subs = NULL;
    c->n_subs = c->subs_cap = 0;
}

/* `channels`: a list of names. */
static void channels_field(struct json *j, struct arena *a, struct token_claims *c) {
    if (c->has_subs) {
        json_skip(j);
        return;
    }
    forget_subs(c);
    if (json_field_is_null(j) || !json_enter_array(j))
        return;
    while (json_element(j)) {
        struct token_sub *sub = add_sub(j, a, c);
        if (!sub || !json_text(j, a, &sub->channel))
            return;
    }
}

/* `subs`: names with options. */
static void subs_field(struct json *j, struct arena *a, struct token_claims *c) {
    struct json_string channel, key;

    if (json_field_is_null(j))
        return;
    forget_subs(c);
    c->has_subs = true;
    if (!json_enter_object(j))
        return;
    while (json_member(j, &channel)) {
        struct token_sub *sub = add_sub(j, a, c);
        struct bytes encoded_info = { 0 }, encoded_data = { 0 };

        if (!sub)
            return;
        if (json_string_text(channel, a, &sub->channel) < 0)
            json_no_memory(j);
        if (json_field_is_null(j) || !json_enter_object(j))
            continue;
        while (json_member(j, &key)) {
            if (json_is(key, STR("info")))
                json_field_raw(j, a, &sub->info);
            else if (json_is(key, STR("b64info")))
                base64_field(j, a, &encoded_info);
            else if (json_is(key, STR("data")))
                json_field_raw(j, a, &sub->data);
            else if (json_is(key, STR("b64data")))
                base64_field(j, a, &encoded_data);
            else if (json_is(key, STR("override")))
                overrides_field(j, &sub->overrides);
            else
                json_skip(j);
        }
        if (encoded_info.len)
            sub->info = encoded_info;
        if (encoded_data.len)
            sub->data = encoded_data;
    }
}

/* `aud`: a name or a list of names (RFC 7519 §4.1.3). */
static void audience_field(struct json *j, struct str wanted, bool *ret_has) {
    struct json_string name;

    *ret_has = false;
    if (json_peek(j) == JSON_IS_STRING) {
        *ret_has = json_read_string(j, &name) && json_is(name, wanted);
    } else if (!json_field_is_null(j) && json_enter_array(j)) {
        while (json_element(j))
            if (json_read_string(j, &name))
                *ret_has |= json_is(name, wanted);
    }
}

void token_decode_claims(struct json *j, struct arena *a, const struct token_rules *rules,
                         struct token_claims *c) {
    struct str user_claim = rules->user_claim.len ? rules->user_claim : STR("sub");
    struct json_string key;
    struct bytes encoded_info = { 0 }, encoded_data = { 0 };
    bool has_issued_at;

    if (!json_enter_object(j))
        return;
    while (json_member(j, &key)) {
        if (json_is(key, user_claim)) {
            json_field_text(j, a, &c->user);
        } else if (json_is(key, STR("exp"))) {
            date_field(j, &c->has_expiry, &c->expiry_s);
        } else if (json_is(key, STR("expire_at"))) {
            date_field(j, &c->has_expire_at, &c->expire_at_s);
        } else if (json_is(key, STR("nbf"))) {
            date_field(j, &c->has_not_before, &c->not_before_s);
        } else if (json_is(key, STR("iat"))) {
            date_field(j, &has_issued_at, &c->issued_at_s);
        } else if (json_is(key, STR("jti"))) {
            json_field_text(j, a, &c->id);
        } else if (json_is(key, STR("iss"))) {
            json_field_text(j, a, &c->issuer);
        } else if (json_is(key, STR("aud"))) {
            audience_field(j, rules->audience, &c->has_audience);
        } else if (json_is(key, STR("info"))) {
            json_field_raw(j, a, &c->info);
        } else if (json_is(key, STR("b64info"))) {
            base64_field(j, a, &encoded_info);
        } else if (json_is(key, STR("data"))) {
            json_field_raw(j, a, &c->data);
        } else if (json_is(key, STR("b64data"))) {
            base64_field(j, a, &encoded_data);
        } else if (json_is(key, STR("meta"))) {
            json_field_raw(j, a, &c->meta);
        } else if (json_is(key, STR("channel"))) {
            /* Repeated or not: an empty one behind a real one must not unsay it. */
            struct str channel;
            json_field_text(j, a, &channel);
            c->has_channel |= channel.len > 0;
            c->channel = channel;
        } else if (json_is(key, STR("client"))) {
            json_field_text(j, a, &c->client);
        } else if (json_is(key, STR("channels"))) {
            channels_field(j, a, c);
        } else if (json_is(key, STR("subs"))) {
            subs_field(j, a, c);
        } else if (json_is(key, STR("override"))) {
            overrides_field(j, &c->overrides);
        } else {
            json_skip(j);
        }
    }
    if (encoded_info.len)
        c->info = encoded_info;
    if (encoded_data.len)
        c->data = encoded_data;
}
