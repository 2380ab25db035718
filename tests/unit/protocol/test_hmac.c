/* The vectors of RFC 4231, in one piece and in several. */
#include "protocol/hmac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(struct bytes key, struct bytes data, const char *expected) {
    char hex[HMAC_SHA256_HEX_SIZE];
    for (size_t cut = 0; cut <= data.len; cut++) {
        const struct bytes parts[] = { bytes_of(data.data, cut), bytes_of(NULL, 0),
                                       bytes_of(data.data + cut, data.len - cut) };
        assert_int_equal(hmac_sha256_hex(key, parts, 3, hex), 0);
        assert_string_equal(hex, expected);
    }
}

static void the_vectors_of_the_rfc_come_out(void **state) {
    uint8_t key[131];
    memset(key, 0x0b, 20);
    check(bytes_of(key, 20), str_bytes(STR("Hi There")),
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check(str_bytes(STR("Jefe")), str_bytes(STR("what do ya want for nothing?")),
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key); /* longer than a block */
    check(bytes_of(key, sizeof key),
          str_bytes(STR("Test Using Larger Than Block-Size Key - Hash Key First")),
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void nothing_has_a_signature_too(void **state) {
    check(bytes_of(NULL, 0), bytes_of((const uint8_t *) "", 0),
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_come_out),
        cmocka_unit_test(nothing_has_a_signature_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
