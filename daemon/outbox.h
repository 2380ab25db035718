/*
 * What waits to be sent to one connection: a first-in first-out line of spans of batches.
 *
 * Things are appended during a turn and sent at its end in one go; where that would take so long
 * that others wait for it, what is left goes out at the end of the next turns: what waits longest
 * first, and what comes meanwhile for a connection in the same send. While the socket takes
 * everything no task is involved; when it does not, a writer task exists until the line is empty
 * again. Nothing is ever dropped from the middle: who reads too slowly for the line's limit is
 * disconnected (3008), and who takes nothing at all for the write timeout as well (3009).
 * Everything that waits counts, replies, pings and pongs like publications. Loop thread only.
 */
#pragma once

#include "async/group.h"
#include "async/list.h"
#include "async/loop.h"
#include "daemon/batch.h"

struct stream;
struct outbox;
struct outbox_line;

struct outbox_limits {
    size_t max_bytes;         /* that may wait; past it -ENOBUFS */
    int64_t write_timeout_ms; /* without the peer taking a byte; then -ETIMEDOUT */
};

/* All the outboxes of one worker: those with something to send this turn, and the writers. */
struct outbox_set {
    struct outbox_limits limits;
    struct list dirty;       /* lines with something new of this turn */
    struct list left;        /* those that earlier turns did not come to, oldest first */
    struct loop_share share; /* of the turn, in connections */
    unsigned granted;        /* of it, and not yet used */
    unsigned may_take;       /* enum outbox_share */
    struct turn_hook *flush; /* queued when one becomes dirty; its owner calls outbox_set_flush() */
    struct group writers;
    struct outbox_line *idle_lines; /* kept for the next that needs one */
    size_t n_idle_lines;
    struct batch_pool *batches; /* its owner's, for copies; NULL: none */
    struct buffer scratch;
    uint64_t waiting;           /* bytes in all the lines together */
    uint64_t sends, bytes_sent; /* counters */
    uint64_t backed_up;         /* times a socket did not take everything */
    uint64_t put_off;           /* times a share was used up */

    /* The outbox can send no more: -ENOBUFS, -ETIMEDOUT, -EPIPE and the like. Once per outbox, from
     * inside any call that appends or flushes. Must not suspend, must not finish the outbox. */
    void (*broken)(struct outbox *o, int why);
};

/* As small as can be: every idle connection has one. */
struct outbox {
    struct stream *stream; /* borrowed */
    struct outbox_set *set;
    struct outbox_line *line; /* private; NULL: nothing waits */
    uint32_t waiting;         /* bytes in the line */
    bool is_begun : 1;        /* a part of the line's first span is on the wire */
    bool is_broken : 1;       /* broken() was called: appends are dropped */
    bool is_dead : 1;         /* the stream is: nothing can be sent */
    bool is_last : 1;         /* outbox_end(): nothing may follow */
    bool is_held : 1;         /* outbox_hold(): nothing is sent yet */
    bool hears_many : 1;      /* its session has several subscriptions: its owner's, for channels */
};

void outbox_set_init(struct outbox_set *set, const struct outbox_limits *limits,
                     struct turn_hook *flush,
                     void (*broken)(struct outbox *o, int why)); /* in a task, the writers' owner */
SUSPENDS void outbox_set_finish(struct outbox_set *set);

/*
 * How many connections may have been sent to since the loop last looked at its sockets: by what
 * earlier turns left over, which comes first; then by those who send at once; then by all. So each
 * has its part in each turn, and a lone message to a thousand leaves in one.
 */
enum outbox_share { OUTBOX_SHARE_LEFT = 512, OUTBOX_SHARE_DIRECT = 1024, OUTBOX_SHARE_ALL = 1280 };

bool outbox_set_grant(struct outbox_set *set); /* private */

/* Before each connection that is sent to at the turn's end. false: not in this turn, and who asked
 * sees to it that the hook is queued again. */
static inline bool outbox_set_may_send(struct outbox_set *set) {
    if (set->granted == 0 && !outbox_set_grant(set))
        return false;
    set->granted--;
    return true;
}

/* The same for some at once, without a look at each: how many. */
static inline unsigned outbox_set_take(struct outbox_set *set) {
    if (set->granted == 0 && !outbox_set_grant(set))
        return 0;
    unsigned n = set->granted;
    set->granted = 0;
    return n;
}

/* The parts of a turn's end, in this order, with sends of others in between. */
static inline void outbox_set_share(struct outbox_set *set, enum outbox_share s) {
    set->may_take = s;
}
void outbox_set_flush_left(struct outbox_set *set); /* what earlier turns have left */
void outbox_set_flush(struct outbox_set *set);      /* this turn's */

void outbox_init(struct outbox *o, struct outbox_set *set, struct stream *s);
void outbox_finish(struct outbox *o); /* after outbox_drain() */

/* A reference to a span of a batch, which no longer changes; more may be appended behind it. */
void outbox_append(struct outbox *o, struct batch *b, uint32_t from, uint32_t to);

/* Bytes of this connection's own, copied: a frame or a part of one. */
void outbox_append_copy(struct outbox *o, struct bytes head, struct bytes body);

/* As outbox_append(), but sends at once when nothing waits: one send for one span, and no
 * bookkeeping. For the end of the turn. */
void outbox_send(struct outbox *o, struct batch *b, uint32_t from, uint32_t to);

void outbox_flush(struct outbox *o); /* sends what the socket takes now */

/* Nothing is sent until outbox_release() or outbox_end(): what was appended may still be forgotten.
 * The limit holds meanwhile. At the beginning only. */
void outbox_hold(struct outbox *o);
void outbox_release(struct outbox *o);

/* What is not yet on the wire is forgotten, but for the rest of a span that has been begun; then
 * `last` is appended, and nothing after it. For goodbyes. */
void outbox_end(struct outbox *o, struct bytes last);

/* Waits until everything is sent, or can't be. When the wait itself ends early (its error) the
 * outbox is dead. After it no writer uses the outbox; close the stream then. */
SUSPENDS int outbox_drain(struct outbox *o);

/* Waits until everything is sent; appends may go on meanwhile. 0, also if the outbox breaks
 * instead; -ECANCELED, -ETIMEDOUT. One task at a time. */
SUSPENDS MUST_CHECK int outbox_wait(struct outbox *o);

static inline bool outbox_is_empty(const struct outbox *o) {
    return o->waiting == 0;
}
