/* Whose tokens are believed: static keys, and sets of keys that an endpoint serves, changes, delays
 * or fails to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/keys/jwks.h"
#include "daemon/worker_thread.h"
#include "protocol/base64.h"
#include "protocol/token.h"
#include "tests/support/world.h"

/* ---- who signs ---- */

struct signer {
    struct token_key *key;
    enum token_algorithm algorithm;
    const char *id; /* kid */
    char public_pem[1024];
    char jwk[512]; /* of Ed25519 only */
};

static void signer_make(struct signer *s, const char *kind, enum token_algorithm algorithm,
                        const char *id) {
    EVP_PKEY *pkey = strcmp(kind, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048)
                     : strcmp(kind, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
                                                    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    *s = (struct signer){ .algorithm = algorithm, .id = id };
    assert_non_null(pkey);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &text);
    assert_int_equal(token_key_of_private_pem(bytes_of(text, (size_t) len), &s->key), 0);
    (void) BIO_reset(bio);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    len = BIO_get_mem_data(bio, &text);
    (void) snprintf(s->public_pem, sizeof s->public_pem, "%.*s", (int) len, text);
    if (algorithm == TOKEN_EDDSA) {
        uint8_t raw[32];
        size_t raw_len = sizeof raw;
        struct buffer x = BUFFER_INIT;
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &raw_len), 1);
        base64_encode(BASE64_URL, bytes_of(raw, raw_len), &x);
        (void) snprintf(s->jwk, sizeof s->jwk,
                        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"%.*s\"}", id,
                        (int) x.len, (char *) x.data);
        buffer_finish(&x);
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

/* Good until the next call. */
static const char *sign(const struct signer *s, const char *claims) {
    static char token[4096];
    struct buffer out = BUFFER_INIT;

    if (token_sign_by(s->key, s->algorithm, str_of(s->id), str_bytes(str_of(claims)), &out) < 0)
        return "";
    (void) snprintf(token, sizeof token, "%.*s", (int) out.len, (char *) out.data);
    buffer_finish(&out);
    return token;
}

/* ---- where keys are had ---- */

enum { FRESH_MS = 15 * 60 * 1000, STALE_MS = 24 * 3600 * 1000, PAUSE_MS = 5000, TIMEOUT_MS = 4000 };

struct server {
    char body[2048];
    int status; /* 0: 200 */
    int error;
    int64_t delay_ms;
    int calls;
    char url[512];
};

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct server *s = arg;
    s->calls++;
    (void) snprintf(s->url, sizeof s->url, "%s", call->url);
    char *body = strdup(s->body); /* as it was when asked */
    int r = s->delay_ms ? task_sleep(s->delay_ms) : 0;
    if (r < 0 || s->error) {
        free(body);
        return r < 0 ? r : s->error;
    }
    ret->status = s->status ? s->status : 200;
    ret->body = body;
    ret->body_len = strlen(body);
    return 0;
}

static void serve(struct server *s, const struct signer *a, const struct signer *b) {
    (void) snprintf(s->body, sizeof s->body, "{\"keys\":[%s%s%s]}", a->jwk, b ? "," : "",
                    b ? b->jwk : "");
}

struct stage {
    struct server server;
    struct signer first, second;
};

static const char *play(struct stage *g, const char *config, story_fn *story) {
    const struct http_client_options http = { .respond = respond, .respond_arg = &g->server };
    /* Each worker fetches for itself. */
    const struct world_options o = { .config = config, .http = &http, .workers = 1 };
    return world_run(&o, story, g);
}

#define JWKS "client: {token: {jwks_public_endpoint: 'http://issuer/keys'}}\n"

static int setup(void **state) {
    struct stage *g = calloc(1, sizeof *g);
    assert_non_null(g);
    signer_make(&g->first, "ED25519", TOKEN_EDDSA, "one");
    signer_make(&g->second, "ED25519", TOKEN_EDDSA, "two");
    serve(&g->server, &g->first, NULL);
    *state = g;
    return 0;
}

static int teardown(void **state) {
    struct stage *g = *state;
    token_key_unref(g->first.key);
    token_key_unref(g->second.key);
    free(g);
    return 0;
}

#define CONNECTS(w, token)                                                                         \
    do {                                                                                           \
        struct peer *p_ = peer_open((w), NULL);                                                    \
        STORY_EXPECT((w), p_ &&peer_connect(p_, (token)));                                         \
        peer_close(p_);                                                                            \
    } while (0)
#define HEARS_ON_CONNECT(w, token, pattern)                                                        \
    do {                                                                                           \
        struct peer *p_ = peer_open((w), NULL);                                                    \
        STORY_EXPECT((w), p_ != NULL);                                                             \
        peer_say(p_, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", (token));                        \
        HEARS(p_, pattern);                                                                        \
        peer_close(p_);                                                                            \
    } while (0)
#define REFUSED "close 3500 invalid token"
#define LATER   "{\"id\":1,\"error\":{\"code\":100,*\"temporary\":true}}"

/* ---- key sets ---- */

static int a_set(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    CONNECTS(w, sign(&g->first, "{\"sub\":\"b\"}"));
    STORY_EXPECT(w, g->server.calls == 1);
    STORY_EXPECT(w, strcmp(g->server.url, "http://issuer/keys") == 0);
    /* The secret of the configuration is no key of the set, whatever the token says. */
    HEARS_ON_CONNECT(w, world_token(w, "{\"sub\":\"a\"}"), REFUSED);
    STORY_EXPECT(w, g->server.calls == 1);
    return 0;
}

static void keys_of_a_set_are_fetched_once(void **state) {
    assert_null(play(*state, JWKS, a_set));
}

static int crowd_waits(struct world *w, void *arg) {
    struct stage *g = arg;
    struct peer *crowd[12];
    g->server.delay_ms = 500;
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++) {
        crowd[i] = peer_open(w, NULL);
        STORY_EXPECT(w, crowd[i] != NULL);
        peer_say(crowd[i], "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                 sign(&g->first, "{\"sub\":\"a\"}"));
    }
    for (size_t i = 0; i < ELEMENTS_OF(crowd); i++)
        HEARS(crowd[i], "{\"id\":1,\"connect\":{*");
    STORY_EXPECT(w, g->server.calls == 1);
    return 0;
}

static void a_crowd_waits_for_one_fetch(void **state) {
    assert_null(play(*state, JWKS, crowd_waits));
}

static int rotated(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    serve(&g->server, &g->first, &g->second);
    /* Too soon to ask again: nobody is told that the token is invalid. */
    HEARS_ON_CONNECT(w, sign(&g->second, "{\"sub\":\"a\"}"), LATER);
    STORY_EXPECT(w, g->server.calls == 1 && task_sleep(PAUSE_MS) == 0);
    CONNECTS(w, sign(&g->second, "{\"sub\":\"a\"}"));
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    STORY_EXPECT(w, g->server.calls == 2);

    /* The old one is withdrawn: noticed when the set has become old. */
    serve(&g->server, &g->second, NULL);
    STORY_EXPECT(w, task_sleep(FRESH_MS) == 0);
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}")); /* who brings it is not kept waiting */
    STORY_EXPECT(w, task_sleep(PAUSE_MS) == 0 && g->server.calls == 3);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), REFUSED);
    CONNECTS(w, sign(&g->second, "{\"sub\":\"a\"}"));
    return 0;
}

static void keys_are_rotated(void **state) {
    assert_null(play(*state, JWKS, rotated));
}

static int strangers(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    STORY_EXPECT(w, task_sleep(PAUSE_MS) == 0);
    for (int i = 0; i < 20; i++)
        HEARS_ON_CONNECT(w, sign(&g->second, "{\"sub\":\"a\"}"), REFUSED);
    STORY_EXPECT(w, g->server.calls == 2);
    /* Ever new names: one more question in a while, for all of them. */
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void) snprintf(id, sizeof id, "id%d", i);
        g->second.id = id;
        HEARS_ON_CONNECT(w, sign(&g->second, "{\"sub\":\"a\"}"), LATER);
    }
    STORY_EXPECT(w, g->server.calls == 2);
    g->second.id = "one"; /* a known name, another's signature */
    HEARS_ON_CONNECT(w, sign(&g->second, "{\"sub\":\"a\"}"), REFUSED);
    STORY_EXPECT(w, g->server.calls == 2);
    return 0;
}

static void unknown_keys_do_not_make_us_ask_all_the_time(void **state) {
    assert_null(play(*state, JWKS, strangers));
}

static int trouble(struct world *w, void *arg) {
    struct stage *g = arg;
    struct server *s = &g->server;
    char good[sizeof s->body];
    const char *const bad[] = { "", "<html>", "{\"keys\":[]}", "[]" };

    (void) snprintf(good, sizeof good, "%s", s->body);
    s->error = -ECONNREFUSED;
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), LATER);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), LATER);
    STORY_EXPECT(w, s->calls == 1); /* it is left alone for a while */
    s->error = 0;
    s->status = 500;
    STORY_EXPECT(w, task_sleep(JWKS_RETRY_MIN_MS) == 0);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), LATER);
    STORY_EXPECT(w, s->calls == 2);
    s->status = 0;
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        (void) snprintf(s->body, sizeof s->body, "%s", bad[i]);
        STORY_EXPECT(w, task_sleep(JWKS_RETRY_MAX_MS) == 0);
        HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), LATER);
    }
    (void) snprintf(s->body, sizeof s->body, "%s", good);
    STORY_EXPECT(w, task_sleep(JWKS_RETRY_MAX_MS) == 0);
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));

    /* What was good once holds while the endpoint is down, but not for ever. */
    s->error = -ETIMEDOUT;
    for (int i = 0; i < 20; i++) {
        STORY_EXPECT(w, task_sleep(STALE_MS / 24) == 0);
        CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    }
    STORY_EXPECT(w, task_sleep(STALE_MS / 4) == 0);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"sub\":\"a\"}"), LATER);
    s->error = 0;
    STORY_EXPECT(w, task_sleep(JWKS_RETRY_MAX_MS) == 0);
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\"}"));
    return 0;
}

static void an_endpoint_in_trouble_is_survived(void **state) {
    assert_null(play(*state, JWKS, trouble));
}

static int slow(struct world *w, void *arg) {
    struct stage *g = arg;
    g->server.delay_ms = 3600000;
    struct peer *a = peer_open(w, NULL), *b = peer_open(w, NULL);
    STORY_EXPECT(w, a && b);
    peer_say(a, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", sign(&g->first, "{\"sub\":\"a\"}"));
    peer_say(b, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", sign(&g->first, "{\"sub\":\"a\"}"));
    STORY_EXPECT(w, task_sleep(1000) == 0);
    peer_close(b); /* nobody minds */
    int64_t from = loop_now();
    HEARS(a, LATER);
    STORY_EXPECT(w, loop_now() - from < TIMEOUT_MS);
    return 0;
}

static void an_endpoint_that_never_answers_holds_nobody_for_ever(void **state) {
    assert_null(play(*state, JWKS, slow));
}

/* ---- whose set ---- */

#define REALMS                                                                                     \
    "client: {token: {jwks_public_endpoint: 'http://issuer/realms/{{realm}}/keys', "               \
    "issuer_regex: '^https://issuer/(?P<realm>.+)$', audience_regex: '^(web|app)$'}}\n"

static int realms(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->first, "{\"sub\":\"a\",\"iss\":\"https://issuer/blue\",\"aud\":\"web\"}"));
    STORY_EXPECT(w, strcmp(g->server.url, "http://issuer/realms/blue/keys") == 0);
    CONNECTS(w, sign(&g->first, "{\"iss\":\"https://issuer/red\",\"aud\":[\"x\",\"app\"]}"));
    STORY_EXPECT(w, strcmp(g->server.url, "http://issuer/realms/red/keys") == 0);
    /* A token does not choose the place, only the name in it. */
    CONNECTS(w, sign(&g->first, "{\"iss\":\"https://issuer/../a?b#c\",\"aud\":\"web\"}"));
    STORY_EXPECT(w, strcmp(g->server.url, "http://issuer/realms/..%2Fa%3Fb%23c/keys") == 0);
    STORY_EXPECT(w, g->server.calls == 3);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"iss\":\"https://issuer/..\",\"aud\":\"web\"}"),
                     REFUSED);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"iss\":\"https://other/red\",\"aud\":\"web\"}"),
                     REFUSED);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"iss\":\"https://issuer/red\",\"aud\":\"x\"}"), REFUSED);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"iss\":\"https://issuer/red\"}"), REFUSED);
    STORY_EXPECT(w, g->server.calls == 3);
    /* Any number of issuers: old sets make room. */
    for (int i = 0; i < 3 * JWKS_SETS_MAX; i++) {
        char claims[128];
        (void) snprintf(claims, sizeof claims, "{\"iss\":\"https://issuer/%d\",\"aud\":\"web\"}",
                        i);
        CONNECTS(w, sign(&g->first, claims));
    }
    return 0;
}

static void a_tokens_issuer_names_its_set(void **state) {
    assert_null(play(*state, REALMS, realms));
}

static void what_cannot_be_is_said_before_the_start(void **state) {
    static const struct {
        const char *config;
        const char *says;
    } table[] = {
        { "client: {token: {jwks_public_endpoint: 'http://{{host}}/keys', issuer_regex: "
          "'(?P<host>.*)'}}\n",
          "*placeholder in its host*" },
        { "client: {token: {jwks_public_endpoint: 'http://host/{{other}}', issuer_regex: "
          "'(?P<host>.*)'}}\n",
          "*{{other}} that is no named group*" },
        { "client: {token: {jwks_public_endpoint: 'http://host/{{a'}}\n", "*{{ without a }}*" },
        { "client: {token: {issuer_regex: '('}}\n", "*issuer_regex*" },
        { "client: {token: {rsa_public_key: 'x'}}\n", "*rsa_public_key*is not an RSA*" },
        { "client: {token: {user_id_claim: channel}}\n", "*user_id_claim*" },
        { "client: {subscription_token: {enabled: true, ecdsa_public_key: 'x'}}\n",
          "*subscription_token.ecdsa_public_key*" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(table); i++) {
        const char *why = play(*state, table[i].config, a_set);
        if (!why || !text_matches(why, table[i].says))
            fail_msg("%s: %s", table[i].config, why ? why : "accepted");
    }
}

/* ---- static keys ---- */

/* A block scalar's lines. */
static void indent(const char *text, char *out, size_t cap) {
    size_t len = 0;
    for (const char *c = text; *c && len + 8 < cap; c++) {
        if (c == text || c[-1] == '\n')
            for (int i = 0; i < 6; i++)
                out[len++] = ' ';
        out[len++] = *c;
    }
    out[len] = '\0';
}

struct pair {
    struct signer rsa, ec;
};

static int each_kind(struct world *w, void *arg) {
    struct pair *p = arg;
    const enum token_algorithm rs[] = { TOKEN_RS256, TOKEN_RS384, TOKEN_RS512 };
    for (size_t i = 0; i < ELEMENTS_OF(rs); i++) {
        p->rsa.algorithm = rs[i];
        CONNECTS(w, sign(&p->rsa, "{\"sub\":\"a\"}"));
    }
    CONNECTS(w, sign(&p->ec, "{\"sub\":\"a\"}"));
    CONNECTS(w, world_token(w, "{\"sub\":\"a\"}"));
    return 0;
}

static void static_keys_of_each_kind_are_believed_side_by_side(void **state) {
    struct pair p;
    char rsa[2048], ec[2048], config[8192];

    signer_make(&p.rsa, "RSA", TOKEN_RS256, "");
    signer_make(&p.ec, "P-384", TOKEN_ES384, "");
    indent(p.rsa.public_pem, rsa, sizeof rsa);
    indent(p.ec.public_pem, ec, sizeof ec);
    (void) snprintf(config, sizeof config,
                    "client:\n  token:\n    rsa_public_key: |\n%s    ecdsa_public_key: |\n%s", rsa,
                    ec);
    struct world_options o = { .config = config };
    assert_null(world_run(&o, each_kind, &p));
    o.workers = 2; /* and with threads of its own */
    o.is_real = true;
    assert_null(world_run(&o, each_kind, &p));
    token_key_unref(p.rsa.key);
    token_key_unref(p.ec.key);
}

static int separate(struct world *w, void *arg) {
    struct stage *g = arg;
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"name\":\"a\"}")));
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"x\",\"token\":\"%s\"}}",
             world_token(w, "{\"sub\":\"a\",\"channel\":\"x\"}"));
    HEARS(p, "{\"id\":2,\"error\":{\"code\":103,*");
    peer_say(p, "{\"id\":3,\"subscribe\":{\"channel\":\"x\",\"token\":\"%s\"}}",
             sign(&g->first, "{\"sub\":\"a\",\"channel\":\"x\"}"));
    HEARS(p, "{\"id\":3,\"subscribe\":{*");
    peer_close(p);
    HEARS_ON_CONNECT(w, sign(&g->first, "{\"name\":\"a\"}"), REFUSED);
    return 0;
}

static void subscriptions_may_have_keys_of_their_own(void **state) {
    assert_null(play(*state,
                     "client: {token: {user_id_claim: name}, subscription_token: {enabled: true, "
                     "jwks_public_endpoint: 'http://issuer/keys'}}\n",
                     separate));
}

static int named(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"eve\",\"name\":\"ada\"}")));
    PLAYS(p, "> {'id':2,'subscribe':{'channel':'x'}}\n < {'id':2,'subscribe':{}}\n"
             "> {'id':3,'presence':{'channel':'x'}}\n < {'id':3,'presence':{*'user':'ada'*\n");
    peer_close(p);
    /* Without it nobody is named, whoever `sub` is; and it has to be a name. */
    HEARS_ON_CONNECT(w, world_token(w, "{\"sub\":\"eve\"}"), "close 3507 *");
    HEARS_ON_CONNECT(w, world_token(w, "{\"sub\":\"eve\",\"name\":7}"), REFUSED);
    return 0;
}

static void another_claim_may_name_the_user(void **state) {
    const struct world_options o = {
        .config = "client: {token: {user_id_claim: name}, disallow_anonymous_connection_tokens: "
                  "true}\nchannel: {without_namespace: {presence: true, "
                  "allow_subscribe_for_client: true, allow_presence_for_client: true}}\n"
    };
    assert_null(world_run(&o, named, NULL));
}

static int believed(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->second, "{\"sub\":\"a\"}"));
    HEARS_ON_CONNECT(w, sign(&g->second, "{\"exp\":1}"), "{\"id\":1,\"error\":{\"code\":109,*");
    HEARS_ON_CONNECT(w, sign(&g->second, "{\"channel\":\"x\"}"), REFUSED);
    HEARS_ON_CONNECT(w, "a.b.c", REFUSED);
    STORY_EXPECT(w, g->server.calls == 0);
    return 0;
}

static void where_everything_is_believed_claims_still_count(void **state) {
    assert_null(play(*state,
                     "client: {insecure_skip_token_signature_verify: true, token: "
                     "{jwks_public_endpoint: 'http://issuer/keys'}}\n",
                     believed));
}

static int previous(struct world *w, void *arg) {
    struct buffer out = BUFFER_INIT;
    char token[512];
    int r = token_sign(TOKEN_HS512, str_bytes(STR("the former")), str_bytes(STR("{}")), &out);
    STORY_EXPECT(w, r == 0);
    (void) snprintf(token, sizeof token, "%.*s", (int) out.len, (char *) out.data);
    buffer_finish(&out);
    CONNECTS(w, world_token(w, "{}"));
    CONNECTS(w, token);
    STORY_EXPECT(w, task_sleep(61000) == 0);
    CONNECTS(w, world_token(w, "{}"));
    HEARS_ON_CONNECT(w, token, REFUSED);
    return 0;
}

static void the_former_secret_is_believed_until_its_time(void **state) {
    const struct world_options o = {
        .epoch_ms = 1700000000000,
        .config = "client: {token: {hmac_previous_secret_key: the former, "
                  "hmac_previous_secret_key_valid_until: 1700000060}}\n",
    };
    assert_null(world_run(&o, previous, NULL));
}

static int reloaded(struct world *w, void *arg) {
    struct stage *g = arg;
    CONNECTS(w, sign(&g->first, "{}"));
    STORY_EXPECT(w, world_configure(w, JWKS "channel: {max_length: 20}\n") == 0);
    CONNECTS(w, sign(&g->first, "{}"));
    STORY_EXPECT(w, g->server.calls == 1);

    /* A check that is under way ends by the keys it began with. */
    g->server.delay_ms = 1000;
    serve(&g->server, &g->first, &g->second);
    STORY_EXPECT(w, task_sleep(PAUSE_MS) == 0);
    struct peer *p = peer_open(w, NULL);
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", sign(&g->second, "{}"));
    STORY_EXPECT(w, task_sleep(500) == 0);
    STORY_EXPECT(w, world_configure(w, "log: {level: error}\n") == 0);
    HEARS(p, "{\"id\":1,\"connect\":{*");
    peer_close(p);
    HEARS_ON_CONNECT(w, sign(&g->first, "{}"), REFUSED);
    CONNECTS(w, world_token(w, "{}"));
    return 0;
}

static void a_reload_changes_keys_and_keeps_what_was_fetched(void **state) {
    assert_null(play(*state, JWKS, reloaded));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_of_a_set_are_fetched_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crowd_waits_for_one_fetch, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_rotated, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_keys_do_not_make_us_ask_all_the_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_endpoint_in_trouble_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(an_endpoint_that_never_answers_holds_nobody_for_ever, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_tokens_issuer_names_its_set, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_said_before_the_start, setup, teardown),
        cmocka_unit_test(static_keys_of_each_kind_are_believed_side_by_side),
        cmocka_unit_test_setup_teardown(subscriptions_may_have_keys_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(where_everything_is_believed_claims_still_count, setup,
                                        teardown),
        cmocka_unit_test(another_claim_may_name_the_user),
        cmocka_unit_test(the_former_secret_is_believed_until_its_time),
        cmocka_unit_test_setup_teardown(a_reload_changes_keys_and_keeps_what_was_fetched, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
