#include "protocol/secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { PREFIX_MAX = 8 };

void secret_write(struct str prefix, struct bytes random, char ret[static SECRET_TEXT_MAX]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *at = ret;
    uint32_t bits = 0;
    unsigned n = 0;

    assert(prefix.len <= PREFIX_MAX && random.len <= SECRET_RANDOM_MAX);
    for (size_t i = 0; i < prefix.len; i++)
        *at++ = prefix.data[i];
    for (size_t i = 0; i < random.len; i++) {
        bits = bits << 8 | random.data[i];
        for (n += 8; n >= 6; n -= 6)
            *at++ = digits[bits >> (n - 6) & 63];
    }
    if (n)
        *at++ = digits[bits << (6 - n) & 63];
    *at = '\0';
}

int secret_hash(struct str text, uint8_t ret[static SECRET_HASH_SIZE]) {
    unsigned len = 0;
    const char *data = text.len ? text.data : "";
    if (!EVP_Digest(data, text.len, ret, &len, EVP_sha256(), NULL) || len != SECRET_HASH_SIZE)
        return -ENOMEM;
    return 0;
}

bool secret_equal(const uint8_t a[static SECRET_HASH_SIZE],
                  const uint8_t b[static SECRET_HASH_SIZE]) {
    return CRYPTO_memcmp(a, b, SECRET_HASH_SIZE) == 0;
}
