/* wsload - an independent load generator for servers over WebSocket; --help says what it does. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "options.h"
#include "protocol.h"
#include "report.h"
#include "run.h"
#include "wsload.h"

enum { CHECKED_MAX = 1 << 28 }; /* pairs of subscriber and publisher whose order is checked */

struct load load = { .wake_fd = -1 };

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void) fputs("wsload: ", stderr);
    (void) vfprintf(stderr, format, args);
    (void) fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void note(const char *format, ...) {
    va_list args;
    if (options.is_quiet)
        return;
    va_start(args, format);
    (void) fputs("# ", stderr);
    (void) vfprintf(stderr, format, args);
    (void) fputc('\n', stderr);
    va_end(args);
}

void *grow(void *p, size_t n) {
    p = realloc(p, n);
    if (!p)
        die("out of memory");
    return p;
}

void *zeroed(size_t n, size_t s) {
    void *p = calloc(n ? n : 1, s);
    if (!p)
        die("out of memory");
    return p;
}

void put_hex(uint8_t *p, uint64_t v, int digits) {
    for (int i = digits - 1; i >= 0; i--, v >>= 4)
        p[i] = (uint8_t) "0123456789abcdef"[v & 15];
}

int put_decimal(uint8_t *p, uint64_t v) {
    uint8_t reversed[20];
    int n = 0;
    do {
        reversed[n++] = (uint8_t) ('0' + v % 10);
        v /= 10;
    } while (v);
    for (int i = 0; i < n; i++)
        p[i] = reversed[n - 1 - i];
    return n;
}

int put_channel(uint8_t *p, uint32_t channel) {
    size_t n = strlen(options.prefix);
    memcpy(p, options.prefix, n);
    return (int) n + put_decimal(p + n, channel);
}

uint64_t delivered_total(void) {
    uint64_t n = 0;
    for (int i = 0; i < load.n_workers; i++)
        n += atomic_load_explicit(&load.workers[i].delivered, memory_order_acquire);
    return n;
}

static void make_workers(void) {
    load.n_workers = 1 + options.threads;
    size_t size = sizeof(struct worker) * (size_t) load.n_workers;
    load.workers = aligned_alloc(_Alignof(struct worker), size);
    if (!load.workers)
        die("out of memory");
    memset(load.workers, 0, size);
    for (int i = 0; i < load.n_workers; i++) {
        load.workers[i].ep = epoll_create1(EPOLL_CLOEXEC);
        load.workers[i].rx = zeroed(RECEIVE_MAX + 64, 1);
        if (load.workers[i].ep < 0)
            die("epoll_create1: %s", strerror(errno));
    }
    load.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll_ctl(load.workers[0].ep, EPOLL_CTL_ADD, load.wake_fd, &e))
        die("epoll_ctl: %s", strerror(errno));
}

static void make_connections(void) {
    static const char text[] = "the quick brown fox jumps over the lazy dog 0123456789 ";
    size_t subs = (size_t) options.subs, pubs = (size_t) options.pubs,
           channels = (size_t) options.channels;
    load.n_connections = options.subs + options.pubs;
    load.connections = zeroed((size_t) load.n_connections, sizeof *load.connections);
    load.channel_live = zeroed(channels, sizeof *load.channel_live);
    load.pub_next = zeroed(pubs * channels, sizeof *load.pub_next);
    for (int i = 0; i < load.n_connections; i++) {
        struct connection *c = &load.connections[i];
        c->fd = -1;
        c->role = i < options.subs ? SUBSCRIBER : PUBLISHER;
        c->index = (uint32_t) (i < options.subs ? i : i - options.subs);
        c->channel = c->index % (uint32_t) channels;
        if (c->role == PUBLISHER)
            c->ring = zeroed(RING, sizeof *c->ring);
    }
    bool is_by_channel = options.protocol->is_one_way && options.mode == MODE_CHANNELS;
    if (subs && pubs && subs * pubs <= CHECKED_MAX && !is_by_channel)
        load.sub_next = zeroed(subs * pubs, sizeof *load.sub_next);
    load.padding = zeroed((size_t) options.size + 1, 1);
    for (int i = 0; i < options.size; i++)
        load.padding[i] = (uint8_t) text[(size_t) i % (sizeof text - 1)];
    load.run_id = (uint16_t) (getpid() ^ (int) (mono() >> 12));
    load.churns = options.mode == MODE_HANDSHAKE;
}

int main(int argc, char **argv) {
    static struct results results;
    options_parse(argc, argv);
    (void) signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    pin_thread(0);
    make_workers();
    make_connections();
    run_set_up(&results);
    if (!load.churns)
        run_measure(&results);
    return report_print(&results) ? 0 : 1;
}
