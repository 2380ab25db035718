/*
 * Byte streams: TCP, Unix, TLS, or one end of a pair in memory. One reading and one writing task at a
 * time. Every call is of the loop's thread that made the stream.
 */
#pragma once

#include <sys/uio.h>

#include "async/base.h"

struct stream;
struct tls;

/* ---- addresses ---- */

enum { ADDRESS_TEXT_MAX = 128 };

/* "127.0.0.1:8000", "[::1]:8000", "localhost:8000", "*:8000", "unix:/run/parley.sock". */
struct address {
    char text[ADDRESS_TEXT_MAX];
};

MUST_CHECK int address_parse(const char *text, struct address *ret); /* -EINVAL */

/* ---- making streams ---- */

/* Names are looked up off the loop. -ECONNREFUSED, -ENOENT (no such name), -ETIMEDOUT ... ;
 * tls: a client context, or NULL. server_name is taken from the address. */
SUSPENDS MUST_CHECK int stream_connect(const struct address *a, const struct tls *tls,
                                       struct stream **ret);
MUST_CHECK int stream_from_fd(int fd, struct stream **ret); /* a connected socket or pipe; owns fd on success */

/* The server's side of a TLS handshake over an accepted stream, which it wraps and owns on success. */
SUSPENDS MUST_CHECK int stream_accept_tls(struct stream *plain, const struct tls *tls,
                                          struct stream **ret);

/* Two connected ends in memory; each direction holds capacity bytes. In a simulated loop reads and
 * writes are split, and delivery is delayed, at seeded places. */
MUST_CHECK int stream_pair(size_t capacity, struct stream **ret_a, struct stream **ret_b);
void stream_pair_cut(struct stream *s); /* tests: both ends see -ECONNRESET; what was under way is lost */

/* ---- reading ---- */

SUSPENDS MUST_CHECK ssize_t stream_read(struct stream *s, void *buf, size_t cap); /* > 0; 0: end; -errno */
MUST_CHECK ssize_t stream_try_read(struct stream *s, void *buf, size_t cap);      /* -EAGAIN; never suspends */
SUSPENDS MUST_CHECK int stream_wait_readable(struct stream *s); /* park holding no buffer */

/* ---- writing ---- */

SUSPENDS MUST_CHECK int stream_write_all(struct stream *s, const struct iovec *v, int n);
ssize_t stream_try_send(struct stream *s, const void *buf, size_t len); /* bytes taken, or -EAGAIN, -EPIPE ...;
                                                                           one buffer: cheaper than writev */
ssize_t stream_try_write(struct stream *s, const struct iovec *v, int n); /* the same for several */
SUSPENDS MUST_CHECK int stream_wait_writable(struct stream *s);

/* ---- ending ---- */

MUST_CHECK int stream_shutdown(struct stream *s);      /* no more writing; the peer reads an end. -errno */
struct stream *stream_close(struct stream *s);         /* takes NULL; returns NULL. Waiters get -EBADF */

/* ---- about ---- */

size_t stream_unsent(const struct stream *s);          /* bytes the kernel (or the pair) holds unsent; 0 if unknown */
const char *stream_peer(const struct stream *s, char *buf, size_t cap); /* "127.0.0.1:4711"; for logs */
int stream_fd(const struct stream *s);                 /* -1: none. To look at, not to use */

/* ---- listening ---- */

struct listener;

struct listener_options {
    int backlog;       /* 0: 4096 */
    bool reuse_port;   /* several loops each listen on the same port */
    unsigned unix_mode;/* permissions of a Unix socket; 0: 0660 */
};

MUST_CHECK int listener_open(const struct address *a, const struct listener_options *o,
                             struct listener **ret);
MUST_CHECK int listener_from_fd(int fd, struct listener **ret); /* socket activation; owns fd on success */
/* Iterator: 1 a stream, -errno. Out of descriptors (-EMFILE, -ENFILE) is waited out with a pause, and counted. */
SUSPENDS MUST_CHECK int listener_next(struct listener *l, struct stream **ret);
const char *listener_address(const struct listener *l, char *buf, size_t cap); /* with the port the kernel chose */
uint64_t listener_starved(const struct listener *l); /* times it ran out of descriptors */
struct listener *listener_close(struct listener *l);
