/* Signatures of shared poll, from clients: refused, or the one that was made for these keys. */
#include <assert.h>
#include <errno.h>

#include "protocol/poll_signature.h"
#include "tests/fuzz/fuzz.h"

static const struct tracked_key keys[] = { { .key = { "a", 1 } }, { .key = { "b c", 3 } } };

/* printf '1000\0%s\0%s\0%s\0%s' 2000 42 poll:x "$(printf 'a\0b c' | sha256sum | cut -c-64)" |
 * openssl dgst -sha256 -hmac secret */
#define GOOD "1000:2000:c5e6bf429910a8f81cb4a3902b04d1ef693b8359669615429d9e9eeed967e5cb"

int fuzz_one(const uint8_t *data, size_t size) {
    struct str signature = { (const char *) data, size };
    struct poll_secret secret = { STR("another"), STR("secret") };
    struct poll_grant grant = {
        .user = STR("42"), .channel = STR("poll:x"), .keys = keys, .n_keys = 2
    };
    int64_t expires_s = -1;

    int r = poll_signature_check(signature, &secret, &grant, &expires_s);
    assert(r == 0 || r == -EKEYREJECTED || r == -ENOMEM);
    if (str_equal(signature, STR(GOOD)))
        assert(r == 0 && expires_s == 2000);
    else
        assert(r != 0 && expires_s == -1);
    return 0;
}
