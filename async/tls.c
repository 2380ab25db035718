#include "async/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/tls_impl.h"

static const unsigned char ALPN_HTTP11[] = "\x08http/1.1";

enum { TICKET_KEYS_MAX = 128 }; /* OpenSSL 3.0 has 80 bytes of them */

/* What went wrong last according to OpenSSL, as a sentence about a file. */
static int explain(char **ret_why, const char *what, const char *file) {
    unsigned long code = ERR_peek_last_error();
    int r = -EBADMSG;
    char reason[160];
    if (ERR_SYSTEM_ERROR(ERR_peek_error())) {
        r = -ERR_GET_REASON(ERR_peek_error());
        (void) snprintf(reason, sizeof reason, "%s", strerror(-r));
    } else {
        const char *text = ERR_reason_error_string(code);
        (void) snprintf(reason, sizeof reason, "%s", text ? text : "unusable");
    }
    ERR_clear_error();
    if (ret_why && asprintf(ret_why, "%s %s: %s", what, file, reason) < 0)
        *ret_why = NULL;
    return r;
}

static struct tls *tls_alloc(const SSL_METHOD *method) {
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->context = SSL_CTX_new(method);
    if (!t->context) {
        free(t);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* An idle connection gives its 32 KiB of buffers back; a send may be repeated from elsewhere.
     */
    SSL_CTX_set_mode(t->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return t;
}

struct tls *tls_free(struct tls *t) {
    if (!t)
        return NULL;
    SSL_CTX_free(t->context);
    free(t->server_name);
    free(t);
    return NULL;
}

static void tls_freep(struct tls **t) {
    *t = tls_free(*t);
}

int tls_share(const struct tls *t, struct tls **ret) {
    struct tls *copy CLEANUP(tls_freep) = calloc(1, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *copy = (struct tls){ .is_server = t->is_server, .trusts_anyone = t->trusts_anyone };
    if (t->server_name && !(copy->server_name = strdup(t->server_name)))
        return -ENOMEM;
    (void) SSL_CTX_up_ref(t->context);
    copy->context = t->context;
    *ret = TAKE(copy);
    return 0;
}

/* Who this end is. */
static int use_certificate(struct tls *t, const char *cert_file, const char *key_file,
                           char **ret_why) {
    if (SSL_CTX_use_certificate_chain_file(t->context, cert_file) != 1)
        return explain(ret_why, "certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(t->context, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(t->context) != 1)
        return explain(ret_why, "key", key_file);
    return 0;
}

/* ---- server ---- */

/* A client that offers protocols, but not ours, is told so rather than misunderstood. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg) {
    (void) ssl;
    (void) arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ALPN_HTTP11, sizeof ALPN_HTTP11 - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void carry_ticket_keys(const struct tls *from, struct tls *to) {
    unsigned char keys[TICKET_KEYS_MAX];
    long len = SSL_CTX_get_tlsext_ticket_keys(from->context, NULL, 0);
    if (len > 0 && len <= (long) sizeof keys &&
        SSL_CTX_get_tlsext_ticket_keys(from->context, keys, len) == 1)
        SSL_CTX_set_tlsext_ticket_keys(to->context, keys, len);
    OPENSSL_cleanse(keys, sizeof keys);
}

int tls_server_new(const struct tls_server_options *o, struct tls **ret, char **ret_why) {
    static const unsigned char session_scope[] = "parley";
    ERR_clear_error();
    struct tls *t CLEANUP(tls_freep) = tls_alloc(TLS_server_method());
    if (!t)
        return -ENOMEM;
    t->is_server = true;
    if (o->needs_tls13)
        SSL_CTX_set_min_proto_version(t->context, TLS1_3_VERSION);
    SSL_CTX_set_options(t->context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(t->context, select_alpn, NULL);
    /* Sessions are in the tickets that clients keep: nothing is cached here. */
    SSL_CTX_set_session_cache_mode(t->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(t->context, session_scope, sizeof session_scope - 1);

    int r = use_certificate(t, o->cert_file, o->key_file, ret_why);
    if (r < 0)
        return r;
    if (o->previous && o->previous->is_server)
        carry_ticket_keys(o->previous, t);
    *ret = TAKE(t);
    return 0;
}

/* ---- client ---- */

int tls_client_new(const struct tls_client_options *o, struct tls **ret, char **ret_why) {
    ERR_clear_error();
    struct tls *t CLEANUP(tls_freep) = tls_alloc(TLS_client_method());
    if (!t)
        return -ENOMEM;
    t->trusts_anyone = o->trusts_anyone;
    if (o->server_name && !(t->server_name = strdup(o->server_name)))
        return -ENOMEM;
    SSL_CTX_set_verify(t->context, o->trusts_anyone ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    /* 0 is success, of all OpenSSL's calls in this one. */
    if (!o->is_not_http &&
        SSL_CTX_set_alpn_protos(t->context, ALPN_HTTP11, sizeof ALPN_HTTP11 - 1) != 0)
        return -ENOMEM;
    if (o->cert_file) {
        int r = use_certificate(t, o->cert_file, o->key_file, ret_why);
        if (r < 0)
            return r;
    }
    if (o->ca_file) {
        if (SSL_CTX_load_verify_file(t->context, o->ca_file) != 1)
            return explain(ret_why, "certificate authorities", o->ca_file);
    } else if (!o->trusts_anyone && SSL_CTX_set_default_verify_paths(t->context) != 1) {
        return explain(ret_why, "certificate authorities", "of the system");
    }
    *ret = TAKE(t);
    return 0;
}
