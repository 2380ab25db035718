/*
 * What checking a token's signature costs, by algorithm: which of them must not be done on a loop.
 * Medians of several rounds.
 *
 *     cmake --build build/release --target token_bench && build/release/bin/token_bench
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/token.h"

enum { ROUNDS = 9, ROUND_NS = 30000000 };

static int64_t now_ns(void) {
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct token_key *generate(const char *kind, size_t bits) {
    EVP_PKEY *pkey = bits                          ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits)
                     : strncmp(kind, "ED", 2) == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
                                                   : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    BIO *bio = BIO_new(BIO_s_mem());
    struct token_key *key = NULL;
    char *text;

    if (!pkey || !bio || !PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL))
        abort();
    long len = BIO_get_mem_data(bio, &text);
    if (token_key_of_private_pem(bytes_of(text, (size_t) len), &key) < 0)
        abort();
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return key;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

static void measure(const char *name, struct token_key *key, enum token_algorithm algorithm) {
    struct token_verifier *v;
    struct buffer token = BUFFER_INIT;
    int64_t each_ns[ROUNDS];

    if (token_verifier_new(&(struct token_options){ .key = key }, &v) < 0 ||
        token_sign_by(
                key, algorithm, STR("key-1"),
                str_bytes(STR("{\"sub\":\"42\",\"exp\":1900000000,\"info\":{\"name\":\"A\"}}")),
                &token) < 0)
        abort();
    struct str text = { (char *) token.data, token.len };
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t from = now_ns(), n = 0, passed;
        do {
            struct arena arena = ARENA_INIT;
            struct connection_claims claims;
            const char *why;
            if (token_verify_connection(v, text, 1700000000, &arena, &claims, &why) < 0)
                abort();
            arena_finish(&arena);
            n++;
            passed = now_ns() - from;
        } while (passed < ROUND_NS);
        each_ns[i] = passed / n;
    }
    qsort(each_ns, ROUNDS, sizeof *each_ns, compare);
    printf("%-16s %8.1f us  %s\n", name, (double) each_ns[ROUNDS / 2] / 1000,
           token_key_is_slow(key, token.len) ? "by a thread" : "on the loop");
    buffer_finish(&token);
    token_verifier_free(v);
    token_key_unref(key);
}

int main(void) {
    static const enum token_algorithm hs[] = { TOKEN_HS256, TOKEN_HS384, TOKEN_HS512 };
    static const char *const hs_names[] = { "HS256", "HS384", "HS512" };

    for (size_t i = 0; i < 3; i++) {
        struct token_key *key;
        if (token_key_of_secret(str_bytes(STR("a secret of thirty-two characters")), &key) < 0)
            return 1;
        measure(hs_names[i], key, hs[i]);
    }
    measure("RS256, 2048 bits", generate("RSA", 2048), TOKEN_RS256);
    measure("RS256, 4096 bits", generate("RSA", 4096), TOKEN_RS256);
    measure("ES256", generate("P-256", 0), TOKEN_ES256);
    measure("ES384", generate("P-384", 0), TOKEN_ES384);
    measure("ES512", generate("P-521", 0), TOKEN_ES512);
    measure("EdDSA, Ed25519", generate("ED25519", 0), TOKEN_EDDSA);
    measure("EdDSA, Ed448", generate("ED448", 0), TOKEN_EDDSA);
    return 0;
}
