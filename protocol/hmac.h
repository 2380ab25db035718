/* HMAC with SHA-256 (RFC 2104, RFC 6234), by OpenSSL. */
#pragma once

#include "protocol/bytes.h"
#include <stddef.h>

enum { HMAC_SHA256_SIZE = 32, HMAC_SHA256_HEX_SIZE = 65 /* terminator included */ };

/* Of the parts one after another. -ENOMEM: OpenSSL had none. */
MUST_CHECK int hmac_sha256(struct bytes key, const struct bytes *parts, size_t n,
                           uint8_t ret[static HMAC_SHA256_SIZE]);

/* The same in lower case hexadecimal digits. */
MUST_CHECK int hmac_sha256_hex(struct bytes key, const struct bytes *parts, size_t n,
                               char ret[static HMAC_SHA256_HEX_SIZE]);
