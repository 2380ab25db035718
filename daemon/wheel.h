/*
 * One timer for everything that every session waits for: pings, pongs, expiries, presence.
 *
 * A hundred thousand sessions each want something in some seconds and none cares about a tenth of
 * one. So time is cut into ticks, an entry lies in the list of its tick, and the loop has a single
 * timer, for the next tick that has entries. Setting and clearing is a link. Since every idle
 * connection pays for its entry, entries are known by numbers of 32 bits, from 1 on, which the
 * wheel's owner gives them. Loop thread only.
 */
#pragma once

#include "async/loop.h"

enum { WHEEL_TICK_MS = 100, WHEEL_SLOTS = 512 };

/* Embedded in what waits; zeroed: not set. */
struct wheel_entry {
    uint32_t due;        /* tick; 0: not set */
    uint32_t next, prev; /* private; numbers, 0: none */
};

struct wheel_slot {
    uint32_t first, last;
};

struct wheel {
    struct wheel_slot slots[WHEEL_SLOTS];
    struct wheel_slot turning; /* what was in the slot that is being turned */
    struct timer timer;
    int64_t start_ms;
    uint32_t done; /* ticks up to and including this one have been handled */
    size_t entries;
    bool is_running;                                                /* inside wheel_turn() */
    struct wheel_entry *(*entry)(struct wheel *w, uint32_t number); /* whose number it is */
    void (*expired)(struct wheel *w, uint32_t number); /* it is no longer set; must not suspend */
};

void wheel_init(struct wheel *w, struct wheel_entry *(*entry)(struct wheel *w, uint32_t number),
                void (*expired)(struct wheel *w, uint32_t number));
void wheel_finish(struct wheel *w);

/* The tick that is now, and the first one not earlier than in_ms from now. Tick 0 is before any. */
uint32_t wheel_now(const struct wheel *w);
uint32_t wheel_tick_in(const struct wheel *w, int64_t in_ms);

/* Sets, or moves. A due in the past is one in the next tick. */
void wheel_set(struct wheel *w, uint32_t number, uint32_t due);
void wheel_clear(struct wheel *w, uint32_t number);
