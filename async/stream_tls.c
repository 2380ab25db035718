/*
 * TLS over any other stream, which it wraps: OpenSSL reads and writes through that one's vtable.
 *
 * SSL_read() may need to write and SSL_write() to read. What each of the two is waiting for is
 * remembered, the events of the stream below wake accordingly, so that a reading and a writing task
 * need not know.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "async/stream_impl.h"
#include "async/task_impl.h"
#include "async/tls_impl.h"

struct stream_tls {
    struct stream base;
    struct stream *below;
    SSL *ssl;
    uint8_t read_wants; /* enum stream_event: what reading waits for below */
    uint8_t write_wants;
    bool is_shut;    /* no more writing */
    bool is_ending;  /* the goodbye waits for room */
    int held;        /* bytes in a finished record that is not out yet: see flush_record() */
    int broken_by;   /* -errno: after a fatal error OpenSSL forbids any further call */
    int below_error; /* -errno of the stream below, which OpenSSL does not hand through */
    BIO_METHOD *bio_method;
};

static struct stream_tls *stream_tls_of(const struct stream *s) {
    return CONTAINER_OF(s, struct stream_tls, base);
}

/* ---- OpenSSL's way down ---- */

static int bio_result(BIO *bio, ssize_t n, int retry) {
    struct stream_tls *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (n == -EAGAIN) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
        return -1;
    }
    if (n < 0) {
        s->below_error = (int) n;
        return -1;
    }
    return (int) n;
}

static int bio_read(BIO *bio, char *buf, int len) {
    struct stream_tls *s = BIO_get_data(bio);
    return bio_result(bio, s->below->ops->read(s->below, buf, (size_t) len), BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *buf, int len) {
    struct stream_tls *s = BIO_get_data(bio);
    return bio_result(bio, s->below->ops->send(s->below, buf, (size_t) len), BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void) bio;
    (void) number;
    (void) pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

/* One per stream: it must outlive the context the stream was made from, and globals are not ours.
 */
static int attach_bio(struct stream_tls *s) {
    s->bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
    if (!s->bio_method || !BIO_meth_set_read(s->bio_method, bio_read) ||
        !BIO_meth_set_write(s->bio_method, bio_write) ||
        !BIO_meth_set_ctrl(s->bio_method, bio_ctrl))
        return -ENOMEM;
    BIO *bio = BIO_new(s->bio_method);
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio); /* takes it */
    return 0;
}

/* ---- OpenSSL's answers ---- */

static int broken_by(struct stream_tls *s, int error) {
    s->broken_by = error;
    ERR_clear_error();
    return error;
}

/* What a call that returned r <= 0 means: 0 (end), -EAGAIN (and *wants is what to wait for),
 * -errno. */
static int meaning(struct stream_tls *s, int r, uint8_t *wants) {
    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        *wants = STREAM_READ;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = STREAM_WRITE;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        /* An end without a goodbye may be someone cutting the message short. */
        return broken_by(s, s->below_error ? s->below_error : -ECONNRESET);
    default:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return broken_by(s, -ECONNRESET);
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
            return broken_by(s, -EKEYREJECTED);
        return broken_by(s, -EPROTO);
    }
}

/* ---- writing ---- */

/* Says goodbye and ends the stream below, now or as soon as there is room for the goodbye: without
 * it the peer would have to take the end for someone cutting the message short. */
static void end_writing(struct stream_tls *s) {
    ERR_clear_error();
    int n = SSL_shutdown(s->ssl);
    s->is_ending = n < 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_WRITE &&
                   s->below->ops->arm(s->below, STREAM_WRITE) >= 0;
    ERR_clear_error();
    if (!s->is_ending)
        (void) s->below->ops->shutdown(s->below);
}

/*
 * Once SSL_write() has made a record it wants to be called again with the same bytes until that is
 * out. Our callers may come back with others (a pong before the rest of a message). So the bytes of
 * such a record count as taken, and it is pushed on from here: for a repeated call OpenSSL looks at
 * the length alone (SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER).
 */
static int flush_record(struct stream_tls *s) {
    static const char not_looked_at[1];
    if (s->held == 0)
        return 0;
    ERR_clear_error();
    int n = SSL_write(s->ssl, not_looked_at, s->held);
    if (n <= 0) {
        int r = meaning(s, n, &s->write_wants);
        if (r == -EAGAIN)
            r = s->below->ops->arm(s->below, s->write_wants) < 0 ? -ENOMEM : -EAGAIN;
        return r == 0 ? -EPIPE : r;
    }
    s->held = 0;
    s->write_wants = STREAM_WRITE;
    if (s->is_ending)
        end_writing(s);
    return 0;
}

static ssize_t stream_tls_send(struct stream *base, const void *buf, size_t len) {
    struct stream_tls *s = stream_tls_of(base);
    if (s->broken_by)
        return s->broken_by;
    if (s->is_shut)
        return -EPIPE;
    if (len == 0)
        return 0;
    int r = flush_record(s);
    if (r < 0)
        return r;
    if (len > SSL3_RT_MAX_PLAIN_LENGTH)
        len = SSL3_RT_MAX_PLAIN_LENGTH;
    ERR_clear_error();
    int n = SSL_write(s->ssl, buf, (int) len);
    if (n > 0)
        return n;
    r = meaning(s, n, &s->write_wants);
    if (r != -EAGAIN)
        return r == 0 ? -EPIPE : r;
    if (s->write_wants == STREAM_READ)
        return -EAGAIN; /* nothing was taken: a handshake message of the peer is due first */
    s->held = (int) len;
    (void) s->below->ops->arm(s->below, STREAM_WRITE);
    return (ssize_t) len;
}

/* Small pieces share a record: each costs 22 bytes and a pass of the cipher. */
static ssize_t stream_tls_writev(struct stream *base, const struct iovec *v, int n) {
    while (n > 1 && v->iov_len == 0)
        v++, n--;
    if (n == 1 || v->iov_len >= SSL3_RT_MAX_PLAIN_LENGTH)
        return stream_tls_send(base, v->iov_base, v->iov_len);
    char *record = malloc(SSL3_RT_MAX_PLAIN_LENGTH);
    if (!record)
        return stream_tls_send(base, v->iov_base, v->iov_len);
    size_t len = 0;
    for (int i = 0; i < n && len < SSL3_RT_MAX_PLAIN_LENGTH; i++) {
        size_t part = SSL3_RT_MAX_PLAIN_LENGTH - len;
        if (part > v[i].iov_len)
            part = v[i].iov_len;
        memcpy(record + len, v[i].iov_base, part);
        len += part;
    }
    ssize_t taken = stream_tls_send(base, record, len);
    free(record);
    return taken;
}

/* ---- reading ---- */

static ssize_t stream_tls_read(struct stream *base, void *buf, size_t cap) {
    struct stream_tls *s = stream_tls_of(base);
    if (s->broken_by)
        return s->broken_by;
    ERR_clear_error();
    int n = SSL_read(s->ssl, buf, cap > INT_MAX ? INT_MAX : (int) cap);
    s->read_wants = STREAM_READ;
    return n > 0 ? n : meaning(s, n, &s->read_wants);
}

/* ---- waiting ---- */

static int stream_tls_arm(struct stream *base, enum stream_event event) {
    struct stream_tls *s = stream_tls_of(base);
    if (s->broken_by)
        return 1;
    if (event == STREAM_READ) {
        /* Decrypted and not yet read: the poll knows nothing of it. */
        if (SSL_pending(s->ssl) > 0 || (SSL_get_shutdown(s->ssl) & SSL_RECEIVED_SHUTDOWN))
            return 1;
        return s->below->ops->arm(s->below, s->read_wants);
    }
    if (s->is_shut)
        return 1;
    return s->below->ops->arm(s->below, s->write_wants);
}

static unsigned stream_tls_on_below(struct stream *base, unsigned events) {
    struct stream_tls *s = stream_tls_of(base);
    unsigned taken = 0;
    if ((events & s->write_wants) && s->held > 0 && !s->broken_by) {
        taken |= events & s->write_wants;
        if (flush_record(s) == -EAGAIN)
            events &= ~(unsigned) STREAM_WRITE; /* room for the record's rest, not for more */
    } else if ((events & STREAM_WRITE) && s->is_ending && !s->broken_by) {
        taken |= STREAM_WRITE;
        end_writing(s);
    }
    if ((events & s->read_wants) && stream_has_reader(base)) {
        taken |= events & s->read_wants;
        (void) stream_ready(base, STREAM_READ);
    }
    if ((events & s->write_wants) && base->has_writer) {
        taken |= events & s->write_wants;
        (void) stream_ready(base, STREAM_WRITE);
    }
    return taken;
}

/* ---- ending ---- */

static int stream_tls_shutdown(struct stream *base) {
    struct stream_tls *s = stream_tls_of(base);
    if (s->broken_by)
        return s->broken_by;
    if (s->is_shut)
        return 0;
    s->is_shut = true;
    if (s->held > 0)
        s->is_ending = true;
    else
        end_writing(s);
    return 0;
}

static void stream_tls_free(struct stream_tls *s) {
    s->below->is_wrapped = false;
    s->below->waits.reader.upper = NULL;
    SSL_free(s->ssl); /* and the BIO */
    BIO_meth_free(s->bio_method);
    free(s);
}

static void stream_tls_close(struct stream *base) {
    struct stream_tls *s = stream_tls_of(base);
    struct stream *below = s->below;
    if (!s->broken_by && !s->is_shut && flush_record(s) == 0) {
        ERR_clear_error();
        (void) SSL_shutdown(
                s->ssl); /* a goodbye if there is room for it; nobody waits for an answer */
        ERR_clear_error();
    }
    stream_tls_free(s);
    below->ops->close(below);
}

/* ---- about ---- */

static size_t stream_tls_unsent(const struct stream *base) {
    const struct stream_tls *s = stream_tls_of(base);
    return (size_t) s->held + s->below->ops->unsent(s->below);
}

static const char *stream_tls_peer(const struct stream *base, char *buf, size_t cap) {
    const struct stream_tls *s = stream_tls_of(base);
    return s->below->ops->peer(s->below, buf, cap);
}

static int stream_tls_fd(const struct stream *base) {
    const struct stream_tls *s = stream_tls_of(base);
    return s->below->ops->fd(s->below);
}

static const struct stream_ops stream_tls_ops = {
    .read = stream_tls_read,
    .send = stream_tls_send,
    .writev = stream_tls_writev,
    .arm = stream_tls_arm,
    .on_below = stream_tls_on_below,
    .shutdown = stream_tls_shutdown,
    .close = stream_tls_close,
    .unsent = stream_tls_unsent,
    .peer = stream_tls_peer,
    .fd = stream_tls_fd,
};

/* ---- handshakes ---- */

static struct stream_tls *stream_tls_new(struct stream *below, const struct tls *tls) {
    assert(!below->is_wrapped && !stream_has_reader(below) && !below->has_writer);
    struct stream_tls *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct stream_tls){ .base.ops = &stream_tls_ops,
                              .below = below,
                              .read_wants = STREAM_READ,
                              .write_wants = STREAM_WRITE };
    below->is_wrapped = true;
    below->waits.reader.upper = &s->base;
    s->ssl = SSL_new(tls->context);
    if (!s->ssl || attach_bio(s) < 0) {
        stream_tls_free(s);
        return NULL;
    }
    return s;
}

/* Frees s if it fails: the stream below stays its owner's. */
static SUSPENDS int shake_hands(struct stream_tls *s, struct stream **ret) {
    int r = task_check();
    while (r == 0) {
        ERR_clear_error();
        int done = SSL_do_handshake(s->ssl);
        if (done == 1) {
            s->read_wants = STREAM_READ;
            *ret = &s->base;
            return 0;
        }
        r = meaning(s, done, &s->read_wants);
        if (r == -EAGAIN)
            r = stream_wait_readable(&s->base);
        else if (r == 0)
            r = -ECONNRESET;
    }
    ERR_clear_error();
    stream_tls_free(s);
    return r;
}

SUSPENDS int stream_accept_tls(struct stream *plain, const struct tls *tls, struct stream **ret) {
    assert(tls->is_server);
    struct stream_tls *s = stream_tls_new(plain, tls);
    if (!s)
        return -ENOMEM;
    SSL_set_accept_state(s->ssl);
    return shake_hands(s, ret);
}

/* Asks for the name and says that the certificate must be for it. */
static int expect_name(SSL *ssl, const char *name) {
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1)
        return 0;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* SSL_set_tlsext_host_name(), less its cast that drops const, which clang reports. */
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *) (uintptr_t) name) == 1 &&
                           SSL_set1_host(ssl, name) == 1
                   ? 0
                   : -ENOMEM;
}

SUSPENDS int tls_connect_over(struct stream *plain, const struct tls *tls, const char *host,
                              struct stream **ret) {
    assert(!tls->is_server);
    const char *name = tls->server_name ? tls->server_name : host;
    if (!name && !tls->trusts_anyone)
        return -EINVAL; /* nobody to verify */
    struct stream_tls *s = stream_tls_new(plain, tls);
    if (!s)
        return -ENOMEM;
    int r = name ? expect_name(s->ssl, name) : 0;
    if (r < 0) {
        stream_tls_free(s);
        return r;
    }
    SSL_set_connect_state(s->ssl);
    return shake_hands(s, ret);
}
