/* The loop, of the main thread and of those that --threads adds. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "options.h"
#include "wsload.h"

enum { EVENTS_MAX = 1024 };

static int await(int ep, struct epoll_event *events, int64_t timeout_ns) {
    struct timespec t = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    if (options.wait_us < 0 && timeout_ns > 0)
        return epoll_pwait2(ep, events, EVENTS_MAX, &t, NULL);

    int n = epoll_wait(ep, events, EVENTS_MAX, 0);
    if (n == 0 && timeout_ns > 0 && options.wait_us > 0) {
        int64_t pause = (int64_t) options.wait_us * 1000;
        pause = pause > timeout_ns ? timeout_ns : pause;
        nanosleep(&(struct timespec){ pause / 1000000000, pause % 1000000000 }, NULL);
    }
    return n;
}

static void serve(struct worker *w, struct connection *c, uint32_t events) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            connection_close(w, c, strerror(error));
            return;
        }
        if (events & EPOLLOUT)
            connection_connected(w, c);
        if (c->fd < 0 || !(events & EPOLLIN))
            return;
    } else if ((events & EPOLLOUT) && c->tx_off < c->tx_len) {
        tx_flush(w, c);
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection_readable(w, c);
}

int poll_once(struct worker *w, int64_t timeout_ns) {
    static _Thread_local struct epoll_event events[EVENTS_MAX];
    int n = await(w->ep, events, timeout_ns);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n < 0)
        die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        uint64_t woken;
        if (c && c->fd >= 0)
            serve(w, c, events[i].events);
        else if (!c && read(load.wake_fd, &woken, sizeof woken) < 0)
            continue;
    }
    return n;
}

void pin_thread(int i) {
    if (!options.n_cpus)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options.cpus[i % options.n_cpus], &set);
    if (sched_setaffinity(0, sizeof set, &set))
        die("cannot pin to cpu %d: %s", options.cpus[i % options.n_cpus], strerror(errno));
}

void *worker_main(void *worker) {
    struct worker *w = worker;
    pin_thread((int) (w - load.workers));
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load(&load.is_stopping)) {
        uint64_t one = 1;
        if (poll_once(w, 20000000) > 0 && atomic_exchange(&load.is_main_waiting, 0) &&
            write(load.wake_fd, &one, sizeof one) < 0)
            die("eventfd: %s", strerror(errno));
    }
    return NULL;
}
