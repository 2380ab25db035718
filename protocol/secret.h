/*
 * Secrets that the server makes and only recognises: tokens of logins, codes of invites and links.
 * A text of random bytes is given away; kept is its SHA-256, from which nobody finds the text. They
 * are long enough for that to need no salt.
 */
#pragma once

#include "protocol/bytes.h"

enum {
    SECRET_RANDOM_MAX = 32,                      /* bytes */
    SECRET_TEXT_MAX = 8 + SECRET_RANDOM_MAX * 2, /* with its prefix and terminator */
    SECRET_HASH_SIZE = 32,
};

/* A prefix (at most 8 bytes) and the bytes (at most SECRET_RANDOM_MAX) as base64url, terminated. */
void secret_write(struct str prefix, struct bytes random, char ret[static SECRET_TEXT_MAX]);

/* Of the text as it is. -ENOMEM: OpenSSL had none. */
MUST_CHECK int secret_hash(struct str text, uint8_t ret[static SECRET_HASH_SIZE]);

/* How long it takes says nothing about where they differ. */
bool secret_equal(const uint8_t a[static SECRET_HASH_SIZE],
                  const uint8_t b[static SECRET_HASH_SIZE]);
