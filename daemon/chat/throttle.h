/*
 * How many wrong guesses somebody has: by address, and by the name that is tried. Each has a bucket
 * of so many attempts, which fills steadily; one that succeeds is given back.
 *
 * Memory is fixed, whoever comes: names are hashed into two rows of cells (a count-min sketch of
 * buckets), and somebody waits only if both cells say so. So nobody gets more attempts than
 * allowed, and to make others wait an attacker would have to hit both of their cells, without
 * knowing where they are. Any thread.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

struct throttle;

struct throttle_limit {
    uint32_t attempts; /* at once; at least 1 */
    int64_t window_ms; /* in which so many come back */
};

enum throttle_kind { THROTTLE_ADDRESS, THROTTLE_LOGIN, THROTTLE_KINDS };

/* -ENOMEM. */
MUST_CHECK int throttle_open(struct throttle **ret);
struct throttle *throttle_close(struct throttle *t); /* takes NULL; returns NULL */

/* Takes an attempt. 0; or how many ms to wait for the next, then nothing is taken. now_ms:
 * monotonic, loop_now(). */
MUST_CHECK int64_t throttle_take(struct throttle *t, enum throttle_kind kind, struct str name,
                                 const struct throttle_limit *limit, int64_t now_ms);

/* Gives back what was taken. */
void throttle_give_back(struct throttle *t, enum throttle_kind kind, struct str name,
                        const struct throttle_limit *limit);

/* The part of an address that is one's own: of IPv4 all of it, of IPv6 its /64, without the port.
 * Of other kinds the text. buf: THROTTLE_ADDRESS_MAX. address: as stream_peer() or a proxy says. */
enum { THROTTLE_ADDRESS_MAX = 64 };
struct str throttle_address(struct str address, char buf[static THROTTLE_ADDRESS_MAX]);
