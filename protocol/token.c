#include "protocol/token.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "protocol/base64.h"
#include "protocol/token_claims.h"

enum { ALGORITHMS = 3, HEADER_DEPTH_MAX = 8 };

static const struct {
    enum token_algorithm algorithm;
    struct str name;     /* `alg` */
    const char *digest;  /* OpenSSL's name */
    struct bytes header; /* of a token we sign */
} algorithms[ALGORITHMS] = {
    { TOKEN_HS256,
      { "HS256", 5 },
      "SHA256",
      { (const uint8_t *) "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", 27 } },
    { TOKEN_HS384,
      { "HS384", 5 },
      "SHA384",
      { (const uint8_t *) "{\"alg\":\"HS384\",\"typ\":\"JWT\"}", 27 } },
    { TOKEN_HS512,
      { "HS512", 5 },
      "SHA512",
      { (const uint8_t *) "{\"alg\":\"HS512\",\"typ\":\"JWT\"}", 27 } },
};

struct token_verifier {
    EVP_MAC_CTX *macs[ALGORITHMS]; /* keyed; NULL: that algorithm is not accepted */
    char *audience;                /* with the issuer behind it */
    size_t audience_len;
    size_t issuer_len;
};

static void free_mac(EVP_MAC_CTX **mac) {
    EVP_MAC_CTX_free(*mac);
}

static int mac_new(size_t which, struct bytes secret, EVP_MAC_CTX **ret) {
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!hmac)
        return -ENOMEM;
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac); /* the context holds it */
    if (!mac)
        return -ENOMEM;

    char digest[8];
    memcpy(digest, algorithms[which].digest, strlen(algorithms[which].digest) + 1);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    if (!EVP_MAC_init(mac, secret.data, secret.len, params)) {
        ERR_clear_error();
        EVP_MAC_CTX_free(mac);
        return -ENOMEM;
    }
    *ret = mac;
    return 0;
}

int token_verifier_new(const struct token_options *o, struct token_verifier **ret) {
    if (!o->hmac_secret.len)
        return -EINVAL;

    struct token_verifier *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;

    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (o->algorithms && !(o->algorithms & (unsigned) algorithms[i].algorithm))
            continue;
        int r = mac_new(i, o->hmac_secret, &v->macs[i]);
        if (r < 0) {
            token_verifier_free(v);
            return r;
        }
    }

    v->audience_len = o->audience.len;
    v->issuer_len = o->issuer.len;
    v->audience = malloc(v->audience_len + v->issuer_len + 1);
    if (!v->audience) {
        token_verifier_free(v);
        return -ENOMEM;
    }
    if (v->audience_len)
        memcpy(v->audience, o->audience.data, v->audience_len);
    if (v->issuer_len)
        memcpy(v->audience + v->audience_len, o->issuer.data, v->issuer_len);
    *ret = v;
    return 0;
}

struct token_verifier *token_verifier_free(struct token_verifier *v) {
    if (!v)
        return NULL;
    for (size_t i = 0; i < ALGORITHMS; i++)
        EVP_MAC_CTX_free(v->macs[i]);
    free(v->audience);
    free(v);
    return NULL;
}

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

/* Which of our algorithms the header names. */
static int read_header(struct bytes header, struct arena *a, size_t *ret_which,
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

    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (str_equal(name, algorithms[i].name)) {
            *ret_which = i;
            return 0;
        }
    }
    return rejected(ret_why, "a token's algorithm is not one that its key allows");
}

/* Checks form and signature; hands out the decoded claims. */
static int open_token(struct token_verifier *v, struct str token, struct arena *a,
                      struct bytes *ret_claims, const char **ret_why) {
    struct str rest = token;
    struct str header_part = take_part(&rest), claims_part = take_part(&rest);
    struct str signature_part = rest;
    struct bytes header, signature, claims;
    size_t which = 0;

    if (!header_part.len || !claims_part.len || !signature_part.len)
        return rejected(ret_why, "a token is not three parts with dots between");

    int r = decode_part(a, header_part, &header);
    if (r == 0)
        r = decode_part(a, claims_part, &claims);
    if (r == 0)
        r = decode_part(a, signature_part, &signature);
    if (r == -ENOMEM)
        return out_of_memory(ret_why);
    if (r < 0)
        return rejected(ret_why, "a part of a token is not base64url");

    r = read_header(header, a, &which, ret_why);
    if (r < 0)
        return r;
    if (!v->macs[which])
        return rejected(ret_why, "a token's algorithm is not one that its key allows");

    /* What is signed is the text as it came: both parts and the dot between. */
    const uint8_t *begin = (const uint8_t *) token.data;
    size_t signed_len = (size_t) (signature_part.data - 1 - token.data);
    uint8_t expected[EVP_MAX_MD_SIZE];
    size_t len;
    if (!EVP_MAC_init(v->macs[which], NULL, 0, NULL) ||
        !EVP_MAC_update(v->macs[which], begin, signed_len) ||
        !EVP_MAC_final(v->macs[which], expected, &len, sizeof expected)) {
        ERR_clear_error();
        return out_of_memory(ret_why);
    }
    if (signature.len != len || CRYPTO_memcmp(expected, signature.data, len) != 0)
        return rejected(ret_why, "a token's signature is wrong");

    *ret_claims = claims;
    return 0;
}

/* A token of either kind: all that is the same for both. */
static int verify(struct token_verifier *v, struct str token, int64_t now_s, struct arena *a,
                  struct token_claims *ret, const char **ret_why) {
    struct str audience = { v->audience, v->audience_len };
    struct str issuer = { v->audience + v->audience_len, v->issuer_len };
    struct bytes text;
    struct json j;

    int r = open_token(v, token, a, &text, ret_why);
    if (r < 0)
        return r;

    *ret = (struct token_claims){ 0 };
    json_init(&j, text);
    token_decode_claims(&j, a, audience, ret);
    if (!json_end(&j))
        return broken(&j, ret_why);

    if (audience.len && !ret->has_audience)
        return rejected(ret_why, "a token is for another audience");
    if (issuer.len && !str_equal(ret->issuer, issuer))
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

int token_verify_connection(struct token_verifier *v, struct str token, int64_t now_s,
                            struct arena *a, struct connection_claims *ret, const char **ret_why) {
    struct token_claims c;

    int r = verify(v, token, now_s, a, &c, ret_why);
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

int token_verify_subscription(struct token_verifier *v, struct str token, int64_t now_s,
                              struct arena *a, struct subscription_claims *ret,
                              const char **ret_why) {
    struct token_claims c;

    int r = verify(v, token, now_s, a, &c, ret_why);
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

int token_sign(enum token_algorithm algorithm, struct bytes secret, struct bytes claims,
               struct buffer *out) {
    size_t which = 0, begin = out->len, len = 0;

    while (which < ALGORITHMS && algorithms[which].algorithm != algorithm)
        which++;
    if (which == ALGORITHMS || !secret.len)
        return -EINVAL;

    base64_encode(BASE64_URL, algorithms[which].header, out);
    buffer_append_byte(out, '.');
    base64_encode(BASE64_URL, claims, out);
    int r = buffer_error(out);
    if (r < 0)
        return r;

    __attribute__((cleanup(free_mac))) EVP_MAC_CTX *mac = NULL;
    uint8_t signature[EVP_MAX_MD_SIZE];
    r = mac_new(which, secret, &mac);
    if (r < 0)
        return r;
    if (!EVP_MAC_update(mac, out->data + begin, out->len - begin) ||
        !EVP_MAC_final(mac, signature, &len, sizeof signature)) {
        ERR_clear_error();
        return -ENOMEM;
    }
    buffer_append_byte(out, '.');
    base64_encode(BASE64_URL, bytes_of(signature, len), out);
    return buffer_error(out);
}
