#include "protocol/hmac.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

static EVP_MAC_CTX *begin(struct bytes key) {
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac); /* the context holds it */
    if (!mac)
        return NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    /* No key at all would mean: the one before. */
    const uint8_t *data = key.len > 0 ? key.data : (const uint8_t *) "";
    if (!EVP_MAC_init(mac, data, key.len, params)) {
        EVP_MAC_CTX_free(mac);
        return NULL;
    }
    return mac;
}

int hmac_sha256(struct bytes key, const struct bytes *parts, size_t n,
                uint8_t ret[static HMAC_SHA256_SIZE]) {
    EVP_MAC_CTX *mac = begin(key);
    bool is_good = mac != NULL;
    for (size_t i = 0; is_good && i < n; i++)
        is_good = parts[i].len == 0 || EVP_MAC_update(mac, parts[i].data, parts[i].len);
    size_t len = 0;
    is_good = is_good && EVP_MAC_final(mac, ret, &len, HMAC_SHA256_SIZE);
    EVP_MAC_CTX_free(mac);
    return is_good && len == HMAC_SHA256_SIZE ? 0 : -ENOMEM;
}

int hmac_sha256_hex(struct bytes key, const struct bytes *parts, size_t n,
                    char ret[static HMAC_SHA256_HEX_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[HMAC_SHA256_SIZE];
    int r = hmac_sha256(key, parts, n, raw);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof raw; i++) {
        ret[2 * i] = digits[raw[i] >> 4];
        ret[2 * i + 1] = digits[raw[i] & 15];
    }
    ret[HMAC_SHA256_HEX_SIZE - 1] = 0;
    return 0;
}
