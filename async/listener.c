/*
 * Listening sockets. Accepts as long as there is someone, waits when there is not.
 *
 * Out of descriptors the connection stays in the kernel's queue, and a level-triggered poll would
 * spin on it: the listener looks away for a pause that grows, and counts.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "async/endpoint.h"
#include "async/stream_impl.h"
#include "async/task_impl.h"
#include "async/thread.h"

enum {
    BACKLOG = 4096,
    UNIX_MODE = 0660,
    PAUSE_MIN_MS = 10,
    PAUSE_MAX_MS = 1000,
    /* Accepted at once. A crowd at the door must not stop the house (so many take some
     * milliseconds), but those inside keep a turn long: with fewer of them the kernel's queue of
     * 4096 runs over, and who finds it full comes back after a second, or three. */
    STREAK_MAX = 256,
};

struct listener_waiter {
    struct task *task;
    struct listener *listener; /* NULL: closed meanwhile */
};

struct listener {
    struct watch watch;
    struct listener_waiter *waiter;
    uint64_t starved;
    unsigned streak;   /* accepted since the task last gave way */
    int pause_ms;      /* the next one */
    dev_t unix_device; /* of the socket file we made, to remove no one else's */
    ino_t unix_inode;  /* 0: none */
    char unix_path[sizeof((struct sockaddr_un){ 0 }).sun_path];
};

static void listener_on_event(struct watch *w, unsigned ready) {
    (void) ready;
    struct listener *l = CONTAINER_OF(w, struct listener, watch);
    if (l->waiter)
        (void) task_ready(l->waiter->task, 0);
    else
        watch_want(w, 0);
}

/* ---- opening ---- */

static struct listener *listener_new(int fd) {
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    watch_init(&l->watch, fd, listener_on_event);
    /* For those it accepts; of no meaning to Unix sockets. */
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    l->pause_ms = PAUSE_MIN_MS;
    return l;
}

static void fd_closep(const int *fd) {
    if (*fd >= 0)
        (void) close(*fd);
}

/* A socket file left behind by a process that is gone is in the way of bind(); one that someone
 * answers on, or that is no socket, is not ours to remove. */
static int remove_stale(const struct endpoint *e) {
    const char *path = ((const struct sockaddr_un *) &e->sa)->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int fd CLEANUP(fd_closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *) &e->sa, e->len) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The file is never reachable with wider permissions than asked for, not even for a moment. */
static int bind_unix(int fd, const struct endpoint *e, unsigned mode) {
    int r = remove_stale(e);
    if (r < 0)
        return r;
    if (fchmod(fd, mode & 0777) <
        0) /* on Linux bind() makes the file with the socket's mode, less the umask */
        return -errno;
    if (bind(fd, (const struct sockaddr *) &e->sa, e->len) < 0)
        return -errno;
    if (chmod(((const struct sockaddr_un *) &e->sa)->sun_path, mode & 0777) < 0)
        return -errno;
    return 0;
}

static int bind_inet(int fd, const struct endpoint *e, bool reuse_port) {
    int yes = 1, no = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) < 0))
        return -errno;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &e->sa;
    if (e->sa.ss_family == AF_INET6) {
        bool is_any = memcmp(&in6->sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &no : &yes, sizeof yes) < 0)
            return -errno;
    }
    return bind(fd, (const struct sockaddr *) &e->sa, e->len) < 0 ? -errno : 0;
}

static int open_at(const struct endpoint *e, const struct listener_options *o,
                   struct listener **ret) {
    int fd CLEANUP(fd_closep) =
            socket(e->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    bool is_unix = e->sa.ss_family == AF_UNIX;
    int r = is_unix ? bind_unix(fd, e, o->unix_mode ? o->unix_mode : UNIX_MODE)
                    : bind_inet(fd, e, o->reuse_port);
    if (r < 0)
        return r;
    struct listener *l = listener_new(fd);
    if (!l)
        return -ENOMEM;
    if (listen(fd, o->backlog ? o->backlog : BACKLOG) < 0) {
        r = -errno;
        free(l);
        return r;
    }
    if (is_unix) {
        const char *path = ((const struct sockaddr_un *) &e->sa)->sun_path;
        struct stat st;
        memcpy(l->unix_path, path, strlen(path) + 1);
        if (lstat(path, &st) == 0) {
            l->unix_device = st.st_dev;
            l->unix_inode = st.st_ino;
        }
    }
    fd = -1; /* the listener's */
    *ret = l;
    return 0;
}

struct lookup {
    const struct address_parts *parts;
    struct addrinfo *found;
    int error;
};

static void *lookup_thread(void *arg) {
    struct lookup *l = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    int r = getaddrinfo(l->parts->host, l->parts->port, &hints, &l->found);
    l->error = r == 0 ? 0 : r == EAI_MEMORY ? -ENOMEM : r == EAI_SYSTEM ? -errno : -ENOENT;
    return NULL;
}

/* Names of this machine only, at start: waited for. On a thread all the same: what plugs into
 * getaddrinfo() may need more stack than a task has. */
static int look_up(const struct address_parts *parts, struct endpoint *ret) {
    struct lookup l = { .parts = parts };
    pthread_t thread;
    int r = thread_start(&thread, "resolve", lookup_thread, &l);
    if (r < 0)
        return r;
    (void) pthread_join(thread, NULL);
    if (l.error < 0)
        return l.error;
    /* "localhost" means 127.0.0.1 to whoever reads it in a configuration. */
    const struct addrinfo *best = l.found;
    for (const struct addrinfo *a = l.found; a; a = a->ai_next)
        if (a->ai_family == AF_INET) {
            best = a;
            break;
        }
    *ret = (struct endpoint){ .len = best->ai_addrlen };
    memcpy(&ret->sa, best->ai_addr, best->ai_addrlen);
    freeaddrinfo(l.found);
    return 0;
}

int listener_open(const struct address *a, const struct listener_options *o,
                  struct listener **ret) {
    static const struct listener_options defaults = { 0 };
    struct address_parts parts;
    struct endpoint e;
    int r = address_split(a->text, &parts);
    if (r < 0)
        return r;
    r = endpoint_of_parts(&parts, true, &e);
    if (r == -ENOENT)
        r = look_up(&parts, &e);
    if (r < 0)
        return r;
    r = open_at(&e, o ? o : &defaults, ret);
    if (r == -EAFNOSUPPORT && !parts.is_unix && !parts.host[0]) {
        /* "*" on a machine without IPv6 */
        struct sockaddr_in *in = (struct sockaddr_in *) &e.sa;
        in_port_t port = ((struct sockaddr_in6 *) &e.sa)->sin6_port;
        e = (struct endpoint){ .len = sizeof *in };
        *in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
        r = open_at(&e, o ? o : &defaults, ret);
    }
    return r;
}

int listener_from_fd(int fd, struct listener **ret) {
    int is_listening = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening,
                   &(socklen_t){ sizeof is_listening }) < 0)
        return -errno;
    if (!is_listening)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    struct listener *l = listener_new(fd);
    if (!l)
        return -ENOMEM;
    *ret = l;
    return 0;
}

/* ---- accepting ---- */

/* Errors of the connection that was about to be accepted, or of its network: accept(2) wants them
 * treated like "try again". */
static bool is_passing(int error) {
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: /* a firewall's word */
        return true;
    default:
        return false;
    }
}

static bool is_starvation(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* Waits for a connection (pause_ms 0), or only for time. */
static SUSPENDS int listener_wait(struct listener *l, int pause_ms) {
    assert(!l->waiter); /* one task accepts */
    struct listener_waiter w = { .task = task_self(), .listener = l };
    l->waiter = &w;
    l->streak = 0;
    watch_want(&l->watch, pause_ms ? 0 : WATCH_READ);
    int r = pause_ms ? task_suspend_until(WAIT_CONNECTION, l, loop_now() + pause_ms)
                     : task_suspend(WAIT_CONNECTION, l);
    if (!w.listener)
        return r < 0 ? r : -EBADF;
    l->waiter = NULL;
    return r;
}

SUSPENDS int listener_next(struct listener *l, struct stream **ret) {
    int r = task_check();
    if (r == 0 && l->streak >= STREAK_MAX)
        r = listener_wait(l, 0); /* readable still, if there are more */
    while (r == 0) {
        int fd = accept4(watch_fd(&l->watch), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->pause_ms = PAUSE_MIN_MS;
            l->streak++;
            r = stream_from_accepted(fd, ret);
            if (r == 0)
                return 1;
            (void) close(fd);
            return r;
        }
        if (errno == EAGAIN) {
            r = listener_wait(l, 0);
        } else if (is_starvation(errno)) {
            l->starved++;
            r = listener_wait(l, l->pause_ms);
            if (r == 0)
                l->pause_ms = l->pause_ms * 2 < PAUSE_MAX_MS ? l->pause_ms * 2 : PAUSE_MAX_MS;
        } else if (!is_passing(errno)) {
            r = -errno;
        }
    }
    return r;
}

/* ---- the rest ---- */

const char *listener_address(const struct listener *l, char *buf, size_t cap) {
    struct endpoint e = { .len = sizeof e.sa };
    if (getsockname(watch_fd(&l->watch), (struct sockaddr *) &e.sa, &e.len) < 0)
        (void) snprintf(buf, cap, "unknown");
    else
        (void) endpoint_text((const struct sockaddr *) &e.sa, e.len, buf, cap);
    return buf;
}

uint64_t listener_starved(const struct listener *l) {
    return l->starved;
}

struct listener *listener_close(struct listener *l) {
    if (!l)
        return NULL;
    if (l->waiter) {
        l->waiter->listener = NULL;
        (void) task_ready(l->waiter->task, -EBADF);
    }
    int fd = watch_fd(&l->watch);
    watch_want(&l->watch, 0);
    struct stat st;
    if (l->unix_inode && lstat(l->unix_path, &st) == 0 && st.st_dev == l->unix_device &&
        st.st_ino == l->unix_inode)
        (void) unlink(l->unix_path);
    (void) close(fd);
    free(l);
    return NULL;
}
