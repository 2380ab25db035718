/*
 * Key sets as an endpoint may send them: whatever is taken out of one is usable, and refuses what
 * nobody signed.
 */
#include <assert.h>
#include <errno.h>

#include "protocol/jwk.h"
#include "tests/fuzz/fuzz.h"

int fuzz_one(const uint8_t *data, size_t size) {
    struct jwk_set s;
    const char *why = NULL;
    uint8_t signature[256] = { 1 };

    int r = jwk_set_decode(bytes_of(data, size), &s, &why);
    assert(r == 0 || ((r == -EBADMSG || r == -EMSGSIZE) && why));
    if (r < 0)
        return 0;
    assert(s.n <= JWK_SET_KEYS_MAX);
    for (size_t i = 0; i < s.n; i++) {
        unsigned algorithms = token_key_algorithms(s.keys[i].key);
        assert(algorithms && !(algorithms & TOKEN_HS));
        for (unsigned bit = 1; bit < TOKEN_ANY; bit <<= 1) {
            struct token_key *found = jwk_set_find(&s, s.keys[i].id, bit);
            assert(!!found >= !!(algorithms & bit) || !s.keys[i].id.len);
            assert(token_key_verify(s.keys[i].key, bit, bytes_of("text", 4),
                                    bytes_of(signature, sizeof signature)) == -EKEYREJECTED);
        }
    }
    jwk_set_finish(&s);
    return 0;
}
