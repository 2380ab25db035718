/*
 * What the tool is told, a line each on standard input, and the event it answers with on standard
 * output, a line of JSON, once it is done:
 *
 *   followers N CHANNELS EACH PREFIX    clients that subscribe to EACH of PREFIX0, PREFIX1, ...
 *   publishers N                        connected at once
 *   callers N                           connected at once
 *   probe on | probe off
 *   open [AT_ONCE]                      followers connect and subscribe, all together or so many at
 *                                       a time; who has a position recovers. Done: all have all
 *   publish RATE WINDOW COUNT PADDING [random]   begins: RATE messages a second (0: as fast as
 *                                       answered, WINDOW a publisher unanswered), COUNT in all (0:
 *                                       until `stop`) with PADDING bytes; to channels in turn, or
 *                                       drawn
 *   acks N                              done: N more were acknowledged
 *   stop                                done: nothing is unanswered any more
 *   published                           the same, without stopping
 *   lost                                done: no follower is connected
 *   settle                              done: followers have all that was acknowledged, and the
 * same unsubscribe                         done: all is answered close followers go call KIND
 * CHANNEL ROUNDS LIMIT      callers.h; done: all rounds are answered report what was counted since
 * the last event audit                               compares the ledger with what was seen quit
 *
 * Faults are events of their own as they are found.
 */
#pragma once

#include "tests/bench/storm/callers.h"
#include "tests/bench/storm/followers.h"
#include "tests/bench/storm/publishers.h"

struct orders {
    struct storm *storm;
    struct buffer in;
    char waiting[32]; /* the order that is under way; empty: none */
    uint64_t goal;
    uint64_t began_ns;
    bool is_over; /* told to quit, or the input has ended */
};

void orders_receive(struct orders *o); /* the input is readable */
void orders_run(struct orders *o);     /* answers what is done, begins what comes next */
