#include "daemon/listen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async/inbox.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"

/* One listener of one worker. */
struct acceptor {
    struct link link;
    struct listener *listener;
    struct worker_thread *thread;
    unsigned flags; /* enum accept_flag */
    bool is_shared; /* accepts for all workers */
    unsigned next;  /* of equals, the worker whose turn it is */
};

enum {
    /* The kernel's choice of a listener is by chance: a worker takes what comes to its own as long
     * as it has no more than the one with the fewest has, a part of that, and a few. */
    UNEVEN_PART = 16,
    UNEVEN_MIN = 1,
};

void acceptors_init(struct acceptors *a) {
    group_init(&a->tasks);
    list_init(&a->all);
}

void acceptors_finish(struct acceptors *a) {
    struct link *k;

    group_finish(&a->tasks);
    while ((k = list_pop(&a->all))) {
        struct acceptor *acceptor = CONTAINER_OF(k, struct acceptor, link);
        listener_close(acceptor->listener);
        free(acceptor);
    }
}

/* ---- handing over ---- */

struct handover {
    struct post post;
    struct worker *worker;
    unsigned flags;
    int fd;
};

/* Connections that it has or has been handed. */
static uint64_t load_of(const struct worker *w) {
    return (uint64_t) metrics_gauge_of(&w->metrics, GAUGE_CONNECTIONS) +
           atomic_load_explicit(&w->coming, memory_order_relaxed);
}

static void take(struct worker *w, struct stream *s, unsigned flags) {
    int r = worker_accept(w, s, flags);
    if (r < 0) {
        LOG_WARNING(w->daemon->log, "a connection was turned away", LOG_RESULT(r));
        stream_close(s);
    }
}

static void on_handover(struct post *p) {
    struct handover *h = CONTAINER_OF(p, struct handover, post);
    struct stream *s;

    int r = stream_from_fd(h->fd, &s);
    if (r == 0)
        take(h->worker, s, h->flags);
    else
        (void) close(h->fd);
    atomic_fetch_sub_explicit(&h->worker->coming, 1, memory_order_relaxed);
    free(h);
}

/* Before anything is read of it or said about it: that is the other worker's to do. A stream
 * belongs to its loop; its descriptor does not. */
static int hand_over(struct worker *to, struct stream *s, unsigned flags) {
    struct handover *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    *h = (struct handover){ .post.run = on_handover, .worker = to, .flags = flags };
    h->fd = fcntl(stream_fd(s), F_DUPFD_CLOEXEC, 3);
    if (h->fd < 0) {
        int r = -errno;
        free(h);
        return r;
    }
    stream_close(s);
    atomic_fetch_add_explicit(&to->coming, 1, memory_order_relaxed);
    inbox_post_quietly(to->inbox, &h->post, NULL);
    return 0;
}

/* Who is to have the next one. */
static struct worker *worker_for(struct acceptor *a) {
    struct daemon *d = a->thread->daemon;
    struct worker *own = &a->thread->worker, *least = NULL;
    uint64_t fewest = UINT64_MAX;

    if (d->n_workers == 1)
        return own;
    for (size_t i = 0; i < d->n_workers; i++) {
        struct worker *w = &d->threads[(a->next + i) % d->n_workers].worker;
        uint64_t n = load_of(w);
        if (n < fewest) {
            fewest = n;
            least = w;
        }
    }
    if (!a->is_shared && load_of(own) <= fewest + fewest / UNEVEN_PART + UNEVEN_MIN)
        return own;
    a->next = (least->index + 1) % (unsigned) d->n_workers;
    return least;
}

static void accepted(struct acceptor *a, struct stream *s) {
    struct worker *own = &a->thread->worker, *to = worker_for(a);

    if (to != own && hand_over(to, s, a->flags) == 0) {
        metrics_count(&own->metrics, COUNT_CONNECTIONS_HANDED_OVER);
        return;
    }
    take(own, s, a->flags);
}

static int accept_run(void *arg) {
    struct acceptor *a = arg;
    struct stream *s;
    int r;

    while ((r = listener_next(a->listener, &s)) > 0)
        accepted(a, s);
    if (r != -ECANCELED)
        LOG_ERROR(a->thread->daemon->log, "a listener has failed", LOG_RESULT(r));
    return 0;
}

uint64_t acceptors_starved(const struct acceptors *a) {
    uint64_t n = 0;
    LIST_FOREACH (&a->all, k)
        n += listener_starved(CONTAINER_OF(k, struct acceptor, link)->listener);
    return n;
}

/* ---- opening, on the worker's loop ---- */

struct opening_order {
    const struct address *address; /* or NULL: fd */
    struct listener_options options;
    int fd;
    unsigned flags;
    bool is_shared;
    struct address *ret_address; /* the first worker's: what the others use; or NULL */
};

static int open_here(struct worker_thread *t, void *arg) {
    const struct opening_order *order = arg;
    struct acceptor *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;

    a->thread = t;
    a->flags = order->flags;
    a->is_shared = order->is_shared;
    int r = order->address ? listener_open(order->address, &order->options, &a->listener)
                           : listener_from_fd(order->fd, &a->listener);
    if (r < 0) {
        free(a);
        return r;
    }
    list_append(&t->acceptors.all, &a->link);
    if (order->ret_address)
        (void) listener_address(a->listener, order->ret_address->text,
                                sizeof order->ret_address->text);
    return group_spawn(&t->acceptors.tasks, "listener", accept_run, a);
}

static int stop_here(struct worker_thread *t, void *arg) {
    acceptors_finish(&t->acceptors);
    acceptors_init(&t->acceptors);
    return 0;
}

/* ---- on the main loop ---- */

static int ask(struct worker_thread *t, int (*run)(struct worker_thread *, void *), void *arg) {
    struct chore e;
    chore_send(&e, t, run, arg);
    return chore_wait(&e);
}

static int listen_at(struct daemon *d, const struct config_listener *l) {
    bool is_unix = strncmp(l->address.text, "unix:", 5) == 0;
    struct address *bound = &d->addresses[d->n_addresses];
    struct opening_order order = {
        .address = &l->address,
        .options = { .reuse_port = !is_unix && d->n_workers > 1,
                     .unix_mode = d->config->http.unix_mode },
        .flags = (l->is_tls ? ACCEPT_TLS : 0) | (l->is_internal ? ACCEPT_INTERNAL : 0),
        .is_shared = is_unix,
        .ret_address = bound,
    };

    int r = ask(&d->threads[0], open_here, &order);
    if (r == 0)
        d->n_addresses++;
    order.address = bound; /* with the port that the kernel chose */
    order.ret_address = NULL;
    for (size_t i = 1; r == 0 && !is_unix && i < d->n_workers; i++)
        r = ask(&d->threads[i], open_here, &order);
    if (r == 0)
        LOG_NOTICE(d->log, "listening", LOG_TEXT("address", bound->text));
    return r;
}

static int listen_on(struct daemon *d, int fd) {
    struct address *bound = &d->addresses[d->n_addresses];
    struct opening_order order = {
        .fd = fd,
        .flags = d->config->http.tls_enabled ? ACCEPT_TLS : 0,
        .is_shared = true,
        .ret_address = bound,
    };
    int r = ask(&d->threads[0], open_here, &order);
    if (r < 0)
        return r;
    d->n_addresses++;
    LOG_NOTICE(d->log, "listening on a socket handed in", LOG_TEXT("address", bound->text));
    return 0;
}

int daemon_listen(struct daemon *d, const int *fds, size_t n_fds, char **ret_why) {
    const char *which = "a socket handed in";
    int r = 0;

    for (size_t i = 0; i < n_fds && d->n_addresses < DAEMON_ADDRESSES_MAX; i++) {
        if (r == 0)
            r = listen_on(d, fds[i]);
        if (r < 0)
            (void) close(fds[i]);
    }
    /* Sockets handed in are instead of the configured client's ones; internal ones stay. */
    for (size_t i = 0; r == 0 && i < d->config->n_listeners; i++) {
        const struct config_listener *l = &d->config->listeners[i];
        if (n_fds > 0 && !l->is_internal)
            continue;
        which = l->address.text;
        r = listen_at(d, l);
    }
    if (r < 0 && ret_why && asprintf(ret_why, "cannot listen on %s: %s", which, strerror(-r)) < 0)
        *ret_why = NULL;
    return r;
}

void daemon_stop_listening(struct daemon *d) {
    for (size_t i = 0; i < d->n_workers; i++)
        if (d->threads[i].is_open)
            (void) ask(&d->threads[i], stop_here, NULL);
}
