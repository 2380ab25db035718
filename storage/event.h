/*
 * A queue of events for somebody else, as durable as the engine is: what was appended stays, in its
 * order, until it is said to be done.
 *
 * An event may stand for something that is so from then on (a connection, an occupied channel) and
 * ends with another event. What was still so when the process ended, however it ended, is ended by
 * engine_events_end_standing() of the next one: so who hears of each beginning hears of its end.
 */
#pragma once

#include "storage/engine.h"

enum event_effect {
    EVENT_ONLY,
    EVENT_BEGINS, /* stands until an event of the same queue and subject ENDS */
    EVENT_STANDS, /* the same, but is not told itself: there is no payload */
    EVENT_ENDS,
};

struct event_item {
    struct str queue;   /* whose it is: a name, at most 255 bytes, without NUL */
    struct str subject; /* what it is about */
    struct bytes payload;
    int64_t time_ms; /* wall clock: when it happened */
    enum event_effect effect;
    struct bytes end; /* EVENT_BEGINS, _STANDS: the payload of the event that will end it, should
                         nobody else */
};

/* Events under way, all or none of them; the caller keeps it, and what it borrows, alive until done
 * has run. */
struct event_request {
    /* the caller's */
    const struct event_item *items;
    size_t n;
    struct inbox *inbox;
    void (*done)(struct event_request *self); /* once, on the inbox's loop, never inside; must not
                                                 suspend */
    /* the engine's, valid in done */
    int result; /* 0: durable, but for those dropped. -ENOSPC, -EIO, -ENOMEM: none is; may be tried
                   again */
    size_t dropped; /* the queues were full. Never an end of what was taken; ends of what was not,
                       which are dropped too, are not counted */
    /* private */
    struct post post;
    struct event_request *next;
};

enum { EVENTS_MAX = 100000 };

/* Never suspends, never fails. Those of one thread keep their order. */
void engine_event_append(struct engine *e, struct event_request *request);

struct queued_event {
    uint64_t id; /* ascending in a queue; never used again */
    int64_t time_ms;
    struct str subject;
    struct bytes payload;
};

struct events {
    struct queued_event *items;
    size_t n;
    void *memory; /* private */
};

void events_finish(struct events *e);

/* The oldest ones with an id greater than after, at most limit and, past the first, max_bytes of
 * payloads. -EIO, -ENOMEM, -ENOBUFS. */
SUSPENDS MUST_CHECK int engine_events_next(struct engine *e, struct str queue, uint64_t after,
                                           uint32_t limit, size_t max_bytes, struct events *ret);

/* They are delivered, or given up: forgets them. Durable on return, or -EIO, -ENOSPC: may be tried
 * again. Unknown ids are ignored. */
SUSPENDS MUST_CHECK int engine_events_done(struct engine *e, const uint64_t *ids, size_t n);

/* Appends the ends of all that stands, whatever the limit. Before anything else begins. */
SUSPENDS MUST_CHECK int engine_events_end_standing(struct engine *e);

/* Forgets queues other than these, with all that is in them. ret_n: how many events that were. */
SUSPENDS MUST_CHECK int engine_events_keep_queues(struct engine *e, const struct str *queues,
                                                  size_t n, uint64_t *ret_n);

/* ---- for implementations: filling a struct events ---- */

struct buffer;

/* Copies into text; events_settle() makes it their memory. -ENOMEM. */
MUST_CHECK int events_add(struct events *e, struct buffer *text, uint64_t id, int64_t time_ms,
                          struct str subject, struct bytes payload);
void events_settle(struct events *e, struct buffer *text);
