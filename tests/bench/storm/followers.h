/*
 * The crowd that follows channels: client i is subscribed to `each` of them, from i * each on,
 * around. Positions are kept over every loss, and who comes back recovers.
 */
#pragma once

#include "tests/bench/storm/storm.h"

/* A subscription. */
struct follow {
    uint64_t offset;
    bool has_position; /* there is something to recover from */
    bool is_live;
    bool is_asked; /* an answer is due */
};

struct crowd {
    struct client *clients;
    void *parts;            /* of the clients, private */
    struct follow *follows; /* each client's in turn */
    uint32_t n, each, channels;
    const char *prefix; /* of channel names, followed by their number */
    bool is_opening;
    uint32_t n_served; /* clients with all of their subscriptions */
    uint32_t n_begun;  /* of an opening: those that have begun to connect, in their order */
    uint32_t at_once;  /* that have, and are not served yet */
    uint64_t opened_ns;
    uint64_t unanswered;     /* unsubscribes */
    struct figures served;   /* from the order to open until a client has everything */
    struct figures each_one; /* from its own connect */
    uint64_t last_connected_ns;
};

void crowd_init(struct crowd *c, struct storm *s, uint32_t n, uint32_t channels, uint32_t each,
                const char *prefix);
void crowd_finish(struct crowd *c);

void crowd_open(struct crowd *c, uint32_t at_once); /* 0: all of them */
bool crowd_run(struct crowd *c); /* connects some more. true: there are more, at once */
void crowd_close(struct crowd *c);
void crowd_unsubscribe(struct crowd *c);

/* Everybody has everything that was acknowledged, and whatever anybody else has. */
bool crowd_is_settled(const struct crowd *c);

/* "PREFIXnumber". */
struct str crowd_channel(const struct crowd *c, uint32_t channel, char *buf, size_t cap);
