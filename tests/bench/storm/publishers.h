/*
 * Publishers: channel c is written by publisher c % n alone. At a rate (who is not connected, or
 * has too much unanswered, skips its turn), or each as fast as it is answered. They come back by
 * themselves and go on; what was unanswered stays unknown to the ledger.
 *
 * And the probe: a client that publishes every other millisecond to a channel that keeps nothing,
 * one at a time, so that its longest wait is the time for which the server's loop heard nobody.
 */
#pragma once

#include "tests/bench/storm/storm.h"

struct press {
    struct client *clients;
    void *parts; /* of the clients, private */
    uint32_t n;
    struct client probe;
    bool has_probe;

    bool is_on;
    double rate;      /* messages a second, of all together; 0: as fast as they are answered */
    uint32_t window;  /* unanswered, of one publisher */
    uint64_t left;    /* messages to send before it stops by itself */
    uint32_t padding; /* bytes */
    bool is_random;   /* channels are drawn, not taken in turn; with a rate only */
    uint64_t next_ns;
    uint32_t next_channel;
    uint64_t unanswered, sent, acknowledged, refused, unknown, skipped;
    struct figures times;

    struct figures probed;
    uint64_t probe_sent_ns; /* 0: nothing is under way */
    uint64_t probe_next_ns;
};

void press_init(struct press *p, struct storm *s, uint32_t n);
void press_finish(struct press *p);

void press_connect(struct press *p);
void press_start(struct press *p);          /* by its settings */
bool press_is_quiet(const struct press *p); /* it has stopped, and nothing is unanswered */

void press_probe(struct press *p, bool is_on);

/* Sends what is due. When to come again. */
uint64_t press_run(struct press *p, uint64_t now);
