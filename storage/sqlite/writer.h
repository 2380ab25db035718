/*
 * The writer: the one thread that changes the database. It commits as one group whatever queued
 * while it was committing the group before, and what comes while that is being written, then
 * distributes and answers. Nobody who publishes alone waits for others: only after a group of two
 * or more does it give those that it has just answered a moment to publish again.
 *
 * A group that cannot be committed leaves nothing behind: no offset is used, nobody has seen
 * anything, and each of its publishes is answered with the error. The next group is tried all the
 * same.
 */
#pragma once

#include "async/lane.h"
#include "protocol/buffer.h"
#include "storage/engine_impl.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/errand.h"
#include "storage/sqlite/mark.h"
#include "storage/sqlite/queue.h"
#include "storage/sqlite/tops.h"
#include "storage/sqlite/wal.h"

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_FIND_CHANNEL,
    STATEMENT_FIND_ENDS,
    STATEMENT_ADD_CHANNEL,
    STATEMENT_SET_CHANNEL,
    STATEMENT_DROP_CHANNEL,
    STATEMENT_ADD_PUBLICATION,
    STATEMENT_DROP_BELOW,
    STATEMENT_FIND_LIVING,
    STATEMENT_FIND_DUE,
    STATEMENT_NEXT_DUE,
    STATEMENT_SET_STORE,
    STATEMENT_PROBE,
    STATEMENT_FIND_ONCE,
    STATEMENT_ADD_ONCE,
    STATEMENT_SWEEP_ONCE,
    STATEMENT_FIND_VERSION,
    STATEMENT_SET_VERSION,
    STATEMENT_DROP_VERSION,
    STATEMENT_FIND_KEY,
    STATEMENT_PUT_KEY,
    STATEMENT_RENEW_KEY,
    STATEMENT_DROP_KEY,
    STATEMENT_COUNT_KEYS,
    STATEMENT_HAS_KEYS,
    STATEMENT_DROP_KEYS,
    STATEMENT_FIND_DUE_KEYS,
    STATEMENT_ADD_EVENT,
    STATEMENT_DROP_EVENT,
    STATEMENT_FIND_EVENTS,
    STATEMENT_STAND,
    STATEMENT_FALL,
    STATEMENT_END_STANDING,
    STATEMENT_DROP_STANDING,
    STATEMENT_PUT_DENIAL,
    STATEMENT_DROP_DENIAL,
    STATEMENT_FIND_DENIALS,
    STATEMENT_COUNT_DENIALS,
    STATEMENT_SWEEP_DENIALS,
    STATEMENTS
};

extern const char *const writer_sql[STATEMENTS]; /* their texts: statements.c */

/* Rows there are, to hold against the limits. */
struct counts {
    uint64_t once, events;
};

struct writer {
    struct lane *lane;
    struct tops *tops;
    struct engine *engine;
    struct distribution *distribution;
    size_t group_max, once_max, map_keys_max, events_max, denials_max;

    /* any thread */
    struct publish_queue queue;
    struct errands errands;
    pthread_mutex_t events_mutex;
    struct event_request *first_event, **last_event; /* waiting */
    _Atomic uint64_t events, events_rejected;
    _Atomic bool wants_sweep, wants_probe, wants_end;
    _Atomic int64_t due_ms; /* when to sweep next */
    _Atomic int last_error;
    _Atomic uint64_t publishes, commits, commit_errors, group_largest, commit_ns, trimmed;
    _Atomic uint64_t group_sizes[ENGINE_GROUP_BOUNDS + 1], commit_times[ENGINE_COMMIT_BOUNDS + 1];
    struct wal wal;

    /* the writer's thread */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct mark_file *mark_file;
    struct mark mark;    /* with the database's epoch */
    uint64_t generation; /* of channels without a row */
    uint64_t last_id;
    uint64_t staged_generation, staged_last_id;
    struct top *staged; /* pinned; what the transaction under way touches */
    uint64_t staged_trimmed;
    uint64_t staged_nothing; /* publishes that change nothing */
    int64_t staged_due_ms;   /* of what is not a channel */
    struct counts counts, staged_counts;
    size_t last_group;       /* publishes kept in it */
    uint64_t last_commit_ns; /* it took */
    bool has_answered;       /* a group, just now */
    unsigned watches_missed, watches_to_skip;
    struct delivery_reserve reserve;
    struct wakes wakes; /* of the workers that were handed something */
    struct buffer extra;
    void (*at_end)(void *arg); /* called last, when wants_end was seen and all is committed */
    void *at_end_arg;
};

void writer_init(struct writer *w, const struct engine_options *o, struct tops *tops,
                 struct engine *engine);
void writer_finish(struct writer *w);
void writer_stats(struct writer *w, struct engine_stats *ret); /* any thread */

void writer_run(void *arg); /* the lane's */

/* Any loop: has the writer do it, in a transaction of its own if it changes anything; the result.
 */
typedef int order_fn(struct writer *w, void *arg);
SUSPENDS MUST_CHECK int writer_order(struct writer *w, bool changes, order_fn *run, void *arg);

/* The writer's thread: to all that want it, moving the channel's top with it. Reserved before. */
/* wakes_send(&w->wakes) is left to the caller. */
void writer_distribute(struct writer *w, struct top *top, struct publication *p);

/* ---- the transaction: transaction.c ---- */

MUST_CHECK int transaction_begin(struct writer *w);

/* The channel's state inside the transaction, to be changed there. Read from the database at need.
 */
MUST_CHECK int transaction_stage(struct writer *w, struct top *top);

/* Numbers and inserts a publication into its channel (its place, pinned). */
MUST_CHECK int transaction_append(struct writer *w, struct top *top, struct publication *p,
                                  const struct keep *keep);

/* All that a request may ask for: once.c. What it alone is refused for is left in its staged_error;
 * a result < 0 fails the transaction. */
MUST_CHECK int transaction_publish(struct writer *w, struct top *top,
                                   struct publish_request *request);

/* Drops what is below an offset. */
MUST_CHECK int transaction_drop_below(struct writer *w, struct top *top, uint64_t offset);

/* Writes the changed rows and commits; or, if r < 0 or committing fails, rolls back: then memory is
 * as before. Returns r or why. */
MUST_CHECK int transaction_end(struct writer *w, int r);

int64_t due_after(int64_t oldest_ms, int64_t ttl_ms); /* slack included */

/* ---- expiry: sweep.c ---- */

bool writer_sweep(struct writer *w); /* true: there is more to do at once */
MUST_CHECK int writer_find_due(struct writer *w);
MUST_CHECK int writer_remove(struct writer *w, uint64_t hash, struct str channel);
MUST_CHECK int writer_forget(struct writer *w, uint64_t hash,
                             struct str channel); /* map and stream; the next has another epoch */

/* Keys of maps whose time is over: sweep_keys.c. false: there are no more, or it failed. */
bool writer_sweep_keys(struct writer *w);

/* ---- maps: map_change.c ---- */

MUST_CHECK int transaction_change_map(struct writer *w, struct top *top,
                                      struct publish_request *request);
MUST_CHECK int transaction_count_keys(struct writer *w, struct stored *s); /* at need */

void transaction_note_due(struct writer *w, int64_t due_ms);
void transaction_top(const struct writer *w, const struct top *top, struct position *ret);

/* ---- events: event.c ---- */

bool writer_put_event(struct writer *w, struct event_request *request); /* true: wake the writer */
struct event_request *writer_take_events(struct writer *w, size_t max); /* NULL: none */
MUST_CHECK int transaction_add_events(struct writer *w, struct event_request *events);
SUSPENDS MUST_CHECK int writer_events_next(struct writer *w, struct str queue, uint64_t after,
                                           uint32_t limit, size_t max_bytes, struct events *ret);
SUSPENDS MUST_CHECK int writer_events_done(struct writer *w, const uint64_t *ids, size_t n);
SUSPENDS MUST_CHECK int writer_events_end_standing(struct writer *w);
SUSPENDS MUST_CHECK int writer_events_keep_queues(struct writer *w, const struct str *queues,
                                                  size_t n, uint64_t *ret_n);

/* ---- denials: keys/denial.c ---- */

SUSPENDS MUST_CHECK int writer_denial_put(struct writer *w, const struct denial *d);
SUSPENDS MUST_CHECK int writer_denial_remove(struct writer *w, enum denial_kind kind,
                                             struct str key);
SUSPENDS MUST_CHECK int writer_denials(struct writer *w, struct denials *ret);
