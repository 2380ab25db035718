/*
 * What the parts of wsload share: connections, the threads that serve them, and the load as a
 * whole.
 *
 * One thread by default: publishers and subscribers share one epoll loop; --threads T moves the
 * subscribers to T more. Edge-triggered, one recv() per ready socket into a big shared buffer,
 * frames walked in place, nothing allocated per message. Every payload carries a mark with the run,
 * publisher, sequence number and monotonic time, so that latency, loss and order are checked on
 * every delivery, not on a sample.
 */
#ifndef WSLOAD_H
#define WSLOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "histogram.h"

enum {
    RECEIVE_MAX = 1 << 20, /* bytes of one recv(), and of one frame */
    RING = 65536,          /* publishes of one connection whose answers may be under way */
    REASON_MAX = 256,
};

enum state { CLOSED, CONNECTING, UPGRADING, SETTING_UP, READY };
enum role { SUBSCRIBER, PUBLISHER };

struct connection {
    int fd;
    uint8_t state, role;
    bool is_slow, is_fragmented;
    uint32_t index, channel;
    uint32_t partial_len, partial_cap, stream_len, stream_cap;
    uint8_t *partial, *stream; /* an unfinished frame; an unfinished message */
    uint64_t began;
    uint32_t mark_at; /* where the mark was last found */
    uint8_t *tx;
    size_t tx_len, tx_off, tx_cap;
    uint64_t sent, acked; /* publishers only */
    uint64_t *ring;       /* when what is under way was sent */
};

struct worker {
    _Alignas(64) _Atomic uint64_t delivered; /* messages to subscribers */
    int ep;
    uint8_t *rx, *inflated;
    pthread_t thread;
    uint64_t bytes, frames, rx_bytes, recvs, pings, deflated, unmarked, foreign, gaps, late;
    uint64_t closed, protocol_errors, acks, ack_errors;
    struct histogram latency, ack;
    char reason[REASON_MAX]; /* the first failure */
};

struct load {
    struct connection *connections; /* subscribers, then publishers */
    int n_connections;
    struct worker *workers; /* the first is the main thread's */
    int n_workers;
    struct histogram handshakes, readies, lag;
    uint32_t *pub_next;     /* per publisher and channel */
    uint32_t *sub_next;     /* expected, per subscriber and publisher; NULL: too many to check */
    uint32_t *channel_live; /* subscribers per channel */
    uint8_t *padding;
    uint16_t run_id;
    bool churns; /* opens and closes only */
    int wake_fd;
    int n_handshaken, n_ready, n_failed, n_setting_up;
    uint64_t last_handshake, expected;
    atomic_bool is_measuring, is_stopping;
    atomic_int is_main_waiting, live_subs;
    char failure[REASON_MAX];
};

extern struct load load;

static inline uint64_t mono(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000ull + (uint64_t) t.tv_nsec;
}

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grow(void *p, size_t n);    /* realloc() that does not fail */
void *zeroed(size_t n, size_t s); /* calloc() that does not fail */

void put_hex(uint8_t *p, uint64_t v, int digits);
int put_decimal(uint8_t *p, uint64_t v);
int put_channel(uint8_t *p, uint32_t channel); /* its name, with --channel-prefix */
uint64_t delivered_total(void);

/* ---- receiving (receive.c) ---- */

void connection_readable(struct worker *w, struct connection *c);

/* A message has come: counts it, and checks its mark. */
void deliver(struct worker *w, struct connection *c, const uint8_t *p, size_t n, uint64_t now);
/* The answer to a publisher's publish number i. */
void acknowledged(struct worker *w, struct connection *c, uint64_t i, uint64_t now, bool is_error);

/* ---- publishing (publish.c) ---- */

struct mark {
    uint32_t run, publisher, sequence;
    uint64_t age_ns;
};

bool has_short_marks(void); /* which tell one publisher only */
int mark_len(void);         /* bytes that a payload has at least */
/* Where the mark begins: at a place it was found before, or at the first that looks so; or -1. */
long mark_find(const uint8_t *p, size_t n, size_t guess);
void mark_read(const uint8_t *p, uint64_t now, struct mark *ret);
/* Queues a message; sends nothing yet. */
void publish_one(struct connection *c, uint32_t channel, uint64_t now);

/* ---- the loop (poll.c) ---- */

void pin_thread(int i);                              /* to the i-th of --cpu */
int poll_once(struct worker *w, int64_t timeout_ns); /* serves what is ready */
void *worker_main(void *worker);

#endif
