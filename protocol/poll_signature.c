#include "protocol/poll_signature.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "protocol/buffer.h"

enum { DIGEST_BYTES = 32, DIGEST_TEXT = 64 };

static void to_hex(const uint8_t *digest, char *ret) {
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_BYTES; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* What stands before the next colon, which is passed. */
static bool take_part(struct str *from, struct str *ret) {
    const char *colon = from->len ? memchr(from->data, ':', from->len) : NULL;
    if (!colon)
        return false;
    *ret = (struct str){ from->data, (size_t) (colon - from->data) };
    *from = (struct str){ colon + 1, from->len - ret->len - 1 };
    return true;
}

static bool to_time(struct str text, int64_t *ret) {
    int64_t value = 0;

    if (text.len == 0 || text.len > 12) /* far beyond the year 30000 */
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *ret = value;
    return true;
}

static bool hash_keys(const struct poll_grant *g, char *ret_hex) {
    uint8_t digest[DIGEST_BYTES];
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool is_good = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; is_good && i < g->n_keys; i++) {
        is_good = i == 0 || EVP_DigestUpdate(c, "", 1) == 1;
        is_good = is_good && EVP_DigestUpdate(c, g->keys[i].key.data, g->keys[i].key.len) == 1;
    }
    is_good = is_good && EVP_DigestFinal_ex(c, digest, NULL) == 1;
    EVP_MD_CTX_free(c);
    if (is_good)
        to_hex(digest, ret_hex);
    return is_good;
}

static bool is_signed_by(struct str secret, const struct buffer *payload, struct str hex) {
    uint8_t digest[DIGEST_BYTES];
    char expected[DIGEST_TEXT];

    if (!secret.len || secret.len > INT32_MAX || hex.len != DIGEST_TEXT)
        return false;
    if (!HMAC(EVP_sha256(), secret.data, (int) secret.len, payload->data, payload->len, digest,
              NULL))
        return false;
    to_hex(digest, expected);
    return CRYPTO_memcmp(expected, hex.data, DIGEST_TEXT) == 0;
}

int poll_signature_check(struct str signature, const struct poll_secret *secret,
                         const struct poll_grant *g, int64_t *ret_expires_s) {
    struct str left = signature, issued, expires;
    struct buffer payload = BUFFER_INIT;
    int64_t issued_s, expires_s;
    char keys[DIGEST_TEXT];

    if (signature.len > POLL_SIGNATURE_MAX || !take_part(&left, &issued) ||
        !take_part(&left, &expires) || !to_time(issued, &issued_s) || !to_time(expires, &expires_s))
        return -EKEYREJECTED;
    if (!hash_keys(g, keys))
        return -ENOMEM;

    buffer_append_str(&payload, issued);
    buffer_append_byte(&payload, 0);
    buffer_append_str(&payload, expires);
    buffer_append_byte(&payload, 0);
    buffer_append_str(&payload, g->user);
    buffer_append_byte(&payload, 0);
    buffer_append_str(&payload, g->channel);
    buffer_append_byte(&payload, 0);
    buffer_append(&payload, keys, sizeof keys);

    int r = buffer_error(&payload);
    if (r == 0 && !is_signed_by(secret->current, &payload, left) &&
        !is_signed_by(secret->previous, &payload, left))
        r = -EKEYREJECTED;
    buffer_finish(&payload);
    if (r == 0)
        *ret_expires_s = expires_s;
    return r;
}
