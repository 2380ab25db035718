/*
 * What was published into each channel, what became of it, and what followers saw at each offset:
 * whoever sees an offset first writes down what is there, and all others must see the same.
 *
 * A channel has one publisher, who numbers its messages from 1 on and never repeats one; so along
 * a channel's offsets the numbers grow, and those that were acknowledged are there.
 */
#pragma once

#include <stdbool.h>

#include "protocol/bytes.h"

enum fate { FATE_UNKNOWN, FATE_ACKNOWLEDGED, FATE_REFUSED };

/* A channel. */
struct account {
    uint32_t *seen; /* by offset - 1: the number of what is there; 0: nobody has seen it */
    size_t seen_cap;
    uint64_t top;   /* the highest offset that anybody saw */
    uint8_t *fates; /* by number - 1 */
    size_t fates_cap;
    uint32_t n_sent;
    uint32_t last_acknowledged;
    char epoch[32]; /* empty: not known */
};

struct ledger {
    struct account *accounts;
    size_t n;
    uint64_t n_faults;
};

void ledger_init(struct ledger *l, size_t channels);
void ledger_finish(struct ledger *l);

uint32_t ledger_next(struct ledger *l, uint32_t channel); /* the number of the message to send */
void ledger_settle(struct ledger *l, uint32_t channel, uint32_t number, enum fate fate);

void ledger_see(struct ledger *l, uint32_t channel, uint64_t offset, uint32_t number);
void ledger_see_epoch(struct ledger *l, uint32_t channel, struct str epoch);

/* Somebody saw all that was acknowledged in the channel. */
bool ledger_is_seen(const struct ledger *l, uint32_t channel);

/* Compares what is written down; faults are printed and counted. */
void ledger_audit(struct ledger *l);

/* Prints an event of a fault; after some it only counts. */
__attribute__((format(printf, 2, 3))) void ledger_fault(struct ledger *l, const char *format, ...);
