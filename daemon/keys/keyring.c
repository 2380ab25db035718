#include "daemon/keys/keyring.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config/config.h"
#include "daemon/config/pattern.h"

enum { URL_PARTS_MAX = 16, URL_BYTES_MAX = 8000 };

/* A piece of the key set's URL: text, or what a group of a pattern matched. */
struct url_part {
    struct str text;             /* or the group's name */
    const struct pattern *group; /* whose; NULL: it is text */
    bool is_of_issuer;
};

struct keyring {
    const struct config_token *config;
    struct token_key *secret, *previous_secret, *rsa, *ecdsa; /* NULL: not configured */
    struct pattern *issuer, *audience;
    struct url_part parts[URL_PARTS_MAX];
    size_t n_parts;
};

/* ---- making one ---- */

__attribute__((format(printf, 3, 4))) static int problem(struct keyring_problem *p,
                                                         const char *option, const char *format,
                                                         ...) {
    va_list args;
    p->option = option;
    va_start(args, format);
    (void) vsnprintf(p->why, sizeof p->why, format, args);
    va_end(args);
    return -EINVAL;
}

static int load_secret(struct str text, struct token_key **ret) {
    return text.len ? token_key_of_secret(str_bytes(text), ret) : 0;
}

static int load_public(struct str pem, unsigned algorithms, const char *option, const char *what,
                       struct token_key **ret, struct keyring_problem *p) {
    if (!pem.len)
        return 0;
    int r = token_key_of_public_pem(str_bytes(pem), ret);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || !(token_key_algorithms(*ret) & algorithms))
        return problem(p, option, "is not %s in PEM", what);
    return 0;
}

static int load_pattern(struct str text, const char *option, struct pattern **ret,
                        struct keyring_problem *p) {
    char why[160];
    int r = text.len ? pattern_new(text, ret, why, sizeof why) : 0;
    return r == -EINVAL ? problem(p, option, "%s", why) : r;
}

/* RFC 7519's own and ours: a user's name in one of them would take it from where it belongs. */
static bool is_claim_of_ours(struct str name) {
    static const char *const ours[] = { "exp",      "nbf",    "iat",      "jti",    "iss",
                                        "aud",      "info",   "b64info",  "data",   "meta",
                                        "b64data",  "subs",   "channel",  "client", "channels",
                                        "override", "labels", "expire_at" };
    for (size_t i = 0; i < ELEMENTS_OF(ours); i++)
        if (str_equal(name, str_of(ours[i])))
            return true;
    return false;
}

static bool find_text(struct str in, struct str what, size_t *ret_at) {
    const char *at = in.len ? memmem(in.data, in.len, what.data, what.len) : NULL;
    if (at)
        *ret_at = (size_t) (at - in.data);
    return at != NULL;
}

static struct str cut(struct str *rest, size_t len, size_t skip) {
    struct str front = { rest->data, len };
    rest->data += len + skip;
    rest->len -= len + skip;
    return front;
}

static int add_part(struct keyring *k, struct url_part part) {
    if (k->n_parts == URL_PARTS_MAX)
        return -E2BIG;
    k->parts[k->n_parts++] = part;
    return 0;
}

/* Cuts the URL at its {{placeholders}}. */
static int load_url(struct keyring *k, struct keyring_problem *p) {
    static const char option[] = "jwks_public_endpoint";
    struct str url = k->config->jwks_endpoint, rest = url;
    size_t at, host = 0, path = url.len;

    /* Who may choose the host chooses the keys. */
    if (find_text(url, STR("://"), &host)) {
        const char *slash = memchr(url.data + host + 3, '/', url.len - host - 3);
        if (slash)
            path = (size_t) (slash - url.data);
    }
    while (find_text(rest, STR("{{"), &at)) {
        if ((size_t) (rest.data - url.data) + at < path && !k->config->jwks_unchecked_placeholders)
            return problem(p, option,
                           "has a placeholder in its host: tokens would choose whose keys they "
                           "are checked by");
        int r = add_part(k, (struct url_part){ .text = cut(&rest, at, 2) });
        if (!find_text(rest, STR("}}"), &at))
            return problem(p, option, "has a {{ without a }}");
        struct url_part part = { .text = cut(&rest, at, 2) };
        part.is_of_issuer = k->issuer && pattern_has_group(k->issuer, part.text);
        part.group = part.is_of_issuer                                          ? k->issuer
                     : k->audience && pattern_has_group(k->audience, part.text) ? k->audience
                                                                                : NULL;
        if (!part.group)
            return problem(p, option,
                           "has a placeholder {{%.*s}} that is no named group of "
                           "issuer_regex or audience_regex",
                           (int) (part.text.len < 64 ? part.text.len : 64), part.text.data);
        if (r == 0)
            r = add_part(k, part);
        if (r < 0)
            return problem(p, option, "has too many placeholders");
    }
    return add_part(k, (struct url_part){ .text = rest }) < 0
                   ? problem(p, option, "has too many placeholders")
                   : 0;
}

static int load(struct keyring *k, struct keyring_problem *p) {
    const struct config_token *t = k->config;

    int r = load_secret(t->hmac_secret_key, &k->secret);
    if (r == 0)
        r = load_secret(t->hmac_previous_secret_key, &k->previous_secret);
    if (r == 0)
        r = load_public(t->rsa_public_key, TOKEN_RS, "rsa_public_key",
                        "an RSA public key of 2048 bits or more", &k->rsa, p);
    if (r == 0)
        r = load_public(t->ecdsa_public_key, TOKEN_ES, "ecdsa_public_key",
                        "a public key of P-256, P-384 or P-521", &k->ecdsa, p);
    if (r == 0)
        r = load_pattern(t->issuer_regex, "issuer_regex", &k->issuer, p);
    if (r == 0)
        r = load_pattern(t->audience_regex, "audience_regex", &k->audience, p);
    if (r == 0 && is_claim_of_ours(t->user_id_claim))
        r = problem(p, "user_id_claim", "is a claim that means something else");
    if (r == 0 && t->jwks_endpoint.len)
        r = load_url(k, p);
    return r;
}

int keyring_new(const struct config_token *t, struct keyring **ret,
                struct keyring_problem *ret_problem) {
    *ret_problem = (struct keyring_problem){ 0 };
    struct keyring *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->config = t;
    int r = load(k, ret_problem);
    if (r < 0)
        keyring_free(k);
    else
        *ret = k;
    return r;
}

struct keyring *keyring_free(struct keyring *k) {
    if (!k)
        return NULL;
    token_key_unref(k->secret);
    token_key_unref(k->previous_secret);
    token_key_unref(k->rsa);
    token_key_unref(k->ecdsa);
    pattern_free(k->issuer);
    pattern_free(k->audience);
    free(k);
    return NULL;
}

bool keyring_has_keys(const struct keyring *k) {
    return k->n_parts || k->secret || k->previous_secret || k->rsa || k->ecdsa;
}

/* ---- choosing ---- */

static int rejected(const char **ret_why, const char *why) {
    *ret_why = why;
    return -EKEYREJECTED;
}

/* Percent-encodes what is not unreserved (RFC 3986 §2.3): what a token says must not become another
 * host, path or query. */
static char *append_encoded(char *to, struct str s) {
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char) s.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (is_plain) {
            *to++ = (char) c;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    return to;
}

static int fill_url(const struct keyring *k, struct str issuer, struct str audience,
                    struct arena *a, struct str *ret, const char **ret_why) {
    struct str values[URL_PARTS_MAX];
    size_t len = 1;

    for (size_t i = 0; i < k->n_parts; i++) {
        const struct url_part *part = &k->parts[i];
        values[i] = part->text;
        if (part->group) {
            struct str subject = part->is_of_issuer ? issuer : audience;
            if (!pattern_capture(part->group, subject, part->text, &values[i]) || !values[i].len ||
                str_equal(values[i], STR(".")) || str_equal(values[i], STR("..")))
                return rejected(ret_why, "a token's issuer or audience names no set of keys");
        }
        len += part->group ? 3 * values[i].len : values[i].len;
    }
    if (len > URL_BYTES_MAX)
        return rejected(ret_why, "the URL of a token's keys would be too long");

    char *text = arena_alloc(a, len), *to = text;
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < k->n_parts; i++) {
        if (k->parts[i].group)
            to = append_encoded(to, values[i]);
        else if (values[i].len)
            to = mempcpy(to, values[i].data, values[i].len);
    }
    *to = '\0';
    *ret = (struct str){ text, (size_t) (to - text) };
    return 0;
}

static int choose_fetched(const struct keyring *k, const struct token_origin *origin,
                          struct str audience, struct arena *a, struct keyring_choice *ret,
                          const char **ret_why) {
    if (ret->token.algorithm & TOKEN_HS)
        return rejected(ret_why, "a token's algorithm is not one of a public key");
    return fill_url(k, origin->issuer, audience, a, &ret->url, ret_why);
}

static int choose_static(const struct keyring *k, int64_t now_s, struct keyring_choice *ret,
                         const char **ret_why) {
    const struct config_token *t = k->config;
    bool has_previous = k->previous_secret &&
                        (!t->hmac_previous_until_s || now_s < (int64_t) t->hmac_previous_until_s);
    struct token_key *const keys[] = { k->secret, has_previous ? k->previous_secret : NULL, k->rsa,
                                       k->ecdsa };

    ret->n_keys = 0;
    for (size_t i = 0; i < ELEMENTS_OF(keys); i++)
        if (keys[i] && (token_key_algorithms(keys[i]) & ret->token.algorithm))
            ret->keys[ret->n_keys++] = keys[i];
    return ret->n_keys ? 0 : rejected(ret_why, "there is no key for a token's algorithm");
}

int keyring_read(const struct keyring *k, struct str token, struct arena *a,
                 struct keyring_choice *ret, const char **ret_why) {
    *ret = (struct keyring_choice){ .rules.user_claim = k->config->user_id_claim };
    return token_open(token, a, &ret->token, ret_why);
}

int keyring_choose(const struct keyring *k, struct str token, int64_t now_s, struct arena *a,
                   struct keyring_choice *ret, const char **ret_why) {
    const struct config_token *t = k->config;
    struct token_origin origin = { 0 };
    struct str audience = { 0 };

    *ret = (struct keyring_choice){
        .rules = { .audience = t->audience, .issuer = t->issuer, .user_claim = t->user_id_claim }
    };
    int r = token_open(token, a, &ret->token, ret_why);
    if (r == 0 && (k->issuer || k->audience))
        r = token_read_origin(&ret->token, a, &origin, ret_why);
    if (r < 0)
        return r;

    if (k->issuer && !pattern_matches(k->issuer, origin.issuer))
        return rejected(ret_why, "a token is from another issuer");
    if (k->audience) {
        size_t i = 0;
        while (i < origin.n_audiences && !pattern_matches(k->audience, origin.audiences[i]))
            i++;
        if (i == origin.n_audiences)
            return rejected(ret_why, "a token is for another audience");
        audience = origin.audiences[i];
    }
    r = k->n_parts ? choose_fetched(k, &origin, audience, a, ret, ret_why)
                   : choose_static(k, now_s, ret, ret_why);
    if (r == -ENOMEM)
        *ret_why = "out of memory";
    return r;
}
