/*
 * TLS contexts: certificates and rules, shared by any number of streams (see stream_connect() and
 * stream_accept_tls()). TLS 1.2 and 1.3 as OpenSSL 3 has them.
 *
 * A context may be freed at any time, streams keep what they need of it: to reload certificates
 * make a new context, and if that worked put it in the old one's place.
 */
#pragma once

#include "async/base.h"

struct tls;

struct tls_server_options {
    const char *cert_file;      /* PEM: the certificate, then the chain's others */
    const char *key_file;       /* PEM */
    bool needs_tls13;           /* refuse 1.2 */
    const struct tls *previous; /* or NULL: its session tickets stay valid */
};

/* Reads files in place: at start, or through offload(). ret_why (may be NULL): on failure a
 * sentence that names the file, the caller's to free(). -ENOMEM; -EBADMSG: unusable or mismatched;
 * what open(2) says. */
MUST_CHECK int tls_server_new(const struct tls_server_options *o, struct tls **ret, char **ret_why);

struct tls_client_options {
    const char *ca_file;     /* PEM: who is trusted instead of the system's; or NULL */
    bool trusts_anyone;      /* no verification: only for a tool's explicit --insecure */
    const char *server_name; /* to ask for and to verify instead of the address's; or NULL */
    const char *cert_file; /* PEM: who we are, for servers that ask; its chain behind it. Or NULL */
    const char *key_file;  /* PEM; with cert_file */
    bool is_not_http;      /* offers no protocol by ALPN, instead of http/1.1 */
};

MUST_CHECK int tls_client_new(const struct tls_client_options *o, struct tls **ret, char **ret_why);

/* The same context once more, to be freed by itself: for another thread. -ENOMEM. */
MUST_CHECK int tls_share(const struct tls *t, struct tls **ret);

struct tls *tls_free(struct tls *t); /* takes NULL; returns NULL */
