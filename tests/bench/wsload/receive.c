/* From bytes to deliveries: the answer to the upgrade, frames, compressed ones, streams in them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "deflate.h"
#include "options.h"
#include "protocol.h"

/* Every so many subscribers one inflates what it gets; the others count frames. All of them would
 * make the load the bottleneck. */
enum { INFLATE_EVERY = 64 };

static void count_delivery(struct worker *w, size_t n) {
    w->bytes += n;
    atomic_store_explicit(&w->delivered,
                          atomic_load_explicit(&w->delivered, memory_order_relaxed) + 1,
                          memory_order_release);
}

void deliver(struct worker *w, struct connection *c, const uint8_t *p, size_t n, uint64_t now) {
    struct mark mark;
    count_delivery(w, n);
    long at = mark_find(p, n, c->mark_at);
    if (at < 0) {
        w->unmarked++;
        return;
    }
    c->mark_at = (uint32_t) at;
    mark_read(p + at, now, &mark);
    if (atomic_load_explicit(&load.is_measuring, memory_order_relaxed))
        histogram_add(&w->latency, mark.age_ns);
    if (mark.run != load.run_id) {
        w->foreign++;
        return;
    }
    if (!load.sub_next)
        return;
    if (mark.publisher >= (uint32_t) options.pubs) {
        w->unmarked++;
        return;
    }
    uint32_t *next = &load.sub_next[(size_t) c->index * (size_t) options.pubs + mark.publisher];
    int32_t ahead = (int32_t) (mark.sequence - *next);
    if (ahead < 0) {
        w->late++;
        return;
    }
    w->gaps += (uint32_t) ahead;
    *next = mark.sequence + 1;
}

void acknowledged(struct worker *w, struct connection *c, uint64_t i, uint64_t now, bool is_error) {
    w->acks++;
    c->acked++;
    w->ack_errors += is_error;
    if (c->ring && atomic_load_explicit(&load.is_measuring, memory_order_relaxed)) {
        uint64_t sent = c->ring[i % RING];
        if (sent)
            histogram_add(&w->ack, now - sent);
    }
}

/* ---- streams ---- */

static void keep(uint8_t **buffer, uint32_t *len, uint32_t *cap, const uint8_t *p, size_t n) {
    if (*len + n > *cap) {
        *cap = (uint32_t) (*len + n) * 2;
        *buffer = grow(*buffer, *cap);
    }
    memcpy(*buffer + *len, p, n);
    *len += (uint32_t) n;
}

static void stream_append(struct connection *c, const uint8_t *p, size_t n) {
    keep(&c->stream, &c->stream_len, &c->stream_cap, p, n);
}

static void on_stream(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                      uint64_t now) {
    bool is_whole = !c->stream_len;
    if (!is_whole) {
        stream_append(c, p, n);
        p = c->stream;
        n = c->stream_len;
    }
    size_t used = options.protocol->stream(w, c, p, n, now);
    if (c->fd < 0)
        return;
    if (is_whole) {
        if (used < n)
            stream_append(c, p + used, n - used);
    } else if (used) {
        memmove(c->stream, c->stream + used, c->stream_len - used);
        c->stream_len -= (uint32_t) used;
    }
}

/* ---- the upgrade ---- */

/* Returns the length of the answer's head, or 0: not whole, or refused. */
static size_t on_answer(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                        uint64_t now) {
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end) {
        if (n > 8192)
            connection_close(w, c, "HTTP response too long");
        return 0;
    }
    size_t len = (size_t) (end - p) + 4;
    if (memcmp(p, "HTTP/1.1 101", 12) || !memmem(p, len, WS_ACCEPT, 28)) {
        char why[120];
        const uint8_t *line_end = memchr(p, '\r', len);
        int line = (int) (line_end - p);
        (void) snprintf(why, sizeof why, "upgrade refused: %.*s", line > 80 ? 80 : line,
                        (const char *) p);
        connection_close(w, c, why);
        return 0;
    }
    if (options.deflate && !memmem(p, len, "server_no_context_takeover", 26)) {
        connection_close(w, c, "permessage-deflate without context taken over was not agreed on");
        return 0;
    }
    connection_upgraded(w, c, now);
    return len;
}

/* ---- frames ---- */

static void on_control(struct worker *w, struct connection *c, unsigned opcode, const uint8_t *p,
                       size_t n) {
    if (opcode == OPCODE_PING) {
        w->pings++;
        send_frame(w, c, OPCODE_PONG, p, n);
    } else if (opcode == OPCODE_CLOSE) {
        char why[160];
        unsigned code = n >= 2 ? (unsigned) p[0] << 8 | p[1] : 0;
        int len = n > 2 ? (int) (n - 2 > 100 ? 100 : n - 2) : 0;
        (void) snprintf(why, sizeof why, "server close %u %.*s", code, len,
                        len ? (const char *) p + 2 : "");
        connection_close(w, c, why);
    }
}

static void on_deflated(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                        uint64_t now) {
    w->deflated++;
    if (c->state == READY && c->role == SUBSCRIBER && c->index % INFLATE_EVERY) {
        count_delivery(w, n);
        return;
    }
    long len = options.deflate ? deflate_inflate(w, p, n) : -1;
    if (len < 0) {
        w->protocol_errors++;
        connection_close(w, c, "a frame that does not inflate");
        return;
    }
    options.protocol->message(w, c, w->inflated, (size_t) len, now);
}

static void on_frame(struct worker *w, struct connection *c, uint8_t first, const uint8_t *p,
                     size_t n, uint64_t now) {
    bool is_last = first & 0x80, is_deflated = first & 0x40;
    w->frames++;
    if (is_deflated && is_last) {
        on_deflated(w, c, p, n, now);
    } else if (is_deflated) {
        w->protocol_errors++;
        connection_close(w, c, "a compressed message in fragments");
    } else if (options.protocol->stream) {
        on_stream(w, c, p, n, now);
    } else if (is_last && !c->is_fragmented) {
        options.protocol->message(w, c, p, n, now);
    } else {
        stream_append(c, p, n);
        c->is_fragmented = !is_last;
        if (is_last) {
            options.protocol->message(w, c, c->stream, c->stream_len, now);
            c->stream_len = 0;
        }
    }
}

/* Takes whole frames; returns the bytes they had. */
static size_t take_frames(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                          uint64_t now) {
    size_t off = 0;
    while (c->fd >= 0 && n - off >= 2) {
        const uint8_t *q = p + off;
        size_t len = q[1] & 127, head = len == 127 ? 10 : len == 126 ? 4 : 2;
        if (n - off < head)
            break;
        if (head > 2) {
            len = 0;
            for (size_t i = 2; i < head; i++)
                len = len << 8 | q[i];
        }
        if ((q[1] & 0x80) || head + len > RECEIVE_MAX) {
            w->protocol_errors++;
            connection_close(w, c, q[1] & 0x80 ? "masked server frame" : "frame too large");
            break;
        }
        if (n - off < head + len)
            break;
        off += head + len;
        if (q[0] & 8)
            on_control(w, c, q[0] & 15, q + head, len);
        else
            on_frame(w, c, q[0], q + head, len, now);
    }
    return off;
}

static size_t consume(struct worker *w, struct connection *c, const uint8_t *p, size_t n,
                      uint64_t now) {
    size_t off = 0;
    if (options.protocol->is_plain) {
        w->frames++;
        on_stream(w, c, p, n, now);
        return n;
    }
    if (c->state == UPGRADING) {
        off = on_answer(w, c, p, n, now);
        if (!off)
            return 0;
    }
    return off + take_frames(w, c, p + off, n - off, now);
}

void connection_readable(struct worker *w, struct connection *c) {
    while (c->fd >= 0) {
        size_t have = c->partial_len, room = RECEIVE_MAX + 16 - have;
        if (have)
            memcpy(w->rx, c->partial, have);
        ssize_t n = recv(c->fd, w->rx + have, room, 0);
        w->recvs++;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            connection_close(w, c, n < 0 ? strerror(errno) : "closed by server");
            return;
        }
        w->rx_bytes += (uint64_t) n;
        size_t all = have + (size_t) n, used = consume(w, c, w->rx, all, mono());
        if (c->fd < 0)
            return;
        c->partial_len = 0;
        if (used < all)
            keep(&c->partial, &c->partial_len, &c->partial_cap, w->rx + used, all - used);
        if ((size_t) n < room)
            return; /* drained: more data brings a new edge */
    }
}
