/*
 * What the store has committed goes out: events of rooms by the ordinary way of publications, so
 * that whatever the engine there is recovery on `room:ID`; those of users live; and orders, which
 * are carried out (event.h). On the loop of the first worker, in the order of commits.
 *
 * An event of a room is published with its ver as version: what is published again after a crash
 * does nothing. Until it has been published the store keeps it (the outbox). One that the engine
 * does not take is tried again with backoff, and what follows it on its channel waits behind it:
 * told late, but in order. Only those that were on their way already when it was refused can pass
 * it; who follows the room then sees the gap in its vers, and asks room.sync.
 */
#pragma once

#include "async/base.h"

struct chat;
struct chat_pump;

MUST_CHECK int chat_pump_new(struct chat *c, struct chat_pump **ret); /* -ENOMEM */
struct chat_pump *chat_pump_free(struct chat_pump *p);                /* takes NULL; returns NULL */

/* On the first worker's loop, in a task. What is in the outbox comes first. -ENOMEM. */
MUST_CHECK int chat_pump_start(struct chat_pump *p);
/* The same; waits for what is being published. Takes one that was not started. */
SUSPENDS void chat_pump_stop(struct chat_pump *p);

struct chat_pump_stats {
    uint64_t published; /* events of rooms */
    uint64_t repeated;  /* that had been published before, or came too late */
    uint64_t failed;    /* tries that the engine did not take */
    uint64_t told;      /* live, to users */
    uint64_t waiting;   /* to be tried again */
};

void chat_pump_stats(const struct chat_pump *p, struct chat_pump_stats *ret); /* any thread */
