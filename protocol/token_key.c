#include "protocol/token_key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <stdlib.h>

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 16384, /* checking by a larger one takes milliseconds */
    EXPONENT_BYTES_MAX = 8,
    EC_BYTES_MAX = 66,         /* of a coordinate: P-521 */
    SIGNATURE_MAX = 2048,      /* of RSA_BITS_MAX */
    SECRET_SLOW_BYTES = 16384, /* HMAC of so much text takes about 20 us */
    DIGESTS = 3,
};

struct algorithm {
    enum token_algorithm bit;
    struct str name;
    const char *digest; /* OpenSSL's name; NULL: the algorithm has its own */
};

static const struct algorithm known[] = {
    { TOKEN_HS256, { "HS256", 5 }, "SHA256" }, { TOKEN_HS384, { "HS384", 5 }, "SHA384" },
    { TOKEN_HS512, { "HS512", 5 }, "SHA512" }, { TOKEN_RS256, { "RS256", 5 }, "SHA256" },
    { TOKEN_RS384, { "RS384", 5 }, "SHA384" }, { TOKEN_RS512, { "RS512", 5 }, "SHA512" },
    { TOKEN_ES256, { "ES256", 5 }, "SHA256" }, { TOKEN_ES384, { "ES384", 5 }, "SHA384" },
    { TOKEN_ES512, { "ES512", 5 }, "SHA512" }, { TOKEN_EDDSA, { "EdDSA", 5 }, NULL },
};

enum { ALGORITHMS = sizeof known / sizeof *known };

struct curve {
    struct str name;   /* in JSON web keys */
    const char *group; /* OpenSSL's name of the same */
    size_t coordinate; /* bytes */
    enum token_algorithm bit;
};

/* RFC 7518 §3.4: each curve has its one digest. */
static const struct curve curves[] = {
    { { "P-256", 5 }, "prime256v1", 32, TOKEN_ES256 },
    { { "P-384", 5 }, "secp384r1", 48, TOKEN_ES384 },
    { { "P-521", 5 }, "secp521r1", 66, TOKEN_ES512 },
};

enum { CURVES = sizeof curves / sizeof *curves };

struct token_key {
    unsigned refs;
    unsigned algorithms;
    bool has_secret_part;
    const struct curve *curve;  /* of EC keys */
    EVP_MAC_CTX *macs[DIGESTS]; /* of secrets: keyed, to be copied */
    EVP_PKEY *pkey;             /* of all others */
};

static const struct algorithm *find(enum token_algorithm bit) {
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (known[i].bit == bit)
            return &known[i];
    return NULL;
}

enum token_algorithm token_algorithm_of(struct str name) {
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (str_equal(name, known[i].name))
            return known[i].bit;
    return 0;
}

struct str token_algorithm_name(enum token_algorithm algorithm) {
    const struct algorithm *a = find(algorithm);
    return a ? a->name : (struct str){ 0 };
}

/* ---- making keys ---- */

static struct token_key *key_new(void) {
    struct token_key *k = calloc(1, sizeof *k);
    if (k)
        k->refs = 1;
    return k;
}

struct token_key *token_key_ref(struct token_key *k) {
    k->refs++;
    return k;
}

struct token_key *token_key_unref(struct token_key *k) {
    if (!k || --k->refs > 0)
        return NULL;
    for (size_t i = 0; i < DIGESTS; i++)
        EVP_MAC_CTX_free(k->macs[i]);
    EVP_PKEY_free(k->pkey);
    free(k);
    return NULL;
}

static EVP_MAC_CTX *mac_new(const char *digest, struct bytes secret) {
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac); /* the context holds it */
    if (!mac)
        return NULL;

    char name[8];
    memcpy(name, digest, strlen(digest) + 1);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    if (!EVP_MAC_init(mac, secret.data, secret.len, params)) {
        EVP_MAC_CTX_free(mac);
        return NULL;
    }
    return mac;
}

int token_key_of_secret(struct bytes secret, struct token_key **ret) {
    if (!secret.len)
        return -EINVAL;
    struct token_key *k = key_new();
    if (!k)
        return -ENOMEM;
    k->algorithms = TOKEN_HS;
    k->has_secret_part = true;
    for (size_t i = 0; i < DIGESTS; i++) {
        k->macs[i] = mac_new(known[i].digest, secret);
        if (!k->macs[i]) {
            ERR_clear_error();
            token_key_unref(k);
            return -ENOMEM;
        }
    }
    *ret = k;
    return 0;
}

static const struct curve *curve_of(EVP_PKEY *pkey) {
    char group[64];
    size_t len;

    if (!EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                        &len))
        return NULL;
    for (size_t i = 0; i < CURVES; i++)
        if (strcmp(group, curves[i].group) == 0)
            return &curves[i];
    return NULL;
}

/* Takes pkey, whatever it returns; NULL: there was none to be had. */
static int take_pkey(EVP_PKEY *pkey, bool has_secret_part, struct token_key **ret) {
    ERR_clear_error();
    if (!pkey)
        return -EINVAL;

    struct token_key *k = key_new();
    if (!k) {
        EVP_PKEY_free(pkey);
        return -ENOMEM;
    }
    k->pkey = pkey;
    k->has_secret_part = has_secret_part;

    int bits = EVP_PKEY_get_bits(pkey);
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        k->algorithms = bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? TOKEN_RS : 0;
        break;
    case EVP_PKEY_EC:
        k->curve = curve_of(pkey);
        k->algorithms = k->curve ? k->curve->bit : 0;
        break;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        k->algorithms = TOKEN_EDDSA;
        break;
    default:
        break;
    }
    ERR_clear_error();
    if (!k->algorithms) {
        token_key_unref(k);
        return -EINVAL;
    }
    *ret = k;
    return 0;
}

/* Nobody is asked for a password. */
static int no_password(char *buf, int size, int rwflag, void *arg) {
    (void) buf, (void) size, (void) rwflag, (void) arg;
    return -1;
}

static EVP_PKEY *decode_pem(struct bytes pem, int selection) {
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = pem.data;
    size_t len = pem.len;
    OSSL_DECODER_CTX *decoder =
            OSSL_DECODER_CTX_new_for_pkey(&pkey, "PEM", NULL, NULL, selection, NULL, NULL);

    if (!decoder)
        return NULL;
    if (!OSSL_DECODER_CTX_set_pem_password_cb(decoder, no_password, NULL) ||
        !OSSL_DECODER_from_data(decoder, &at, &len)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    OSSL_DECODER_CTX_free(decoder);
    return pkey;
}

static EVP_PKEY *key_of_certificate(struct bytes pem) {
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int) pem.len) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;

    X509_free(certificate);
    BIO_free(bio);
    return pkey;
}

int token_key_of_public_pem(struct bytes pem, struct token_key **ret) {
    EVP_PKEY *pkey = decode_pem(pem, EVP_PKEY_PUBLIC_KEY);
    if (!pkey)
        pkey = key_of_certificate(pem);
    return take_pkey(pkey, false, ret);
}

int token_key_of_private_pem(struct bytes pem, struct token_key **ret) {
    return take_pkey(decode_pem(pem, EVP_PKEY_KEYPAIR), true, ret);
}

static EVP_PKEY *pkey_of_params(const char *kind, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = params ? EVP_PKEY_CTX_new_from_name(NULL, kind, NULL) : NULL;

    if (context && EVP_PKEY_fromdata_init(context) > 0 &&
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

int token_key_of_rsa(struct bytes n, struct bytes e, struct token_key **ret) {
    /* An even exponent or one of 1 is a mistake or worse: by 1 anybody can sign. */
    if (n.len > RSA_BITS_MAX / 8 + 1 || e.len > EXPONENT_BYTES_MAX || !n.len || !e.len ||
        !(e.data[e.len - 1] & 1))
        return -EINVAL;

    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(n.data, (int) n.len, NULL);
    BIGNUM *exponent = BN_bin2bn(e.data, (int) e.len, NULL);
    bool has_memory = builder && modulus && exponent &&
                      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
                      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    bool is_sound = has_memory && BN_is_odd(modulus) && !BN_is_one(exponent);
    EVP_PKEY *pkey = is_sound ? pkey_of_params("RSA", builder) : NULL;

    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return has_memory ? take_pkey(pkey, false, ret) : -ENOMEM;
}

int token_key_of_ec(struct str name, struct bytes x, struct bytes y, struct token_key **ret) {
    const struct curve *curve = NULL;
    for (size_t i = 0; i < CURVES; i++)
        if (str_equal(name, curves[i].name))
            curve = &curves[i];
    if (!curve || x.len != curve->coordinate || y.len != curve->coordinate)
        return -EINVAL;

    uint8_t point[1 + 2 * EC_BYTES_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
    memcpy(point + 1, x.data, x.len);
    memcpy(point + 1 + x.len, y.data, y.len);

    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool has_memory =
            builder &&
            OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + 2 * x.len);
    EVP_PKEY *pkey = has_memory ? pkey_of_params("EC", builder) : NULL;

    OSSL_PARAM_BLD_free(builder);
    return has_memory ? take_pkey(pkey, false, ret) : -ENOMEM;
}

int token_key_of_okp(struct str curve, struct bytes x, struct token_key **ret) {
    int kind = str_equal(curve, STR("Ed25519")) ? EVP_PKEY_ED25519
               : str_equal(curve, STR("Ed448")) ? EVP_PKEY_ED448
                                                : 0;
    return take_pkey(kind ? EVP_PKEY_new_raw_public_key(kind, NULL, x.data, x.len) : NULL, false,
                     ret);
}

unsigned token_key_algorithms(const struct token_key *k) {
    return k->algorithms;
}

void token_key_restrict(struct token_key *k, unsigned bits) {
    k->algorithms &= bits;
}

bool token_key_is_slow(const struct token_key *k, size_t len) {
    return k->pkey || len > SECRET_SLOW_BYTES;
}

/* ---- secrets ---- */

/* The keyed context is only copied, so that threads do not meet in it. */
static int mac(const struct token_key *k, enum token_algorithm algorithm, struct bytes text,
               uint8_t out[static EVP_MAX_MD_SIZE], size_t *ret_len) {
    size_t which = algorithm == TOKEN_HS256 ? 0 : algorithm == TOKEN_HS384 ? 1 : 2;
    EVP_MAC_CTX *own = EVP_MAC_CTX_dup(k->macs[which]);
    bool is_done = own && EVP_MAC_update(own, text.data, text.len) &&
                   EVP_MAC_final(own, out, ret_len, EVP_MAX_MD_SIZE);

    EVP_MAC_CTX_free(own);
    if (is_done)
        return 0;
    ERR_clear_error();
    return -ENOMEM;
}

/* ---- public keys ---- */

/* RFC 7518 §3.4: a signature is the two numbers in full length; OpenSSL wants them in DER. */
static int to_der(const struct curve *curve, struct bytes raw, uint8_t *out, size_t *ret_len) {
    if (raw.len != 2 * curve->coordinate)
        return -EKEYREJECTED;

    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.data, (int) curve->coordinate, NULL);
    BIGNUM *s = BN_bin2bn(raw.data + curve->coordinate, (int) curve->coordinate, NULL);
    if (!pair || !r || !s) {
        ECDSA_SIG_free(pair);
        BN_free(r);
        BN_free(s);
        return -ENOMEM;
    }
    (void) ECDSA_SIG_set0(pair, r, s); /* takes both */
    int len = i2d_ECDSA_SIG(pair, &out);
    ECDSA_SIG_free(pair);
    if (len <= 0)
        return -ENOMEM;
    *ret_len = (size_t) len;
    return 0;
}

static int of_der(const struct curve *curve, struct bytes der, uint8_t *out, size_t *ret_len) {
    const unsigned char *at = der.data;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long) der.len);
    if (!pair)
        return -ENOMEM;
    int size = (int) curve->coordinate;
    bool is_done = BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, size) == size &&
                   BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + size, size) == size;
    ECDSA_SIG_free(pair);
    *ret_len = 2 * curve->coordinate;
    return is_done ? 0 : -ENOMEM;
}

static const EVP_MD *digest_of(enum token_algorithm algorithm) {
    const char *name = find(algorithm)->digest;
    return !name                         ? NULL
           : strcmp(name, "SHA256") == 0 ? EVP_sha256()
           : strcmp(name, "SHA384") == 0 ? EVP_sha384()
                                         : EVP_sha512();
}

static int verify_public(const struct token_key *k, enum token_algorithm algorithm,
                         struct bytes text, struct bytes signature) {
    uint8_t der[2 * EC_BYTES_MAX + 16];

    if (k->curve) {
        size_t len = 0;
        int r = to_der(k->curve, signature, der, &len);
        if (r < 0)
            return r;
        signature = bytes_of(der, len);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return -ENOMEM;
    int r = EVP_DigestVerifyInit(context, NULL, digest_of(algorithm), NULL, k->pkey) == 1 ? 0
                                                                                          : -ENOMEM;
    if (r == 0 &&
        EVP_DigestVerify(context, signature.data, signature.len, text.data, text.len) != 1)
        r = -EKEYREJECTED;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return r;
}

int token_key_verify(const struct token_key *k, enum token_algorithm algorithm, struct bytes text,
                     struct bytes signature) {
    if (!(k->algorithms & algorithm))
        return -EKEYREJECTED;
    if (k->pkey)
        return verify_public(k, algorithm, text, signature);

    uint8_t expected[EVP_MAX_MD_SIZE];
    size_t len = 0;
    int r = mac(k, algorithm, text, expected, &len);
    if (r == 0 && (signature.len != len || CRYPTO_memcmp(expected, signature.data, len) != 0))
        r = -EKEYREJECTED;
    return r;
}

static int sign_private(const struct token_key *k, enum token_algorithm algorithm,
                        struct bytes text, uint8_t *out, size_t *ret_len) {
    size_t len = SIGNATURE_MAX;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = context &&
                   EVP_DigestSignInit(context, NULL, digest_of(algorithm), NULL, k->pkey) == 1 &&
                   EVP_DigestSign(context, out, &len, text.data, text.len) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (!is_done)
        return -ENOMEM;
    if (k->curve) {
        uint8_t raw[2 * EC_BYTES_MAX];
        int r = of_der(k->curve, bytes_of(out, len), raw, &len);
        if (r < 0)
            return r;
        memcpy(out, raw, len);
    }
    *ret_len = len;
    return 0;
}

int token_key_sign(const struct token_key *k, enum token_algorithm algorithm, struct bytes text,
                   struct buffer *out) {
    if (!(k->algorithms & algorithm) || !k->has_secret_part)
        return -EINVAL;

    uint8_t *to = buffer_reserve(out, SIGNATURE_MAX);
    size_t len = 0;
    if (!to)
        return buffer_error(out);
    int r = k->pkey ? sign_private(k, algorithm, text, to, &len)
                    : mac(k, algorithm, text, to, &len);
    if (r == 0)
        out->len += len;
    return r;
}
