/*
 * The writer: the one thread that changes the database. It commits as one group whatever queued
 * while it was committing the group before, then distributes and answers. It never waits for more
 * to come.
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
    STATEMENTS
};

struct writer {
    struct lane *lane;
    struct tops *tops;
    struct distribution *distribution;
    size_t group_max;

    /* any thread */
    struct publish_queue queue;
    struct errands errands;
    _Atomic bool wants_sweep, wants_probe, wants_end;
    _Atomic int64_t due_ms; /* when to sweep next */
    _Atomic int last_error;
    _Atomic uint64_t publishes, commits, commit_errors, group_largest, commit_ns, trimmed;

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
    size_t last_group;       /* publishes kept in it */
    uint64_t last_commit_ns; /* it took */
    struct delivery_reserve reserve;
    struct buffer extra;
    void (*at_end)(void *arg); /* called last, when wants_end was seen and all is committed */
    void *at_end_arg;
};

void writer_init(struct writer *w, const struct engine_options *o, struct tops *tops,
                 struct distribution *distribution);
void writer_finish(struct writer *w);

void writer_run(void *arg); /* the lane's */

/* ---- the transaction: transaction.c ---- */

MUST_CHECK int transaction_begin(struct writer *w);

/* The channel's state inside the transaction, to be changed there. Read from the database at need.
 */
MUST_CHECK int transaction_stage(struct writer *w, struct top *top);

/* Numbers and inserts the request's publication into its channel (its place, pinned). */
MUST_CHECK int transaction_append(struct writer *w, struct top *top,
                                  struct publish_request *request);

/* Drops what is below an offset. */
MUST_CHECK int transaction_drop_below(struct writer *w, struct top *top, uint64_t offset);

/* Writes the changed rows and commits; or, if r < 0 or committing fails, rolls back: then memory is
 * as before. Returns r or why. */
MUST_CHECK int transaction_end(struct writer *w, int r);

int64_t later(int64_t ms, int64_t by_ms);             /* saturating */
int64_t due_after(int64_t oldest_ms, int64_t ttl_ms); /* slack included */

/* ---- expiry: sweep.c ---- */

bool writer_sweep(struct writer *w); /* true: there is more to do at once */
MUST_CHECK int writer_find_due(struct writer *w);
MUST_CHECK int writer_remove(struct writer *w, uint64_t hash, struct str channel);
