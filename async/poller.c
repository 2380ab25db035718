/* The one file that knows libev, which does nothing but poll: time and order are the loop's own. */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>

#include "async/loop_impl.h"

static_assert(sizeof(ev_io) <= sizeof(struct watch), "a watch holds an ev_io");
static_assert((int) WATCH_READ == EV_READ && (int) WATCH_WRITE == EV_WRITE,
              "no translation needed");

struct watchers {
    ev_async wake;
    ev_timer timeout;
    int64_t armed_us; /* when the timeout comes, by clock_us(); INT64_MAX: not at all */
};

static void on_wake(struct ev_loop *ev, ev_async *w, int events) {
    /* That the poll returned is all that was wanted. */
    loop_of_thread->woken++;
    (void) ev;
    (void) w;
    (void) events;
}

static void on_timeout(struct ev_loop *ev, ev_timer *w, int events) {
    CONTAINER_OF(w, struct watchers, timeout)->armed_us = INT64_MAX;
    (void) ev;
    (void) events;
}

/* Around the kernel's poll itself: watches run after it, and count as the loop's work. */
static void on_release(struct ev_loop *ev) {
    (void) ev;
    debug_looks_around(loop_of_thread);
}

static void on_acquire(struct ev_loop *ev) {
    (void) ev;
    debug_has_looked(loop_of_thread);
}

int poller_open(struct poller *p) {
    struct watchers *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    /* Never the default loop: it reaps all children. */
    p->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOSIGMASK);
    if (!p->ev) {
        free(w);
        return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : -ENOSYS;
    }
    ev_set_loop_release_cb(p->ev, on_release, on_acquire);
    ev_async_init(&w->wake, on_wake);
    ev_async_start(p->ev, &w->wake);
    ev_timer_init(&w->timeout, on_timeout, 0., 0.);
    w->armed_us = INT64_MAX;
    p->watchers = w;
    return 0;
}

void poller_close(struct poller *p) {
    if (!p->ev)
        return;
    struct watchers *w = p->watchers;
    ev_async_stop(p->ev, &w->wake);
    ev_timer_stop(p->ev, &w->timeout);
    ev_loop_destroy(p->ev);
    free(w);
    p->ev = NULL;
}

/* One that comes too early stays: the loop looks around once for nothing and waits on. Most waits
 * end before their time, and so cost neither a look at the clock nor libev's heap. */
static void arm_timeout(struct poller *p, int64_t until_us) {
    struct watchers *w = p->watchers;
    if (w->armed_us <= until_us)
        return;
    int64_t in_us = until_us - clock_us();
    ev_now_update(p->ev);
    ev_timer_stop(p->ev, &w->timeout);
    ev_timer_set(&w->timeout, in_us > 0 ? (double) in_us * 1e-6 : 0., 0.);
    ev_timer_start(p->ev, &w->timeout);
    w->armed_us = until_us;
}

void poller_poll(struct poller *p, int64_t until_us) {
    if (until_us > 0)
        arm_timeout(p, until_us);
    ev_run(p->ev, until_us == 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
}

void poller_wake(struct poller *p) {
    struct watchers *w = p->watchers;
    ev_async_send(p->ev, &w->wake);
}

/* ---- descriptors ---- */

static ev_io *io_of(const struct watch *w) {
    return (ev_io *) (uintptr_t) w->libev;
}

static void on_ready(struct ev_loop *ev, ev_io *io, int events) {
    (void) ev;
    watch_fn *run = (watch_fn *) (uintptr_t) io->data;
    run((struct watch *) (void *) io, (unsigned) events & (EV_READ | EV_WRITE));
}

void watch_init(struct watch *w, int fd, watch_fn *run) {
    ev_io *io = io_of(w);
    ev_io_init(io, on_ready, fd, 0);
    io->data = (void *) (uintptr_t) run;
}

void watch_want(struct watch *w, unsigned events) {
    ev_io *io = io_of(w);
    unsigned wanted = watch_wanted(w);
    if (wanted == events)
        return;
    struct poller *p = &loop_of_thread->poller;
    if (wanted) {
        ev_io_stop(p->ev, io);
        p->watching--;
    }
    if (events) {
        /* Only the mask changes: libev then need not ask the kernel anew if it ends up as it was.
         */
        if (wanted)
            ev_io_modify(io, (int) events);
        else
            ev_io_set(io, io->fd, (int) events);
        ev_io_start(p->ev, io);
        p->watching++;
    }
}

unsigned watch_wanted(const struct watch *w) {
    ev_io *io = io_of(w);
    return ev_is_active(io) ? (unsigned) io->events & (EV_READ | EV_WRITE) : 0;
}

int watch_fd(const struct watch *w) {
    return io_of(w)->fd;
}
