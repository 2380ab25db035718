#include "protocol/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "protocol/base64.h"

static void a_text_has_all_the_bytes(void **state) {
    char text[SECRET_TEXT_MAX];
    uint8_t random[SECRET_RANDOM_MAX], back[SECRET_TEXT_MAX];
    size_t len;

    for (size_t n = 0; n <= sizeof random; n++) {
        for (size_t i = 0; i < n; i++)
            random[i] = (uint8_t) (251 * i + n);
        secret_write(STR("plt_"), bytes_of(random, n), text);
        assert_memory_equal(text, "plt_", 4);
        assert_int_equal(base64_decode(BASE64_URL, str_of(text + 4), back, &len), 0);
        assert_int_equal(len, n);
        assert_memory_equal(back, random, n);
    }
    assert_int_equal(strlen(text), 4 + 43);
}

static void a_hash_is_sha_256(void **state) {
    /* FIPS 180-2, appendix B.1 */
    static const uint8_t abc[SECRET_HASH_SIZE] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                   0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                   0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                   0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    uint8_t hash[SECRET_HASH_SIZE], other[SECRET_HASH_SIZE];

    assert_int_equal(secret_hash(STR("abc"), hash), 0);
    assert_memory_equal(hash, abc, sizeof abc);
    assert_true(secret_equal(hash, abc));
    assert_int_equal(secret_hash((struct str){ 0 }, other), 0);
    assert_false(secret_equal(hash, other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_all_the_bytes),
        cmocka_unit_test(a_hash_is_sha_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
