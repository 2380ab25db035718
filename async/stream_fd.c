/*
 * Streams over descriptors: TCP, Unix sockets, pipes, terminals.
 *
 * The read watch is set at the first wait and left alone: a connection that sleeps, wakes, answers
 * and sleeps again costs no epoll_ctl. It is taken down only when bytes arrive while nobody waits
 * (the poll is level-triggered and would spin). The write watch exists from -EAGAIN until the
 * socket drains.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "async/endpoint.h"
#include "async/loop_impl.h"
#include "async/stream_impl.h"

struct stream_fd {
    struct stream base;
    struct watch watch;
};

/* Of base.kind_bits. */
enum {
    IS_SOCKET = 1,
    RESTORES_BLOCKING = 2, /* not ours alone (a terminal, a shared pipe): give it back as it was */
};

/* As small as it can be is a promise: it is much of what an idle connection costs. */
_Static_assert(sizeof(struct stream_fd) <= 72, "an idle stream has grown");

static bool is_socket(const struct stream_fd *s) {
    return s->base.kind_bits & IS_SOCKET;
}

static struct stream_fd *stream_fd_of(const struct stream *s) {
    return CONTAINER_OF(s, struct stream_fd, base);
}

/* ---- waiting ---- */

_Static_assert((int) STREAM_READ == WATCH_READ && (int) STREAM_WRITE == WATCH_WRITE,
               "one encoding");

static int stream_fd_arm(struct stream *base, enum stream_event event) {
    struct stream_fd *s = stream_fd_of(base);
    watch_want(&s->watch, watch_wanted(&s->watch) | event);
    return 0;
}

static void stream_fd_on_event(struct watch *w, unsigned events) {
    struct stream_fd *s = CONTAINER_OF(w, struct stream_fd, watch);
    /* Before the report: who wants to go on writing asks again. */
    if (events & STREAM_WRITE)
        watch_want(w, watch_wanted(w) & ~(unsigned) STREAM_WRITE);
    unsigned taken = stream_ready(&s->base, events);
    if ((events & STREAM_READ) && !(taken & STREAM_READ))
        watch_want(w, watch_wanted(w) & ~(unsigned) STREAM_READ);
}

/* ---- bytes ---- */

static ssize_t stream_fd_read(struct stream *base, void *buf, size_t cap) {
    struct stream_fd *s = stream_fd_of(base);
    for (;;) {
        ssize_t n = is_socket(s) ? recv(s->base.fd, buf, cap, 0) : read(s->base.fd, buf, cap);
        if (n >= 0)
            return n;
        if (errno == EINTR)
            continue;
        if (errno == EIO && !is_socket(s))
            return 0; /* a terminal whose other end is gone */
        return -errno;
    }
}

/* Only sockets have MSG_NOSIGNAL. A library may not decide about the process's SIGPIPE, so that one
 * which this very write raises is caught here: blocked, and taken back unless one was pending
 * before. */
static ssize_t pipe_writev(int fd, const struct iovec *v, int n) {
    sigset_t pipe_set, before, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    ssize_t r;
    do
        r = writev(fd, v, n);
    while (r < 0 && errno == EINTR);
    r = r < 0 ? -errno : r;
    if (r == -EPIPE && !sigismember(&pending, SIGPIPE))
        (void) sigtimedwait(&pipe_set, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static ssize_t stream_fd_send(struct stream *base, const void *buf, size_t len) {
    struct stream_fd *s = stream_fd_of(base);
    if (!is_socket(s))
        return pipe_writev(s->base.fd,
                           &(struct iovec){ .iov_base = (void *) (uintptr_t) buf, .iov_len = len },
                           1);
    for (;;) {
        ssize_t n = send(s->base.fd, buf, len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

static ssize_t stream_fd_writev(struct stream *base, const struct iovec *v, int n) {
    struct stream_fd *s = stream_fd_of(base);
    enum { IOV_AT_ONCE = 1024 }; /* IOV_MAX of Linux: more is -EINVAL */
    if (n > IOV_AT_ONCE)
        n = IOV_AT_ONCE;
    if (!is_socket(s))
        return pipe_writev(s->base.fd, v, n);
    struct msghdr m = { .msg_iov = (struct iovec *) (uintptr_t) v, .msg_iovlen = (size_t) n };
    for (;;) {
        ssize_t sent = sendmsg(s->base.fd, &m, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return -errno;
    }
}

/* ---- the rest ---- */

static int stream_fd_shutdown(struct stream *base) {
    struct stream_fd *s = stream_fd_of(base);
    if (!is_socket(s))
        return -EOPNOTSUPP;
    return shutdown(s->base.fd, SHUT_WR) < 0 ? -errno : 0;
}

static void stream_fd_close(struct stream *base) {
    struct stream_fd *s = stream_fd_of(base);
    int fd = s->base.fd;
    watch_want(&s->watch, 0); /* before close(): the poller must not meet the number's next owner */
    if (s->base.kind_bits & RESTORES_BLOCKING)
        (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    (void) close(fd);
    free(s);
}

static size_t stream_fd_unsent(const struct stream *base) {
    struct stream_fd *s = stream_fd_of(base);
    int n = 0;
    return is_socket(s) && ioctl(s->base.fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t) n : 0;
}

static const char *stream_fd_peer(const struct stream *base, char *buf, size_t cap) {
    struct stream_fd *s = stream_fd_of(base);
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    if (!is_socket(s))
        (void) snprintf(buf, cap, "pipe");
    else if (getpeername(s->base.fd, (struct sockaddr *) &sa, &len) < 0)
        (void) snprintf(buf, cap, "gone");
    else
        (void) endpoint_text((const struct sockaddr *) &sa, len, buf, cap);
    return buf;
}

static int stream_fd_fd(const struct stream *base) {
    return base->fd;
}

static const struct stream_ops stream_fd_ops = {
    .read = stream_fd_read,
    .send = stream_fd_send,
    .writev = stream_fd_writev,
    .arm = stream_fd_arm,
    .shutdown = stream_fd_shutdown,
    .close = stream_fd_close,
    .unsent = stream_fd_unsent,
    .peer = stream_fd_peer,
    .fd = stream_fd_fd,
};

static struct stream_fd *stream_fd_new(int fd) {
    struct stream_fd *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct stream_fd){ .base = { .ops = &stream_fd_ops, .fd = fd } };
    watch_init(&s->watch, fd, stream_fd_on_event);
    return s;
}

int stream_from_accepted(int fd, struct stream **ret) {
    struct stream_fd *s = stream_fd_new(fd);
    if (!s)
        return -ENOMEM;
    s->base.kind_bits = IS_SOCKET;
    *ret = &s->base;
    return 0;
}

int stream_from_fd(int fd, struct stream **ret) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    struct stream_fd *s = stream_fd_new(fd);
    if (!s)
        return -ENOMEM;

    int domain = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){ sizeof domain }) == 0)
        s->base.kind_bits = IS_SOCKET;
    if (!(flags & O_NONBLOCK)) {
        if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
            int r = -errno;
            free(s);
            return r;
        }
        if (!is_socket(s))
            s->base.kind_bits = RESTORES_BLOCKING;
    }
    /* A message is written whole: waiting for more of it to fill a segment only delays it. */
    if (is_socket(s) && (domain == AF_INET || domain == AF_INET6))
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    *ret = &s->base;
    return 0;
}
