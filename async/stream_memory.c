/*
 * Two ends of a connection in memory: two pipes crossed.
 *
 * In a simulation that plays the adversary (see loop_is_adversary()) a pipe behaves like a bad
 * network: what is written is taken in pieces, arrives later, and is read in pieces, all by the
 * seed. An end arrives after the bytes before it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/loop_impl.h"
#include "async/stream_impl.h"

enum { DELAY_MAX_MS = 20 };

/* One direction: a ring. */
struct memory_pipe {
    size_t head, len; /* len bytes from head on are written and not read */
    size_t arrived;   /* so many of them can be read */
    bool is_ended;    /* nothing more will be written */
    bool end_arrived;
    bool reader_gone;
    struct timer delivery; /* adversary: of what has not arrived */
    struct memory_pair *pair;
    char *ring;
};

struct memory_pair {
    struct memory_pipe pipe[2]; /* pipe[i] is written by end i */
    struct stream_memory *end[2];
    size_t capacity;
    struct loop *adversary; /* NULL: deliver at once and whole */
    bool is_cut;
};

struct stream_memory {
    struct stream base;
    struct memory_pair *pair;
    int side;
};

static struct stream_memory *stream_memory_of(const struct stream *s) {
    return CONTAINER_OF(s, struct stream_memory, base);
}

static struct memory_pipe *incoming(const struct stream_memory *s) {
    return &s->pair->pipe[!s->side];
}

static struct memory_pipe *outgoing(const struct stream_memory *s) {
    return &s->pair->pipe[s->side];
}

static void tell(struct stream_memory *s, unsigned events) {
    if (s)
        (void) stream_ready(&s->base, events);
}

/* Some of at most n: often all of it, or else a seeded part, at least 1. */
static size_t piece(const struct memory_pair *p, size_t n) {
    if (!p->adversary || n <= 1 || loop_chance_below(p->adversary, 2))
        return n;
    return 1 + (size_t) loop_chance_below(p->adversary, n);
}

/* ---- delivery ---- */

static struct stream_memory *reader_of(const struct memory_pipe *pipe) {
    return pipe->pair->end[pipe == &pipe->pair->pipe[0]];
}

static void deliver_all(struct memory_pipe *pipe) {
    pipe->arrived = pipe->len;
    pipe->end_arrived = pipe->is_ended;
    tell(reader_of(pipe), STREAM_READ);
}

static bool is_late(const struct memory_pipe *pipe) {
    return pipe->arrived < pipe->len || pipe->end_arrived != pipe->is_ended;
}

static void deliver_later(struct memory_pipe *pipe) {
    struct loop *l = pipe->pair->adversary;
    if (!l) {
        deliver_all(pipe);
        return;
    }
    if (pipe->delivery.index != 0)
        return; /* what was written before goes first */
    int64_t delay_ms = loop_chance_below(l, 4) ? 0 : (int64_t) loop_chance_below(l, DELAY_MAX_MS);
    if (timer_set(&pipe->delivery, delay_ms) < 0)
        deliver_all(pipe);
}

static void on_delivery(struct timer *t) {
    struct memory_pipe *pipe = CONTAINER_OF(t, struct memory_pipe, delivery);
    if (pipe->arrived < pipe->len)
        pipe->arrived += piece(pipe->pair, pipe->len - pipe->arrived);
    else
        pipe->end_arrived = pipe->is_ended;
    tell(reader_of(pipe), STREAM_READ);
    if (is_late(pipe))
        deliver_later(pipe);
}

/* ---- bytes ---- */

static ssize_t stream_memory_read(struct stream *base, void *buf, size_t cap) {
    struct stream_memory *s = stream_memory_of(base);
    struct memory_pipe *pipe = incoming(s);
    if (s->pair->is_cut)
        return -ECONNRESET;
    if (pipe->arrived == 0)
        return pipe->end_arrived ? 0 : -EAGAIN;

    size_t n = piece(s->pair, pipe->arrived < cap ? pipe->arrived : cap);
    size_t first = s->pair->capacity - pipe->head;
    if (first > n)
        first = n;
    memcpy(buf, pipe->ring + pipe->head, first);
    memcpy((char *) buf + first, pipe->ring, n - first);
    pipe->head = (pipe->head + n) % s->pair->capacity;
    pipe->len -= n;
    pipe->arrived -= n;
    tell(s->pair->end[!s->side], STREAM_WRITE);
    return (ssize_t) n;
}

static void append(struct memory_pipe *pipe, size_t capacity, const char *data, size_t n) {
    size_t tail = (pipe->head + pipe->len) % capacity;
    size_t first = capacity - tail;
    if (first > n)
        first = n;
    memcpy(pipe->ring + tail, data, first);
    memcpy(pipe->ring, data + first, n - first);
    pipe->len += n;
}

static ssize_t stream_memory_writev(struct stream *base, const struct iovec *v, int n) {
    struct stream_memory *s = stream_memory_of(base);
    struct memory_pipe *pipe = outgoing(s);
    size_t capacity = s->pair->capacity, room = capacity - pipe->len, wanted = 0;
    if (s->pair->is_cut)
        return -ECONNRESET;
    if (pipe->is_ended || pipe->reader_gone)
        return -EPIPE;
    for (int i = 0; i < n; i++)
        wanted += v[i].iov_len;
    if (wanted == 0)
        return 0;
    if (room == 0)
        return -EAGAIN;

    size_t taking = piece(s->pair, wanted < room ? wanted : room);
    size_t left = taking;
    for (int i = 0; i < n && left > 0; i++) {
        size_t part = v[i].iov_len < left ? v[i].iov_len : left;
        append(pipe, capacity, v[i].iov_base, part);
        left -= part;
    }
    deliver_later(pipe);
    return (ssize_t) taking;
}

static ssize_t stream_memory_send(struct stream *base, const void *buf, size_t len) {
    struct iovec v = { .iov_base = (void *) (uintptr_t) buf, .iov_len = len };
    return stream_memory_writev(base, &v, 1);
}

static int stream_memory_arm(struct stream *base, enum stream_event event) {
    struct stream_memory *s = stream_memory_of(base);
    const struct memory_pipe *in = incoming(s), *out = outgoing(s);
    if (s->pair->is_cut)
        return 1;
    if (event == STREAM_READ)
        return in->arrived > 0 || in->end_arrived;
    return out->len < s->pair->capacity || out->is_ended || out->reader_gone;
}

/* ---- ending ---- */

static void end_pipe(struct memory_pipe *pipe) {
    if (pipe->is_ended)
        return;
    pipe->is_ended = true;
    deliver_later(pipe);
}

static int stream_memory_shutdown(struct stream *base) {
    struct stream_memory *s = stream_memory_of(base);
    if (s->pair->is_cut)
        return -ECONNRESET;
    end_pipe(outgoing(s));
    return 0;
}

static void pair_free(struct memory_pair *p) {
    for (int i = 0; i < 2; i++) {
        timer_clear(&p->pipe[i].delivery);
        free(p->pipe[i].ring);
    }
    free(p);
}

static void stream_memory_close(struct stream *base) {
    struct stream_memory *s = stream_memory_of(base);
    struct memory_pair *p = s->pair;
    struct stream_memory *peer = p->end[!s->side];
    p->end[s->side] = NULL;
    if (peer) {
        incoming(s)->reader_gone = true;
        end_pipe(outgoing(s));
        tell(peer, STREAM_WRITE);
    } else {
        pair_free(p);
    }
    free(s);
}

void stream_pair_cut(struct stream *base) {
    struct stream_memory *s = stream_memory_of(base);
    struct memory_pair *p = s->pair;
    p->is_cut = true;
    for (int i = 0; i < 2; i++)
        timer_clear(&p->pipe[i].delivery);
    for (int i = 0; i < 2; i++)
        tell(p->end[i], STREAM_READ | STREAM_WRITE);
}

/* ---- about ---- */

static size_t stream_memory_unsent(const struct stream *base) {
    return outgoing(stream_memory_of(base))->len;
}

static const char *stream_memory_peer(const struct stream *base, char *buf, size_t cap) {
    (void) base;
    (void) snprintf(buf, cap, "memory");
    return buf;
}

static int stream_memory_fd(const struct stream *base) {
    (void) base;
    return -1;
}

static const struct stream_ops stream_memory_ops = {
    .read = stream_memory_read,
    .send = stream_memory_send,
    .writev = stream_memory_writev,
    .arm = stream_memory_arm,
    .shutdown = stream_memory_shutdown,
    .close = stream_memory_close,
    .unsent = stream_memory_unsent,
    .peer = stream_memory_peer,
    .fd = stream_memory_fd,
};

int stream_pair(size_t capacity, struct stream **ret_a, struct stream **ret_b) {
    if (capacity == 0)
        return -EINVAL;
    struct memory_pair *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->capacity = capacity;
    if (loop_is_adversary(loop_current()))
        p->adversary = loop_current();
    for (int i = 0; i < 2; i++) {
        p->pipe[i].pair = p;
        p->pipe[i].delivery.run = on_delivery;
        p->pipe[i].ring = malloc(capacity);
        p->end[i] = malloc(sizeof *p->end[i]);
        if (p->end[i])
            *p->end[i] =
                    (struct stream_memory){ .base.ops = &stream_memory_ops, .pair = p, .side = i };
    }
    if (!p->pipe[0].ring || !p->pipe[1].ring || !p->end[0] || !p->end[1]) {
        free(p->end[0]);
        free(p->end[1]);
        pair_free(p);
        return -ENOMEM;
    }
    *ret_a = &p->end[0]->base;
    *ret_b = &p->end[1]->base;
    return 0;
}
