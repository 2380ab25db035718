/* Certificates made up for a test, in files of a directory of its own. */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "expect.h"

struct certificate {
    char directory[64];
    char cert[96], key[96];
};

static inline bool certificate_extend(X509 *x, int what, const char *value) {
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, what, value);
    bool is_added = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_added;
}

/* Signed by itself, so that it serves as its own authority. names: "DNS:localhost,IP:127.0.0.1". */
static inline int certificate_make(struct certificate *c, const char *names) {
    (void) snprintf(c->directory, sizeof c->directory, "/tmp/certificate-XXXXXX");
    if (!mkdtemp(c->directory))
        return -errno;
    (void) snprintf(c->cert, sizeof c->cert, "%s/cert.pem", c->directory);
    (void) snprintf(c->key, sizeof c->key, "%s/key.pem", c->directory);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    bool is_made = key && x && X509_set_version(x, 2) == 1 &&
                   ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
                   X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
                   X509_gmtime_adj(X509_getm_notAfter(x), 3600) &&
                   X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                              (const unsigned char *) "test", -1, -1, 0) == 1 &&
                   X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
                   X509_set_pubkey(x, key) == 1 &&
                   certificate_extend(x, NID_basic_constraints, "critical,CA:TRUE") &&
                   certificate_extend(x, NID_subject_alt_name, names) &&
                   X509_sign(x, key, EVP_sha256()) > 0;
    FILE *cert = fopen(c->cert, "w"), *secret = fopen(c->key, "w");
    is_made = is_made && cert && secret && PEM_write_X509(cert, x) == 1 &&
              PEM_write_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (cert)
        (void) fclose(cert);
    if (secret)
        (void) fclose(secret);
    X509_free(x);
    EVP_PKEY_free(key);
    return is_made ? 0 : -EIO;
}

static inline void certificate_remove(struct certificate *c) {
    (void) remove(c->cert);
    (void) remove(c->key);
    (void) remove(c->directory);
}
