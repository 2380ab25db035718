/* What the Redis engine is told. Everything is borrowed for the call of engine_open(). */
#pragma once

#include "async/stream.h"
#include "protocol/bytes.h"

struct tls;

enum { REDIS_SHARDS_MAX = 32, REDIS_ADDRESSES_MAX = 16 };

/* One server, or one master behind Sentinels. */
struct redis_shard_options {
    struct address addresses[REDIS_ADDRESSES_MAX];
    size_t n_addresses;
    struct str master_name; /* not empty: addresses are of Sentinels */
    struct str username, password, sentinel_username, sentinel_password;
    unsigned database;
    const struct tls *tls, *sentinel_tls; /* NULL: plain. Borrowed until engine_close() */
};

struct redis_options {
    const struct redis_shard_options
            *shards; /* a channel is on one of them, by its name and their number */
    size_t n_shards;
    struct str prefix;                         /* of all keys and channels; empty: "parley" */
    struct str node_id;                        /* of this process: unique among the nodes */
    struct str node_name;                      /* for people */
    int64_t connect_timeout_ms, io_timeout_ms; /* 0: defaults of storage/redis/server.h */
    int64_t wait_ms; /* publishes wait for a Redis that is away for so long; 0: they fail at once */
    size_t reply_max_bytes; /* of presence or history in one answer: less than a line takes. 0: 48
                               MiB */
    int64_t node_ttl_ms;    /* a node not heard of for so long is gone. 0: 15 s */
    /* As of redis_server_options: what makes connections in tests and simulations. NULL: TCP. */
    int (*connect)(void *arg, const struct address *a, const struct tls *tls, struct stream **ret);
    void *connect_arg;
    bool keeps_epochs;         /* each Redis has all it ever acknowledged when it comes back
                                  (appendfsync always, no failover): streams go on. Else streams
                                  get a new epoch, since something may be missing */
    bool archives;             /* publications of keeps that are durable are archived, in
                                  archive.db (storage/sqlite/archive.h). Needs a data_dir */
    size_t archive_queue_size; /* bytes of those not written yet; past it they are not archived.
                                  0: 64 MiB */
    void (*warn)(void *arg, const char *text); /* a line or the archive is gone, or back. May be
                                                  NULL */
    void *warn_arg;
};
