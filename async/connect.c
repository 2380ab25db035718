/* Connecting: look up, try one address after the other, shake hands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/endpoint.h"
#include "async/resolve.h"
#include "async/stream.h"
#include "async/task_impl.h"
#include "async/tls_impl.h"

enum {
    /* One address that swallows packets must not keep the others from being tried. */
    ATTEMPT_MS = 5000,
    UNIX_RETRY_MS = 10,
};

static void stream_closep(struct stream **s) {
    *s = stream_close(*s);
}

static SUSPENDS int connect_to(const struct endpoint *e, struct stream **ret) {
    int r = task_check();
    if (r < 0)
        return r;
    int fd = socket(e->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct stream *s CLEANUP(stream_closep) = NULL;
    r = stream_from_fd(fd, &s);
    if (r < 0) {
        (void) close(fd);
        return r;
    }
    while (connect(fd, (const struct sockaddr *) &e->sa, e->len) < 0) {
        if (errno == EINPROGRESS || errno == EALREADY) {
            r = stream_wait_writable(s);
            if (r < 0)
                return r;
            int error = 0;
            if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof error }) < 0)
                return -errno;
            if (error)
                return -error;
            break;
        }
        if (errno == EISCONN)
            break;
        if (errno == EAGAIN && e->sa.ss_family == AF_UNIX) {
            /* Its queue is full; there is no event that tells when it no longer is. */
            r = task_sleep(UNIX_RETRY_MS);
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    *ret = TAKE(s);
    return 0;
}

SUSPENDS int endpoint_connect_any(const struct endpoint *all, size_t n, struct stream **ret) {
    int r = -ENOENT;
    for (size_t i = 0; i + 1 < n; i++) {
        DEADLINE(attempt, ATTEMPT_MS);
        r = connect_to(&all[i], ret);
        if (r == 0 || r == -ECANCELED)
            return r;
    }
    return n > 0 ? connect_to(&all[n - 1], ret) : r;
}

static void freep(struct endpoint **p) {
    free(*p);
}

SUSPENDS int stream_connect(const struct address *a, const struct tls *tls, struct stream **ret) {
    struct address_parts parts;
    struct endpoint *all CLEANUP(freep) = NULL;
    size_t n;
    int r = address_split(a->text, &parts);
    if (r == 0)
        r = resolve(&parts, &all, &n);
    if (r < 0)
        return r;

    struct stream *s CLEANUP(stream_closep) = NULL;
    r = endpoint_connect_any(all, n, &s);
    if (r < 0)
        return r;
    if (!tls) {
        *ret = TAKE(s);
        return 0;
    }
    r = tls_connect_over(s, tls, parts.is_unix ? NULL : parts.host, ret);
    if (r == 0)
        (void) TAKE(s); /* the new stream's */
    return r;
}
