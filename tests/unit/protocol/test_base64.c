#include "protocol/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LEN_MAX = 40 };

static const char *const digits[] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

static struct str text_of(const struct buffer *b) {
    return (struct str){ (const char *) b->data, b->len };
}

static void encode(enum base64_alphabet alphabet, const uint8_t *data, size_t len,
                   struct buffer *out) {
    uint8_t *copy = malloc(len ? len : 1); /* of exactly that size */
    assert_non_null(copy);
    memcpy(copy, data, len);
    buffer_reset(out);
    base64_encode(alphabet, bytes_of(copy, len), out);
    assert_int_equal(buffer_error(out), 0);
    free(copy);
}

static void rfc_4648_has_examples(void **state) {
    static const struct {
        struct str data;
        const char *standard, *url;
    } rows[] = {
        { STR(""), "", "" },
        { STR("f"), "Zg==", "Zg" },
        { STR("fo"), "Zm8=", "Zm8" },
        { STR("foo"), "Zm9v", "Zm9v" },
        { STR("foob"), "Zm9vYg==", "Zm9vYg" },
        { STR("fooba"), "Zm9vYmE=", "Zm9vYmE" },
        { STR("foobar"), "Zm9vYmFy", "Zm9vYmFy" },
        { STR("\xff\xef\xbe\xfb\xf0"), "/++++/A=", "_----_A" },
    };
    struct buffer out = BUFFER_INIT;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint8_t *data = (const uint8_t *) rows[i].data.data;
        encode(BASE64_STANDARD, data, rows[i].data.len, &out);
        assert_true(str_equal(text_of(&out), str_of(rows[i].standard)));
        encode(BASE64_URL, data, rows[i].data.len, &out);
        assert_true(str_equal(text_of(&out), str_of(rows[i].url)));
    }
    buffer_finish(&out);
}

static void what_is_encoded_comes_back_even_in_its_place(void **state) {
    struct buffer out = BUFFER_INIT;

    for (int alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
        for (size_t len = 0; len <= LEN_MAX; len++) {
            uint8_t data[LEN_MAX + 1];
            for (size_t i = 0; i < len; i++)
                data[i] = (uint8_t) (i * 89 + len * 37);
            encode((enum base64_alphabet) alphabet, data, len, &out);

            size_t n;
            assert_true(base64_decoded_max(out.len) >= len);
            assert_true(buffer_reserve(&out, 3) != NULL); /* decoded_max may be more */
            assert_int_equal(
                    base64_decode((enum base64_alphabet) alphabet, text_of(&out), out.data, &n), 0);
            assert_true(bytes_equal(bytes_of(out.data, n), bytes_of(data, len)));
        }
    }
    buffer_finish(&out);
}

/* Wherever it stands: in a whole group or in what is left of one. */
static void a_character_of_no_alphabet_is_refused(void **state) {
    for (int alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
        for (size_t at = 0; at < 11; at++) {
            for (int c = 0; c < 256; c++) {
                char text[12] = { 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', '=' };
                uint8_t out[12];
                size_t n, len = alphabet == BASE64_URL ? 11 : 12;
                text[at] = (char) c;
                int r = base64_decode((enum base64_alphabet) alphabet, (struct str){ text, len },
                                      out, &n);

                const char *digit = c ? strchr(digits[alphabet], c) : NULL;
                /* Of the last digit two bits count for nothing, and must be zero. */
                bool is_good = digit && (at < 10 || (digit - digits[alphabet]) % 4 == 0);
                /* Before the one that is there a second '=' may stand. */
                if (alphabet == BASE64_STANDARD && at == 10 && c == '=')
                    is_good = true;
                if ((r == 0) != is_good)
                    fail_msg("alphabet %d, character %d at %zu: %d", alphabet, c, at, r);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4648_has_examples),
        cmocka_unit_test(what_is_encoded_comes_back_even_in_its_place),
        cmocka_unit_test(a_character_of_no_alphabet_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
