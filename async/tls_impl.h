/* TLS from inside: for connect.c and stream_tls.c. */
#pragma once

#include <openssl/ssl.h>

#include "async/stream.h"
#include "async/tls.h"

struct tls {
    SSL_CTX *context;
    bool is_server;
    bool trusts_anyone;
    char *server_name; /* client: instead of the address's; or NULL */
};

/* The client's side of a handshake; owns plain on success. host: whom to verify. -EPROTO: no
 * agreement. -EKEYREJECTED: the certificate is not trusted. */
SUSPENDS MUST_CHECK int tls_connect_over(struct stream *plain, const struct tls *tls,
                                         const char *host, struct stream **ret);
