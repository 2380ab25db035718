#define _GNU_SOURCE
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reading.h"

enum {
    RECEIVE_BYTES = 64 * 1024,
    KEPT_MAX = 16 * 1024, /* of an unfinished message; no answer we want is longer */
    EVENTS_AT_ONCE = 512,
    PER_SOURCE = 25000, /* connections of one source address: less than half the ports */
    SPARE_DESCRIPTORS = 64,
    START_S = 60,  /* in which the server must be there */
    STALL_S = 120, /* without anything happening while something should */
    SHOWN_BYTES = 512,
    LOST_SHOWN = 8, /* each in a line of its own */
};

static char receive_buffer[KEPT_MAX + RECEIVE_BYTES];

static const char upgrade[] = "GET /connection/websocket HTTP/1.1\r\n"
                              "Host: 127.0.0.1\r\n"
                              "Connection: Upgrade\r\n"
                              "Upgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* Into a string of JSON. */
static void print_text(const char *text, size_t len) {
    for (size_t i = 0; i < len && i < SHOWN_BYTES; i++) {
        char c = text[i];
        (void) putchar(c == '"' || c == '\\' || c < ' ' || c > '~' ? '.' : c);
    }
}

_Noreturn void peers_fail(const struct peers *ps, const char *what, int fd, const char *detail,
                          size_t len) {
    printf("{\"event\":\"failed\",\"what\":\"%s\",\"error\":\"%s\",\"descriptor\":%d,"
           "\"connections\":%u,\"detail\":\"",
           what, strerror(errno), fd, ps->ready);
    print_text(detail, len);
    printf("\"}\n");
    exit(EXIT_FAILURE);
}

/* ---- sending ---- */

/* An idle socket takes a short message whole. */
static void send_all(struct peers *ps, int fd, const void *data, size_t len) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t) len)
        peers_fail(ps, "cannot send", fd, data, 0);
}

void peers_send(struct peers *ps, int fd, const char *command) {
    static const uint8_t mask[4] = { 0x5a, 0x17, 0xc3, 0x2e };
    uint8_t frame[256];
    size_t len = strlen(command), head = 2;

    frame[0] = 0x81;
    if (len < 126) {
        frame[1] = (uint8_t) (0x80 | len);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t) (len >> 8);
        frame[3] = (uint8_t) len;
        head = 4;
    }
    if (head + 4 + len > sizeof frame)
        abort();
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < len; i++)
        frame[head + 4 + i] = (uint8_t) command[i] ^ mask[i % 4];
    send_all(ps, fd, frame, head + 4 + len);
}

/* ---- receiving ---- */

static void peer_lost(struct peers *ps, int fd, const char *why, size_t len) {
    struct peer *p = &ps->by_fd[fd];
    if (!ps->is_server_told && p->state != PEER_READY)
        peers_fail(ps, "a connection was refused", fd, why, len);
    if (ps->lost++ < LOST_SHOWN) {
        printf("{\"event\":\"lost\",\"descriptor\":%d,\"why\":\"", fd);
        print_text(why, len);
        printf("\"}\n");
    }
    free(p->kept);
    *p = (struct peer){ 0 };
    ps->ready--;
    ps->opened--;
    (void) close(fd);
}

/* The server says goodbye: what it waits for is the same from us. */
static void peer_told(struct peers *ps, int fd, const char *body, size_t len) {
    static const uint8_t goodbye[] = { 0x88, 0x80, 0, 0, 0, 0 };
    struct peer *p = &ps->by_fd[fd];
    if (!ps->is_server_told) {
        peer_lost(ps, fd, body + (len > 2 ? 2 : len), len > 2 ? len - 2 : 0);
        return;
    }
    (void) send(fd, goodbye, sizeof goodbye, MSG_NOSIGNAL | MSG_DONTWAIT);
    ps->told++;
    ps->ready--;
    ps->opened--;
    free(p->kept);
    *p = (struct peer){ 0 };
    (void) close(fd);
}

static bool holds(const char *text, size_t len, const char *part) {
    return memmem(text, len, part, strlen(part)) != NULL;
}

/* One reply or push. */
static void peer_message(struct peers *ps, int fd, const char *text, size_t len) {
    struct peer *p = &ps->by_fd[fd];

    if (len == 2 && memcmp(text, "{}", 2) == 0) {
        peers_send(ps, fd, "{}");
    } else if (p->state == PEER_CONNECTING && holds(text, len, "\"connect\":")) {
        p->state = PEER_SUBSCRIBING;
        peers_send(ps, fd, "{\"id\":2,\"subscribe\":{\"channel\":\"" PEERS_CHANNEL "\"}}");
    } else if (p->state == PEER_SUBSCRIBING && holds(text, len, "\"subscribe\":")) {
        p->state = PEER_READY;
        ps->ready++;
    } else if (p->state == PEER_READY && holds(text, len, "\"pub\":")) {
        p->delivered++;
        ps->delivered++;
    } else if (p->state != PEER_READY || holds(text, len, "\"error\":")) {
        peers_fail(ps, "an unexpected answer", fd, text, len);
    }
}

/* Bytes of the frame at its beginning, 0: more of it must come. */
static size_t peer_frame(struct peers *ps, int fd, const char *data, size_t len) {
    const uint8_t *b = (const uint8_t *) data;
    if (len < 2)
        return 0;
    size_t head = 2, body = b[1] & 0x7f;
    if (body == 127 || (b[1] & 0x80))
        peers_fail(ps, "a frame that no server should send", fd, data, len);
    if (body == 126) {
        head = 4;
        if (len < head)
            return 0;
        body = (size_t) b[2] << 8 | b[3];
    }
    if (len < head + body)
        return 0;

    const char *text = data + head, *end = text + body;
    if ((b[0] & 0x0f) == 8) {
        peer_told(ps, fd, text, body);
    } else if ((b[0] & 0x0f) == 1) {
        while (text < end) {
            const char *newline = memchr(text, '\n', (size_t) (end - text));
            const char *stop = newline ? newline : end;
            peer_message(ps, fd, text, (size_t) (stop - text));
            text = stop + 1;
        }
    }
    return head + body;
}

static size_t peer_upgraded(struct peers *ps, int fd, const char *data, size_t len) {
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (!holds(data, len, "HTTP/1.1 101 "))
        peers_fail(ps, "no upgrade", fd, data, len);
    ps->by_fd[fd].state = PEER_CONNECTING;
    peers_send(ps, fd, "{\"id\":1,\"connect\":{\"name\":\"idle\"}}");
    return (size_t) (end - data) + 4;
}

static void peer_keep(struct peers *ps, int fd, const char *data, size_t len) {
    struct peer *p = &ps->by_fd[fd];
    if (len > KEPT_MAX)
        peers_fail(ps, "a message too long", fd, data, len);
    char *kept = len ? malloc(len) : NULL;
    if (len && !kept)
        peers_fail(ps, "no memory", fd, NULL, 0);
    if (len)
        memcpy(kept, data, len);
    free(p->kept);
    p->kept = kept;
    p->kept_len = (uint16_t) len;
}

static void peer_read(struct peers *ps, int fd) {
    struct peer *p = &ps->by_fd[fd];
    char *data = receive_buffer;
    size_t len = p->kept_len;
    if (len)
        memcpy(data, p->kept, len);
    ssize_t n = recv(fd, data + len, RECEIVE_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        const char *why = n < 0 ? strerror(errno) : "closed without a word";
        peer_lost(ps, fd, why, strlen(why));
        return;
    }
    len += (size_t) n;

    size_t used;
    do {
        used = p->state == PEER_UPGRADING ? peer_upgraded(ps, fd, data, len)
                                          : peer_frame(ps, fd, data, len);
        data += used;
        len -= used;
    } while (used && len && p->state != PEER_FREE);
    if (p->state != PEER_FREE && (len || p->kept))
        peer_keep(ps, fd, data, len);
}

void peers_turn(struct peers *ps, int timeout_ms) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(ps->epoll, events, EVENTS_AT_ONCE, timeout_ms);
    if (n < 0 && errno != EINTR)
        peers_fail(ps, "cannot poll", ps->epoll, NULL, 0);
    for (int i = 0; i < n; i++)
        peer_read(ps, events[i].data.fd);
    if (n > 0)
        ps->heard_s = reading_clock_s();
    else if (reading_clock_s() - ps->heard_s > STALL_S)
        peers_fail(ps, "nothing happens any more", 0, NULL, 0);
}

/* ---- beginning ---- */

void peers_init(struct peers *ps, int port, uint32_t connections) {
    rlim_t wanted = (rlim_t) connections + SPARE_DESCRIPTORS;
    struct rlimit limit;

    *ps = (struct peers){ .port = port, .limit = (int) wanted };
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        peers_fail(ps, "no limit of descriptors", 0, NULL, 0);
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < wanted || setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        errno = EMFILE;
        peers_fail(ps, "may not have that many descriptors", (int) wanted, NULL, 0);
    }
    ps->by_fd = calloc(wanted, sizeof *ps->by_fd);
    ps->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!ps->by_fd || ps->epoll < 0)
        peers_fail(ps, "no memory", 0, NULL, 0);
}

/* ---- opening ---- */

static int connect_from(int port, uint32_t source) {
    struct sockaddr_in here = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xff000000) |
                                                         (0x010000 + source)) };
    struct sockaddr_in there = { .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t) port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)) < 0 ||
        bind(fd, (const struct sockaddr *) &here, sizeof here) < 0 ||
        connect(fd, (const struct sockaddr *) &there, sizeof there) < 0) {
        int error = errno;
        (void) close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

void peers_open(struct peers *ps) {
    /* The connections that a step opens at a time are few: connect() may block, on loopback it
     * hardly does. */
    int fd = connect_from(ps->port, ps->opened / PER_SOURCE);
    if (fd < 0 || fd >= ps->limit)
        peers_fail(ps, "cannot connect", fd, NULL, 0);
    ps->by_fd[fd] = (struct peer){ .state = PEER_UPGRADING };
    ps->opened++;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(ps->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        peers_fail(ps, "cannot watch", fd, NULL, 0);
    send_all(ps, fd, upgrade, sizeof upgrade - 1);
    if (!ps->first)
        ps->first = fd;
}

void peers_wait_for_server(struct peers *ps) {
    double until = reading_clock_s() + START_S;
    int fd;
    while ((fd = connect_from(ps->port, 0)) < 0) {
        if (reading_clock_s() > until || errno != ECONNREFUSED)
            peers_fail(ps, "the server is not there", 0, NULL, 0);
        (void) usleep(20000);
    }
    (void) close(fd);
}

/* ---- ending ---- */

/* A socket under repair is closed without a word: the server keeps its ends of the connections, and
 * what is left is what they cost. */
void peers_vanish(struct peers *ps) {
    for (int fd = 0; fd < ps->limit; fd++) {
        if (ps->by_fd[fd].state != PEER_READY)
            continue;
        if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ 1 }, sizeof(int)) < 0)
            peers_fail(ps, "cannot repair", fd, NULL, 0);
        (void) close(fd);
    }
}
