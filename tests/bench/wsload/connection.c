#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "options.h"
#include "protocol.h"

/* ---- sending ---- */

void tx_reserve(struct connection *c, size_t n) {
    if (c->tx_off && c->tx_off == c->tx_len)
        c->tx_off = c->tx_len = 0;
    if (c->tx_len + n <= c->tx_cap)
        return;
    if (c->tx_off) {
        memmove(c->tx, c->tx + c->tx_off, c->tx_len - c->tx_off);
        c->tx_len -= c->tx_off;
        c->tx_off = 0;
    }
    if (c->tx_len + n > c->tx_cap) {
        c->tx_cap = (c->tx_len + n) * 2;
        c->tx = grow(c->tx, c->tx_cap);
    }
}

void tx_flush(struct worker *w, struct connection *c) {
    while (c->fd >= 0 && c->tx_off < c->tx_len) {
        ssize_t n = send(c->fd, c->tx + c->tx_off, c->tx_len - c->tx_off, MSG_NOSIGNAL);
        if (n > 0) {
            c->tx_off += (size_t) n;
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return; /* the edge of EPOLLOUT goes on */
        connection_close(w, c, strerror(errno));
        return;
    }
    c->tx_off = c->tx_len = 0;
    if (c->role == SUBSCRIBER) {
        free(c->tx);
        c->tx = NULL;
        c->tx_cap = 0;
    }
}

size_t put_frame_head(uint8_t *p, unsigned opcode, size_t len) {
    size_t n = 2;
    p[0] = (uint8_t) (0x80 | opcode);
    if (len < 126) {
        p[1] = (uint8_t) (0x80 | len);
    } else if (len < 65536) {
        p[1] = 0x80 | 126;
        p[2] = (uint8_t) (len >> 8);
        p[3] = (uint8_t) len;
        n = 4;
    } else {
        p[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            p[2 + i] = (uint8_t) ((uint64_t) len >> (56 - 8 * i));
        n = 10;
    }
    memcpy(p + n, &options.mask, 4);
    return n + 4;
}

void mask_bytes(uint8_t *p, size_t n) {
    const uint8_t *key = (const uint8_t *) &options.mask;
    if (!options.mask)
        return;
    for (size_t i = 0; i < n; i++)
        p[i] ^= key[i & 3];
}

void tx_frame(struct connection *c, unsigned opcode, const void *data, size_t n) {
    tx_reserve(c, n + FRAME_HEAD_MAX);
    uint8_t *b = c->tx + c->tx_len;
    size_t head = options.protocol->is_plain ? 0 : put_frame_head(b, opcode, n);
    memcpy(b + head, data, n);
    if (head)
        mask_bytes(b + head, n);
    c->tx_len += head + n;
}

void send_frame(struct worker *w, struct connection *c, unsigned opcode, const void *data,
                size_t n) {
    tx_frame(c, opcode, data, n);
    tx_flush(w, c);
}

/* ---- life ---- */

static void fail_setup(const char *why) {
    load.n_setting_up--;
    load.n_failed++;
    if (!load.failure[0])
        (void) snprintf(load.failure, sizeof load.failure, "%s", why);
}

void connection_close(struct worker *w, struct connection *c, const char *why) {
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    if (c->state != READY) {
        fail_setup(why);
    } else {
        w->closed++;
        if (!w->reason[0])
            (void) snprintf(w->reason, sizeof w->reason, "%s", why);
        load.n_ready -= load.n_workers == 1;
        if (c->role == SUBSCRIBER && !c->is_slow) {
            atomic_fetch_sub(&load.live_subs, 1);
            __atomic_fetch_sub(&load.channel_live[c->channel], 1, __ATOMIC_RELAXED);
        }
    }
    c->state = CLOSED;
    free(c->partial);
    free(c->stream);
    c->partial = c->stream = NULL;
    c->partial_len = c->stream_len = c->partial_cap = c->stream_cap = 0;
    c->tx_off = c->tx_len = 0;
}

/* One source address has so many ports; further connections come from further addresses. */
static int bind_source(struct connection *c) {
    int one = 1, nth = (int) (c - load.connections) / options.per_ip;
    if (nth == 0 && options.source.s_addr == htonl(INADDR_LOOPBACK))
        return 0;
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(ntohl(options.source.s_addr) + (uint32_t) nth),
    };
    setsockopt(c->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(c->fd, (struct sockaddr *) &source, sizeof source);
}

void connection_open(struct connection *c) {
    struct worker *w = &load.workers[0];
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    load.n_setting_up++;
    if (c->fd < 0) {
        fail_setup(strerror(errno));
        return;
    }
    c->state = CONNECTING;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (load.churns) {
        struct linger l = { 1, 0 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    if (bind_source(c)) {
        connection_close(w, c, "bind source address failed");
        return;
    }
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_addr = options.host,
                              .sin_port = htons((uint16_t) options.port) };
    c->began = mono();
    if (connect(c->fd, (struct sockaddr *) &to, sizeof to) && errno != EINPROGRESS) {
        connection_close(w, c, strerror(errno));
        return;
    }
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    if (epoll_ctl(w->ep, EPOLL_CTL_ADD, c->fd, &e))
        die("epoll_ctl: %s", strerror(errno));
}

static void put_path(char *p, size_t cap, const char *pattern, uint32_t channel) {
    size_t n = 0;
    for (; *pattern && n < cap - 100; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'c') {
            n += (size_t) put_channel((uint8_t *) p + n, channel);
            pattern++;
        } else {
            p[n++] = *pattern;
        }
    }
    p[n] = 0;
}

static int put_header(char *p, size_t cap, const char *name, const char *value) {
    return value[0] ? snprintf(p, cap, "%s%s\r\n", name, value) : 0;
}

void connection_connected(struct worker *w, struct connection *c) {
    char path[512], request[4096];
    if (options.protocol->is_plain) {
        connection_upgraded(w, c, mono());
        return;
    }
    put_path(path, sizeof path, c->role == SUBSCRIBER ? options.path : options.pub_path,
             c->channel);
    int n = snprintf(request, 1024,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: " WS_KEY
                     "\r\nSec-WebSocket-Version: 13\r\n",
                     path, options.port);
    n += put_header(request + n, 900, "Sec-WebSocket-Protocol: ", options.subprotocol);
    n += put_header(request + n, 900, "Sec-WebSocket-Extensions: ", options.extensions);
    n += put_header(request + n, 900, "", options.header);
    n += snprintf(request + n, 3, "\r\n");
    c->state = UPGRADING;
    tx_reserve(c, (size_t) n);
    memcpy(c->tx + c->tx_len, request, (size_t) n);
    c->tx_len += (size_t) n;
    tx_flush(w, c);
}

void connection_upgraded(struct worker *w, struct connection *c, uint64_t now) {
    histogram_add(&load.handshakes, now - c->began);
    load.n_handshaken++;
    load.last_handshake = now;
    c->state = SETTING_UP;
    if (load.churns) {
        load.n_setting_up--;
        c->state = CLOSED;
        close(c->fd);
        c->fd = -1;
        c->partial_len = 0;
        return;
    }
    if (options.protocol->opened)
        options.protocol->opened(w, c, now);
}

void connection_ready(struct worker *w, struct connection *c, uint64_t now) {
    load.n_setting_up--;
    load.n_ready++;
    c->state = READY;
    histogram_add(&load.readies, now - c->began);
    if (c->role != SUBSCRIBER)
        return;
    if ((int) c->index >= options.subs - options.slow) {
        c->is_slow = true;
        epoll_ctl(w->ep, EPOLL_CTL_DEL, c->fd, NULL);
    } else {
        atomic_fetch_add(&load.live_subs, 1);
        load.channel_live[c->channel]++;
    }
}
