#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "protocol/base64.h"
#include "protocol/token.h"

#define TABLE_LENGTH(t) (sizeof(t) / sizeof((t)[0]))
#define SECRET          "a secret that is long enough"

enum { NOW_S = 1700000000 };

struct fixture {
    struct token_verifier *verifier;
    struct arena arena;
    struct buffer token;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    const struct token_options o = { .hmac_secret = str_bytes(STR(SECRET)) };

    assert_non_null(f);
    assert_int_equal(token_verifier_new(&o, &f->verifier), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;

    token_verifier_free(f->verifier);
    arena_finish(&f->arena);
    buffer_finish(&f->token);
    free(f);
    return 0;
}

static struct str token_text(const struct fixture *f) {
    return (struct str){ (const char *) f->token.data, f->token.len };
}

/* A token with these claims, by the fixture's secret. */
static struct str sign(struct fixture *f, const char *claims) {
    buffer_reset(&f->token);
    assert_int_equal(
            token_sign(TOKEN_HS256, str_bytes(STR(SECRET)), str_bytes(str_of(claims)), &f->token),
            0);
    return token_text(f);
}

static int connect_by(struct fixture *f, struct str token, struct connection_claims *ret) {
    const char *why = NULL;
    int r = token_verify_connection(f->verifier, token, NOW_S, &f->arena, ret, &why);

    assert_int_equal(r != 0, why != NULL);
    return r;
}

static int subscribe_by(struct fixture *f, struct str token, struct subscription_claims *ret) {
    const char *why = NULL;
    int r = token_verify_subscription(f->verifier, token, NOW_S, &f->arena, ret, &why);

    assert_int_equal(r != 0, why != NULL);
    return r;
}

static void assert_raw(struct bytes actual, const char *expected) {
    assert_true(bytes_equal(actual, str_bytes(str_of(expected))));
}

/* The example of RFC 7515 appendix A.1: another's signature, verified by our code. */
static void a_token_of_the_rfc_is_accepted(void **state) {
    static const char key[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h"
                              "cgUuTwjAzZr1Z9CAow";
    static const char token[] =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
            "Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct fixture *f = *state;
    struct connection_claims claims;
    uint8_t secret[128];
    size_t len;
    const char *why = NULL;

    assert_int_equal(base64_decode(BASE64_URL, str_of(key), secret, &len), 0);
    const struct token_options o = { .hmac_secret = bytes_of(secret, len),
                                     .rules.issuer = STR("joe") };
    token_verifier_free(f->verifier);
    assert_int_equal(token_verifier_new(&o, &f->verifier), 0);

    assert_int_equal(token_verify_connection(f->verifier, str_of(token), 1300819379, &f->arena,
                                             &claims, &why),
                     0);
    assert_int_equal(claims.expire_at_s, 1300819380);
    assert_int_equal(claims.user.len, 0);
    assert_int_equal(token_verify_connection(f->verifier, str_of(token), 1300819380, &f->arena,
                                             &claims, &why),
                     -EKEYEXPIRED);
}

static void a_connections_claims_are_handed_out(void **state) {
    struct fixture *f = *state;
    struct connection_claims c;

    assert_int_equal(
            connect_by(f,
                       sign(f, "{\"sub\":\"4\\u0032\",\"exp\":1700000100,\"iat\":1699999999.5,"
                               "\"jti\":\"j\",\"info\":{\"name\":\n\"A\"},\"meta\":[1],"
                               "\"channels\":[\"x\",\"y\"],\"aud\":\"who cares\",\"new\":{}}"),
                       &c),
            0);
    assert_true(str_equal(c.user, STR("42")));
    assert_true(str_equal(c.id, STR("j")));
    assert_int_equal(c.issued_at_s, 1699999999);
    assert_int_equal(c.expire_at_s, 1700000100);
    assert_raw(c.info, "{\"name\":\"A\"}");
    assert_raw(c.meta, "[1]");
    assert_int_equal(c.n_subs, 2);
    assert_true(str_equal(c.subs[0].channel, STR("x")));
    assert_true(str_equal(c.subs[1].channel, STR("y")));
}

static void claims_outlive_the_token(void **state) {
    struct fixture *f = *state;
    struct connection_claims c;

    assert_int_equal(connect_by(f, sign(f, "{\"sub\":\"alice\",\"info\":{\"a\":1}}"), &c), 0);
    memset(f->token.data, 'x', f->token.len);
    assert_true(str_equal(c.user, STR("alice")));
    assert_raw(c.info, "{\"a\":1}");
}

static void subs_win_over_channels(void **state) {
    static const char *const tokens[] = {
        "{\"channels\":[\"x\"],\"subs\":{\"a\":{\"info\":1,\"data\":{},\"override\":"
        "{\"presence\":{\"value\":true},\"force_recovery\":{\"value\":false},\"join_leave\":null}},"
        "\"b\":{\"b64info\":\"eA==\",\"info\":9,\"b64data\":\"e30=\"},\"c\":null}}",
        "{\"subs\":{\"a\":{\"info\":1,\"data\":{},\"override\":{\"presence\":{\"value\":true},"
        "\"force_recovery\":{}}},\"b\":{\"b64info\":\"eA==\",\"b64data\":\"e30=\"},\"c\":{}},"
        "\"channels\":[\"x\"]}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < TABLE_LENGTH(tokens); i++) {
        struct connection_claims c;
        assert_int_equal(connect_by(f, sign(f, tokens[i]), &c), 0);
        assert_int_equal(c.n_subs, 3);
        assert_true(str_equal(c.subs[0].channel, STR("a")));
        assert_raw(c.subs[0].info, "1");
        assert_raw(c.subs[0].data, "{}");
        assert_true(c.subs[0].overrides.presence.is_set);
        assert_true(c.subs[0].overrides.presence.value);
        assert_true(c.subs[0].overrides.force_recovery.is_set);
        assert_false(c.subs[0].overrides.force_recovery.value);
        assert_false(c.subs[0].overrides.join_leave.is_set);
        assert_raw(c.subs[1].info, "x");
        assert_raw(c.subs[1].data, "{}");
        assert_int_equal(c.subs[2].info.len, 0);
    }
}

static void a_subscriptions_claims_are_handed_out(void **state) {
    struct fixture *f = *state;
    struct subscription_claims c;

    assert_int_equal(subscribe_by(f,
                                  sign(f, "{\"sub\":\"42\",\"channel\":\"$c\",\"client\":\"id\","
                                          "\"info\":1,\"b64info\":\"eHk=\",\"data\":[],"
                                          "\"override\":{\"join_leave\":{\"value\":true}}}"),
                                  &c),
                     0);
    assert_true(str_equal(c.user, STR("42")));
    assert_true(str_equal(c.channel, STR("$c")));
    assert_true(str_equal(c.client, STR("id")));
    assert_raw(c.info, "xy");
    assert_raw(c.data, "[]");
    assert_true(c.overrides.join_leave.is_set && c.overrides.join_leave.value);
    assert_int_equal(c.expire_at_s, 0);
}

static void either_kind_is_useless_as_the_other(void **state) {
    struct fixture *f = *state;
    struct connection_claims connection;
    struct subscription_claims subscription;

    assert_int_equal(connect_by(f, sign(f, "{\"sub\":\"1\",\"channel\":\"c\"}"), &connection),
                     -EKEYREJECTED);
    assert_int_equal(connect_by(f, sign(f, "{\"channel\":\"c\",\"channel\":\"\"}"), &connection),
                     -EKEYREJECTED);
    assert_int_equal(subscribe_by(f, sign(f, "{\"sub\":\"1\"}"), &subscription), -EKEYREJECTED);
    assert_int_equal(subscribe_by(f, sign(f, "{\"channel\":\"\"}"), &subscription), -EKEYREJECTED);
}

static void expiry_follows_the_clock_it_is_given(void **state) {
    static const struct {
        const char *claims;
        int result;
        int64_t expire_at_s;
    } table[] = {
        { "{}", 0, 0 },
        { "{\"exp\":1700000001}", 0, 1700000001 },
        { "{\"exp\":1700000000}", -EKEYEXPIRED, 0 },
        { "{\"exp\":1699999999}", -EKEYEXPIRED, 0 },
        { "{\"exp\":0}", -EKEYEXPIRED, 0 },
        { "{\"exp\":null}", 0, 0 },
        { "{\"exp\":1700000000.9}", -EKEYEXPIRED, 0 },
        { "{\"exp\":1700000001.1}", 0, 1700000001 },
        { "{\"nbf\":1700000000}", 0, 0 },
        { "{\"nbf\":1700000001}", -EKEYEXPIRED, 0 },
        { "{\"exp\":1700000001,\"expire_at\":1700000500}", 0, 1700000500 },
        { "{\"exp\":1700000001,\"expire_at\":0}", 0, 0 },
        { "{\"exp\":1,\"expire_at\":1700000500}", -EKEYEXPIRED, 0 },
        { "{\"expire_at\":1700000500}", 0, 1700000500 },
        { "{\"exp\":\"1700000001\"}", -EKEYREJECTED, 0 },
        { "{\"exp\":1.7e9}", -EKEYREJECTED, 0 },
        { "{\"exp\":99999999999999999999}", -EKEYREJECTED, 0 },
        { "{\"exp\":true}", -EKEYREJECTED, 0 },
        { "{\"nbf\":\"x\"}", -EKEYREJECTED, 0 },
        { "{\"iat\":{}}", -EKEYREJECTED, 0 },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct connection_claims c;
        int r = connect_by(f, sign(f, table[i].claims), &c);
        if (r != table[i].result)
            fail_msg("%s: %d", table[i].claims, r);
        if (r == 0)
            assert_int_equal(c.expire_at_s, table[i].expire_at_s);
    }
}

static void broken_claims_are_refused(void **state) {
    static const char *const table[] = {
        "",
        "{",
        "[]",
        "1",
        "{}x",
        "{\"sub\":1}",
        "{\"info\":}",
        "{\"b64info\":\"!\"}",
        "{\"b64info\":\"eA\"}",
        "{\"b64info\":1}",
        "{\"channels\":{}}",
        "{\"channels\":[1]}",
        "{\"subs\":[]}",
        "{\"subs\":{\"a\":1}}",
        "{\"subs\":{\"a\":{\"override\":1}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":1}}}}}",
        "{\"sub\":\"\xff\"}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct connection_claims c;
        int r = connect_by(f, sign(f, table[i]), &c);
        if (r != -EKEYREJECTED)
            fail_msg("%s: %d", table[i], r);
    }
}

/* Part by part: header and claims as text, the signature as base64url or made by the secret. */
static struct str assemble(struct fixture *f, struct str header, const char *claims,
                           const char *signature) {
    buffer_reset(&f->token);
    base64_encode(BASE64_URL, str_bytes(header), &f->token);
    buffer_append_byte(&f->token, '.');
    base64_encode(BASE64_URL, str_bytes(str_of(claims)), &f->token);
    buffer_append_byte(&f->token, '.');
    buffer_append_str(&f->token, str_of(signature));
    return token_text(f);
}

/* The same with the right signature by HS256, whatever the header says. */
static struct str sign_as(struct fixture *f, struct str header, const char *claims) {
    struct str text = assemble(f, header, claims, "");
    uint8_t signature[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    assert_non_null(HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (const uint8_t *) text.data,
                         text.len - 1, signature, &len));
    base64_encode(BASE64_URL, bytes_of(signature, len), &f->token);
    return token_text(f);
}

static void the_token_does_not_choose_how_it_is_verified(void **state) {
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS1\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"HS256\"",
        "[[[[[[[[[[]]]]]]]]]]",
        "{\"alg\":[[[[[[[[[[[]]]]]]]]]]]}",
    };
    /* The right signature of HS256 for the first header would not help; none and garbage must not.
     */
    static const char *const signatures[] = { "", "AA",
                                              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
    struct fixture *f = *state;
    struct connection_claims c;

    assert_int_equal(connect_by(f, sign_as(f, STR("{\"alg\":\"HS256\"}"), "{}"), &c), 0);
    for (size_t i = 0; i < TABLE_LENGTH(headers); i++) {
        struct str header = str_of(headers[i]);
        for (size_t k = 0; k < TABLE_LENGTH(signatures); k++)
            assert_int_equal(connect_by(f, assemble(f, header, "{}", signatures[k]), &c),
                             -EKEYREJECTED);
        assert_int_equal(connect_by(f, sign_as(f, header, "{}"), &c), -EKEYREJECTED);
    }
}

static void a_deep_header_is_refused_whatever_its_depth(void **state) {
    struct fixture *f = *state;
    struct connection_claims c;
    char *deep = malloc(200001);

    assert_non_null(deep);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_int_equal(connect_by(f, assemble(f, str_of(deep), "{}", "AA"), &c), -EKEYREJECTED);
    assert_int_equal(connect_by(f, sign(f, deep), &c), -EKEYREJECTED);
    free(deep);
}

static void every_algorithm_signs_and_verifies(void **state) {
    static const enum token_algorithm all[] = { TOKEN_HS256, TOKEN_HS384, TOKEN_HS512 };
    struct arena arena = ARENA_INIT;
    const char *why;

    for (size_t i = 0; i < TABLE_LENGTH(all); i++) {
        struct buffer token = BUFFER_INIT;
        assert_int_equal(token_sign(all[i], str_bytes(STR(SECRET)), str_bytes(STR("{}")), &token),
                         0);
        for (unsigned allowed = 0; allowed < 8; allowed++) {
            const struct token_options o = { .hmac_secret = str_bytes(STR(SECRET)),
                                             .algorithms = allowed };
            struct token_verifier *v;
            struct connection_claims c;
            assert_int_equal(token_verifier_new(&o, &v), 0);
            bool is_allowed = !allowed || (allowed & (unsigned) all[i]);
            for (int again = 0; again < 2; again++) /* a kept context starts afresh */
                assert_int_equal(
                        token_verify_connection(v, (struct str){ (char *) token.data, token.len },
                                                NOW_S, &arena, &c, &why),
                        is_allowed ? 0 : -EKEYREJECTED);
            token_verifier_free(v);
        }
        buffer_finish(&token);
    }
    arena_finish(&arena);
}

static void any_changed_character_makes_it_invalid(void **state) {
    struct fixture *f = *state;
    struct connection_claims c;
    struct str token = sign(f, "{\"sub\":\"alice\",\"exp\":1800000000}");

    assert_int_equal(connect_by(f, token, &c), 0);
    for (size_t i = 0; i < token.len; i++) {
        uint8_t kept = f->token.data[i];
        static const char others[] = "A-_z.=+ \n";
        for (size_t k = 0; k < sizeof others; k++) { /* the terminator is one of them */
            if (others[k] == (char) kept)
                continue;
            f->token.data[i] = (uint8_t) others[k];
            assert_int_equal(connect_by(f, token, &c), -EKEYREJECTED);
        }
        f->token.data[i] = kept;
    }
    for (size_t len = 0; len < token.len; len++)
        assert_int_equal(connect_by(f, (struct str){ token.data, len }, &c), -EKEYREJECTED);
    buffer_append_byte(&f->token, '.');
    assert_int_equal(connect_by(f, token_text(f), &c), -EKEYREJECTED);
}

static void another_secret_signs_nothing_for_us(void **state) {
    struct fixture *f = *state;
    struct connection_claims c;
    struct buffer token = BUFFER_INIT;

    assert_int_equal(
            token_sign(TOKEN_HS256, str_bytes(STR("another")), str_bytes(STR("{}")), &token), 0);
    assert_int_equal(connect_by(f, (struct str){ (char *) token.data, token.len }, &c),
                     -EKEYREJECTED);
    buffer_finish(&token);
}

static void audience_and_issuer_are_compared_where_asked(void **state) {
    static const struct {
        const char *claims;
        int result;
    } table[] = {
        { "{\"aud\":\"a\",\"iss\":\"i\"}", 0 },
        { "{\"aud\":[\"b\",\"a\"],\"iss\":\"i\"}", 0 },
        { "{\"aud\":[\"a\",\"b\"],\"iss\":\"i\"}", 0 },
        { "{\"aud\":\"b\",\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"aud\":[],\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"aud\":[\"b\"],\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"aud\":null,\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"aud\":1,\"iss\":\"i\"}", -EKEYREJECTED },
        { "{\"aud\":\"a\"}", -EKEYREJECTED },
        { "{\"aud\":\"a\",\"iss\":\"j\"}", -EKEYREJECTED },
        { "{\"aud\":\"a\",\"iss\":\"ii\"}", -EKEYREJECTED },
        /* wrong in both ways: being expired is no excuse */
        { "{\"aud\":\"b\",\"iss\":\"i\",\"exp\":1}", -EKEYREJECTED },
        { "{\"aud\":\"a\",\"iss\":\"i\",\"exp\":1}", -EKEYEXPIRED },
    };
    struct fixture *f = *state;
    const struct token_options o = { .hmac_secret = str_bytes(STR(SECRET)),
                                     .rules = { .audience = STR("a"), .issuer = STR("i") } };

    token_verifier_free(f->verifier);
    assert_int_equal(token_verifier_new(&o, &f->verifier), 0);
    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        struct connection_claims c;
        int r = connect_by(f, sign(f, table[i].claims), &c);
        if (r != table[i].result)
            fail_msg("%s: %d", table[i].claims, r);
    }
}

static void without_a_secret_there_is_no_verifier(void **state) {
    struct token_verifier *v = NULL;
    struct buffer out = BUFFER_INIT;

    assert_int_equal(token_verifier_new(&(struct token_options){ 0 }, &v), -EINVAL);
    assert_null(v);
    assert_null(token_verifier_free(NULL));
    assert_int_equal(token_sign(TOKEN_HS256, (struct bytes){ 0 }, str_bytes(STR("{}")), &out),
                     -EINVAL);
    assert_int_equal(out.len, 0);
}

static void base64_is_what_the_rfc_says(void **state) {
    static const struct {
        const char *data, *standard, *url;
    } table[] = { /* RFC 4648 §10, and what tells the alphabets apart */
                  { "", "", "" },
                  { "f", "Zg==", "Zg" },
                  { "fo", "Zm8=", "Zm8" },
                  { "foo", "Zm9v", "Zm9v" },
                  { "foob", "Zm9vYg==", "Zm9vYg" },
                  { "fooba", "Zm9vYmE=", "Zm9vYmE" },
                  { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
                  { "\xfb\xff\xbf", "+/+/", "-_-_" }
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        for (int url = 0; url < 2; url++) {
            enum base64_alphabet alphabet = url ? BASE64_URL : BASE64_STANDARD;
            struct str text = str_of(url ? table[i].url : table[i].standard);
            struct buffer out = BUFFER_INIT;
            uint8_t back[16];
            size_t len;

            base64_encode(alphabet, str_bytes(str_of(table[i].data)), &out);
            assert_true(bytes_equal(buffer_bytes(&out), str_bytes(text)));
            assert_int_equal(base64_decode(alphabet, text, back, &len), 0);
            assert_true(bytes_equal(bytes_of(back, len), str_bytes(str_of(table[i].data))));
            buffer_finish(&out);
        }
    }
}

static void base64_has_one_way_to_say_a_thing(void **state) {
    static const struct {
        enum base64_alphabet alphabet;
        const char *text;
    } table[] = {
        { BASE64_STANDARD, "Z" },
        { BASE64_STANDARD, "Zg" },
        { BASE64_STANDARD, "Zg=" },
        { BASE64_STANDARD, "Zh==" },
        { BASE64_STANDARD, "Zm9=" },
        { BASE64_STANDARD, "Z===" },
        { BASE64_STANDARD, "====" },
        { BASE64_STANDARD, "-_-_" },
        { BASE64_STANDARD, "Zm9v\n" },
        { BASE64_STANDARD, " Zm9v" },
        { BASE64_STANDARD, "Zg==Zg==" },
        { BASE64_STANDARD, "Z=g=" },
        { BASE64_URL, "Z" },
        { BASE64_URL, "Zg==" },
        { BASE64_URL, "Zh" },
        { BASE64_URL, "Zm9" },
        { BASE64_URL, "+/+/" },
        { BASE64_URL, "Zm9vY" },
        { BASE64_URL, "Zm9v=" },
        { BASE64_URL, "Zm 9v" },
    };

    for (size_t i = 0; i < TABLE_LENGTH(table); i++) {
        uint8_t out[16];
        size_t len;
        if (base64_decode(table[i].alphabet, str_of(table[i].text), out, &len) != -EBADMSG)
            fail_msg("accepted: %s", table[i].text);
    }
}

int main(void) {
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_token_of_the_rfc_is_accepted),
        WITH_FIXTURE(a_connections_claims_are_handed_out),
        WITH_FIXTURE(claims_outlive_the_token),
        WITH_FIXTURE(subs_win_over_channels),
        WITH_FIXTURE(a_subscriptions_claims_are_handed_out),
        WITH_FIXTURE(either_kind_is_useless_as_the_other),
        WITH_FIXTURE(expiry_follows_the_clock_it_is_given),
        WITH_FIXTURE(broken_claims_are_refused),
        WITH_FIXTURE(the_token_does_not_choose_how_it_is_verified),
        WITH_FIXTURE(a_deep_header_is_refused_whatever_its_depth),
        cmocka_unit_test(every_algorithm_signs_and_verifies),
        WITH_FIXTURE(any_changed_character_makes_it_invalid),
        WITH_FIXTURE(another_secret_signs_nothing_for_us),
        WITH_FIXTURE(audience_and_issuer_are_compared_where_asked),
        cmocka_unit_test(without_a_secret_there_is_no_verifier),
        cmocka_unit_test(base64_is_what_the_rfc_says),
        cmocka_unit_test(base64_has_one_way_to_say_a_thing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
