/* wsload - independent WebSocket load generator (C11, raw epoll, libc + pthreads only).
 *
 * Loopback only: the target must be in 127.0.0.0/8.
 * One thread by default (publishers and subscribers share one epoll loop); --threads T moves the
 * subscribers to T extra threads.  Receive path: edge-triggered epoll, one recv() per ready socket
 * into a big shared buffer, frames walked in place, nothing allocated per message. Every payload
 * carries  ~W<run:4x><pub:4x><seq:8x><ns:16x>  (monotonic clock), so latency, loss and order are
 * checked on every delivery, not on a sample.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RXCAP     (1u << 20)
#define MAXEV     1024
#define MARK_LEN  34
#define RING      65536u
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum proto { P_RAW, P_CENTRIFUGE, P_NATS, P_NCHAN, P_MQTT, P_SIO };
enum mode { M_FANOUT, M_CHANNELS, M_IDLE, M_PUBLISH, M_HANDSHAKE };
enum state { S_CLOSED, S_CONNECTING, S_HTTP, S_SETUP, S_READY };
enum role { R_SUB, R_PUB };
static const char *const proto_names[] = {
    "raw", "centrifuge", "nats", "nchan", "mqtt", "socketio"
};
static const char *const mode_names[] = { "fanout", "channels", "idle", "publish", "handshake" };

/* ---------- histogram: log-linear, 64 sub-buckets per power of two (<1.6 % error) ---------- */
#define HB 6
#define HN ((64 - HB + 1) << HB)
typedef struct {
    uint64_t n, max, sum;
    uint64_t c[HN];
} hist;
static inline void hist_add(hist *h, uint64_t v) {
    unsigned i;
    if (v < (1u << HB))
        i = (unsigned) v;
    else {
        unsigned e = 63u - (unsigned) __builtin_clzll(v);
        i = ((e - HB + 1) << HB) + (unsigned) ((v >> (e - HB)) & ((1u << HB) - 1));
    }
    h->c[i]++;
    h->n++;
    h->sum += v;
    if (v > h->max)
        h->max = v;
}
static double hist_q(const hist *h, double q) {
    if (!h->n)
        return 0;
    uint64_t want = (uint64_t) (q * (double) h->n), acc = 0;
    if (want >= h->n)
        want = h->n - 1;
    for (unsigned i = 0; i < HN; i++) {
        acc += h->c[i];
        if (acc > want) {
            if (i < (1u << HB))
                return i;
            unsigned e = (i >> HB) + HB - 1, m = i & ((1u << HB) - 1);
            double lo = (double) ((uint64_t) ((1u << HB) + m) << (e - HB)),
                   w = (double) (1ull << (e - HB));
            double v = lo + w / 2;
            return v > (double) h->max ? (double) h->max : v;
        }
    }
    return (double) h->max;
}
static void hist_merge(hist *a, const hist *b) {
    for (unsigned i = 0; i < HN; i++)
        a->c[i] += b->c[i];
    a->n += b->n;
    a->sum += b->sum;
    if (b->max > a->max)
        a->max = b->max;
}

/* ---------- types ---------- */
struct worker;
typedef struct conn {
    int fd;
    uint8_t state, role, slow, frag;
    uint32_t idx, chan;
    uint32_t plen, pcap, slen, scap;
    uint8_t *pbuf, *sbuf; /* partial frame; partial stream/fragment */
    uint64_t t0;
    uint32_t moff; /* where the marker was last found */
    /* publisher only */
    uint8_t *tx;
    size_t txlen, txoff, txcap;
    uint64_t sent, acked;
    uint64_t *ring;
} conn;

typedef struct worker {
    _Alignas(64) _Atomic uint64_t delivered; /* application messages on subscribers */
    int ep;
    uint8_t *rx;
    pthread_t th;
    uint64_t bytes, frames, rxbytes, recvs, pings, nomark, foreign, dup, gap, late;
    uint64_t closed, perr, acks, ackerr;
    hist lat, ack;
    char lasterr[256];
} worker;

/* ---------- options and globals ---------- */
static struct {
    struct in_addr host, src;
    int port;
    int per_ip;
    enum proto proto;
    enum mode mode;
    int subs, pubs, channels, window, pub_batch, size, conc, threads, slow, server_cpu, qos, nsrv;
    double rate, duration, warmup, drain, settle;
    int wait_us; /* -1 block, 0 spin, >0 sleep between polls */
    const char *path, *pub_path, *subproto, *ext, *header, *prefix, *connect_json, *label,
            *sub_json;
    int cpus[64], ncpu;
    int srv[64];
    uint32_t mask;
    bool json, quiet, nats_verbose, stamp_actual;
} o;
static conn *conns;
static int nconn;
static worker *W;
static int nworkers = 1; /* W[0] is the main thread */
static hist h_hs, h_ready, h_lag;
static uint32_t *pubseq, *sublast;
static uint32_t *chan_live;
static uint16_t run_id;
static atomic_bool stop_workers;
static atomic_int main_waiting;
static int wake_fd = -1;
static atomic_bool measuring;
static int n_handshaken, n_ready, n_failed, in_setup;
static uint64_t hs_done_t;
static bool churn;
static uint64_t expected;
static atomic_int live_subs;
static char fail_msg[256];

static inline uint64_t mono(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000ull + (uint64_t) t.tv_nsec;
}
static _Noreturn void die(const char *f, ...) {
    va_list a;
    va_start(a, f);
    fputs("wsload: ", stderr);
    vfprintf(stderr, f, a);
    va_end(a);
    fputc('\n', stderr);
    exit(2);
}
static void note(const char *f, ...) {
    if (o.quiet)
        return;
    va_list a;
    va_start(a, f);
    fputs("# ", stderr);
    vfprintf(stderr, f, a);
    va_end(a);
    fputc('\n', stderr);
}
static void *xrealloc(void *p, size_t n) {
    p = realloc(p, n);
    if (!p)
        die("out of memory");
    return p;
}
static void *xcalloc(size_t n, size_t s) {
    void *p = calloc(n ? n : 1, s);
    if (!p)
        die("out of memory");
    return p;
}

static int8_t hexv[256];
static const char hexd[] = "0123456789abcdef";
static inline void put_hex(uint8_t *p, uint64_t v, int n) {
    for (int i = n - 1; i >= 0; i--) {
        p[i] = (uint8_t) hexd[v & 15];
        v >>= 4;
    }
}
static inline uint64_t get_hex(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 4 | (uint64_t) (hexv[p[i]] & 15);
    return v;
}
static inline int put_dec(uint8_t *p, uint64_t v) {
    uint8_t t[20];
    int n = 0;
    do {
        t[n++] = (uint8_t) ('0' + v % 10);
        v /= 10;
    } while (v);
    for (int i = 0; i < n; i++)
        p[i] = t[n - 1 - i];
    return n;
}

static size_t prefix_len;
static inline int put_chan(uint8_t *p, uint32_t ch) {
    memcpy(p, o.prefix, prefix_len);
    return (int) prefix_len + put_dec(p + prefix_len, ch);
}

static void conn_close(worker *w, conn *c, const char *why);

/* ---------- sending ---------- */
static void tx_reserve(conn *c, size_t n) {
    if (c->txoff && c->txoff == c->txlen)
        c->txoff = c->txlen = 0;
    if (c->txlen + n > c->txcap) {
        if (c->txoff) {
            memmove(c->tx, c->tx + c->txoff, c->txlen - c->txoff);
            c->txlen -= c->txoff;
            c->txoff = 0;
        }
        if (c->txlen + n > c->txcap) {
            c->txcap = (c->txlen + n) * 2;
            c->tx = xrealloc(c->tx, c->txcap);
        }
    }
}
static void tx_flush(worker *w, conn *c) {
    while (c->fd >= 0 && c->txoff < c->txlen) {
        ssize_t n = send(c->fd, c->tx + c->txoff, c->txlen - c->txoff, MSG_NOSIGNAL);
        if (n > 0) {
            c->txoff += (size_t) n;
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return; /* EPOLLOUT edge resumes */
        conn_close(w, c, strerror(errno));
        return;
    }
    c->txoff = c->txlen = 0;
    if (c->role == R_SUB) {
        free(c->tx);
        c->tx = NULL;
        c->txcap = 0;
    }
}
/* frame header for a client frame; returns header length (mask key included) */
static inline size_t put_hdr(uint8_t *h, unsigned op, size_t len) {
    size_t n;
    h[0] = (uint8_t) (0x80 | op);
    if (len < 126) {
        h[1] = (uint8_t) (0x80 | len);
        n = 2;
    } else if (len < 65536) {
        h[1] = 0x80 | 126;
        h[2] = (uint8_t) (len >> 8);
        h[3] = (uint8_t) len;
        n = 4;
    } else {
        h[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            h[2 + i] = (uint8_t) ((uint64_t) len >> (56 - 8 * i));
        n = 10;
    }
    memcpy(h + n, &o.mask, 4);
    return n + 4;
}
static inline void mask_buf(uint8_t *p, size_t n) {
    if (!o.mask)
        return;
    const uint8_t *k = (const uint8_t *) &o.mask;
    for (size_t i = 0; i < n; i++)
        p[i] ^= k[i & 3];
}
static inline void tx_frame(conn *c, unsigned op, const void *d, size_t n) {
    tx_reserve(c, n + 14);
    uint8_t *b = c->tx + c->txlen;
    size_t h = put_hdr(b, op, n);
    memcpy(b + h, d, n);
    mask_buf(b + h, n);
    c->txlen += h + n;
}
static void send_frame(worker *w, conn *c, unsigned op, const void *d, size_t n) {
    tx_frame(c, op, d, n);
    tx_flush(w, c);
}

/* ---------- connection life ---------- */
static void conn_close(worker *w, conn *c, const char *why) {
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    if (c->state != S_READY) {
        in_setup--;
        n_failed++;
        if (!fail_msg[0])
            snprintf(fail_msg, sizeof fail_msg, "%s", why);
    } else {
        w->closed++;
        if (!w->lasterr[0])
            snprintf(w->lasterr, sizeof w->lasterr, "%s", why);
        n_ready -= (nworkers == 1);
        if (c->role == R_SUB && !c->slow) {
            atomic_fetch_sub(&live_subs, 1);
            __atomic_fetch_sub(&chan_live[c->chan], 1, __ATOMIC_RELAXED);
        }
    }
    c->state = S_CLOSED;
    free(c->pbuf);
    free(c->sbuf);
    c->pbuf = c->sbuf = NULL;
    c->plen = c->slen = c->pcap = c->scap = 0;
    c->txoff = c->txlen = 0;
}
static void start_connect(conn *c) {
    worker *w = &W[0];
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    in_setup++;
    c->state = S_CONNECTING;
    if (c->fd < 0) {
        in_setup--;
        n_failed++;
        c->state = S_CLOSED;
        if (!fail_msg[0])
            snprintf(fail_msg, sizeof fail_msg, "socket: %s", strerror(errno));
        return;
    }
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (churn) {
        struct linger l = { 1, 0 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    uint32_t ip = ntohl(o.src.s_addr) + (uint32_t) ((c - conns) / o.per_ip);
    if (o.src.s_addr != htonl(INADDR_LOOPBACK) || (c - conns) >= o.per_ip) {
        struct sockaddr_in s = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip) };
        setsockopt(c->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (struct sockaddr *) &s, sizeof s)) {
            conn_close(w, c, "bind source address failed");
            return;
        }
    }
    struct sockaddr_in d = { .sin_family = AF_INET,
                             .sin_addr = o.host,
                             .sin_port = htons((uint16_t) o.port) };
    c->t0 = mono();
    if (connect(c->fd, (struct sockaddr *) &d, sizeof d) && errno != EINPROGRESS) {
        char m[80];
        snprintf(m, sizeof m, "connect: %s", strerror(errno));
        conn_close(w, c, m);
        return;
    }
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    if (epoll_ctl(w->ep, EPOLL_CTL_ADD, c->fd, &e))
        die("epoll_ctl: %s", strerror(errno));
}
static void send_upgrade(worker *w, conn *c) {
    char path[512], req[2048];
    const char *t = c->role == R_SUB ? o.path : o.pub_path;
    size_t k = 0;
    for (; *t && k < sizeof path - 64; t++) {
        if (t[0] == '%' && t[1] == 'c') {
            k += (size_t) put_chan((uint8_t *) path + k, c->chan);
            t++;
        } else
            path[k++] = *t;
    }
    path[k] = 0;
    int n = snprintf(req, sizeof req,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Key: " WS_KEY
                     "\r\nSec-WebSocket-Version: 13\r\n%s%s%s%s%s%s%s%s\r\n",
                     path, o.port, o.subproto[0] ? "Sec-WebSocket-Protocol: " : "", o.subproto,
                     o.subproto[0] ? "\r\n" : "", o.ext[0] ? "Sec-WebSocket-Extensions: " : "",
                     o.ext, o.ext[0] ? "\r\n" : "", o.header, o.header[0] ? "\r\n" : "");
    c->state = S_HTTP;
    tx_reserve(c, (size_t) n);
    memcpy(c->tx + c->txlen, req, (size_t) n);
    c->txlen += (size_t) n;
    tx_flush(w, c);
}
static void conn_ready(worker *w, conn *c, uint64_t now) {
    in_setup--;
    c->state = S_READY;
    n_ready++;
    hist_add(&h_ready, now - c->t0);
    if (c->role == R_SUB) {
        if ((int) c->idx >= o.subs - o.slow) {
            c->slow = 1;
            epoll_ctl(w->ep, EPOLL_CTL_DEL, c->fd, NULL);
        } else {
            atomic_fetch_add(&live_subs, 1);
            chan_live[c->chan]++;
        }
    }
}
static void on_upgraded(worker *w, conn *c, uint64_t now) {
    hist_add(&h_hs, now - c->t0);
    n_handshaken++;
    hs_done_t = now;
    c->state = S_SETUP;
    if (churn) {
        in_setup--;
        c->state = S_CLOSED;
        close(c->fd);
        c->fd = -1;
        c->plen = 0;
        return;
    }
    switch (o.proto) {
    case P_RAW:
    case P_NCHAN:
        conn_ready(w, c, now);
        break;
    case P_CENTRIFUGE: {
        char b[1024];
        int n = snprintf(b, sizeof b, "{\"id\":1,\"connect\":%s}", o.connect_json);
        send_frame(w, c, 1, b, (size_t) n);
        break;
    }
    case P_MQTT: {
        uint8_t b[64];
        int n = snprintf((char *) b + 14, 40, "w%04x%c%x", run_id, c->role ? 'p' : 's', c->idx);
        b[0] = 0x10;
        b[1] = (uint8_t) (12 + n);
        memcpy(b + 2, "\0\4MQTT\4\2\0\0", 10);
        b[12] = 0;
        b[13] = (uint8_t) n;
        send_frame(w, c, 2, b, (size_t) n + 14);
        break;
    }
    case P_NATS:
    case P_SIO:
        break; /* wait for INFO / the open packet */
    }
}

/* ---------- messages ---------- */
static inline void deliver(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    w->bytes += n;
    atomic_store_explicit(&w->delivered,
                          atomic_load_explicit(&w->delivered, memory_order_relaxed) + 1,
                          memory_order_release);
    size_t off = c->moff;
    if (off + MARK_LEN > n || p[off] != '~' || p[off + 1] != 'W') {
        const uint8_t *m = memmem(p, n, "~W", 2);
        if (!m || (size_t) (m - p) + MARK_LEN > n) {
            w->nomark++;
            return;
        }
        off = (size_t) (m - p);
        c->moff = (uint32_t) off;
    }
    p += off + 2;
    uint64_t ts = get_hex(p + 16, 16);
    if (atomic_load_explicit(&measuring, memory_order_relaxed))
        hist_add(&w->lat, now > ts ? now - ts : 0);
    if (get_hex(p, 4) != run_id) {
        w->foreign++;
        return;
    }
    if (!sublast)
        return;
    uint32_t pub = (uint32_t) get_hex(p + 4, 4), seq = (uint32_t) get_hex(p + 8, 8);
    if (pub >= (uint32_t) o.pubs) {
        w->nomark++;
        return;
    }
    uint32_t *l = &sublast[(size_t) c->idx * (size_t) o.pubs + pub]; /* next expected */
    if (seq == *l)
        *l = seq + 1;
    else if ((int32_t) (seq - *l) > 0) {
        w->gap += seq - *l;
        *l = seq + 1;
    } else {
        w->late++;
    }
}
static inline void ack_one(worker *w, conn *c, uint64_t idx, uint64_t now, bool err) {
    w->acks++;
    c->acked++;
    if (err)
        w->ackerr++;
    if (c->ring && atomic_load_explicit(&measuring, memory_order_relaxed)) {
        uint64_t t = c->ring[idx % RING];
        if (t)
            hist_add(&w->ack, now - t);
    }
}
static void cf_doc(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    if (n >= 8 && !memcmp(p, "{\"push\":", 8)) {
        if (c->role == R_SUB && memmem(p, n > 300 ? 300 : n, "\"pub\":", 6))
            deliver(w, c, p, n, now);
        return;
    }
    if (n == 2) {
        w->pings++;
        tx_frame(c, 1, "{}", 2);
        return;
    }
    uint64_t id = 0;
    const uint8_t *q = memmem(p, n, "\"id\":", 5);
    if (q)
        for (q += 5; q < p + n && *q >= '0' && *q <= '9'; q++)
            id = id * 10 + (uint64_t) (*q - '0');
    bool err = memmem(p, n > 200 ? 200 : n, "\"error\":{", 9) != NULL;
    if (err && !w->lasterr[0])
        snprintf(w->lasterr, sizeof w->lasterr, "%.*s", (int) (n > 200 ? 200 : n),
                 (const char *) p);
    if (c->state == S_SETUP) {
        if (err) {
            conn_close(w, c, "error reply during connect/subscribe");
            return;
        }
        if (id == 1 && c->role == R_SUB && o.channels) {
            char b[1024];
            char ch[256];
            ch[put_chan((uint8_t *) ch, c->chan)] = 0;
            int k = snprintf(b, sizeof b, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"%s}}", ch,
                             o.sub_json);
            tx_frame(c, 1, b, (size_t) k);
        } else if (id == 1 || id == 2)
            conn_ready(w, c, now);
    } else if (c->role == R_PUB && id >= 1000)
        ack_one(w, c, id - 1000, now, err);
    else if (c->role == R_SUB && memmem(p, n, "\"pub\":", 6))
        deliver(w, c, p, n, now);
}
static void on_text(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    if (o.proto == P_CENTRIFUGE) {
        const uint8_t *e = p + n;
        while (p < e && c->fd >= 0) {
            const uint8_t *nl = memchr(p, '\n', (size_t) (e - p));
            const uint8_t *end = nl ? nl : e;
            if (end > p)
                cf_doc(w, c, p, (size_t) (end - p), now);
            p = nl ? nl + 1 : e;
        }
        if (c->fd >= 0 && c->txoff < c->txlen)
            tx_flush(w, c);
    } else if (o.proto == P_SIO) {
        if (n >= 2 && p[0] == '4' && p[1] == '2') {
            if (c->role == R_SUB)
                deliver(w, c, p, n, now);
            else
                ack_one(w, c, c->acked, now, false);
        } else if (n && p[0] == '0')
            send_frame(w, c, 1, "40", 2);
        else if (n >= 2 && p[0] == '4' && p[1] == '0') {
            if (c->state == S_SETUP)
                conn_ready(w, c, now);
        } else if (n == 1 && p[0] == '2') {
            w->pings++;
            send_frame(w, c, 1, "3", 1);
        }
    } else if (c->role == R_SUB)
        deliver(w, c, p, n, now);
    else
        ack_one(w, c, c->acked, now, false);
}
static size_t nats_stream(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    size_t off = 0;
    while (off < n && c->fd >= 0) {
        const uint8_t *l = p + off, *nl = memchr(l, '\n', n - off);
        if (!nl)
            break;
        size_t ll = (size_t) (nl - l) + 1;
        if (l[0] == 'M') {
            size_t len = 0, mul = 1;
            const uint8_t *q = nl - 1;
            while (q > l && (*q == '\r' || *q == ' '))
                q--;
            for (; q > l && *q >= '0' && *q <= '9'; q--) {
                len += (size_t) (*q - '0') * mul;
                mul *= 10;
            }
            if (n - off < ll + len + 2)
                break;
            if (c->role == R_SUB)
                deliver(w, c, nl + 1, len, now);
            off += ll + len + 2;
            continue;
        }
        if (ll >= 4 && !memcmp(l, "PING", 4)) {
            w->pings++;
            tx_frame(c, 2, "PONG\r\n", 6);
        } else if (ll >= 4 && !memcmp(l, "PONG", 4)) {
            if (c->state == S_SETUP)
                conn_ready(w, c, now);
        } else if (l[0] == '+') {
            if (c->role == R_PUB && c->state == S_READY)
                ack_one(w, c, c->acked, now, false);
        } else if (l[0] == '-') {
            w->ackerr++;
            if (!w->lasterr[0])
                snprintf(w->lasterr, sizeof w->lasterr, "%.*s", (int) (ll - 1), (const char *) l);
        } else if (l[0] == 'I' && c->state == S_SETUP) {
            char b[512], ch[256];
            ch[put_chan((uint8_t *) ch, c->chan)] = 0;
            int k = snprintf(b, sizeof b,
                             "CONNECT "
                             "{\"verbose\":%s,\"pedantic\":false,\"lang\":\"wsload\",\"version\":"
                             "\"1\",\"protocol\":1,\"no_responders\":false,\"headers\":false}\r\n",
                             o.nats_verbose && c->role == R_PUB ? "true" : "false");
            if (c->role == R_SUB)
                k += snprintf(b + k, sizeof b - (size_t) k, "SUB %s 1\r\n", ch);
            k += snprintf(b + k, sizeof b - (size_t) k, "PING\r\n");
            tx_frame(c, 2, b, (size_t) k);
        }
        off += ll;
    }
    if (c->fd >= 0 && c->txoff < c->txlen)
        tx_flush(w, c);
    return off;
}
static size_t mqtt_stream(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    size_t off = 0;
    while (n - off >= 2 && c->fd >= 0) {
        const uint8_t *q = p + off;
        size_t len = 0, h = 1;
        int sh = 0;
        bool done = false;
        while (h < n - off && h < 5) {
            len |= (size_t) (q[h] & 127) << sh;
            sh += 7;
            if (!(q[h++] & 128)) {
                done = true;
                break;
            }
        }
        if (!done || n - off < h + len)
            break;
        switch (q[0] >> 4) {
        case 3: {
            size_t tl = (size_t) q[h] << 8 | q[h + 1], d = 2 + tl + ((q[0] & 6) ? 2 : 0);
            if (c->role == R_SUB && d <= len)
                deliver(w, c, q + h + d, len - d, now);
            break;
        }
        case 2:
            if (q[h + 1]) {
                conn_close(w, c, "mqtt CONNACK refused");
                return n;
            }
            if (c->role == R_SUB) {
                uint8_t b[300];
                int k = put_chan(b + 6, c->chan);
                b[0] = 0x82;
                b[1] = (uint8_t) (5 + k);
                b[2] = 0;
                b[3] = 1;
                b[4] = 0;
                b[5] = (uint8_t) k;
                b[6 + k] = 0;
                send_frame(w, c, 2, b, (size_t) k + 7);
            } else
                conn_ready(w, c, now);
            break;
        case 9:
            if (c->state == S_SETUP)
                conn_ready(w, c, now);
            break;
        case 4:
            ack_one(w, c, c->acked, now, false);
            break;
        default:
            break;
        }
        off += h + len;
    }
    return off;
}
static void sbuf_append(conn *c, const uint8_t *p, size_t n) {
    if (c->slen + n > c->scap) {
        c->scap = (uint32_t) (c->slen + n) * 2;
        c->sbuf = xrealloc(c->sbuf, c->scap);
    }
    memcpy(c->sbuf + c->slen, p, n);
    c->slen += (uint32_t) n;
}
static void on_stream(worker *w, conn *c, const uint8_t *p, size_t n, uint64_t now) {
    size_t (*f)(worker *, conn *, const uint8_t *, size_t, uint64_t) =
            o.proto == P_NATS ? nats_stream : mqtt_stream;
    if (c->slen) {
        sbuf_append(c, p, n);
        size_t k = f(w, c, c->sbuf, c->slen, now);
        if (c->fd < 0)
            return;
        if (k) {
            memmove(c->sbuf, c->sbuf + k, c->slen - k);
            c->slen -= (uint32_t) k;
        }
    } else {
        size_t k = f(w, c, p, n, now);
        if (c->fd >= 0 && k < n)
            sbuf_append(c, p + k, n - k);
    }
}
/* consumes whole frames, returns bytes consumed */
static size_t consume(worker *w, conn *c, const uint8_t *p, size_t tot, uint64_t now) {
    size_t off = 0;
    if (c->state == S_HTTP) {
        const uint8_t *e = memmem(p, tot, "\r\n\r\n", 4);
        if (!e) {
            if (tot > 8192)
                conn_close(w, c, "HTTP response too long");
            return 0;
        }
        size_t hl = (size_t) (e - p) + 4;
        if (tot < 12 || memcmp(p, "HTTP/1.1 101", 12) || !memmem(p, hl, WS_ACCEPT, 28)) {
            char m[120];
            snprintf(m, sizeof m, "upgrade refused: %.*s",
                     (int) (strcspn((const char *) p, "\r") > 80 ? 80
                                                                 : strcspn((const char *) p, "\r")),
                     (const char *) p);
            conn_close(w, c, m);
            return tot;
        }
        off = hl;
        on_upgraded(w, c, now);
    }
    while (c->fd >= 0 && tot - off >= 2) {
        const uint8_t *q = p + off;
        size_t len = q[1] & 127, h = 2;
        if (len == 126) {
            if (tot - off < 4)
                break;
            len = (size_t) q[2] << 8 | q[3];
            h = 4;
        } else if (len == 127) {
            if (tot - off < 10)
                break;
            len = 0;
            for (int i = 0; i < 8; i++)
                len = len << 8 | q[2 + i];
            h = 10;
        }
        if (q[1] & 0x80) {
            w->perr++;
            conn_close(w, c, "masked server frame");
            break;
        }
        if (h + len > RXCAP) {
            w->perr++;
            conn_close(w, c, "frame too large");
            break;
        }
        if (tot - off < h + len)
            break;
        unsigned op = q[0] & 15;
        bool fin = q[0] & 0x80;
        const uint8_t *d = q + h;
        off += h + len;
        if (op >= 8) {
            if (op == 9) {
                w->pings++;
                send_frame(w, c, 10, d, len);
            } else if (op == 8) {
                char m[160];
                unsigned code = len >= 2 ? (unsigned) d[0] << 8 | d[1] : 0;
                snprintf(m, sizeof m, "server close %u %.*s", code,
                         len > 2 ? (int) (len - 2 > 100 ? 100 : len - 2) : 0, d + 2);
                conn_close(w, c, m);
            }
            continue;
        }
        w->frames++;
        if (q[0] & 0x40) {
            if (c->role == R_SUB && fin) {
                w->nomark++;
                atomic_fetch_add(&w->delivered, 1);
                w->bytes += len;
            } else if (fin)
                ack_one(w, c, c->acked, now, false);
            continue;
        }
        if (o.proto == P_NATS || o.proto == P_MQTT)
            on_stream(w, c, d, len, now);
        else if (fin && !c->frag)
            on_text(w, c, d, len, now);
        else {
            sbuf_append(c, d, len);
            c->frag = 1;
            if (fin) {
                on_text(w, c, c->sbuf, c->slen, now);
                c->slen = 0;
                c->frag = 0;
            }
        }
    }
    return off;
}
static void conn_readable(worker *w, conn *c) {
    while (c->fd >= 0) {
        size_t have = c->plen;
        if (have)
            memcpy(w->rx, c->pbuf, have);
        ssize_t n = recv(c->fd, w->rx + have, RXCAP + 16 - have, 0);
        w->recvs++;
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return;
            conn_close(w, c, strerror(errno));
            return;
        }
        if (n == 0) {
            conn_close(w, c, "closed by server");
            return;
        }
        w->rxbytes += (uint64_t) n;
        size_t tot = have + (size_t) n, off = consume(w, c, w->rx, tot, mono());
        if (c->fd < 0)
            return;
        size_t rem = tot - off;
        if (rem) {
            if (rem > c->pcap) {
                c->pcap = (uint32_t) rem + 512;
                c->pbuf = xrealloc(c->pbuf, c->pcap);
            }
            memcpy(c->pbuf, w->rx + off, rem);
        }
        c->plen = (uint32_t) rem;
        if ((size_t) n < RXCAP + 16 - have)
            return; /* drained: edge-triggered, more data brings a new edge */
    }
}
static int poll_once(worker *w, int64_t timeout_ns) {
    static _Thread_local struct epoll_event ev[MAXEV];
    int n;
    if (timeout_ns == 0 || o.wait_us >= 0) {
        n = epoll_wait(w->ep, ev, MAXEV, 0);
        if (n == 0 && timeout_ns > 0 && o.wait_us > 0) {
            int64_t s = (int64_t) o.wait_us * 1000;
            if (s > timeout_ns)
                s = timeout_ns;
            struct timespec t = { s / 1000000000, s % 1000000000 };
            nanosleep(&t, NULL);
        }
    } else {
        struct timespec t = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
        n = epoll_pwait2(w->ep, ev, MAXEV, &t, NULL);
    }
    if (n < 0) {
        if (errno == EINTR)
            return 0;
        die("epoll_wait: %s", strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        conn *c = ev[i].data.ptr;
        uint32_t e = ev[i].events;
        if (!c) {
            uint64_t x;
            if (read(wake_fd, &x, 8) < 0) {
            }
            continue;
        }
        if (c->fd < 0)
            continue;
        if (c->state == S_CONNECTING) {
            int er = 0;
            socklen_t sl = sizeof er;
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &er, &sl);
            if (er) {
                conn_close(w, c, strerror(er));
                continue;
            }
            if (e & EPOLLOUT)
                send_upgrade(w, c);
            if (!(e & EPOLLIN))
                continue;
        } else if ((e & EPOLLOUT) && c->txoff < c->txlen)
            tx_flush(w, c);
        if (e & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            conn_readable(w, c);
    }
    return n;
}
static void pin(int i) {
    if (!o.ncpu)
        return;
    cpu_set_t s;
    CPU_ZERO(&s);
    CPU_SET(o.cpus[i % o.ncpu], &s);
    if (sched_setaffinity(0, sizeof s, &s))
        die("cannot pin to cpu %d: %s", o.cpus[i % o.ncpu], strerror(errno));
}
static void *worker_main(void *a) {
    worker *w = a;
    pin((int) (w - W));
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load(&stop_workers)) {
        int n = poll_once(w, 20000000);
        if (n > 0 && atomic_exchange(&main_waiting, 0)) {
            uint64_t x = 1;
            if (write(wake_fd, &x, 8) < 0) {
            }
        }
    }
    return NULL;
}

/* ---------- process accounting ---------- */
typedef struct {
    double user, sys, total;
    uint64_t pss_kb, rss_kb;
    int threads;
    double cpu_busy[2], cpu_steal;
    uint64_t slab_kb, tcp_mem_pages;
} snap;
static bool slurp(const char *p, char *b, size_t n) {
    int f = open(p, O_RDONLY | O_CLOEXEC);
    if (f < 0)
        return false;
    ssize_t k = read(f, b, n - 1);
    close(f);
    if (k < 0)
        return false;
    b[k] = 0;
    return true;
}
static uint64_t field_kb(const char *b, const char *k) {
    const char *p = strstr(b, k);
    return p ? strtoull(p + strlen(k), NULL, 10) : 0;
}
static void take(snap *s, bool mem) {
    char b[16384], p[128];
    memset(s, 0, sizeof *s);
    double hz = (double) sysconf(_SC_CLK_TCK);
    for (int i = 0; i < o.nsrv; i++) {
        snprintf(p, sizeof p, "/proc/%d/stat", o.srv[i]);
        if (!slurp(p, b, sizeof b))
            die("server pid %d is not running", o.srv[i]);
        char *q = strrchr(b, ')');
        unsigned long u = 0, k = 0;
        if (q &&
            sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k) == 2) {
            s->user += (double) u / hz;
            s->sys += (double) k / hz;
        }
        snprintf(p, sizeof p, "/proc/%d/task", o.srv[i]);
        DIR *d = opendir(p);
        struct dirent *e;
        while (d && (e = readdir(d)))
            if (e->d_name[0] != '.') {
                char t[400];
                snprintf(t, sizeof t, "%s/%s/schedstat", p, e->d_name);
                if (slurp(t, b, sizeof b)) {
                    s->total += (double) strtoull(b, NULL, 10) / 1e9;
                    s->threads++;
                }
            }
        if (d)
            closedir(d);
        if (mem) {
            snprintf(p, sizeof p, "/proc/%d/smaps_rollup", o.srv[i]);
            if (slurp(p, b, sizeof b)) {
                s->pss_kb += field_kb(b, "\nPss:");
                s->rss_kb += field_kb(b, "\nRss:");
            }
        }
    }
    if (slurp("/proc/stat", b, sizeof b)) {
        for (int i = 0; i < 2; i++) {
            int cpu = i == 0 ? o.server_cpu : (o.ncpu ? o.cpus[0] : -1);
            if (cpu < 0)
                continue;
            char k[16];
            snprintf(k, sizeof k, "\ncpu%d ", cpu);
            char *q = strstr(b, k);
            unsigned long long v[8] = { 0 };
            if (q && sscanf(q + strlen(k), "%llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1,
                            v + 2, v + 3, v + 4, v + 5, v + 6, v + 7) == 8) {
                s->cpu_busy[i] = (double) (v[0] + v[1] + v[2] + v[5] + v[6]) / hz;
                if (!i)
                    s->cpu_steal = (double) v[7] / hz;
            }
        }
    }
    if (mem) {
        if (slurp("/proc/meminfo", b, sizeof b))
            s->slab_kb = field_kb(b, "\nSlab:");
        if (slurp("/proc/net/sockstat", b, sizeof b)) {
            char *q = strstr(b, "TCP:");
            q = q ? strstr(q, "mem ") : NULL;
            s->tcp_mem_pages = q ? strtoull(q + 4, NULL, 10) : 0;
        }
    }
}
static double self_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double) r.ru_utime.tv_sec + (double) r.ru_stime.tv_sec +
           1e-6 * (double) (r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* ---------- publishing ---------- */
static uint8_t *pad;
static inline void publish_one(conn *c, uint32_t ch, uint64_t now) {
    size_t need = (size_t) o.size + prefix_len + 200;
    tx_reserve(c, need);
    uint8_t *b = c->tx + c->txlen, *p = b + 14;
    uint32_t *sq = &pubseq[(size_t) c->idx * (size_t) o.channels + ch];
    size_t n = 0, body = (size_t) o.size, data0;
    unsigned op = 1;
    switch (o.proto) {
    case P_CENTRIFUGE:
        memcpy(p, "{\"id\":", 6);
        n = 6;
        n += (size_t) put_dec(p + n, 1000 + c->sent);
        memcpy(p + n, ",\"publish\":{\"channel\":\"", 23);
        n += 23;
        n += (size_t) put_chan(p + n, ch);
        memcpy(p + n, "\",\"data\":\"", 10);
        n += 10;
        body -= 2;
        break;
    case P_NATS:
        op = 2;
        memcpy(p, "PUB ", 4);
        n = 4;
        n += (size_t) put_chan(p + n, ch);
        p[n++] = ' ';
        n += (size_t) put_dec(p + n, body);
        p[n++] = '\r';
        p[n++] = '\n';
        break;
    case P_MQTT: {
        op = 2;
        uint8_t t[256];
        size_t tl = (size_t) put_chan(t, ch), rem = 2 + tl + body + (o.qos ? 2 : 0);
        p[n++] = (uint8_t) (0x30 | o.qos << 1);
        do {
            uint8_t x = rem & 127;
            rem >>= 7;
            p[n++] = (uint8_t) (x | (rem ? 128 : 0));
        } while (rem);
        p[n++] = (uint8_t) (tl >> 8);
        p[n++] = (uint8_t) tl;
        memcpy(p + n, t, tl);
        n += tl;
        if (o.qos) {
            uint16_t id = (uint16_t) (c->sent % 65535 + 1);
            p[n++] = (uint8_t) (id >> 8);
            p[n++] = (uint8_t) id;
        }
        break;
    }
    case P_RAW:
        if (o.mode == M_CHANNELS) {
            n = (size_t) put_chan(p, ch);
            p[n++] = ' ';
            body = body > n + MARK_LEN ? body - n : MARK_LEN;
        }
        break;
    case P_NCHAN:
        break;
    case P_SIO:
        memcpy(p, "42[\"p\",\"", 8);
        n = 8;
        break;
    }
    data0 = n;
    p[n] = '~';
    p[n + 1] = 'W';
    put_hex(p + n + 2, run_id, 4);
    put_hex(p + n + 6, c->idx, 4);
    put_hex(p + n + 10, *sq, 8);
    put_hex(p + n + 18, now, 16);
    if (body > MARK_LEN)
        memcpy(p + data0 + MARK_LEN, pad, body - MARK_LEN);
    n = data0 + (body > MARK_LEN ? body : MARK_LEN);
    if (o.proto == P_CENTRIFUGE) {
        memcpy(p + n, "\"}}", 3);
        n += 3;
    } else if (o.proto == P_SIO) {
        memcpy(p + n, "\"]", 2);
        n += 2;
    } else if (o.proto == P_NATS) {
        p[n++] = '\r';
        p[n++] = '\n';
    }
    mask_buf(p, n);
    uint8_t hd[14];
    size_t h = put_hdr(hd, op, n);
    memcpy(b, hd, h);
    memmove(b + h, p, n);
    c->txlen += h + n;
    if (c->ring)
        c->ring[c->sent % RING] = now;
    (*sq)++;
    c->sent++;
}
static uint64_t delivered_total(void) {
    uint64_t s = 0;
    for (int i = 0; i < nworkers; i++)
        s += atomic_load_explicit(&W[i].delivered, memory_order_acquire);
    return s;
}

/* ---------- command line ---------- */
static const char help[] =
        "wsload - WebSocket load generator (loopback only)\n"
        "  --proto raw|centrifuge|nats|nchan|mqtt|socketio   default raw\n"
        "  --mode fanout|channels|idle|publish|handshake   default fanout\n"
        "      fanout    --subs N on one channel, --pubs P publish (closed loop by deliveries, or "
        "--rate)\n"
        "      channels  --subs N over --channels M (sub i on channel i mod M), publish "
        "round-robin\n"
        "      idle      hold --subs N for --duration; reports server Pss per connection and CPU\n"
        "      publish   publishers only, closed loop by acks (window per publisher) or --rate\n"
        "      handshake open/close continuously, --conc at a time, for --duration\n"
        "target:  --host 127.x.y.z --port P --path S --pub-path S (%c = channel name) "
        "--subprotocol S\n"
        "         --ext S (Sec-WebSocket-Extensions; compressed frames are counted, not parsed) "
        "--header 'K: V'\n"
        "         --src 127.x.y.z first source address, --per-ip K connections per source address "
        "(25000)\n"
        "load:    --subs N --pubs P --channels M --size BYTES --rate MSG/S (0 = closed loop) "
        "--window W\n"
        "         --pub-batch B (closed loop: publish B at a time in one write) --conc C "
        "handshakes at a time\n"
        "         --slow K (the last K subscribers never read) --mask HEX32 (client mask key, "
        "default 0)\n"
        "time:    --duration S --warmup S --settle S (after connecting) --drain S (give up after S "
        "without a delivery)\n"
        "proto:   --channel-prefix S --connect-json JSON --sub-json ',\"k\":v' --nats-verbose "
        "--qos 0|1\n"
        "measure: --server-pid PID[,PID] --server-cpu N --cpu LIST --threads T (subscriber "
        "threads, 0 = one thread for all)\n"
        "         --wait block|spin|MICROSECONDS (how to wait for events; sleeping keeps the "
        "server from paying wakeups)\n"
        "         --stamp-actual (with --rate stamp the send time, not the intended time)\n"
        "output:  --json --label S --quiet\n";
static double num(const char *n, const char *v, double lo, double hi) {
    char *e;
    double d = strtod(v, &e);
    if (*e || e == v || d < lo || d > hi)
        die("--%s: bad value '%s' (want %g..%g)", n, v, lo, hi);
    return d;
}
static int pick(const char *n, const char *v, const char *const *t, int k) {
    for (int i = 0; i < k; i++)
        if (!strcmp(v, t[i]))
            return i;
    die("--%s: unknown value '%s'", n, v);
}
static struct in_addr loop_ip(const char *n, const char *v) {
    struct in_addr a;
    if (!strcmp(v, "localhost"))
        v = "127.0.0.1";
    if (inet_pton(AF_INET, v, &a) != 1)
        die("--%s: '%s' is not an IPv4 address", n, v);
    if ((ntohl(a.s_addr) >> 24) != 127)
        die("--%s: %s is not in 127.0.0.0/8; wsload only targets loopback", n, v);
    return a;
}
static int list(const char *n, const char *v, int *out, int max) {
    int k = 0;
    char *e;
    while (*v) {
        long x = strtol(v, &e, 10);
        if (e == v || k == max || x < 0)
            die("--%s: bad list", n);
        out[k++] = (int) x;
        v = *e == ',' ? e + 1 : e;
        if (*e && *e != ',')
            die("--%s: bad list", n);
    }
    return k;
}
static void parse(int argc, char **argv) {
    static const char *const names[] = {
        "proto",          "mode",         "host",         "port",         "path",
        "pub-path",       "subprotocol",  "ext",          "header",       "src",
        "per-ip",         "subs",         "pubs",         "channels",     "size",
        "rate",           "window",       "pub-batch",    "conc",         "slow",
        "mask",           "duration",     "warmup",       "settle",       "drain",
        "channel-prefix", "connect-json", "sub-json",     "qos",          "server-pid",
        "server-cpu",     "cpu",          "threads",      "wait",         "label",
        "json",           "quiet",        "nats-verbose", "stamp-actual", "help"
    };
    enum {
        PROTO,
        MODE,
        HOST,
        PORT,
        PATH,
        PUBPATH,
        SUBP,
        EXT,
        HEADER,
        SRC,
        PERIP,
        SUBS,
        PUBS,
        CHANS,
        SIZE,
        RATE,
        WINDOW,
        PBATCH,
        CONC,
        SLOW,
        MASK,
        DUR,
        WARM,
        SETTLE,
        DRAIN,
        PREFIX,
        CJSON,
        SJSON,
        QOS,
        SPID,
        SCPU,
        CPU,
        THREADS,
        WAIT,
        LABEL,
        JSON,
        QUIET,
        NVERB,
        STAMP,
        HELP,
        NOPT
    };
    struct option lo[NOPT + 1];
    memset(lo, 0, sizeof lo);
    for (int i = 0; i < NOPT; i++) {
        lo[i].name = names[i];
        lo[i].has_arg = i < JSON;
        lo[i].val = 256 + i;
    }
    o.host.s_addr = o.src.s_addr = htonl(INADDR_LOOPBACK);
    o.port = 8000;
    o.per_ip = 25000;
    o.subs = -1;
    o.pubs = -1;
    o.channels = 1;
    o.size = 128;
    o.window = 2;
    o.pub_batch = 1;
    o.conc = 64;
    o.duration = 5;
    o.warmup = 1;
    o.settle = 0.5;
    o.drain = 2;
    o.wait_us = -1;
    o.server_cpu = -1;
    o.subproto = o.ext = o.header = o.label = o.sub_json = "";
    o.prefix = "c";
    o.connect_json = "{}";
    int c;
    while ((c = getopt_long(argc, argv, "h", lo, NULL)) != -1) {
        const char *v = optarg;
        if (c == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (c == '?') {
            fputs("try --help\n", stderr);
            exit(2);
        }
        const char *n = names[c - 256];
        switch (c - 256) {
        case PROTO:
            o.proto = (enum proto) pick(n, v, proto_names, 6);
            break;
        case MODE:
            o.mode = (enum mode) pick(n, v, mode_names, 5);
            break;
        case HOST:
            o.host = loop_ip(n, v);
            break;
        case SRC:
            o.src = loop_ip(n, v);
            break;
        case PORT:
            o.port = (int) num(n, v, 1, 65535);
            break;
        case PATH:
            o.path = v;
            break;
        case PUBPATH:
            o.pub_path = v;
            break;
        case SUBP:
            o.subproto = v;
            break;
        case EXT:
            o.ext = v;
            break;
        case HEADER:
            o.header = v;
            break;
        case PERIP:
            o.per_ip = (int) num(n, v, 1, 64000);
            break;
        case SUBS:
            o.subs = (int) num(n, v, 0, 1e7);
            break;
        case PUBS:
            o.pubs = (int) num(n, v, 0, 65535);
            break;
        case CHANS:
            o.channels = (int) num(n, v, 1, 1e7);
            break;
        case SIZE:
            o.size = (int) num(n, v, MARK_LEN, RXCAP / 2);
            break;
        case RATE:
            o.rate = num(n, v, 0, 1e8);
            break;
        case WINDOW:
            o.window = (int) num(n, v, 1, RING / 2);
            break;
        case PBATCH:
            o.pub_batch = (int) num(n, v, 1, RING / 2);
            break;
        case CONC:
            o.conc = (int) num(n, v, 1, 20000);
            break;
        case SLOW:
            o.slow = (int) num(n, v, 0, 1e6);
            break;
        case MASK: {
            uint32_t m = htonl((uint32_t) strtoul(v, NULL, 16));
            o.mask = m;
            break;
        }
        case DUR:
            o.duration = num(n, v, 0, 1e6);
            break;
        case WARM:
            o.warmup = num(n, v, 0, 1e6);
            break;
        case SETTLE:
            o.settle = num(n, v, 0, 1e6);
            break;
        case DRAIN:
            o.drain = num(n, v, 0, 1e6);
            break;
        case PREFIX:
            o.prefix = v;
            if (strlen(v) > 64)
                die("--channel-prefix too long");
            break;
        case CJSON:
            o.connect_json = v;
            break;
        case SJSON:
            o.sub_json = v;
            break;
        case QOS:
            o.qos = (int) num(n, v, 0, 1);
            break;
        case SPID:
            o.nsrv = list(n, v, o.srv, 64);
            break;
        case SCPU:
            o.server_cpu = (int) num(n, v, 0, 4096);
            break;
        case CPU:
            o.ncpu = list(n, v, o.cpus, 64);
            break;
        case THREADS:
            o.threads = (int) num(n, v, 0, 64);
            break;
        case WAIT:
            o.wait_us = !strcmp(v, "block") ? -1 : !strcmp(v, "spin") ? 0 : (int) num(n, v, 1, 1e6);
            break;
        case LABEL:
            o.label = v;
            break;
        case JSON:
            o.json = true;
            break;
        case QUIET:
            o.quiet = true;
            break;
        case NVERB:
            o.nats_verbose = true;
            break;
        case STAMP:
            o.stamp_actual = true;
            break;
        case HELP:
            fputs(help, stdout);
            exit(0);
        }
    }
    if (optind < argc)
        die("unexpected argument '%s'", argv[optind]);
    if (o.subs < 0)
        o.subs = o.mode == M_PUBLISH || o.mode == M_HANDSHAKE ? 0 : 100;
    if (o.pubs < 0)
        o.pubs = o.mode == M_IDLE || o.mode == M_HANDSHAKE ? 0 : 1;
    if (o.mode == M_HANDSHAKE) {
        o.subs = o.conc;
        o.pubs = 0;
    }
    if (o.mode == M_FANOUT && o.channels != 1)
        die("--mode fanout uses one channel; use --mode channels");
    if (o.mode == M_CHANNELS && o.proto == P_NCHAN && o.pubs != o.channels)
        die("nchan publishes one channel per connection: --pubs must equal --channels");
    if (o.mode == M_CHANNELS && o.subs && o.subs < o.channels)
        die("--subs must be at least --channels");
    if (o.pub_batch > o.window)
        o.pub_batch = o.window;
    if (o.slow > o.subs)
        die("--slow exceeds --subs");
    static const char *const dp[] = { "/sub?id=%c", "/connection/websocket",
                                      "/",          "/sub?id=%c",
                                      "/mqtt",      "/socket.io/?EIO=4&transport=websocket" },
                             *const dpp[] = { "/pub",  "/connection/websocket",
                                              "/",     "/pub?id=%c",
                                              "/mqtt", "/socket.io/?EIO=4&transport=websocket" };
    if (!o.path)
        o.path = dp[o.proto];
    if (!o.pub_path)
        o.pub_path = dpp[o.proto];
    if (o.proto == P_MQTT && !o.subproto[0])
        o.subproto = "mqtt";
    if (o.mode == M_PUBLISH && o.proto == P_NATS)
        o.nats_verbose = true;
    if (o.mode == M_PUBLISH && o.proto == P_MQTT)
        o.qos = 1;
    prefix_len = strlen(o.prefix);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    if ((rlim_t) (o.subs + o.pubs + 64) > rl.rlim_max)
        die("%d connections exceed the descriptor limit %llu; run several wsload with different "
            "--src",
            o.subs + o.pubs, (unsigned long long) rl.rlim_max);
}
static void service(double sec) {
    uint64_t e = mono() + (uint64_t) (sec * 1e9);
    for (;;) {
        uint64_t t = mono();
        if (t >= e)
            return;
        poll_once(&W[0], (int64_t) (e - t));
    }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    pin(0);
    memset(hexv, 0, sizeof hexv);
    for (int i = 0; i < 16; i++) {
        hexv[(int) hexd[i]] = (int8_t) i;
    }
    for (int i = 10; i < 16; i++)
        hexv['A' + i - 10] = (int8_t) i;
    run_id = (uint16_t) (getpid() ^ (mono() >> 12));
    nworkers = 1 + o.threads;
    W = aligned_alloc(64, sizeof(worker) * (size_t) nworkers);
    if (!W)
        die("out of memory");
    memset(W, 0, sizeof(worker) * (size_t) nworkers);
    for (int i = 0; i < nworkers; i++) {
        W[i].ep = epoll_create1(EPOLL_CLOEXEC);
        W[i].rx = malloc(RXCAP + 64);
        if (W[i].ep < 0 || !W[i].rx)
            die("setup failed");
        memset(W[i].rx, 0, RXCAP + 64);
    }
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event we = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(W[0].ep, EPOLL_CTL_ADD, wake_fd, &we);
    nconn = o.subs + o.pubs;
    conns = xcalloc((size_t) nconn, sizeof *conns);
    chan_live = xcalloc((size_t) o.channels, 4);
    for (int i = 0; i < nconn; i++) {
        conn *c = &conns[i];
        c->fd = -1;
        c->role = i < o.subs ? R_SUB : R_PUB;
        c->idx = (uint32_t) (i < o.subs ? i : i - o.subs);
        c->chan = c->idx % (uint32_t) o.channels;
        if (c->role == R_PUB)
            c->ring = xcalloc(RING, 8);
    }
    pubseq = xcalloc((size_t) o.pubs * (size_t) o.channels, 4);
    if ((size_t) o.subs * (size_t) o.pubs <= (1u << 28) && o.subs && o.pubs &&
        !(o.proto == P_NCHAN && o.mode == M_CHANNELS))
        sublast = xcalloc((size_t) o.subs * (size_t) o.pubs, 4);
    pad = malloc((size_t) o.size + 1);
    for (int i = 0; i < o.size; i++)
        pad[i] = (uint8_t) "the quick brown fox jumps over the lazy dog 0123456789 "[i % 55];

    snap s0, s1, s2, s3;
    take(&s0, true);
    double c0 = self_cpu();
    uint64_t t0 = mono();
    churn = o.mode == M_HANDSHAKE;
    if (churn) {
        uint64_t end = t0 + (uint64_t) (o.duration * 1e9);
        while (mono() < end) {
            for (int i = 0; i < nconn; i++)
                if (conns[i].state == S_CLOSED)
                    start_connect(&conns[i]);
            if (n_failed > 1000 && !n_handshaken)
                die("no handshake succeeds: %s", fail_msg);
            poll_once(&W[0], 100000000);
        }
    } else {
        int next = 0;
        uint64_t last = mono();
        int lastr = 0;
        while (n_ready < nconn) {
            while (in_setup < o.conc && next < nconn)
                start_connect(&conns[next++]);
            if (n_failed)
                die("connection setup failed (%d failed, %d ready): %s%s%s", n_failed, n_ready,
                    fail_msg, W[0].lasterr[0] ? " / " : "", W[0].lasterr);
            poll_once(&W[0], 100000000);
            uint64_t t = mono();
            if (n_ready != lastr) {
                lastr = n_ready;
                last = t;
            } else if (t - last > 10000000000ull)
                die("setup stalled: %d of %d ready, %d upgraded, %d in setup", n_ready, nconn,
                    n_handshaken, in_setup);
        }
    }
    uint64_t t1 = mono();
    take(&s1, false);
    double c1 = self_cpu();
    double hs_time = (double) ((churn ? t1 : hs_done_t) - t0) / 1e9,
           setup_time = (double) (t1 - t0) / 1e9;
    double hs_cpu = s1.total - s0.total, hs_own = c1 - c0;
    if (!churn)
        note("%d connections ready in %.3f s", nconn, setup_time);
    uint64_t sent_m = 0, sent_total = 0, del_m = 0, ack_m = 0, bytes_m = 0, rx_m = 0, frames_m = 0,
             stalls = 0, recvs_m = 0;
    double mtime = 0, own_m = 0;
    snap sm0, sm1;
    memset(&sm0, 0, sizeof sm0);
    sm1 = sm0;
    s2 = s3 = s1;
    uint64_t drained = 0;
    if (!churn) {
        service(o.settle);
        take(&s2, true);
        if (o.threads) {
            for (int i = 0; i < o.subs; i++) {
                conn *c = &conns[i];
                if (c->fd < 0 || c->slow)
                    continue;
                worker *w = &W[1 + i % o.threads];
                struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                         .data.ptr = c };
                epoll_ctl(W[0].ep, EPOLL_CTL_DEL, c->fd, NULL);
                epoll_ctl(w->ep, EPOLL_CTL_ADD, c->fd, &e);
            }
            for (int i = 1; i < nworkers; i++)
                if (pthread_create(&W[i].th, NULL, worker_main, &W[i]))
                    die("pthread_create failed");
        }
        bool warm = o.mode == M_IDLE;
        if (warm)
            o.warmup = 0;
        uint64_t ts = mono(), tm = ts + (uint64_t) (o.warmup * 1e9),
                 te = tm + (uint64_t) (o.duration * 1e9), ticks = 0, last_prog = ts, last_d = 0;
        double step = o.rate > 0 ? 1e9 / o.rate : 0;
        uint32_t rrp = 0, rrc = 0;
        conn *pubs = conns + o.subs;
        uint64_t *bsnap[6] = { 0 };
        (void) bsnap;
        bool started = false;
        uint64_t f0 = 0, b0 = 0, x0 = 0, a0 = 0, d0 = 0, n0 = 0, r0 = 0;
        double oc0 = 0;
        uint64_t tm_real = 0;
        for (;;) {
            uint64_t now = mono();
            if (!started && now >= tm) {
                started = true;
                for (int i = 0; i < nworkers; i++) {
                    f0 += W[i].frames;
                    b0 += W[i].bytes;
                    x0 += W[i].rxbytes;
                    a0 += W[i].acks;
                    r0 += W[i].recvs;
                }
                d0 = delivered_total();
                n0 = sent_total;
                take(&sm0, false);
                oc0 = self_cpu();
                tm_real = mono();
                te = tm_real + (uint64_t) (o.duration * 1e9);
                atomic_store(&measuring, true);
            }
            if (started && now >= te)
                break;
            int64_t to = (int64_t) ((started ? te : tm) - now);
            bool pushed = false;
            if (o.pubs && o.mode != M_IDLE) {
                if (o.rate > 0) {
                    while (ts + (uint64_t) ((double) ticks * step) <= now) {
                        uint64_t due = ts + (uint64_t) ((double) ticks * step);
                        conn *c = &pubs[rrp];
                        if (++rrp == (uint32_t) o.pubs)
                            rrp = 0;
                        if (c->fd < 0)
                            die("publisher connection closed: %s", W[0].lasterr);
                        if (c->txlen - c->txoff > (8u << 20))
                            break; /* server does not read: stop and show it as lag */
                        uint32_t ch = o.proto == P_NCHAN ? c->chan : rrc;
                        if (o.proto != P_NCHAN && ++rrc == (uint32_t) o.channels)
                            rrc = 0;
                        publish_one(c, ch, o.stamp_actual ? now : due);
                        expected += chan_live[ch];
                        sent_total++;
                        ticks++;
                        if (started)
                            hist_add(&h_lag, now - due);
                        if (ticks % 64 == 0) {
                            tx_flush(&W[0], c);
                        }
                        pushed = true;
                    }
                    int64_t nx =
                            (int64_t) (ts + (uint64_t) ((double) ticks * step)) - (int64_t) now;
                    if (nx < 0)
                        nx = 0;
                    if (nx < to)
                        to = nx;
                } else if (o.mode == M_PUBLISH) {
                    for (int i = 0; i < o.pubs; i++) {
                        conn *c = &pubs[i];
                        if (c->fd < 0)
                            die("publisher connection closed: %s", W[0].lasterr);
                        if (c->sent - c->acked + (uint64_t) o.pub_batch <= (uint64_t) o.window)
                            while (c->sent - c->acked < (uint64_t) o.window) {
                                uint32_t ch = o.proto == P_NCHAN ? c->chan : rrc;
                                if (++rrc == (uint32_t) o.channels)
                                    rrc = 0;
                                publish_one(c, ch, now);
                                sent_total++;
                                pushed = true;
                            }
                    }
                } else {
                    uint64_t d = delivered_total();
                    int ls = atomic_load(&live_subs);
                    if (d != last_d) {
                        last_d = d;
                        last_prog = now;
                    }
                    if (!ls)
                        die("all subscribers were disconnected: %s", W[0].lasterr);
                    uint64_t K = (uint64_t) ls / (uint64_t) o.channels;
                    if (!K)
                        K = 1;
                    if (now - last_prog > 2000000000ull) {
                        stalls++;
                        expected = d;
                        last_prog = now;
                    }
                    int64_t infl = (int64_t) (expected - d),
                            room = (int64_t) ((uint64_t) o.window * K) - infl;
                    if (room >= (int64_t) ((uint64_t) o.pub_batch * K))
                        while (room >= (int64_t) K) {
                            conn *c = &pubs[rrp];
                            if (++rrp == (uint32_t) o.pubs)
                                rrp = 0;
                            if (c->fd < 0)
                                die("publisher connection closed: %s", W[0].lasterr);
                            uint32_t ch = o.proto == P_NCHAN ? c->chan : rrc;
                            if (o.proto != P_NCHAN && ++rrc == (uint32_t) o.channels)
                                rrc = 0;
                            publish_one(c, ch, mono());
                            expected += chan_live[ch];
                            sent_total++;
                            room -= (int64_t) K;
                            pushed = true;
                        }
                }
                if (pushed)
                    for (int i = 0; i < o.pubs; i++)
                        if (pubs[i].txoff < pubs[i].txlen)
                            tx_flush(&W[0], &pubs[i]);
            }
            if (o.threads && !pushed) {
                atomic_store(&main_waiting, 1);
                if (to > 2000000)
                    to = 2000000;
            }
            if (to > 500000000)
                to = 500000000;
            poll_once(&W[0], pushed && o.rate <= 0 ? 0 : to);
        }
        take(&sm1, false);
        own_m = self_cpu() - oc0;
        mtime = (double) (mono() - tm_real) / 1e9;
        del_m = delivered_total() - d0;
        sent_m = sent_total - n0;
        for (int i = 0; i < nworkers; i++) {
            frames_m += W[i].frames;
            bytes_m += W[i].bytes;
            rx_m += W[i].rxbytes;
            ack_m += W[i].acks;
            recvs_m += W[i].recvs;
        }
        frames_m -= f0;
        bytes_m -= b0;
        rx_m -= x0;
        ack_m -= a0;
        recvs_m -= r0;
        atomic_store(&measuring, false);
        uint64_t de = mono() + (uint64_t) (o.drain * 1e9);
        if (o.mode != M_IDLE && o.mode != M_PUBLISH)
            for (uint64_t d, last = 0; mono() < de && (d = delivered_total()) < expected;
                 last = d) {
                if (d != last)
                    de = mono() +
                         (uint64_t) (o.drain * 1e9); /* --drain S without progress ends the wait */
                poll_once(&W[0], 20000000);
            }
        drained = delivered_total();
        take(&s3, true);
        atomic_store(&stop_workers, true);
        for (int i = 1; i < nworkers; i++)
            pthread_join(W[i].th, NULL);
    }
    static hist lat, ack;
    uint64_t gap = 0, late = 0, closed = 0, perr = 0, nomark = 0, foreign = 0, pings = 0,
             ackerr = 0;
    const char *le = "";
    for (int i = 0; i < nworkers; i++) {
        hist_merge(&lat, &W[i].lat);
        hist_merge(&ack, &W[i].ack);
        gap += W[i].gap;
        late += W[i].late;
        closed += W[i].closed;
        perr += W[i].perr;
        nomark += W[i].nomark;
        foreign += W[i].foreign;
        pings += W[i].pings;
        ackerr += W[i].ackerr;
        if (W[i].lasterr[0])
            le = W[i].lasterr;
    }
    double scpu = sm1.total - sm0.total, sper = del_m ? scpu / (double) del_m * 1e6 : 0,
           lost = (double) expected - (double) drained;
    if (lost < 0)
        lost = 0;
    double n = o.subs ? (double) (o.subs + o.pubs) : 1;
    if (o.json) {
        printf("{\"label\":\"%s\",\"proto\":\"%s\",\"mode\":\"%s\",\"subs\":%d,\"pubs\":%d,"
               "\"channels\":%d,\"size\":%d,\"rate\":%g,\"window\":%d,\"pub_batch\":%d,\"wait_us\":"
               "%d",
               o.label, proto_names[o.proto], mode_names[o.mode], o.subs, o.pubs, o.channels,
               o.size, o.rate, o.window, o.pub_batch, o.wait_us);
        printf(",\"handshakes\":%d,\"handshake_s\":%.4f,\"handshakes_per_s\":%.1f,\"handshake_p50_"
               "us\":%.1f,\"handshake_p99_us\":%.1f,\"handshake_max_us\":%.1f,\"setup_s\":%.4f,"
               "\"ready_p99_us\":%.1f,\"setup_server_cpu_us_per_conn\":%.2f,\"setup_own_cpu_us_per_"
               "conn\":%.2f,\"setup_failed\":%d",
               n_handshaken, hs_time, hs_time > 0 ? n_handshaken / hs_time : 0,
               hist_q(&h_hs, .5) / 1e3, hist_q(&h_hs, .99) / 1e3, (double) h_hs.max / 1e3,
               setup_time, hist_q(&h_ready, .99) / 1e3,
               n_handshaken ? hs_cpu / n_handshaken * 1e6 : 0,
               n_handshaken ? hs_own / n_handshaken * 1e6 : 0, n_failed);
        if (!churn) {
            printf(",\"measure_s\":%.4f,\"published\":%llu,\"published_per_s\":%.1f,\"delivered\":%"
                   "llu,\"deliveries_per_s\":%.1f,\"payload_MBps\":%.3f,\"wire_MBps\":%.3f,\"msgs_"
                   "per_frame\":%.3f,\"msgs_per_recv\":%.3f",
                   mtime, (unsigned long long) sent_m, sent_m / mtime, (unsigned long long) del_m,
                   (double) del_m / mtime, (double) bytes_m / mtime / 1e6,
                   (double) rx_m / mtime / 1e6,
                   frames_m ? (double) (del_m + ack_m) / (double) frames_m : 0,
                   recvs_m ? (double) (del_m + ack_m) / (double) recvs_m : 0);
            printf(",\"lat_p50_us\":%.1f,\"lat_p90_us\":%.1f,\"lat_p99_us\":%.1f,\"lat_p999_us\":%."
                   "1f,\"lat_max_us\":%.1f,\"lat_mean_us\":%.1f,\"lag_p99_us\":%.1f",
                   hist_q(&lat, .5) / 1e3, hist_q(&lat, .9) / 1e3, hist_q(&lat, .99) / 1e3,
                   hist_q(&lat, .999) / 1e3, (double) lat.max / 1e3,
                   lat.n ? (double) lat.sum / (double) lat.n / 1e3 : 0, hist_q(&h_lag, .99) / 1e3);
            printf(",\"acks\":%llu,\"acks_per_s\":%.1f,\"ack_errors\":%llu,\"ack_p50_us\":%.1f,"
                   "\"ack_p99_us\":%.1f,\"ack_p999_us\":%.1f,\"ack_max_us\":%.1f",
                   (unsigned long long) ack_m, ack_m / mtime, (unsigned long long) ackerr,
                   hist_q(&ack, .5) / 1e3, hist_q(&ack, .99) / 1e3, hist_q(&ack, .999) / 1e3,
                   (double) ack.max / 1e3);
            printf(",\"expected_total\":%llu,\"delivered_total\":%llu,\"lost\":%.0f,\"seq_gaps\":%"
                   "llu,\"order_violations\":%llu,\"unmarked\":%llu,\"foreign\":%llu,\"closed\":%"
                   "llu,\"protocol_errors\":%llu,\"pings\":%llu,\"stalls\":%llu",
                   (unsigned long long) expected, (unsigned long long) drained, lost,
                   (unsigned long long) gap, (unsigned long long) late, (unsigned long long) nomark,
                   (unsigned long long) foreign, (unsigned long long) closed,
                   (unsigned long long) perr, (unsigned long long) pings,
                   (unsigned long long) stalls);
            printf(",\"server_cpu_s\":%.4f,\"server_user_s\":%.2f,\"server_sys_s\":%.2f,\"server_"
                   "cpu_pct\":%.2f,\"server_cpu_s_per_M\":%.4f,\"server_cpu_us_per_publish\":%.3f,"
                   "\"own_cpu_pct\":%.2f,\"own_cpu_s_per_M\":%.4f",
                   scpu, sm1.user - sm0.user, sm1.sys - sm0.sys, scpu / mtime * 100, sper,
                   sent_m ? scpu / (double) sent_m * 1e6 : 0, own_m / mtime * 100,
                   del_m ? own_m / (double) del_m * 1e6 : 0);
            printf(",\"server_core_busy_pct\":%.1f,\"client_core_busy_pct\":%.1f,\"steal_pct\":%."
                   "1f",
                   (sm1.cpu_busy[0] - sm0.cpu_busy[0]) / mtime * 100,
                   (sm1.cpu_busy[1] - sm0.cpu_busy[1]) / mtime * 100,
                   (sm1.cpu_steal - sm0.cpu_steal) / mtime * 100);
            printf(",\"pss_base_kb\":%llu,\"pss_conn_kb\":%llu,\"pss_end_kb\":%llu,\"rss_end_kb\":%"
                   "llu,\"pss_per_conn_b\":%.1f,\"pss_per_conn_end_b\":%.1f,\"slab_per_conn_b\":%."
                   "1f,\"tcp_mem_pages\":%llu",
                   (unsigned long long) s0.pss_kb, (unsigned long long) s2.pss_kb,
                   (unsigned long long) s3.pss_kb, (unsigned long long) s3.rss_kb,
                   ((double) s2.pss_kb - (double) s0.pss_kb) * 1024 / n,
                   ((double) s3.pss_kb - (double) s0.pss_kb) * 1024 / n,
                   ((double) s2.slab_kb - (double) s0.slab_kb) * 1024 / n,
                   (unsigned long long) s3.tcp_mem_pages);
        }
        char esc[300];
        size_t k = 0;
        for (const char *q = le; *q && k < sizeof esc - 3; q++) {
            if (*q == '"' || *q == '\\')
                esc[k++] = '\\';
            esc[k++] = (unsigned char) *q < 32 ? ' ' : *q;
        }
        esc[k] = 0;
        printf(",\"last_error\":\"%s\"}\n", esc);
    } else {
        printf("handshakes  %d in %.3f s = %.0f/s  p50 %.0f us  p99 %.0f us  server CPU %.1f us "
               "each, own %.1f us\n",
               n_handshaken, hs_time, n_handshaken / (hs_time > 0 ? hs_time : 1),
               hist_q(&h_hs, .5) / 1e3, hist_q(&h_hs, .99) / 1e3,
               n_handshaken ? hs_cpu / n_handshaken * 1e6 : 0,
               n_handshaken ? hs_own / n_handshaken * 1e6 : 0);
        if (churn)
            return 0;
        if (sent_m || del_m) {
            printf("published   %llu = %.0f/s   acks %.0f/s p50 %.0f us p99 %.0f us p99.9 %.0f us "
                   "(errors %llu)\n",
                   (unsigned long long) sent_m, sent_m / mtime, ack_m / mtime,
                   hist_q(&ack, .5) / 1e3, hist_q(&ack, .99) / 1e3, hist_q(&ack, .999) / 1e3,
                   (unsigned long long) ackerr);
            printf("delivered   %llu = %.0f/s   %.1f MB/s payload  %.2f msgs/frame  %.2f "
                   "msgs/recv\n",
                   (unsigned long long) del_m, (double) del_m / mtime,
                   (double) bytes_m / mtime / 1e6,
                   frames_m ? (double) (del_m + ack_m) / (double) frames_m : 0,
                   recvs_m ? (double) (del_m + ack_m) / (double) recvs_m : 0);
            printf("latency us  p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f   publish lag "
                   "p99 %.0f\n",
                   hist_q(&lat, .5) / 1e3, hist_q(&lat, .9) / 1e3, hist_q(&lat, .99) / 1e3,
                   hist_q(&lat, .999) / 1e3, (double) lat.max / 1e3, hist_q(&h_lag, .99) / 1e3);
            printf("integrity   expected %llu delivered %llu lost %.0f gaps %llu out-of-order %llu "
                   "closed %llu unmarked %llu stalls %llu\n",
                   (unsigned long long) expected, (unsigned long long) drained, lost,
                   (unsigned long long) gap, (unsigned long long) late, (unsigned long long) closed,
                   (unsigned long long) nomark, (unsigned long long) stalls);
        }
        printf("cpu         server %.1f %% (core busy %.0f %%), %.3f CPU-s per 1M deliveries, %.2f "
               "us per publish; own %.1f %%\n",
               scpu / mtime * 100, (sm1.cpu_busy[0] - sm0.cpu_busy[0]) / mtime * 100, sper,
               sent_m ? scpu / (double) sent_m * 1e6 : 0, own_m / mtime * 100);
        printf("memory      server Pss %llu -> %llu -> %llu kB, %.0f B per connection (end %.0f "
               "B); kernel slab %.0f B per connection (both ends)\n",
               (unsigned long long) s0.pss_kb, (unsigned long long) s2.pss_kb,
               (unsigned long long) s3.pss_kb, ((double) s2.pss_kb - (double) s0.pss_kb) * 1024 / n,
               ((double) s3.pss_kb - (double) s0.pss_kb) * 1024 / n,
               ((double) s2.slab_kb - (double) s0.slab_kb) * 1024 / n);
        if (le[0])
            printf("last error  %s\n", le);
    }
    return lost > 0 || late ? 1 : 0;
}
