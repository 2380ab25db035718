/*
 * Keys of JSON web signatures (RFC 7515) and what can be done with them: RFC 7518 §3.2 (HS), §3.3
 * (RS), §3.4 (ES), RFC 8037 §3.1 (EdDSA).
 *
 * A key knows which algorithms it is for, from what it is: nobody can make a public key pass for a
 * secret. Keys are immutable: any thread may check signatures by one, side by side. References are
 * one thread's.
 */
#pragma once

#include "protocol/buffer.h"
#include "protocol/bytes.h"

enum token_algorithm {
    TOKEN_HS256 = 1,
    TOKEN_HS384 = 2,
    TOKEN_HS512 = 4,
    TOKEN_RS256 = 8,
    TOKEN_RS384 = 16,
    TOKEN_RS512 = 32,
    TOKEN_ES256 = 64,
    TOKEN_ES384 = 128,
    TOKEN_ES512 = 256,
    TOKEN_EDDSA = 512,
};

enum {
    TOKEN_HS = TOKEN_HS256 | TOKEN_HS384 | TOKEN_HS512,
    TOKEN_RS = TOKEN_RS256 | TOKEN_RS384 | TOKEN_RS512,
    TOKEN_ES = TOKEN_ES256 | TOKEN_ES384 | TOKEN_ES512,
    TOKEN_ANY = TOKEN_HS | TOKEN_RS | TOKEN_ES | TOKEN_EDDSA,
};

/* `alg`, and back; 0 and empty: none of ours ("none" least of all). */
enum token_algorithm token_algorithm_of(struct str name);
struct str token_algorithm_name(enum token_algorithm algorithm);

struct token_key;

/*
 * All: -ENOMEM; -EINVAL: that is no key we can use: empty, of another kind or curve, an RSA key
 * below 2048 bits (RFC 7518 §3.3) or above 16384, numbers that are no point of the curve.
 */
MUST_CHECK int token_key_of_secret(struct bytes secret, struct token_key **ret);
/* A public key (SubjectPublicKeyInfo or PKCS #1) or a certificate; or a private key, not encrypted,
 * which can sign, too. */
MUST_CHECK int token_key_of_public_pem(struct bytes pem, struct token_key **ret);
MUST_CHECK int token_key_of_private_pem(struct bytes pem, struct token_key **ret);
/* Big endian numbers, as in a JSON web key; of EC and OKP in the curve's full length. curve:
 * "P-256" "P-384", "P-521"; "Ed25519", "Ed448". */
MUST_CHECK int token_key_of_rsa(struct bytes n, struct bytes e, struct token_key **ret);
MUST_CHECK int token_key_of_ec(struct str curve, struct bytes x, struct bytes y,
                               struct token_key **ret);
MUST_CHECK int token_key_of_okp(struct str curve, struct bytes x, struct token_key **ret);

struct token_key *token_key_ref(struct token_key *k);   /* returns k */
struct token_key *token_key_unref(struct token_key *k); /* takes NULL; returns NULL */

/* The algorithms it is for, as bits; and taking some away, before it is shared. */
unsigned token_key_algorithms(const struct token_key *k);
void token_key_restrict(struct token_key *k, unsigned algorithms);

/* Checking a signature of so much text takes longer than an event loop should be held up for:
 * 20 microseconds. */
bool token_key_is_slow(const struct token_key *k, size_t len);

/* 0: text was signed by it; -EKEYREJECTED: it was not, or the key is not for this algorithm;
 * -ENOMEM. */
MUST_CHECK int token_key_verify(const struct token_key *k, enum token_algorithm algorithm,
                                struct bytes text, struct bytes signature);

/* Appends the signature's bytes. -EINVAL: it has no secret part or is not for this algorithm;
 * -ENOMEM, -EMSGSIZE. */
MUST_CHECK int token_key_sign(const struct token_key *k, enum token_algorithm algorithm,
                              struct bytes text, struct buffer *out);
