/*
 * chat.db: rooms, messages and people, apart from the history of channels. One lane writes, in
 * groups that share a commit; a few read.
 *
 * Everything is done by synchronous functions on a transaction (room.h, message.h, ...), called
 * from a work's run() on the writer's or a reader's thread. What follows from a change is published
 * by way of the outbox: chat_tx_emit() writes it in the same transaction, and after the commit it
 * is handed to the sink, in the order of commits.
 *
 * Files in the data directory: chat.db (and SQLite's -wal and -shm); chat.lock, held while a
 * process has it open; chat.mark, as history.mark (storage/sqlite/mark.h).
 */
#pragma once

#include "async/base.h"
#include "protocol/arena.h"
#include "storage/chat/error.h"
#include "storage/chat/types.h"
#include "storage/sqlite/errand.h"

struct chat_store;
struct chat_tx;

/* 0 stands for the default. */
struct chat_limits {
    uint32_t text_max_bytes;     /* of a message; 16384 */
    uint32_t meta_max_bytes;     /* 4096 */
    uint32_t upload_max_bytes;   /* of a file; only told here, others see to it; 25 MiB */
    uint32_t rooms_max_per_user; /* memberships; 1000 */
    uint32_t members_max;        /* of a room; 10000 */
    uint32_t reactions_max;      /* different ones of a message; 50 */
    uint32_t pins_max;           /* of a room; 100 */
    uint32_t page_max;           /* messages, members, rooms of an answer; 100 */
    uint32_t attachments_max;    /* of a message; 10 */
    uint32_t mentions_max;       /* users that a message names, further ones are not told; 50 */
    uint32_t revisions_max;      /* earlier texts that are kept of a message; 50 */
    uint32_t users_max;          /* of a sync; 5000 */
    uint32_t search_work_us;     /* of a processor, for one search: search.h; 20000 */
    int64_t edit_window_ms;      /* how long one's own may be edited; 0: always */
};

struct chat_event {
    struct chat_event *next;
    int64_t id; /* in the outbox; 0: was not kept */
    struct str channel;
    struct bytes data;
    uint64_t ver; /* 0: none */
    unsigned flags;
    /* channel and data follow */
};

void chat_event_free(struct chat_event *e);

/*
 * Called on the writer's thread after a commit, before the works of it are answered; must not
 * block. first: linked by next, the sink's to free. Of each with an id chat_store_published() is to
 * be called when it has been published; until then it is published again after a restart. So many
 * that have not been are handed out at a time, the rest wait in the database.
 */
enum { CHAT_EVENTS_OUT_MAX = 4096 };
typedef void chat_sink_fn(struct chat_event *first, void *arg);

struct chat_store_options {
    const char *data_dir;
    const char *vfs;       /* of SQLite's; NULL: the system's. Tests */
    unsigned readers;      /* lanes; 0: 2 */
    size_t queue_max;      /* works that wait to write, and to read; 0: 4096 each */
    size_t group_max;      /* works of a commit; 0: 256 */
    size_t events_out_max; /* 0: CHAT_EVENTS_OUT_MAX */
    struct chat_limits limits;
};

/*
 * Opens or makes the database, and brings it to the newest version.
 *
 * Suspends; loop thread. The store belongs to no worker: any loop may use it, and the one that
 * opened it closes it. ret_why: NULL, or on failure a sentence for the operator, to be freed.
 *
 * -EBUSY: another process has it. -EBADMSG: damaged. -EPROTONOSUPPORT: of a newer version.
 */
SUSPENDS MUST_CHECK int chat_store_open(const struct chat_store_options *o, struct chat_store **ret,
                                        char **ret_why);
/* All works have been answered. Takes NULL; returns NULL. */
SUSPENDS struct chat_store *chat_store_close(struct chat_store *s);

/* Same for as long as no database is put back from a copy: then vers may be given again. */
const char *chat_store_epoch(const struct chat_store *s);
const struct chat_limits *chat_store_limits(const struct chat_store *s); /* with defaults */
/* How many commits there were, ever, of those that are on the disk. Any thread. */
uint64_t chat_store_changes(const struct chat_store *s);

/* Which file the lock is, as data_lock_name(). */
const char *chat_store_lock(const struct chat_store *s);
/* data_dir's lock is that one, and no process has it open. Blocking; any thread. */
bool chat_store_is_left(const char *data_dir, const char *lock);

/* Nothing is committed from then on (loop_now_us() / 1000; INT64_MAX, as at first: always): works
 * end with -ENOTCONN. Any thread, at any time: what has begun to be committed by then is. */
void chat_store_set_until(struct chat_store *s, int64_t until_ms);

/* From now on; what is in the outbox comes first. Once. Any loop. */
void chat_store_set_sink(struct chat_store *s, chat_sink_fn *sink, void *arg);
void chat_store_published(struct chat_store *s, const int64_t *ids, size_t n); /* any thread */

/* About once a second, from any loop: what is due (outbox, retention, a disk that failed). */
void chat_store_tick(struct chat_store *s);

/*
 * One thing to do. Embedded in what its maker wants to remember; lives until the call has returned.
 * run() is called once, outside any task: it must not suspend. What it wrote is undone unless it
 * returns 0.
 */
struct chat_work {
    int (*run)(struct chat_work *self, struct chat_tx *tx); /* 0, an enum chat_error, or -errno */
    struct chat_refusal refusal;
    struct arena arena; /* of results */
    /* private */
    struct errand errand;
    struct chat_work *next;
    int result;
};

#define CHAT_WORK(function) ((struct chat_work){ .run = (function) })
void chat_work_finish(struct chat_work *w); /* frees what it gave; always */

/*
 * Any loop. run()'s result, of a write once it is committed; of others:
 * -ENOBUFS: too many wait. -EIO, -ENOSPC, -ENOMEM, -ENOTCONN (chat_store_set_until()): it is not
 * done, nothing has changed.
 * -ECANCELED, -ETIMEDOUT: the wait was cut short, and it may or may not be done.
 */
SUSPENDS MUST_CHECK int chat_store_write(struct chat_store *s, struct chat_work *w);
SUSPENDS MUST_CHECK int chat_store_read(struct chat_store *s,
                                        struct chat_work *w); /* one snapshot */

/* ---- inside run() ---- */

int64_t chat_tx_now_ms(const struct chat_tx *tx); /* same throughout a work; never falls */
struct arena *chat_tx_arena(struct chat_tx *tx);  /* the work's */
const struct chat_limits *chat_tx_limits(const struct chat_tx *tx);
const char *chat_tx_epoch(const struct chat_tx *tx);

/* For `return chat_refuse(tx, CHAT_TOO_LONG, "text", 16384);`: code, with its details noted. */
int chat_refuse(struct chat_tx *tx, enum chat_error code, const char *field, int64_t max);
int chat_refuse_until(struct chat_tx *tx, enum chat_error code, int64_t until_ms);
int chat_refuse_for(struct chat_tx *tx, enum chat_error code, int64_t retry_ms);

/*
 * Has bytes published on a channel after the commit. Both are copied. ver: as the publication's
 * version; 0: none.
 * CHAT_EMIT_UNKEPT: handed to the sink like others, but lost if the process dies first: of channels
 * that keep nothing.
 */
enum { CHAT_EMIT_UNKEPT = 1 };
MUST_CHECK int chat_tx_emit(struct chat_tx *tx, struct str channel, struct bytes data, uint64_t ver,
                            unsigned flags);

/* ---- counters ---- */

struct chat_store_stats {
    uint64_t works, commits, commit_errors, commit_ns, group_largest; /* of writes */
    uint64_t reads;
    uint64_t queued, rejected;    /* waiting to write; refused since too many did */
    uint64_t outbox, events_out;  /* not published yet, of which handed to the sink */
    uint64_t wal_bytes, retained; /* messages that went when their time was over */
    int last_error;               /* of the last commit */
};

void chat_store_stats(struct chat_store *s, struct chat_store_stats *ret); /* any thread */
