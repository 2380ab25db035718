/* floor - the kernel's floor for WebSocket fan-out: handshake, then every text frame received on
 * /pub is written unchanged (unmasked) to each subscriber of its channel.  No queues, no JSON, no
 * backpressure: a subscriber whose socket does not take a whole frame is closed.  Loopback only.
 *   floor [--port P] [--batch B] [--flush-us U] [--uring] [--cpu N] [--sndbuf N] [--call
 * write|send|writev]
 * --uring --call send: sends use registered files.
 * Channel of a subscriber: ?id=cN in the path (0 if absent).  Channel of a frame: leading "cN "
 * (else 0).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_URING
#include <liburing.h>
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif
#endif

enum { HTTP, SUB, PUB };
typedef struct {
    uint8_t kind;
    uint32_t chan, pos, plen;
    uint8_t *part;
} conn;
typedef struct {
    int *fd;
    uint32_t n, cap;
    uint8_t *buf;
    uint32_t blen, bcap, bcnt;
    bool queued;
} chan;
static conn *conns;
static chan *chans;
static uint32_t nchans;
static int maxfd;
static int ep, batch = 1, flush_us = 1000;
static bool use_uring;
static int call;
static uint8_t *rx;
#define RX (1 << 20)
static uint32_t *dirty, ndirty, dcap;
static uint64_t closed_slow;

static void die(const char *m) {
    perror(m);
    exit(2);
}
static void *xr(void *p, size_t n) {
    p = realloc(p, n);
    if (!p)
        die("realloc");
    return p;
}

static void sha1(const uint8_t *m, size_t n, uint8_t out[20]) {
    uint32_t h[5] = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 };
    uint8_t b[128] = { 0 };
    size_t t = n + 9 > 64 ? 128 : 64;
    memcpy(b, m, n);
    b[n] = 0x80;
    for (int i = 0; i < 8; i++)
        b[t - 1 - i] = (uint8_t) ((uint64_t) n * 8 >> (8 * i));
    for (size_t o = 0; o < t; o += 64) {
        uint32_t w[80], a = h[0], c1 = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t) b[o + 4 * i] << 24 | (uint32_t) b[o + 4 * i + 1] << 16 |
                   (uint32_t) b[o + 4 * i + 2] << 8 | b[o + 4 * i + 3];
        for (int i = 16; i < 80; i++) {
            uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
            w[i] = x << 1 | x >> 31;
        }
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20)
                f = (c1 & c) | (~c1 & d), k = 0x5A827999;
            else if (i < 40)
                f = c1 ^ c ^ d, k = 0x6ED9EBA1;
            else if (i < 60)
                f = (c1 & c) | (c1 & d) | (c & d), k = 0x8F1BBCDC;
            else
                f = c1 ^ c ^ d, k = 0xCA62C1D6;
            uint32_t s = (a << 5 | a >> 27) + f + e + k + w[i];
            e = d;
            d = c;
            c = c1 << 30 | c1 >> 2;
            c1 = a;
            a = s;
        }
        h[0] += a;
        h[1] += c1;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    for (int i = 0; i < 20; i++)
        out[i] = (uint8_t) (h[i / 4] >> (24 - 8 * (i & 3)));
}
static void b64(const uint8_t *s, char *d) {
    static const char t[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int k = 0;
    for (int i = 0; i < 20; i += 3) {
        uint32_t v = (uint32_t) s[i] << 16 | (i + 1 < 20 ? (uint32_t) s[i + 1] << 8 : 0) |
                     (i + 2 < 20 ? s[i + 2] : 0);
        d[k++] = t[v >> 18];
        d[k++] = t[v >> 12 & 63];
        d[k++] = i + 1 < 20 ? t[v >> 6 & 63] : '=';
        d[k++] = i + 2 < 20 ? t[v & 63] : '=';
    }
    d[k] = 0;
}
static chan *chan_at(uint32_t i) {
    if (i >= nchans) {
        uint32_t n = nchans ? nchans : 1024;
        while (n <= i)
            n *= 2;
        chans = xr(chans, n * sizeof *chans);
        memset(chans + nchans, 0, (n - nchans) * sizeof *chans);
        nchans = n;
    }
    return &chans[i];
}
static void drop(int fd) {
    conn *c = &conns[fd];
    if (c->kind == SUB) {
        chan *h = &chans[c->chan];
        int l = h->fd[--h->n];
        h->fd[c->pos] = l;
        conns[l].pos = c->pos;
    }
    free(c->part);
    memset(c, 0, sizeof *c);
    close(fd);
}
static void handshake(int fd, const char *p, size_t n) {
    conn *c = &conns[fd];
    const char *k = memmem(p, n, "Sec-WebSocket-Key: ", 19);
    if (!k) {
        drop(fd);
        return;
    }
    uint8_t in[64], dg[20];
    memcpy(in, k + 19, 24);
    memcpy(in + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    sha1(in, 60, dg);
    char r[160] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                  "Upgrade\r\nSec-WebSocket-Accept: ";
    size_t l = strlen(r);
    b64(dg, r + l);
    strcat(r, "\r\n\r\n");
    if (!memcmp(p, "GET /pub", 8))
        c->kind = PUB;
    else {
        const char *q = memmem(p, n > 200 ? 200 : n, "id=c", 4);
        c->kind = SUB;
        c->chan = q ? (uint32_t) atoi(q + 4) : 0;
        chan *h = chan_at(c->chan);
        if (h->n == h->cap) {
            h->cap = h->cap ? h->cap * 2 : 4;
            h->fd = xr(h->fd, h->cap * sizeof(int));
        }
        c->pos = h->n;
        h->fd[h->n++] = fd;
    }
    if (write(fd, r, strlen(r)) < 0)
        drop(fd);
}
#ifdef WITH_URING
static struct io_uring ring;
static unsigned pend;
static bool uring_fixed;
static void reap(void) {
    struct io_uring_cqe *q;
    unsigned hd, k = 0;
    io_uring_for_each_cqe(&ring, hd, q) {
        if (q->res < 0) {
            closed_slow++;
        }
        k++;
    }
    io_uring_cq_advance(&ring, k);
}
static void uring_flush(unsigned wait) {
    if (pend || wait) {
        io_uring_submit_and_get_events(&ring);
        pend = 0;
        reap();
    }
}
#endif
static void broadcast(chan *h, const uint8_t *b, size_t n) {
#ifdef WITH_URING
    if (use_uring) {
        for (uint32_t i = 0; i < h->n; i++) {
            struct io_uring_sqe *s = io_uring_get_sqe(&ring);
            if (!s) {
                uring_flush(0);
                s = io_uring_get_sqe(&ring);
            }
            io_uring_prep_send(s, h->fd[i], b, n, MSG_DONTWAIT | MSG_NOSIGNAL);
            s->flags |= IOSQE_CQE_SKIP_SUCCESS | (uring_fixed ? IOSQE_FIXED_FILE : 0);
            pend++;
        }
        uring_flush(1);
        return; /* buffer is reused by the caller: all sends are inline, so done here */
    }
#endif
    size_t hl = n >= 2 && b[1] == 126 ? 4 : 2; /* --call writev: header and payload as two pieces,
                                                  as a server with per-connection headers would */
    for (uint32_t i = 0; call && i < h->n; i++) {
        struct iovec v[2] = { { (void *) b, hl }, { (void *) (b + hl), n - hl } };
        ssize_t k = call == 1 ? send(h->fd[i], b, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                              : writev(h->fd[i], v, 2);
        if (k != (ssize_t) n) {
            closed_slow++;
            drop(h->fd[i]);
            i--;
        }
    }
    for (uint32_t i = 0; !call && i < h->n; i++)
        if (write(h->fd[i], b, n) != (ssize_t) n) {
            closed_slow++;
            drop(h->fd[i]);
            i--;
        }
}
static void flush_chan(chan *h) {
    if (h->blen)
        broadcast(h, h->buf, h->blen);
    h->blen = h->bcnt = 0;
    h->queued = false;
}
static void message(const uint8_t *f, size_t flen, const uint8_t *p, size_t n) {
    uint32_t id = 0;
    if (n > 2 && p[0] == 'c') {
        size_t i = 1;
        for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
            id = id * 10 + (uint32_t) (p[i] - '0');
    }
    if (id >= nchans)
        return;
    chan *h = &chans[id];
    if (batch <= 1) {
        broadcast(h, f, flen);
        return;
    }
    if (h->blen + flen > h->bcap) {
        h->bcap = (uint32_t) (h->blen + flen) * 2;
        h->buf = xr(h->buf, h->bcap);
    }
    memcpy(h->buf + h->blen, f, flen);
    h->blen += (uint32_t) flen;
    if (++h->bcnt >= (uint32_t) batch) {
        flush_chan(h);
        return;
    }
    if (!h->queued) {
        h->queued = true;
        if (ndirty == dcap)
            dirty = xr(dirty, (dcap = dcap ? dcap * 2 : 64) * 4);
        dirty[ndirty++] = id;
    }
}
static void readable(int fd) {
    conn *c = &conns[fd];
    size_t have = c->plen;
    if (have)
        memcpy(rx + 16, c->part, have);
    ssize_t n = recv(fd, rx + 16 + have, RX - have, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        drop(fd);
        return;
    }
    uint8_t *p = rx + 16;
    size_t tot = have + (size_t) n, off = 0;
    if (c->kind == HTTP) {
        if (tot < 4 || memcmp(p + tot - 4, "\r\n\r\n", 4)) {
            if (tot > 8000) {
                drop(fd);
                return;
            }
        } else {
            handshake(fd, (char *) p, tot);
            return;
        }
    } else
        while (tot - off >= 6) {
            uint8_t *q = p + off;
            size_t len = q[1] & 127, h = 6;
            if (len == 126) {
                h = 8;
                if (tot - off < 8)
                    break;
                len = (size_t) q[2] << 8 | q[3];
            } else if (len == 127) {
                drop(fd);
                return;
            }
            if (tot - off < h + len)
                break;
            uint32_t k;
            memcpy(&k, q + h - 4, 4);
            uint8_t *d = q + h;
            if (k)
                for (size_t i = 0; i < len; i++)
                    d[i] ^= ((uint8_t *) &k)[i & 3];
            if ((q[0] & 15) == 8) {
                drop(fd);
                return;
            }
            if (c->kind == PUB && (q[0] & 15) <= 2) {
                uint8_t *s = d - (h - 4);
                memmove(s, q, h - 4);
                s[1] &= 127;
                message(s, len + h - 4, d, len);
            }
            off += h + len;
        }
    size_t rem = tot - off;
    if (rem) {
        c->part = xr(c->part, rem);
        memcpy(c->part, p + off, rem);
    }
    c->plen = (uint32_t) rem;
}
int main(int argc, char **argv) {
    int port = 9001, cpu = -1, sndbuf = 0, o;
    signal(SIGPIPE, SIG_IGN);
    static struct option lo[] = {
        { "port", 1, 0, 'p' },  { "batch", 1, 0, 'b' }, { "flush-us", 1, 0, 'f' },
        { "uring", 0, 0, 'u' }, { "cpu", 1, 0, 'c' },   { "sndbuf", 1, 0, 's' },
        { "call", 1, 0, 'k' },  { "help", 0, 0, 'h' },  { 0, 0, 0, 0 }
    };
    while ((o = getopt_long(argc, argv, "h", lo, NULL)) != -1)
        switch (o) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'b':
            batch = atoi(optarg);
            break;
        case 'f':
            flush_us = atoi(optarg);
            break;
        case 'u':
            use_uring = true;
            break;
        case 'c':
            cpu = atoi(optarg);
            break;
        case 's':
            sndbuf = atoi(optarg);
            break;
        case 'k':
            call = !strcmp(optarg, "send") ? 1 : !strcmp(optarg, "writev") ? 2 : 0;
            break;
        default:
            puts("floor [--port P] [--batch B] [--flush-us U] [--uring] [--cpu N] [--sndbuf N] "
                 "[--call write|send|writev]");
            return o != 'h';
        }
    if (cpu >= 0) {
        cpu_set_t s;
        CPU_ZERO(&s);
        CPU_SET(cpu, &s);
        sched_setaffinity(0, sizeof s, &s);
    }
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    maxfd = (int) rl.rlim_max;
    conns = calloc((size_t) maxfd + 1, sizeof *conns);
    rx = malloc(RX + 64);
    chan_at(0);
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t) port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(ls, (struct sockaddr *) &a, sizeof a) || listen(ls, 4096))
        die("listen");
    ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.fd = ls }, ev[1024];
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    if (use_uring) {
#ifdef WITH_URING
        struct io_uring_params pr;
        memset(&pr, 0, sizeof pr);
        pr.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
        int r = io_uring_queue_init_params(4096, &ring, &pr);
        if (r < 0) {
            errno = -r;
            die("io_uring");
        }
        io_uring_register_ring_fd(&ring);
        uring_fixed = call == 1;
        if (uring_fixed && (r = io_uring_register_files_sparse(&ring, (unsigned) maxfd)) < 0) {
            errno = -r;
            die("register files");
        }
#else
        fputs("built without WITH_URING\n", stderr);
        return 2;
#endif
    }
    for (;;) {
        int n = epoll_wait(ep, ev, 1024, ndirty ? (flush_us + 999) / 1000 : -1);
        if (n == 0) {
            for (uint32_t i = 0; i < ndirty; i++)
                if (chans[dirty[i]].queued)
                    flush_chan(&chans[dirty[i]]);
            ndirty = 0;
        }
        for (int i = 0; i < n; i++) {
            if (ev[i].data.fd != ls) {
                readable(ev[i].data.fd);
                continue;
            }
            for (int k = 0; k < 64; k++) {
                int fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0)
                    break;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (sndbuf)
                    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
                memset(&conns[fd], 0, sizeof(conn));
                e.events = EPOLLIN;
                e.data.fd = fd;
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
#ifdef WITH_URING
                if (uring_fixed)
                    io_uring_register_files_update(&ring, (unsigned) fd, &fd, 1);
#endif
            }
        }
    }
}
