#include "protocol/token.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/base64.h"
#include "protocol/json_fields.h"
#include "protocol/token_claims.h"

enum { HEADER_DEPTH_MAX = 8, AUDIENCES_MAX = 16 };

static int rejected(const char **ret_why, const char *why) {
    *ret_why = why;
    return -EKEYREJECTED;
}

static int out_of_memory(const char **ret_why) {
    *ret_why = "out of memory";
    return -ENOMEM;
}

/* What a cursor complains of. */
static int broken(const struct json *j, const char **ret_why) {
    *ret_why = json_error(j);
    return json_result(j) == -ENOMEM ? -ENOMEM : -EKEYREJECTED;
}

/* The text up to the next dot or the end, taken off *rest. */
static struct str take_part(struct str *rest) {
    const char *dot = rest->len ? memchr(rest->data, '.', rest->len) : NULL;
    struct str part = { rest->data, dot ? (size_t) (dot - rest->data) : rest->len };
    size_t taken = part.len + (dot != NULL);

    *rest = (struct str){ rest->data + taken, rest->len - taken };
    return part;
}

static int decode_part(struct arena *a, struct str part, struct bytes *ret) {
    uint8_t *to = arena_alloc(a, base64_decoded_max(part.len));
    size_t len;

    if (!to)
        return -ENOMEM;
    int r = base64_decode(BASE64_URL, part, to, &len);
    if (r < 0)
        return r;
    *ret = bytes_of(to, len);
    return 0;
}

/* ---- taking apart ---- */

/* Which of our algorithms the header names, and which key. */
static int read_header(struct bytes header, struct arena *a, struct token *t,
                       const char **ret_why) {
    struct json j;
    struct json_string key;
    struct str name = { 0 };
    bool is_critical = false;

    json_init(&j, header);
    j.depth_max = HEADER_DEPTH_MAX;
    if (json_enter_object(&j)) {
        while (json_member(&j, &key)) {
            if (json_is(key, STR("alg"))) {
                json_text(&j, a, &name);
            } else if (json_is(key, STR("kid"))) {
                json_text(&j, a, &t->key_id);
            } else {
                is_critical |= json_is(key, STR("crit"));
                json_skip(&j);
            }
        }
    }
    if (!json_end(&j))
        return broken(&j, ret_why);
    if (is_critical) /* RFC 7515 §4.1.11: extensions we do not know must not be ignored */
        return rejected(ret_why, "a token's header has critical extensions");

    t->algorithm = token_algorithm_of(name);
    return t->algorithm ? 0 : rejected(ret_why, "a token's algorithm is not one that is allowed");
}

int token_open(struct str text, struct arena *a, struct token *ret, const char **ret_why) {
    struct str rest = text;
    struct str header_part = take_part(&rest), claims_part = take_part(&rest);
    struct str signature_part = rest;
    struct token t = { 0 };
    struct bytes header;

    if (!header_part.len || !claims_part.len || !signature_part.len)
        return rejected(ret_why, "a token is not three parts with dots between");

    int r = decode_part(a, header_part, &header);
    if (r == 0)
        r = decode_part(a, claims_part, &t.claims);
    if (r == 0)
        r = decode_part(a, signature_part, &t.signature);
    if (r == -ENOMEM)
        return out_of_memory(ret_why);
    if (r < 0)
        return rejected(ret_why, "a part of a token is not base64url");

    r = read_header(header, a, &t, ret_why);
    if (r < 0)
        return r;
    /* What is signed is the text as it came: both parts and the dot between. */
    t.text = bytes_of(text.data, (size_t) (signature_part.data - 1 - text.data));
    *ret = t;
    return 0;
}

/* `aud`: a name or a list of names (RFC 7519 §4.1.3); more than AUDIENCES_MAX are not looked at. */
static size_t read_audiences(struct json *j, struct arena *a, struct str *audiences) {
    size_t n = 0;

    if (json_peek(j) == JSON_IS_STRING)
        return json_text(j, a, &audiences[0]);
    if (json_field_is_null(j) || !json_enter_array(j))
        return 0;
    while (json_element(j)) {
        if (n == AUDIENCES_MAX)
            json_skip(j);
        else if (json_text(j, a, &audiences[n]))
            n++;
    }
    return n;
}

int token_read_origin(const struct token *t, struct arena *a, struct token_origin *ret,
                      const char **ret_why) {
    struct str *audiences = arena_alloc(a, AUDIENCES_MAX * sizeof *audiences);
    struct json j;
    struct json_string key;

    if (!audiences)
        return out_of_memory(ret_why);
    *ret = (struct token_origin){ .audiences = audiences };
    json_init(&j, t->claims);
    if (json_enter_object(&j)) {
        while (json_member(&j, &key)) {
            if (json_is(key, STR("iss")))
                json_field_text(&j, a, &ret->issuer);
            else if (json_is(key, STR("aud")))
                ret->n_audiences = read_audiences(&j, a, audiences);
            else
                json_skip(&j);
        }
    }
    return json_end(&j) ? 0 : broken(&j, ret_why);
}

/* ---- what it says ---- */

/* A token of either kind: all that is the same for both. */
static int read_claims(const struct token *t, const struct token_rules *rules, int64_t now_s,
                       struct arena *a, struct token_claims *ret, const char **ret_why) {
    struct json j;

    *ret = (struct token_claims){ 0 };
    json_init(&j, t->claims);
    token_decode_claims(&j, a, rules, ret);
    if (!json_end(&j))
        return broken(&j, ret_why);

    if (rules->audience.len && !ret->has_audience)
        return rejected(ret_why, "a token is for another audience");
    if (rules->issuer.len && !str_equal(ret->issuer, rules->issuer))
        return rejected(ret_why, "a token is from another issuer");

    /* RFC 7519 §4.1.4: not accepted on or after exp. */
    if (ret->has_expiry && now_s >= ret->expiry_s) {
        *ret_why = "a token has expired";
        return -EKEYEXPIRED;
    }
    if (ret->has_not_before && now_s < ret->not_before_s) {
        *ret_why = "a token is not valid yet";
        return -EKEYEXPIRED;
    }
    return 0;
}

/* When what the token was for ends: expire_at 0 says never, even if the token itself has an end. */
static int64_t end_of(const struct token_claims *c) {
    return c->has_expire_at ? c->expire_at_s : c->has_expiry ? c->expiry_s : 0;
}

int token_read_connection(const struct token *t, const struct token_rules *rules, int64_t now_s,
                          struct arena *a, struct connection_claims *ret, const char **ret_why) {
    struct token_claims c;

    int r = read_claims(t, rules, now_s, a, &c, ret_why);
    if (r < 0)
        return r;
    if (c.has_channel)
        return rejected(ret_why, "a subscription's token was used to connect");

    *ret = (struct connection_claims){
        .user = c.user,
        .info = c.info,
        .meta = c.meta,
        .id = c.id,
        .issued_at_s = c.issued_at_s,
        .expire_at_s = end_of(&c),
        .subs = c.subs,
        .n_subs = c.n_subs,
    };
    return 0;
}

int token_read_subscription(const struct token *t, const struct token_rules *rules, int64_t now_s,
                            struct arena *a, struct subscription_claims *ret,
                            const char **ret_why) {
    struct token_claims c;

    int r = read_claims(t, rules, now_s, a, &c, ret_why);
    if (r < 0)
        return r;
    if (!c.channel.len)
        return rejected(ret_why, "a token for a subscription names no channel");

    *ret = (struct subscription_claims){
        .user = c.user,
        .channel = c.channel,
        .client = c.client,
        .info = c.info,
        .data = c.data,
        .id = c.id,
        .issued_at_s = c.issued_at_s,
        .expire_at_s = end_of(&c),
        .overrides = c.overrides,
    };
    return 0;
}

/* ---- by one key ---- */

struct token_verifier {
    struct token_key *key;
    unsigned algorithms;
    struct token_rules rules; /* spans of text */
    char text[];
};

static struct str keep(char **at, struct str s) {
    struct str kept = { *at, s.len };
    if (s.len)
        memcpy(*at, s.data, s.len);
    *at += s.len;
    return kept;
}

int token_verifier_new(const struct token_options *o, struct token_verifier **ret) {
    const struct token_rules *rules = &o->rules;
    struct token_key *key = o->key ? token_key_ref(o->key) : NULL;

    int r = key ? 0 : token_key_of_secret(o->hmac_secret, &key);
    if (r < 0)
        return r;
    struct token_verifier *v =
            malloc(sizeof *v + rules->audience.len + rules->issuer.len + rules->user_claim.len);
    if (!v) {
        token_key_unref(key);
        return -ENOMEM;
    }
    char *at = v->text;
    v->key = key;
    v->algorithms = o->algorithms ? o->algorithms : TOKEN_ANY;
    v->rules.audience = keep(&at, rules->audience);
    v->rules.issuer = keep(&at, rules->issuer);
    v->rules.user_claim = keep(&at, rules->user_claim);
    *ret = v;
    return 0;
}

struct token_verifier *token_verifier_free(struct token_verifier *v) {
    if (v)
        token_key_unref(v->key);
    free(v);
    return NULL;
}

static int check(struct token_verifier *v, struct str text, struct arena *a, struct token *ret,
                 const char **ret_why) {
    int r = token_open(text, a, ret, ret_why);
    if (r < 0)
        return r;
    if (!(v->algorithms & token_key_algorithms(v->key) & ret->algorithm))
        return rejected(ret_why, "a token's algorithm is not one that its key allows");
    r = token_key_verify(v->key, ret->algorithm, ret->text, ret->signature);
    if (r == -ENOMEM)
        return out_of_memory(ret_why);
    return r < 0 ? rejected(ret_why, "a token's signature is wrong") : 0;
}

int token_verify_connection(struct token_verifier *v, struct str token, int64_t now_s,
                            struct arena *a, struct connection_claims *ret, const char **ret_why) {
    struct token t;

    int r = check(v, token, a, &t, ret_why);
    return r < 0 ? r : token_read_connection(&t, &v->rules, now_s, a, ret, ret_why);
}

int token_verify_subscription(struct token_verifier *v, struct str token, int64_t now_s,
                              struct arena *a, struct subscription_claims *ret,
                              const char **ret_why) {
    struct token t;

    int r = check(v, token, a, &t, ret_why);
    return r < 0 ? r : token_read_subscription(&t, &v->rules, now_s, a, ret, ret_why);
}

/* ---- signing ---- */

int token_sign_by(const struct token_key *key, enum token_algorithm algorithm, struct str key_id,
                  struct bytes claims, struct buffer *out) {
    struct buffer part = BUFFER_INIT;
    size_t begin = out->len;

    buffer_append_str(&part, STR("{\"alg\":\""));
    buffer_append_str(&part, token_algorithm_name(algorithm));
    buffer_append_str(&part, STR("\",\"typ\":\"JWT\""));
    if (key_id.len) {
        buffer_append_str(&part, STR(",\"kid\":"));
        json_append_string(&part, key_id);
    }
    buffer_append_byte(&part, '}');
    base64_encode(BASE64_URL, buffer_bytes(&part), out);
    buffer_append_byte(out, '.');
    base64_encode(BASE64_URL, claims, out);

    int r = buffer_error(&part);
    if (r == 0)
        r = buffer_error(out);
    if (r == 0) {
        buffer_reset(&part);
        r = token_key_sign(key, algorithm, bytes_of(out->data + begin, out->len - begin), &part);
    }
    if (r == 0) {
        buffer_append_byte(out, '.');
        base64_encode(BASE64_URL, buffer_bytes(&part), out);
        r = buffer_error(out);
    }
    buffer_finish(&part);
    return r;
}

int token_sign(enum token_algorithm algorithm, struct bytes secret, struct bytes claims,
               struct buffer *out) {
    struct token_key *key;

    int r = algorithm & TOKEN_HS ? token_key_of_secret(secret, &key) : -EINVAL;
    if (r < 0)
        return r;
    r = token_sign_by(key, algorithm, (struct str){ 0 }, claims, out);
    token_key_unref(key);
    return r;
}
