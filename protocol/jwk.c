#include "protocol/jwk.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/base64.h"
#include "protocol/json_fields.h"

enum { SET_DEPTH_MAX = 16 };

/* What a key may hold that is of interest; spans in the arena or the text. */
struct members {
    struct str kty, use, alg, kid, crv;
    struct str n, e, x, y;
    bool has_operations, can_verify;
};

/* `key_ops` (RFC 7517 §4.3). */
static void operations_field(struct json *j, struct members *m) {
    struct json_string name;

    m->has_operations = m->can_verify = false;
    if (json_field_is_null(j) || !json_enter_array(j))
        return;
    m->has_operations = true;
    while (json_element(j))
        if (json_read_string(j, &name))
            m->can_verify |= json_is(name, STR("verify"));
}

/* A member that is no string makes only its key void. */
static void text_member(struct json *j, struct arena *a, struct str *ret, bool *ret_is_sound) {
    *ret = (struct str){ 0 };
    if (json_field_is_null(j))
        return;
    if (json_peek(j) == JSON_IS_STRING) {
        json_text(j, a, ret);
    } else {
        *ret_is_sound = false;
        json_skip(j);
    }
}

static bool read_members(struct json *j, struct arena *a, struct members *m) {
    struct json_string key;
    bool is_sound = true;

    *m = (struct members){ 0 };
    if (json_peek(j) != JSON_IS_OBJECT) {
        json_skip(j);
        return false;
    }
    const struct {
        struct str name;
        struct str *to;
    } texts[] = {
        { STR("kty"), &m->kty }, { STR("use"), &m->use }, { STR("alg"), &m->alg },
        { STR("kid"), &m->kid }, { STR("crv"), &m->crv }, { STR("n"), &m->n },
        { STR("e"), &m->e },     { STR("x"), &m->x },     { STR("y"), &m->y },
    };
    const size_t n_texts = sizeof texts / sizeof *texts;

    json_enter_object(j);
    while (json_member(j, &key)) {
        size_t i = 0;
        while (i < n_texts && !json_is(key, texts[i].name))
            i++;
        if (i < n_texts)
            text_member(j, a, texts[i].to, &is_sound);
        else if (json_is(key, STR("key_ops")) && json_peek(j) == JSON_IS_ARRAY)
            operations_field(j, m);
        else
            json_skip(j);
    }
    return is_sound;
}

static int decode(struct str text, struct arena *a, struct bytes *ret) {
    uint8_t *to = arena_alloc(a, base64_decoded_max(text.len));
    size_t len;

    if (!to)
        return -ENOMEM;
    if (!text.len || base64_decode(BASE64_URL, text, to, &len) < 0)
        return -EINVAL;
    *ret = bytes_of(to, len);
    return 0;
}

/* 0, -EINVAL: not for us; -ENOMEM. */
static int make_key(const struct members *m, struct arena *a, struct token_key **ret) {
    struct bytes first, second;
    int r;

    if ((m->use.len && !str_equal(m->use, STR("sig"))) || (m->has_operations && !m->can_verify))
        return -EINVAL;
    if (str_equal(m->kty, STR("RSA"))) {
        r = decode(m->n, a, &first);
        if (r == 0)
            r = decode(m->e, a, &second);
        if (r == 0)
            r = token_key_of_rsa(first, second, ret);
    } else if (str_equal(m->kty, STR("EC"))) {
        r = decode(m->x, a, &first);
        if (r == 0)
            r = decode(m->y, a, &second);
        if (r == 0)
            r = token_key_of_ec(m->crv, first, second, ret);
    } else if (str_equal(m->kty, STR("OKP"))) {
        r = decode(m->x, a, &first);
        if (r == 0)
            r = token_key_of_okp(m->crv, first, ret);
    } else {
        return -EINVAL;
    }
    if (r < 0)
        return r;

    /* RFC 7517 §4.4: what it is meant for, if it says so. */
    if (m->alg.len)
        token_key_restrict(*ret, token_algorithm_of(m->alg));
    if (token_key_algorithms(*ret))
        return 0;
    *ret = token_key_unref(*ret);
    return -EINVAL;
}

static int add(struct jwk_set *s, const struct members *m, struct token_key *key) {
    if (s->n % 8 == 0) {
        struct jwk *grown = realloc(s->keys, (s->n + 8) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        s->keys = grown;
    }
    char *id = NULL;
    if (m->kid.len) {
        id = malloc(m->kid.len);
        if (!id)
            return -ENOMEM;
        memcpy(id, m->kid.data, m->kid.len);
    }
    s->keys[s->n++] = (struct jwk){ .id = { id, m->kid.len }, .key = key };
    return 0;
}

static void read_keys(struct json *j, struct jwk_set *s) {
    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct arena arena = ARENA_INIT;
        struct members m;
        struct token_key *key = NULL;
        bool is_sound = read_members(j, &arena, &m);
        int r = json_error(j) ? 0 : -EINVAL;

        if (!json_error(j) && is_sound && s->n < JWK_SET_KEYS_MAX)
            r = make_key(&m, &arena, &key);
        if (r == 0 && key)
            r = add(s, &m, key);
        if (r < 0)
            token_key_unref(key);
        if (r == -ENOMEM)
            json_no_memory(j);
        s->passed_over += r == -EINVAL;
        arena_finish(&arena);
    }
}

int jwk_set_decode(struct bytes text, struct jwk_set *ret, const char **ret_why) {
    struct jwk_set s = { 0 };
    struct json j;
    struct json_string key;
    bool has_keys = false;

    if (text.len > JWK_SET_BYTES_MAX) {
        *ret_why = "a key set is too large";
        return -EMSGSIZE;
    }
    json_init(&j, text);
    j.depth_max = SET_DEPTH_MAX;
    if (json_enter_object(&j)) {
        while (json_member(&j, &key)) {
            if (!json_is(key, STR("keys"))) {
                json_skip(&j);
                continue;
            }
            jwk_set_finish(&s); /* repeated: the last one counts */
            has_keys = true;
            read_keys(&j, &s);
        }
    }
    if (json_end(&j) && !has_keys)
        json_fail(&j, "a key set has no member `keys`");
    int r = json_result(&j);
    if (r < 0) {
        *ret_why = json_error(&j);
        jwk_set_finish(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void jwk_set_finish(struct jwk_set *s) {
    for (size_t i = 0; i < s->n; i++) {
        token_key_unref(s->keys[i].key);
        free((void *) (uintptr_t) s->keys[i].id.data);
    }
    free(s->keys);
    *s = (struct jwk_set){ 0 };
}

struct token_key *jwk_set_find(const struct jwk_set *s, struct str id,
                               enum token_algorithm algorithm) {
    struct token_key *found = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct jwk *k = &s->keys[i];
        if (!(token_key_algorithms(k->key) & algorithm))
            continue;
        if (id.len) {
            if (str_equal(k->id, id))
                return k->key;
        } else if (found) {
            return NULL; /* whose? */
        } else {
            found = k->key;
        }
    }
    return found;
}
