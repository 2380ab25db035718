/*
 * The one door to state that outlives a connection: sequence, keep, distribute; presence.
 *
 * An engine is shared by all workers. Unless it says otherwise a call may be made from any worker's
 * loop thread. A call marked SUSPENDS returns -ECANCELED or -ETIMEDOUT when the wait was cut short;
 * then nothing is returned and nothing leaks.
 */
#pragma once

#include "async/base.h"
#include "async/inbox.h"
#include "storage/publication.h"

struct engine;
struct table_seed;
struct loop;
struct redis_options;
struct sqlite3_vfs;

enum engine_kind { ENGINE_MEMORY, ENGINE_SQLITE, ENGINE_REDIS };

struct engine_options {
    enum engine_kind kind;
    const char *data_dir;    /* sqlite: holds history.db; made if missing. Borrowed for the call */
    const char *vfs;         /* sqlite: name of a registered VFS, or NULL for the system's */
    unsigned readers;        /* sqlite: reader threads, at most 16; 0: the default, 2 */
    size_t queue_max;        /* publishes waiting for the writer; past it -ENOBUFS. 0: 65536 */
    size_t queue_max_bytes;  /* bytes of their payloads; past it -ENOBUFS. 0: 64 MiB */
    size_t group_max;        /* publishes in one commit. 0: 1024 */
    unsigned wal_pages;      /* sqlite: from here on the log is checkpointed. 0: 10000, 40 MB */
    size_t memory_max_bytes; /* of what is kept in memory: by the memory engine everything, by
                                sqlite the ephemeral maps and the idempotency keys of channels
                                without history; past it -ENOSPC. 0: 1 GiB */
    size_t idempotency_max;  /* sqlite: keys remembered at once; past it -ENOSPC. 0: 1000000 */
    size_t map_keys_max;     /* in one map; past it -EDQUOT. 0: 100000 */
    size_t events_max;       /* not delivered yet, of all queues; past it -ENOBUFS. 0: 100000 */
    size_t denials_max;      /* past it -ENOSPC. 0: 100000 */
    const struct redis_options *redis; /* redis: storage/redis/options.h */
};

/*
 * Opens, migrating if needed. Suspends (sqlite). Must be called on a loop; in a simulated loop the
 * engine's threads become seeded events of that loop.
 *
 * -EINVAL, -ENOMEM. sqlite: -EIO; -EBUSY: another process holds the database; -EBADMSG: damaged or
 * not ours; -EPROTONOSUPPORT: written by a newer version; what open(2) and mkdir(2) say.
 * ret_why: on failure a sentence naming the file, heap, the caller's to free.
 */
SUSPENDS MUST_CHECK int engine_open(const struct engine_options *o, struct engine **ret,
                                    char **ret_why);

/* Commits what is queued, stops the threads, frees. Suspends, shielded. On the loop that opened it.
 * All workers must have removed their sinks. Takes NULL; returns NULL. */
SUSPENDS struct engine *engine_close(struct engine *e);

/* What is kept of a publication: the namespace's options. history_size or history_ttl_ms 0: nothing
 * is kept, the channel has no offsets and the disk is not touched. */
struct keep {
    uint32_t history_size;
    int64_t history_ttl_ms;
    int64_t meta_ttl_ms; /* life of offset and epoch after the last publication; 0: the default, 30
                            days */
    bool is_durable;     /* redis: what is kept is written to this node's archive as well, if
                            redis_options.archives. Other engines keep it as durably as they keep
                            anything */
};

/* A change of a map: the request's publication has the key. */
enum map_key_mode { MAP_KEY_ANY, MAP_KEY_IF_NEW, MAP_KEY_IF_EXISTS };

enum map_suppression {
    MAP_NOT_SUPPRESSED,
    MAP_SUPPRESSED_IDEMPOTENCY,
    MAP_SUPPRESSED_VERSION,
    MAP_SUPPRESSED_KEY_EXISTS,
    MAP_SUPPRESSED_KEY_NOT_FOUND, /* as well: a removal of what is not there */
    MAP_SUPPRESSED_POSITION,
};

struct map_change {
    bool is_map;
    bool refreshes_ttl; /* suppressed because the key exists: it lives key_ttl_ms longer */
    bool has_expected;  /* suppressed unless the key was last put at expected; offset 0: unless it
                           does not exist. Only of maps that are kept */
    enum map_key_mode key_mode;
    size_t keys_max;            /* in this map; past it -EDQUOT. 0: engine_options.map_keys_max */
    int64_t key_ttl_ms;         /* then it is removed, and subscribers hear of it. 0: never */
    struct position expected;   /* compared with its epoch */
    struct publication *stream; /* what subscribers and the stream get instead of the publication,
                                   which is the state's alone; of the same key. The request takes
                                   this reference. NULL: the publication */
};

/*
 * A publish under way, embedded in what the caller wants to remember of it. The caller keeps it
 * alive until done has run.
 */
struct publish_request {
    /* the caller's */
    struct publication *publication; /* the request takes this reference */
    struct keep keep; /* of a map: nothing is kept: it is ephemeral, in memory, without a stream and
                         offsets; otherwise state and stream are as durable as the engine is */
    struct str idempotency_key; /* a repeat of it in this channel within the time is answered as the
                                   first was, and does nothing. Empty: none. Until done, borrowed */
    int64_t idempotency_ttl_ms; /* 0: 5 minutes */
    uint64_t version; /* > 0, and history is kept, or a map: does nothing unless greater than
                         the last one, of the channel or of the key */
    struct str version_epoch; /* greater matters only within the same one; empty: any. Borrowed */
    struct map_change map;
    struct inbox *inbox;                        /* whose loop runs done */
    void (*done)(struct publish_request *self); /* exactly once, on the inbox's loop, never inside
                                                   engine_publish(); must not suspend */
    /* the engine's, valid in done */
    int result; /* 0: durable if kept, and handed to every worker's inbox. -ENOBUFS: the queue is
                   full. -EDQUOT: the map is. -ENOSPC, -EIO, -ENOMEM: nobody saw it; may be tried
                   again. After -EIO a crash may bring it back: the disk may hold what it said it
                   could not write */
    struct position position; /* where it was put; offset 0 if not kept. Of a duplicate: where the
                                 first was; of a stale or suppressed one: the stream's top */
    bool is_duplicate;        /* idempotency_key was there: did nothing */
    bool is_stale;            /* version was not greater: did nothing */
    enum map_suppression suppression; /* of a map, with result 0: why it did nothing */
    /* private */
    struct post post;
    struct publish_request *next;
    uint64_t hash;
    void *place;
    int staged_error;
};

/*
 * Starts publishing. Never suspends and never fails: what went wrong is in result when done runs.
 * Requests of one thread to one channel keep their order, in the stream, in delivery, and of their
 * dones.
 */
void engine_publish(struct engine *e, struct publish_request *request);

/* By which the engine hashes the names of channels: who looks publications' channels up in a table
 * of this seed need not hash them again. */
const struct table_seed *engine_seed(const struct engine *e);

/* Hands a publication (a join, a leave) to every worker with subscribers, of every node, keeping
 * nothing; it is not waited for. Borrowed. 0, -ENOMEM. */
MUST_CHECK int engine_broadcast(struct engine *e, struct publication *p);
/* The same, to this node's workers alone. */
MUST_CHECK int engine_broadcast_here(struct engine *e, struct publication *p);

/*
 * A worker's end of distribution. deliver runs on the inbox's loop, in stream order per channel,
 * with a borrowed publication; it must not suspend.
 */
struct engine_sink {
    struct inbox *inbox;
    void (*deliver)(struct engine_sink *self, struct publication *p);
    bool is_handed_over; /* the engine's: what is being delivered comes from another thread */
    unsigned index;      /* private */
};

enum { ENGINE_SINKS_MAX = 64 };

MUST_CHECK int engine_add_sink(struct engine *e, struct engine_sink *s); /* -ENOSPC: 64 are there */
void engine_remove_sink(struct engine *e,
                        struct engine_sink *s); /* it must be detached everywhere;
                                                   deliveries on their way are dropped */

/*
 * From its return on, whatever is distributed in channel is delivered to the sink; before a
 * worker's first local subscriber reads the channel's position or history. Once per sink and
 * channel. -ENOMEM; redis: -ETIMEDOUT: there is no line to it; -ECANCELED.
 */
SUSPENDS MUST_CHECK int engine_attach(struct engine *e, struct engine_sink *s, struct str channel);
void engine_detach(struct engine *e, struct engine_sink *s, struct str channel);

struct history_query {
    struct str channel; /* borrowed for the call */
    struct keep keep;
    bool has_since;
    uint64_t since_offset; /* exclusive; the epoch is the caller's to compare with page.top */
    uint32_t limit;        /* 0: position only */
    bool reverse;          /* newest first; with since: offsets below it */
};

/* Publications in the asked order, and the top of the stream, read together. page_finish() frees.
 */
struct page {
    struct position top;
    struct publication **items; /* one reference each */
    size_t n;
};

void page_finish(struct page *p);

/*
 * Reads a channel's publications: those neither trimmed nor expired. A channel that never had one
 * has top offset 0 and an epoch, which its first publication will carry; reading never writes.
 * redis: fewer than were asked for where they would be more than 48 MiB.
 * -EIO, -ENOMEM, -ENOBUFS: too many reads are waiting.
 */
SUSPENDS MUST_CHECK int engine_history(struct engine *e, const struct history_query *q,
                                       struct page *ret);

/* Deletes the publications of a channel; offset and epoch stay. Durable on return. -EIO, -ENOSPC.
 */
SUSPENDS MUST_CHECK int engine_history_remove(struct engine *e, struct str channel);

/* The position of the last *distributed* publication: every worker's inbox has it. -EIO. */
SUSPENDS MUST_CHECK int engine_position(struct engine *e, struct str channel, struct keep keep,
                                        struct position *ret);

/* Presence: who is in a channel, by client id. Entries not renewed within ttl_ms are gone. */
SUSPENDS MUST_CHECK int engine_presence_set(struct engine *e, struct str channel,
                                            const struct client_info *info, int64_t ttl_ms);
SUSPENDS int engine_presence_remove(struct engine *e, struct str channel, struct str client);

struct presence {
    struct client_info *items;
    size_t n;
    void *memory; /* private */
};

void presence_finish(struct presence *p);
/* redis: -EMSGSIZE: they would be more than 48 MiB; who wants to know may count them. */
SUSPENDS MUST_CHECK int engine_presence(struct engine *e, struct str channel, struct presence *ret);
SUSPENDS MUST_CHECK int engine_presence_stats(struct engine *e, struct str channel,
                                              size_t *ret_clients, size_t *ret_users);

enum { ENGINE_GROUP_BOUNDS = 11, ENGINE_COMMIT_BOUNDS = 12 };
extern const uint32_t engine_group_bounds[ENGINE_GROUP_BOUNDS];      /* ascending */
extern const uint32_t engine_commit_bounds_us[ENGINE_COMMIT_BOUNDS]; /* ascending */

enum { ENGINE_PROBLEM_MAX = 160 };

/* For /health and /metrics. Any thread. */
struct engine_stats {
    bool writable;  /* false from a failed commit until one succeeds (it tries by itself) */
    int last_error; /* -errno of the last failed commit, 0 if none since the last good one */
    char problem[ENGINE_PROBLEM_MAX]; /* redis: of a server that is away; else empty */
    uint64_t publishes;               /* kept */
    uint64_t commits;
    uint64_t commit_errors;
    uint64_t group_largest; /* most publishes in one commit so far */
    uint64_t commit_ns;     /* spent committing, in total */
    /* commits by publishes and by time, each under the first bound that it does not exceed */
    uint64_t group_sizes[ENGINE_GROUP_BOUNDS + 1], commit_times[ENGINE_COMMIT_BOUNDS + 1];
    uint64_t wal_bytes, wal_bytes_largest; /* of the log, now and at most */
    uint64_t checkpoints;                  /* tried */
    uint64_t checkpoints_kept;   /* after which readers kept the log from beginning anew */
    uint64_t checkpoints_failed; /* by the disk */
    uint64_t checkpoint_ns, checkpoint_longest_ns;
    uint64_t queued;   /* waiting for the writer now */
    uint64_t rejected; /* -ENOBUFS so far */
    uint64_t reads;
    uint64_t channels;                      /* with a position in memory */
    uint64_t trimmed;                       /* publications deleted by size or age */
    uint64_t duplicates, stale, suppressed; /* publishes that did nothing; suppressed: maps' only */
    uint64_t map_keys_expired;
    /* by limits: idempotency_max, map_keys_max, memory_max_bytes, denials_max */
    uint64_t idempotency_refused, map_keys_refused, memory_refused, denials_refused;
    uint64_t messages_refused; /* redis: that were not ours, or found no memory */
    uint64_t events;           /* not delivered yet */
    uint64_t events_rejected;
};

void engine_stats(struct engine *e, struct engine_stats *ret);
