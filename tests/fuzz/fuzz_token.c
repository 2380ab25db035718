/*
 * Tokens: the input as it comes, as the claims of a token that is properly signed, and that token
 * with one bit changed, which nothing may accept.
 */
#include <assert.h>
#include <errno.h>

#include "protocol/base64.h"
#include "protocol/json.h"
#include "protocol/token.h"
#include "tests/fuzz/fuzz.h"

enum { NOW_S = 1700000000 };

static void check_raw(struct bytes raw) {
    (void) json_has_newline(raw); /* touches every byte; b64 claims need not be JSON */
}

/* Before anything is proved: what the key is chosen by. */
static void check_origin(struct str token) {
    struct arena arena = ARENA_INIT;
    struct token t;
    struct token_origin origin;
    const char *why = NULL;

    int r = token_open(token, &arena, &t, &why);
    if (r == 0) {
        check_raw(str_bytes(t.key_id));
        r = token_read_origin(&t, &arena, &origin, &why);
    }
    assert(r == 0 || (r == -EKEYREJECTED && why));
    if (r == 0) {
        check_raw(str_bytes(origin.issuer));
        for (size_t i = 0; i < origin.n_audiences; i++)
            check_raw(str_bytes(origin.audiences[i]));
    }
    arena_finish(&arena);
}

static void check(struct token_verifier *v, struct str token, bool must_fail) {
    struct arena arena = ARENA_INIT;
    struct connection_claims connection;
    struct subscription_claims subscription;
    const char *why = NULL;

    check_origin(token);
    int r = token_verify_connection(v, token, NOW_S, &arena, &connection, &why);
    assert(r == 0 || ((r == -EKEYREJECTED || r == -EKEYEXPIRED) && why));
    assert(!must_fail || r == -EKEYREJECTED);
    if (r == 0) {
        check_raw(connection.info);
        check_raw(connection.meta);
        check_raw(str_bytes(connection.user));
        for (size_t i = 0; i < connection.n_subs; i++) {
            check_raw(connection.subs[i].info);
            check_raw(connection.subs[i].data);
            check_raw(str_bytes(connection.subs[i].channel));
        }
    }

    why = NULL;
    int s = token_verify_subscription(v, token, NOW_S, &arena, &subscription, &why);
    assert(s == 0 || ((s == -EKEYREJECTED || s == -EKEYEXPIRED) && why));
    assert(!must_fail || s == -EKEYREJECTED);
    assert(r != 0 || s != 0); /* never of use as both */
    if (s == 0) {
        check_raw(subscription.info);
        check_raw(subscription.data);
    }
    arena_finish(&arena);
}

static void check_base64(struct bytes data) {
    for (int url = 0; url < 2; url++) {
        enum base64_alphabet alphabet = url ? BASE64_URL : BASE64_STANDARD;
        struct buffer text = BUFFER_INIT, decoded = BUFFER_INIT;
        size_t len;

        /* Bytes to text and back; text to bytes and back, where it is text at all. */
        base64_encode(alphabet, data, &text);
        uint8_t *to = buffer_reserve(&decoded, base64_decoded_max(text.len));
        assert(to);
        assert(base64_decode(alphabet, (struct str){ (char *) text.data, text.len }, to, &len) ==
               0);
        assert(bytes_equal(bytes_of(to, len), data));

        to = buffer_reserve(&decoded, base64_decoded_max(data.len));
        assert(to);
        if (base64_decode(alphabet, (struct str){ (const char *) data.data, data.len }, to, &len) ==
            0) {
            buffer_reset(&text);
            base64_encode(alphabet, bytes_of(to, len), &text);
            assert(bytes_equal(buffer_bytes(&text), data));
        }
        buffer_finish(&text);
        buffer_finish(&decoded);
    }
}

int fuzz_one(const uint8_t *data, size_t size) {
    const struct token_options o = { .hmac_secret = str_bytes(STR("secret")) };
    struct token_verifier *v;
    struct buffer token = BUFFER_INIT;

    assert(token_verifier_new(&o, &v) == 0);
    check(v, (struct str){ (const char *) data, size }, false);

    assert(token_sign(TOKEN_HS256, o.hmac_secret, bytes_of(data, size), &token) == 0);
    struct str text = { (char *) token.data, token.len };
    check(v, text, false);
    token.data[size * 7 % token.len] ^= (uint8_t) (1u << size % 7);
    check(v, text, true);

    check_base64(bytes_of(data, size));
    buffer_finish(&token);
    token_verifier_free(v);
    return 0;
}
