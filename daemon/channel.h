/*
 * A channel as one worker sees it: who of this worker's sessions is subscribed, and how a
 * publication reaches them.
 *
 * Subscribers lie side by side in an array, two words each. What is published in one turn is framed
 * once per wire format, back to back, and at the end of the turn the same bytes go to everyone:
 * publishing costs nothing per subscriber until then. Loop thread only.
 */
#pragma once

#include "async/list.h"
#include "daemon/batch.h"
#include "daemon/run.h"
#include "daemon/wire.h"
#include "storage/publication.h"
#include "storage/table.h"

struct channel;
struct engine;
struct engine_sink;
struct future;
struct delta_fan;
struct poll_room;
struct session;
struct specials;
struct tags_filter;

enum subscriber_flag {
    SUBSCRIBER_POSITIONED = 1, /* gets every offset in order, or loses the subscription */
    SUBSCRIBER_JOINS = 2,      /* wants joins and leaves */
    SUBSCRIBER_DELTA = 4,      /* gets patches on what it was sent before; not with a filter */
    SUBSCRIBER_UNNUMBERED = 8, /* of a map without a stream: it could not tell that it missed
                                  something */
};

/* How a session subscribes. */
struct subscriber_options {
    unsigned flags;             /* enum subscriber_flag */
    uint64_t next;              /* the offset expected next, if positioned */
    struct str epoch;           /* the stream's; empty: the channel keeps nothing */
    struct tags_filter *filter; /* which publications it wants; taken on success. NULL: all */
    struct publication *base;   /* with SUBSCRIBER_DELTA: the last one it was given by the reply;
                                   borrowed. NULL: none */
};

struct subscriber {
    struct session *session;
    uint64_t next : 52; /* the offset expected next, if positioned; else the number in c->published
                         */
    uint64_t flags : 8;
    uint64_t format : 4; /* the session's, which is not looked at for it: it lies far from its
                            outbox */
};

_Static_assert(WIRE_FORMATS <= 16, "a format has four bits");

/* The subscribers of one wire format. */
struct lane {
    uint32_t n;
    uint32_t n_raw;      /* of them those who get publications as they are: without delta */
    struct batch *batch; /* the turn's run, framed */
    uint8_t format;
};

/* What is published while a subscriber-to-be reads the history. Of its task's frame. */
struct joiner {
    struct link link;
    struct publication **items; /* references */
    size_t n, capacity;
    bool is_overrun; /* there were more than JOINER_MAX, or no memory, or some did not come */
};

enum { JOINER_MAX = 4096 };

/* All channels of a worker. */
struct channels {
    struct table table;
    struct list dirty; /* channels with something new of this turn */
    size_t n_dirty;
    struct list positioned; /* channels with positioned subscribers, the keeper's: longest unchecked
                               first */
    struct list unanswered; /* of those: the engine could not say where they stand, lately */
    struct list left;       /* those whose subscribers did not all have their turn, oldest first */
    unsigned sends_granted; /* of this turn, and not made yet */
    struct engine *engine;
    struct engine_sink *sink;
    struct wire *wire;
    struct batch_pool *batches;     /* the worker's; NULL: none */
    struct delta_fan *fan;          /* made when the first one with delta comes */
    uint64_t subscriptions;         /* now */
    uint64_t delivered, duplicates; /* publications that came; that had come before */

    /* The subscriber missed something, or a stream of another epoch began. It removes itself. */
    void (*lost)(struct session *s, struct channel *c);

    /* The channel has its first subscriber: whether its being empty again is to be told, too. And
     * that. NULL: nobody wants to know. */
    bool (*occupied)(struct channels *all, struct channel *c);
    void (*vacated)(struct channels *all, struct channel *c);
};

struct channel {
    struct table_entry entry;
    struct channels *all;
    uint32_t users; /* who holds it: subscriptions and those under way */
    bool is_attached;
    bool is_occupancy_told;
    struct future *attaching; /* of the one who does it, for others to wait for */

    struct subscriber *subscribers;
    uint32_t n, capacity;
    uint32_t n_positioned, n_joins;
    struct specials *specials; /* subscribers with a filter or delta; NULL: there was none */
    struct lane *lanes;        /* of the formats that were ever wanted: one, or of the heap */
    struct lane lane;
    uint8_t n_lanes;
    struct list joiners;
    struct poll_room *room; /* of a shared poll: who gets what; NULL: of none */

    char epoch[EPOCH_SIZE]; /* of the stream; empty: not known yet */
    uint64_t top;           /* offset of the last one delivered here; 0: none was */
    uint64_t one_by_one;    /* below this offset subscribers differ in what they already have */
    struct link positioned;
    int64_t checked_ms; /* when the position was last compared with the engine's */

    struct run run;
    uint64_t published; /* how many were ever added to its runs */
    struct link dirty;  /* or left */

    uint16_t name_len;
    char name[];
};

void channels_init(struct channels *all, struct engine *e, struct engine_sink *sink,
                   struct wire *wire, void (*lost)(struct session *s, struct channel *c));
void channels_finish(struct channels *all); /* none may be held */

/* What was published may not have come, for a while: who is reading the past to go on from it must
 * read it again, and who follows a map without a stream is lost. Those who have gone on in a stream
 * are for channel_check(). */
void channels_missed(struct channels *all);

/*
 * The channel of that name, made if need be, and attached to the engine on return: whatever is
 * distributed from then on is delivered here. Held until channel_release(). -ENOMEM; -ECANCELED,
 * -ETIMEDOUT.
 */
SUSPENDS MUST_CHECK int channel_hold(struct channels *all, struct str name, struct channel **ret);
void channel_release(struct channel *c);

struct channel *channel_find(const struct channels *all, struct str name); /* NULL */

static inline struct str channel_name(const struct channel *c) {
    return (struct str){ c->name, c->name_len };
}

/* Publications are kept for j from now on; until joiner_finish(). */
void channel_join(struct channel *c, struct joiner *j);
void joiner_finish(struct joiner *j);

/*
 * Subscribes the session: it gets what is delivered from now on; if positioned, from offset
 * options->next on. -ENOMEM. The session's subscription is told its place by
 * session_subscriber_moved(), now and when it changes.
 */
MUST_CHECK int channel_add(struct channel *c, struct session *s,
                           const struct subscriber_options *options);

/*
 * Somebody who will subscribe with SUBSCRIBER_DELTA is sent these values of a map that has a
 * stream: patches can be made on them. at: the position at which they were the newest of their
 * keys, while the channel was held; NULL: they are changes on the way to the newest. To be called
 * before anything else happens on the loop.
 */
void channel_know_keys(struct channel *c, struct publication *const *items, size_t n,
                       const struct position *at);

/* Sets both, and tells of those there are. */
void channels_watch(struct channels *all, bool (*occupied)(struct channels *, struct channel *),
                    void (*vacated)(struct channels *, struct channel *));

/* How many are subscribed. */
uint32_t channel_size(const struct channel *c);

void channel_remove(struct channel *c,
                    uint32_t index); /* nothing more goes out to it, this turn's run included */

/* A publication from the engine, to the subscribers of its channel. */
void channels_deliver(struct channels *all, struct publication *p);

/* Compares what was delivered with the position that the engine says was distributed. */
void channel_check(struct channel *c, const struct position *distributed);
