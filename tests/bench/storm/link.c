#include "tests/bench/storm/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/storm/figures.h"

enum {
    READ_BYTES = 1 << 20,
    MASK_BYTES = 4,
    OPCODE_TEXT = 1,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ=="; /* RFC 6455 section 1.3, as is its answer */
static const char ANSWER[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

void link_init(struct link *l, const struct link_owner *owner, int poll) {
    *l = (struct link){ .owner = owner, .fd = -1, .poll = poll };
}

void link_close(struct link *l) {
    if (l->fd >= 0)
        (void) close(l->fd);
    l->fd = -1;
    l->is_open = false;
    buffer_finish(&l->in);
    buffer_finish(&l->out);
}

static void lose(struct link *l, unsigned code, const char *why) {
    link_close(l);
    l->owner->lost(l, code, why);
}

/* ---- sending ---- */

/* What is left goes when the socket is writable again. false: the link is lost. */
static bool flush(struct link *l) {
    size_t sent = 0;
    while (sent < l->out.len) {
        ssize_t n = send(l->fd, l->out.data + sent, l->out.len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            lose(l, 0, strerror(errno));
            return false;
        }
        if (n < 0)
            break;
        sent += (size_t) n;
    }
    if (sent == l->out.len)
        buffer_finish(&l->out);
    else
        buffer_consume(&l->out, sent);
    return true;
}

static void append_frame(struct buffer *out, unsigned opcode, struct bytes payload) {
    buffer_append_byte(out, (uint8_t) (0x80 | opcode));
    if (payload.len < 126) {
        buffer_append_byte(out, (uint8_t) (0x80 | payload.len));
    } else if (payload.len < 65536) {
        buffer_append_byte(out, 0x80 | 126);
        buffer_append_byte(out, (uint8_t) (payload.len >> 8));
        buffer_append_byte(out, (uint8_t) payload.len);
    } else {
        buffer_append_byte(out, 0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buffer_append_byte(out, (uint8_t) ((uint64_t) payload.len >> shift));
    }
    buffer_append(out, (const uint8_t[MASK_BYTES]){ 0 }, MASK_BYTES);
    buffer_append_bytes(out, payload);
    if (buffer_error(out) < 0)
        give_up("a frame", 0);
}

static void send_frame(struct link *l, unsigned opcode, struct bytes payload) {
    bool is_idle = l->out.len == 0;
    append_frame(&l->out, opcode, payload);
    if (is_idle)
        (void) flush(l);
}

void link_send(struct link *l, struct bytes message) {
    if (l->fd >= 0)
        send_frame(l, OPCODE_TEXT, message);
}

/* ---- opening ---- */

int link_connect(struct link *l, const struct sockaddr_in *to, uint32_t from, const char *path) {
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    int yes = 1, r = 0;
    (void) setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (from) { /* the port is chosen for the pair of addresses, so none runs short */
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(from) };
        (void) setsockopt(l->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        r = bind(l->fd, (const struct sockaddr *) &a, sizeof a) < 0 ? -errno : 0;
    }
    if (r == 0 && connect(l->fd, (const struct sockaddr *) to, sizeof *to) < 0 &&
        errno != EINPROGRESS)
        r = -errno;
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = l };
    if (r == 0 && epoll_ctl(l->poll, EPOLL_CTL_ADD, l->fd, &e) < 0)
        r = -errno;
    if (r < 0) {
        link_close(l);
        return r;
    }
    buffer_printf(&l->out,
                  "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n",
                  path, KEY);
    return 0;
}

/* Bytes of the answer's head; 0: it has not all come, or the link is lost. */
static size_t take_answer(struct link *l, struct bytes in) {
    const uint8_t *end = memmem(in.data, in.len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t len = (size_t) (end - in.data) + 4;
    if (!memmem(in.data, len, " 101 ", 5) || !memmem(in.data, len, ANSWER, strlen(ANSWER))) {
        char why[64];
        (void) snprintf(why, sizeof why, "%.*s", (int) (len < 32 ? len : 32), in.data);
        lose(l, 0, why);
        return 0;
    }
    l->is_open = true;
    l->owner->opened(l);
    return len;
}

/* ---- receiving ---- */

static void handle_frame(struct link *l, unsigned opcode, struct bytes payload) {
    if (opcode == OPCODE_TEXT) {
        l->owner->received(l, payload);
    } else if (opcode == OPCODE_PING) {
        send_frame(l, OPCODE_PONG, payload);
    } else if (opcode == OPCODE_CLOSE) {
        char why[128];
        struct bytes reason =
                payload.len > 2 ? bytes_of(payload.data + 2, payload.len - 2) : bytes_of("", 0);
        (void) snprintf(why, sizeof why, "%.*s", (int) reason.len, (const char *) reason.data);
        lose(l, payload.len >= 2 ? (unsigned) payload.data[0] << 8 | payload.data[1] : 1005, why);
    }
}

/* Bytes of the first frame; 0: it has not all come, or the link is lost. */
static size_t take_frame(struct link *l, struct bytes in) {
    if (in.len < 2)
        return 0;
    uint64_t len = in.data[1] & 127;
    size_t head = len == 127 ? 10 : len == 126 ? 4 : 2;
    if (in.len < head)
        return 0;
    if (head > 2) {
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | in.data[i];
    }
    if (in.len - head < len)
        return 0;
    if (!(in.data[0] & 0x80) || in.data[1] & 0x80) {
        lose(l, 0, "a frame that parleyd does not send");
        return 0;
    }
    handle_frame(l, in.data[0] & 15, bytes_of(in.data + head, (size_t) len));
    return head + (size_t) len;
}

static size_t take_all(struct link *l, struct bytes in) {
    size_t used = 0;
    while (l->fd >= 0 && used < in.len) {
        struct bytes left = bytes_of(in.data + used, in.len - used);
        size_t n = l->is_open ? take_frame(l, left) : take_answer(l, left);
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

static void receive(struct link *l) {
    static uint8_t memory[READ_BYTES];
    while (l->fd >= 0) {
        ssize_t n = recv(l->fd, memory, sizeof memory, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            lose(l, 0, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        struct bytes in = bytes_of(memory, (size_t) n);
        if (l->in.len > 0) {
            buffer_append_bytes(&l->in, in);
            in = buffer_bytes(&l->in);
        }
        size_t used = take_all(l, in);
        if (l->fd < 0)
            return;
        if (l->in.len > 0 && used == l->in.len)
            buffer_finish(&l->in);
        else if (l->in.len > 0)
            buffer_consume(&l->in, used);
        else if (used < in.len)
            buffer_append(&l->in, in.data + used, in.len - used);
        if (buffer_error(&l->in) < 0)
            give_up("a message", 0);
    }
}

void link_on_event(struct link *l, unsigned events) {
    if (l->fd < 0)
        return; /* closed since epoll saw it */
    if (events & EPOLLOUT && l->out.len > 0 && !flush(l))
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        receive(l);
}
