/* usage: storm PORT [--path PATH] [--users]
 * A crowd of clients for the parleyd on 127.0.0.1:PORT; orders.h says what it can be told. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/bench/storm/orders.h"

enum { EVENTS_MAX = 1024, LOOK_MS = 5 /* whether an order is done */ };

static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int wait_ms(const struct orders *o, uint64_t next_ns, uint64_t now) {
    uint64_t ms = next_ns == UINT64_MAX ? 1000 : next_ns <= now ? 0 : (next_ns - now) / 1000000 + 1;
    return o->waiting[0] && ms > LOOK_MS ? LOOK_MS : (int) (ms < 1000 ? ms : 1000);
}

static void run(struct storm *s, struct orders *o) {
    static struct epoll_event events[EVENTS_MAX];
    while (!o->is_over) {
        uint64_t now = now_ns();
        uint64_t next = storm_run_retries(s, now), press = press_run(s->press, now);
        bool is_busy = crowd_run(s->crowd);
        orders_run(o);
        if (o->is_over)
            break;
        int ms = is_busy ? 0 : wait_ms(o, next < press ? next : press, now);
        int n = epoll_wait(s->poll, events, EVENTS_MAX, ms);
        if (n < 0 && errno != EINTR)
            give_up("epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                link_on_event(events[i].data.ptr, events[i].events);
            else
                orders_receive(o);
        }
    }
}

int main(int argc, char **argv) {
    struct crowd crowd = { 0 };
    struct press press = { 0 };
    struct desk desk = { 0 };
    struct storm storm = {
        .path = "/connection/websocket", .crowd = &crowd, .press = &press, .desk = &desk
    };
    struct orders orders = { .storm = &storm };
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--users") == 0)
            storm.has_users = true;
        else if (strcmp(argv[i], "--path") == 0 && i + 1 < argc)
            storm.path = argv[++i];
        else
            port = 0;
    }
    if (port < 1 || port > 65535) {
        (void) fprintf(stderr, "usage: storm PORT [--path PATH] [--users]\n");
        return EX_USAGE;
    }
    storm.server = (struct sockaddr_in){ .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t) port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    raise_descriptors();
    (void) signal(SIGPIPE, SIG_IGN);
    storm.poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = { .events = EPOLLIN };
    if (storm.poll < 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0 ||
        epoll_ctl(storm.poll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        give_up("standard input must be a pipe", errno);
    press_init(&press, &storm, 0);

    run(&storm, &orders);

    crowd_finish(&crowd);
    press_finish(&press);
    desk_finish(&desk);
    ledger_finish(&storm.ledger);
    buffer_finish(&orders.in);
    arena_finish(&storm.arena);
    (void) close(storm.poll);
    return storm.ledger.n_faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
