/*
 * Unproved tokens that choose by which set of keys they are checked: whatever they say of their
 * issuer and audience, the URL stays on its host, in its folder, and has no query.
 */
#include <assert.h>
#include <errno.h>

#include "daemon/config/config.h"
#include "daemon/keys/keyring.h"
#include "protocol/base64.h"
#include "protocol/token.h"
#include "tests/fuzz/fuzz.h"

#define BEGIN "https://keys.example/r/"
#define END   "/certs"

static void check_url(struct str url) {
    const struct str begin = STR(BEGIN), end = STR(END);
    assert(url.len > begin.len + end.len && str_starts_with(url, begin));
    assert(memcmp(url.data + url.len - end.len, end.data, end.len) == 0);
    assert(url.data[url.len] == '\0' && strlen(url.data) == url.len);
    for (size_t i = begin.len; i < url.len - end.len; i++)
        assert(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%",
                      url.data[i]));
    struct str value = { url.data + begin.len, url.len - begin.len - end.len };
    assert(!str_equal(value, STR(".")) && !str_equal(value, STR("..")));
}

static void check(const struct keyring *k, struct str token) {
    struct arena arena = ARENA_INIT;
    struct keyring_choice choice;
    const char *why = NULL;

    int r = keyring_choose(k, token, 1700000000, &arena, &choice, &why);
    assert(r == 0 || (r == -EKEYREJECTED && why));
    if (r == 0) {
        assert(choice.n_keys == 0 && !(choice.token.algorithm & TOKEN_HS));
        check_url(choice.url);
    }
    arena_finish(&arena);
}

int fuzz_one(const uint8_t *data, size_t size) {
    const struct config_token t = { .jwks_endpoint = STR(BEGIN "{{realm}}" END),
                                    .issuer_regex = STR("^i:(?P<realm>.*)$"),
                                    .audience_regex = STR("a|^$") };
    struct keyring *k;
    struct keyring_problem problem;
    struct buffer token = BUFFER_INIT;

    assert(keyring_new(&t, &k, &problem) == 0);
    check(k, (struct str){ (const char *) data, size });
    /* With these claims; what is signed nobody looks at yet. */
    buffer_append_str(&token, STR("eyJhbGciOiJFUzI1NiJ9."));
    base64_encode(BASE64_URL, bytes_of(data, size), &token);
    buffer_append_str(&token, STR(".AAAA"));
    assert(buffer_error(&token) == 0);
    check(k, (struct str){ (char *) token.data, token.len });
    buffer_finish(&token);
    keyring_free(k);
    return 0;
}
