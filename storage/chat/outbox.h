/*
 * What is to be published: events from the commit that made them until somebody has published them.
 * At most so many are out with the sink; when more wait they stay in the database and are read from
 * there. For storage/chat/ only.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/chat/store.h"

struct outbox {
    /* under mutex */
    pthread_mutex_t mutex;
    int64_t *done; /* published, rows not deleted yet */
    size_t done_n, done_cap;
    chat_sink_fn *sink;
    void *sink_arg;
    size_t out; /* handed to the sink, not published */

    size_t out_max;
    _Atomic uint64_t rows; /* in the database */
    _Atomic bool is_behind;

    /* the writer's thread */
    struct chat_event *first, *last; /* emitted by the transaction under way */
    size_t deleted_n;                /* of done, by the transaction under way: its first ones */
    int64_t handed_id;               /* rows up to here have been handed out */
    int64_t top_id;                  /* the last committed one */
};

void chat_outbox_init(struct outbox *o, size_t out_max);
void chat_outbox_finish(struct outbox *o);

/* Any thread. true: the writer is to be woken. */
bool outbox_set_sink(struct outbox *o, chat_sink_fn *sink, void *arg);
bool outbox_published(struct outbox *o, const int64_t *ids, size_t n);
bool outbox_has_done(struct outbox *o);
size_t outbox_out(struct outbox *o);

/* ---- the writer's thread ---- */

MUST_CHECK int outbox_load(struct outbox *o, struct chat_tx *tx);

/* In a transaction: deletes rows of what was published. */
MUST_CHECK int outbox_delete_done(struct outbox *o, struct chat_tx *tx);
/* Forgets what was emitted after `last` was the last one; NULL: all. */
void outbox_undo(struct outbox *o, struct chat_event *last);
/* The transaction has ended. Hands out what it emitted, or forgets. */
void outbox_settle(struct outbox *o, bool is_committed);
/* Outside of one: hands out what waits in the database, as far as there is room with the sink. */
MUST_CHECK int outbox_catch_up(struct outbox *o, struct chat_tx *tx);
