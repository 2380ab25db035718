#include "run.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "connection.h"
#include "options.h"
#include "protocol.h"
#include "wsload.h"

enum {
    STALL_NS = 2000000000, /* without a delivery: what is under way is given up */
    SETUP_STALL_S = 10,
    BACKLOG_MAX = 8 << 20, /* bytes that a server has not read */
    FAILURES_MAX = 1000,
};

static uint64_t ns(double seconds) {
    return (uint64_t) (seconds * 1e9);
}

/* ---- setting up ---- */

static void churn(void) {
    uint64_t end = mono() + ns(options.duration);
    while (mono() < end) {
        for (int i = 0; i < load.n_connections; i++)
            if (load.connections[i].state == CLOSED)
                connection_open(&load.connections[i]);
        if (load.n_failed > FAILURES_MAX && !load.n_handshaken)
            die("no handshake succeeds: %s", load.failure);
        poll_once(&load.workers[0], 100000000);
    }
}

static void connect_all(void) {
    uint64_t last = mono();
    int next = 0, last_ready = 0;
    while (load.n_ready < load.n_connections) {
        while (load.n_setting_up < options.conc && next < load.n_connections)
            connection_open(&load.connections[next++]);
        if (load.n_failed)
            die("connection setup failed (%d failed, %d ready): %s / %s", load.n_failed,
                load.n_ready, load.failure, load.workers[0].reason);
        poll_once(&load.workers[0], 100000000);
        if (load.n_ready != last_ready) {
            last_ready = load.n_ready;
            last = mono();
        } else if (mono() - last > ns(SETUP_STALL_S)) {
            die("setup stalled: %d of %d ready, %d upgraded, %d in setup: %s", load.n_ready,
                load.n_connections, load.n_handshaken, load.n_setting_up, load.workers[0].reason);
        }
    }
}

void run_set_up(struct results *ret) {
    account_take(&ret->started, true);
    double own = own_cpu();
    uint64_t began = mono();
    if (load.churns)
        churn();
    else
        connect_all();
    uint64_t now = mono();
    struct account a;
    account_take(&a, false);
    ret->setup_own_cpu = own_cpu() - own;
    ret->setup_server_cpu = a.total - ret->started.total;
    ret->setup_s = (double) (now - began) / 1e9;
    ret->handshakes_s = (double) ((load.churns ? now : load.last_handshake) - began) / 1e9;
    ret->settled = ret->ended = a;
    if (!load.churns)
        note("%d connections ready in %.3f s", load.n_connections, ret->setup_s);
}

/* ---- publishing ---- */

/* Whose turn it is, and how far the load has come. */
struct turn {
    struct connection *publishers;
    uint32_t publisher, channel;
    uint64_t began, ticks; /* --rate: when the first was due, how many have been sent */
    uint64_t published, last_delivered, last_progress, stalls;
    bool is_measuring;
};

static struct connection *next_publisher(struct turn *t) {
    struct connection *c = &t->publishers[t->publisher];
    t->publisher = (t->publisher + 1) % (uint32_t) options.pubs;
    return c;
}

static void publish_next(struct turn *t, struct connection *c, uint64_t now) {
    uint32_t channel = options.protocol->is_one_way ? c->channel : t->channel;
    if (c->fd < 0)
        die("publisher connection closed: %s", load.workers[0].reason);
    t->channel = (t->channel + 1) % (uint32_t) options.channels;
    publish_one(c, channel, now);
    load.expected += load.channel_live[channel];
    t->published++;
}

/* Publishes what is due by now; returns the time until the next, or at most timeout_ns. */
static int64_t publish_by_rate(struct turn *t, uint64_t now, int64_t timeout_ns, bool *ret_pushed) {
    double step = 1e9 / options.rate;
    uint64_t due;
    while ((due = t->began + (uint64_t) ((double) t->ticks * step)) <= now) {
        struct connection *c = next_publisher(t);
        if (c->tx_len - c->tx_off > BACKLOG_MAX)
            break; /* shows as lag */
        publish_next(t, c, options.stamps_actual ? now : due);
        t->ticks++;
        *ret_pushed = true;
        if (t->is_measuring)
            histogram_add(&load.lag, now - due);
        if (t->ticks % 64 == 0)
            tx_flush(&load.workers[0], c);
    }
    int64_t wait = (int64_t) due - (int64_t) now;
    return wait < 0 ? 0 : wait < timeout_ns ? wait : timeout_ns;
}

static void publish_by_acks(struct turn *t, uint64_t now, bool *ret_pushed) {
    uint64_t window = (uint64_t) options.window, batch = (uint64_t) options.pub_batch;
    for (int i = 0; i < options.pubs; i++) {
        struct connection *c = &t->publishers[i];
        if (c->sent - c->acked + batch > window)
            continue;
        while (c->sent - c->acked < window &&
               (!options.count || t->published < (uint64_t) options.count)) {
            publish_next(t, c, now);
            *ret_pushed = true;
        }
    }
}

static void publish_by_deliveries(struct turn *t, uint64_t now, bool *ret_pushed) {
    uint64_t delivered = delivered_total();
    int live = atomic_load(&load.live_subs);
    if (!live)
        die("all subscribers were disconnected: %s", load.workers[0].reason);
    if (delivered != t->last_delivered) {
        t->last_delivered = delivered;
        t->last_progress = now;
    } else if (now - t->last_progress > STALL_NS) {
        t->stalls++;
        load.expected = delivered;
        t->last_progress = now;
    }
    int64_t each = live / options.channels > 0 ? live / options.channels : 1;
    int64_t room = options.window * each - (int64_t) (load.expected - delivered);
    if (room < options.pub_batch * each)
        return;
    for (; room >= each; room -= each) {
        publish_next(t, next_publisher(t), mono());
        *ret_pushed = true;
    }
}

static int64_t publish(struct turn *t, uint64_t now, int64_t timeout_ns, bool *ret_pushed) {
    if (!options.pubs)
        return timeout_ns;
    if (options.rate > 0)
        timeout_ns = publish_by_rate(t, now, timeout_ns, ret_pushed);
    else if (options.mode == MODE_PUBLISH)
        publish_by_acks(t, now, ret_pushed);
    else
        publish_by_deliveries(t, now, ret_pushed);
    for (int i = 0; *ret_pushed && i < options.pubs; i++)
        if (t->publishers[i].tx_off < t->publishers[i].tx_len)
            tx_flush(&load.workers[0], &t->publishers[i]);
    return timeout_ns;
}

/* ---- measuring ---- */

static struct counters count(const struct turn *t) {
    struct counters n = { .delivered = delivered_total(), .published = t->published };
    for (int i = 0; i < load.n_workers; i++) {
        const struct worker *w = &load.workers[i];
        n.acks += w->acks;
        n.frames += w->frames;
        n.bytes += w->bytes;
        n.rx_bytes += w->rx_bytes;
        n.recvs += w->recvs;
    }
    return n;
}

static struct counters less(struct counters a, struct counters b) {
    return (struct counters){
        a.delivered - b.delivered, a.published - b.published, a.acks - b.acks,
        a.frames - b.frames,       a.bytes - b.bytes,         a.rx_bytes - b.rx_bytes,
        a.recvs - b.recvs,
    };
}

static void settle(double seconds) {
    uint64_t end = mono() + ns(seconds);
    for (uint64_t now; (now = mono()) < end;)
        poll_once(&load.workers[0], (int64_t) (end - now));
}

/* With --threads, subscribers are served by the other threads from here on. */
static void hand_over(void) {
    for (int i = 0; options.threads && i < options.subs; i++) {
        struct connection *c = &load.connections[i];
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = c };
        if (c->fd < 0 || c->is_slow)
            continue;
        epoll_ctl(load.workers[0].ep, EPOLL_CTL_DEL, c->fd, NULL);
        epoll_ctl(load.workers[1 + i % options.threads].ep, EPOLL_CTL_ADD, c->fd, &e);
    }
    for (int i = 1; i < load.n_workers; i++)
        if (pthread_create(&load.workers[i].thread, NULL, worker_main, &load.workers[i]))
            die("pthread_create failed");
}

/* Waits for what is under way, as long as something comes. */
static void drain(void) {
    uint64_t end = mono() + ns(options.drain), delivered, last = 0;
    while (mono() < end && (delivered = delivered_total()) < load.expected) {
        if (delivered != last)
            end = mono() + ns(options.drain);
        last = delivered;
        poll_once(&load.workers[0], 20000000);
    }
}

static bool is_all_acked(void) {
    uint64_t acks = 0;
    for (int i = 0; i < load.n_workers; i++)
        acks += load.workers[i].acks;
    return options.count && acks >= (uint64_t) options.count;
}

void run_measure(struct results *ret) {
    settle(options.settle);
    account_take(&ret->settled, true);
    hand_over();
    bool is_warm = options.mode == MODE_IDLE || options.count > 0;
    uint64_t now = mono(), end = now + (is_warm ? 0 : ns(options.warmup)), start = 0;
    struct turn t = { .publishers = load.connections + options.subs,
                      .began = now,
                      .last_progress = now };
    struct counters before = { 0 };
    double own = 0;
    while ((now = mono()) < end || !t.is_measuring) {
        if (now >= end) {
            before = count(&t);
            account_take(&ret->before, false);
            own = own_cpu();
            start = mono();
            end = start + ns(options.duration);
            atomic_store(&load.is_measuring, true);
            t.is_measuring = true;
            now = start;
        }
        if (is_all_acked())
            break;
        bool has_pushed = false;
        int64_t wait = publish(&t, now, (int64_t) (end - now), &has_pushed);
        if (options.threads && !has_pushed) {
            atomic_store(&load.is_main_waiting, 1);
            wait = wait > 2000000 ? 2000000 : wait;
        }
        wait = wait > 500000000 ? 500000000 : wait;
        poll_once(&load.workers[0], has_pushed && options.rate <= 0 ? 0 : wait);
    }
    account_take(&ret->after, false);
    ret->own_cpu = own_cpu() - own;
    ret->measured_s = (double) (mono() - start) / 1e9;
    ret->measured = less(count(&t), before);
    ret->stalls = t.stalls;
    atomic_store(&load.is_measuring, false);
    if (options.mode == MODE_FANOUT || options.mode == MODE_CHANNELS)
        drain();
    ret->drained = delivered_total();
    account_take(&ret->ended, true);
    atomic_store(&load.is_stopping, true);
    for (int i = 1; i < load.n_workers; i++)
        pthread_join(load.workers[i].thread, NULL);
}
