#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "protocol/jwk.h"
#include "protocol/token.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))

/* RFC 7515 A.2. */
#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B"   \
    "m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"   \
    "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7"   \
    "aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define JOE                                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"   \
    "VlfQ"
#define RS256_TOKEN                                                                                \
    "eyJhbGciOiJSUzI1NiJ9." JOE                                                                    \
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"   \
    "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQ"   \
    "BMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6Ie"   \
    "YI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

/* RFC 7515 A.2, A.3, A.4; RFC 8037 A.4. The last two sign what is no JSON. */
static const struct {
    const char *keys;
    const char *token;
    enum token_algorithm algorithm;
    bool has_claims;
} vectors[] = {
    { "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"kid\":\"2010-12-29\"}]}",
      RS256_TOKEN, TOKEN_RS256, true },
    { "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
      "eyJhbGciOiJFUzI1NiJ9." JOE
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
      TOKEN_ES256, true },
    { "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\","
      "\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWc"
      "eqwQGk\","
      "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e"
      "3kyMj2\"}]}",
      "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
      "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8"
      "GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
      TOKEN_ES512, false },
    { "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
      "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
      TOKEN_EDDSA, false },
};

static struct jwk_set decode(const char *text) {
    struct jwk_set s;
    const char *why = NULL;
    int r = jwk_set_decode(str_bytes(str_of(text)), &s, &why);
    if (r < 0)
        fail_msg("%s: %s", text, why);
    return s;
}

static void signatures_of_the_rfcs_are_accepted(void **state) {
    for (size_t i = 0; i < TABLE_LENGTH(vectors); i++) {
        struct jwk_set s = decode(vectors[i].keys);
        struct arena arena = ARENA_INIT;
        struct connection_claims claims;
        struct token t;
        const char *why = NULL;

        assert_int_equal(s.n, 1);
        assert_int_equal(token_open(str_of(vectors[i].token), &arena, &t, &why), 0);
        assert_int_equal(t.algorithm, vectors[i].algorithm);
        assert_int_equal(t.key_id.len, 0);
        struct token_key *key = jwk_set_find(&s, t.key_id, t.algorithm);
        assert_non_null(key);
        assert_int_equal(token_key_verify(key, t.algorithm, t.text, t.signature), 0);
        if (vectors[i].has_claims)
            assert_int_equal(token_read_connection(&t,
                                                   &(struct token_rules){ .issuer = STR("joe") },
                                                   1300819379, &arena, &claims, &why),
                             0);

        /* Any other text, signature or algorithm is refused. */
        uint8_t *changed = (uint8_t *) (uintptr_t) t.signature.data;
        for (size_t k = 0; k < t.signature.len; k += 7) {
            changed[k] ^= 0x10;
            assert_int_equal(token_key_verify(key, t.algorithm, t.text, t.signature),
                             -EKEYREJECTED);
            changed[k] ^= 0x10;
        }
        assert_int_equal(token_key_verify(key, t.algorithm, t.text,
                                          bytes_of(t.signature.data, t.signature.len - 1)),
                         -EKEYREJECTED);
        assert_int_equal(token_key_verify(key, t.algorithm, t.text, bytes_of("", 0)),
                         -EKEYREJECTED);
        assert_int_equal(token_key_verify(key, t.algorithm, bytes_of(t.text.data, t.text.len - 1),
                                          t.signature),
                         -EKEYREJECTED);
        for (unsigned bit = 1; bit < TOKEN_ANY; bit <<= 1)
            if (bit != t.algorithm)
                assert_int_equal(token_key_verify(key, bit, t.text, t.signature), -EKEYREJECTED);
        arena_finish(&arena);
        jwk_set_finish(&s);
    }
}

static void keys_that_are_not_for_us_are_passed_over(void **state) {
    static const char *const odd[] = {
        "{}",
        "1",
        "null",
        "[[]]",
        "{\"kty\":1}",
        "{\"kty\":\"oct\",\"k\":\"GawgguFyGrWKav7AX4VKUg\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":7}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "=\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"use\":\"enc\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"key_ops\":[\"encrypt\"]}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RSA-OAEP\"}",
        "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"HS256\"}",
        "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
        "wWJcyQoTbji9k0l8W26mPddxHmfHQ\","
        "\"e\":\"AQAB\"}",
        /* x and y swapped, cut, of another curve, of none */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"x\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVA\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
    };

    for (size_t i = 0; i < TABLE_LENGTH(odd); i++) {
        char text[2048];
        (void) snprintf(
                text, sizeof text,
                "{\"x\":[],\"keys\":[%s,{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"good\","
                "\"key_ops\":[\"sign\",\"verify\"],\"use\":\"sig\",\"alg\":\"EdDSA\","
                "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
                odd[i]);
        struct jwk_set s = decode(text);
        if (s.n != 1 || s.passed_over != 1)
            fail_msg("%s: %zu keys", odd[i], s.n);
        assert_true(str_equal(s.keys[0].id, STR("good")));
        jwk_set_finish(&s);
    }
}

static void what_is_no_key_set_is_refused(void **state) {
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"keys\"}",
        "{\"keys\":1}",
        "{\"keys\":{}}",
        "{\"keys\":[}",
        "{\"keys\":[]} x",
        "<html>Not found</html>",
        "{\"keys\":[{\"kid\":\"\xff\"}]}",
    };

    for (size_t i = 0; i < TABLE_LENGTH(bad); i++) {
        struct jwk_set s;
        const char *why = NULL;
        if (jwk_set_decode(str_bytes(str_of(bad[i])), &s, &why) != -EBADMSG || !why)
            fail_msg("%s", bad[i]);
    }
    char *large = calloc(1, JWK_SET_BYTES_MAX + 1);
    struct jwk_set s;
    const char *why = NULL;
    assert_non_null(large);
    assert_int_equal(jwk_set_decode(bytes_of(large, JWK_SET_BYTES_MAX + 1), &s, &why), -EMSGSIZE);
    free(large);

    s = decode("{\"keys\":[]}");
    assert_int_equal(s.n, 0);
    assert_null(jwk_set_find(&s, STR("a"), TOKEN_RS256));
    jwk_set_finish(&s);
}

static void a_key_is_found_by_its_id_or_by_being_the_only_one(void **state) {
    struct jwk_set s = decode("{\"keys\":["
                              "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"kid\":\"r\"},"
                              "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"kid\":\"s\","
                              "\"alg\":\"RS512\"},"
                              "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"r\","
                              "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");

    assert_int_equal(s.n, 3);
    assert_ptr_equal(jwk_set_find(&s, STR("r"), TOKEN_RS256), s.keys[0].key);
    assert_ptr_equal(jwk_set_find(&s, STR("r"), TOKEN_EDDSA), s.keys[2].key);
    assert_ptr_equal(jwk_set_find(&s, STR("s"), TOKEN_RS512), s.keys[1].key);
    assert_null(jwk_set_find(&s, STR("s"), TOKEN_RS256));
    assert_null(jwk_set_find(&s, STR("t"), TOKEN_RS256));
    assert_null(jwk_set_find(&s, STR("r"), TOKEN_HS256));
    assert_ptr_equal(jwk_set_find(&s, STR(""), TOKEN_RS256), s.keys[0].key);
    assert_ptr_equal(jwk_set_find(&s, STR(""), TOKEN_EDDSA), s.keys[2].key);
    assert_null(jwk_set_find(&s, STR(""), TOKEN_RS512)); /* two could have signed it */
    jwk_set_finish(&s);
}

/* ---- keys of files ---- */

static struct bytes pem_of(EVP_PKEY *pkey, bool is_private, const char *password, BIO **ret_bio) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;

    assert_non_null(bio);
    if (is_private)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, password ? EVP_aes_128_cbc() : NULL,
                                                  NULL, 0, NULL, (void *) (uintptr_t) password),
                         1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long len = BIO_get_mem_data(bio, &data);
    *ret_bio = bio;
    return bytes_of(data, (size_t) len);
}

static EVP_PKEY *generate(const char *kind) {
    EVP_PKEY *pkey = strncmp(kind, "RSA", 3) == 0
                             ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) atoi(kind + 3))
                     : strncmp(kind, "ED", 2) == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
                                                   : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    assert_non_null(pkey);
    return pkey;
}

static void every_kind_of_key_signs_what_its_public_half_accepts(void **state) {
    static const struct {
        const char *kind;
        unsigned algorithms;
    } kinds[] = {
        { "RSA2048", TOKEN_RS },  { "P-256", TOKEN_ES256 },   { "P-384", TOKEN_ES384 },
        { "P-521", TOKEN_ES512 }, { "ED25519", TOKEN_EDDSA }, { "ED448", TOKEN_EDDSA },
    };

    for (size_t i = 0; i < TABLE_LENGTH(kinds); i++) {
        EVP_PKEY *pkey = generate(kinds[i].kind);
        BIO *private_bio, *public_bio;
        struct token_key *private_key, *public_key;
        struct bytes private_pem = pem_of(pkey, true, NULL, &private_bio);
        struct bytes public_pem = pem_of(pkey, false, NULL, &public_bio);

        assert_int_equal(token_key_of_private_pem(private_pem, &private_key), 0);
        assert_int_equal(token_key_of_public_pem(public_pem, &public_key), 0);
        assert_int_equal(token_key_of_private_pem(public_pem, &(struct token_key *){ NULL }),
                         -EINVAL);
        assert_int_equal(token_key_algorithms(private_key), kinds[i].algorithms);
        assert_int_equal(token_key_algorithms(public_key), kinds[i].algorithms);
        assert_true(token_key_is_slow(public_key, 0));

        for (unsigned bit = 1; bit < TOKEN_ANY; bit <<= 1) {
            struct buffer out = BUFFER_INIT;
            struct arena arena = ARENA_INIT;
            struct connection_claims c;
            struct token_verifier *v;
            const char *why;
            int r = token_sign_by(private_key, bit, STR("a \"key\""),
                                  str_bytes(STR("{\"sub\":\"me\"}")), &out);
            assert_int_equal(r, kinds[i].algorithms & bit ? 0 : -EINVAL);
            if (r == 0) {
                struct str text = { (char *) out.data, out.len };
                struct token t;
                assert_int_equal(
                        token_verifier_new(&(struct token_options){ .key = public_key }, &v), 0);
                for (int again = 0; again < 20; again++) /* the numbers' lengths differ */
                    assert_int_equal(token_verify_connection(v, text, 1, &arena, &c, &why), 0);
                assert_true(str_equal(c.user, STR("me")));
                assert_int_equal(token_open(text, &arena, &t, &why), 0);
                assert_true(str_equal(t.key_id, STR("a \"key\"")));
                token_verifier_free(v);
            }
            assert_int_equal(token_key_sign(public_key, bit, str_bytes(STR("x")), &out), -EINVAL);
            buffer_finish(&out);
            arena_finish(&arena);
        }
        token_key_unref(private_key);
        token_key_unref(public_key);
        BIO_free(private_bio);
        BIO_free(public_bio);
        EVP_PKEY_free(pkey);
    }
}

/* The classic: the public key's text as the secret of a token that says HS256. */
static void a_public_key_is_nobodys_secret(void **state) {
    EVP_PKEY *pkey = generate("RSA2048");
    BIO *bio;
    struct bytes pem = pem_of(pkey, false, NULL, &bio);
    struct buffer token = BUFFER_INIT;
    struct arena arena = ARENA_INIT;
    struct token_key *key;
    struct token_verifier *v;
    struct connection_claims c;
    const char *why;

    assert_int_equal(token_key_of_public_pem(pem, &key), 0);
    assert_int_equal(token_verifier_new(&(struct token_options){ .key = key }, &v), 0);
    assert_int_equal(token_sign(TOKEN_HS256, pem, str_bytes(STR("{\"sub\":\"root\"}")), &token), 0);
    assert_int_equal(token_verify_connection(v, (struct str){ (char *) token.data, token.len }, 1,
                                             &arena, &c, &why),
                     -EKEYREJECTED);
    token_verifier_free(v);
    token_key_unref(key);
    buffer_finish(&token);
    arena_finish(&arena);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void keys_we_do_not_take_are_refused(void **state) {
    static const char *const kinds[] = { "RSA1024", "P-224", "secp256k1" };
    struct token_key *key = NULL;
    BIO *bio;

    for (size_t i = 0; i < TABLE_LENGTH(kinds); i++) {
        EVP_PKEY *pkey = generate(kinds[i]);
        assert_int_equal(token_key_of_public_pem(pem_of(pkey, false, NULL, &bio), &key), -EINVAL);
        BIO_free(bio);
        EVP_PKEY_free(pkey);
    }
    EVP_PKEY *pkey = generate("P-256");
    assert_int_equal(token_key_of_private_pem(pem_of(pkey, true, "password", &bio), &key), -EINVAL);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    assert_int_equal(token_key_of_public_pem(str_bytes(STR("")), &key), -EINVAL);
    assert_int_equal(
            token_key_of_public_pem(str_bytes(STR("-----BEGIN PUBLIC KEY-----\nAAAA\n")), &key),
            -EINVAL);
    assert_int_equal(token_key_of_secret(str_bytes(STR("")), &key), -EINVAL);
    assert_null(key);
    assert_null(token_key_unref(NULL));
}

static void names_of_algorithms_are_theirs_alone(void **state) {
    for (unsigned bit = 1; bit < TOKEN_ANY; bit <<= 1) {
        struct str name = token_algorithm_name(bit);
        assert_true(name.len > 0);
        assert_int_equal(token_algorithm_of(name), bit);
    }
    assert_int_equal(token_algorithm_of(STR("none")), 0);
    assert_int_equal(token_algorithm_of(STR("")), 0);
    assert_int_equal(token_algorithm_of(STR("hs256")), 0);
    assert_int_equal(token_algorithm_of(STR("PS256")), 0);
    assert_int_equal(token_algorithm_name((enum token_algorithm) TOKEN_ANY).len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_the_rfcs_are_accepted),
        cmocka_unit_test(keys_that_are_not_for_us_are_passed_over),
        cmocka_unit_test(what_is_no_key_set_is_refused),
        cmocka_unit_test(a_key_is_found_by_its_id_or_by_being_the_only_one),
        cmocka_unit_test(every_kind_of_key_signs_what_its_public_half_accepts),
        cmocka_unit_test(a_public_key_is_nobodys_secret),
        cmocka_unit_test(keys_we_do_not_take_are_refused),
        cmocka_unit_test(names_of_algorithms_are_theirs_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
