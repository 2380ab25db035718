/* The store, inside: store.c opens and closes it, writer.c writes. */
#pragma once

#include <stdatomic.h>

#include "async/lane.h"
#include "storage/chat/connection.h"
#include "storage/chat/outbox.h"
#include "storage/chat/tx_impl.h"
#include "storage/data_lock.h"
#include "storage/sqlite/mark.h"
#include "storage/sqlite/wal.h"

enum { CHAT_READERS_MAX = 8 };

struct chat_reader {
    struct chat_store *store;
    struct lane *lane;
    struct connection connection;
    _Atomic bool is_busy;
};

struct chat_store {
    struct chat_limits limits;
    char *vfs; /* or NULL */
    char *data_dir, *database_path, *lock_path, *mark_path;
    int lock_fd;
    char lock_name[DATA_LOCK_NAME_SIZE]; /* empty until it is had */
    size_t group_max;

    /* any thread */
    struct errands orders, writes, reads;
    struct outbox outbox;
    struct wal wal;
    _Atomic bool wants_end, wants_tick, is_open;
    _Atomic int last_error;
    _Atomic uint64_t works, commits_n, commit_errors, commit_ns, group_largest, reads_n, retained;
    _Atomic int64_t retain_at_ms; /* when to look again */
    _Atomic int64_t until_ms;     /* of loop_now_us()'s clock: nothing is committed later */
    _Atomic uint64_t changes;     /* as mark.last_id, for other threads */

    struct chat_reader readers[CHAT_READERS_MAX];
    unsigned readers_n;
    _Atomic unsigned next_reader;

    /* the writer's thread */
    struct lane *lane;
    struct connection connection;
    struct mark_file *mark_file;
    struct mark mark; /* with the epoch; last_id: how many commits there were */
    char new_epoch[EPOCH_BASE_SIZE];
    int64_t now_ms;
    bool has_failed_to_catch_up;
    int64_t purge_at_ms; /* the index of words, next */
    int64_t purge_mark;  /* 0: none has begun */
};

void chat_writer_kick(void *store);
void chat_writer_run(void *store);                /* the lane's */
void chat_store_disconnect(struct chat_store *s); /* the writer's thread, last */
struct chat_tx chat_tx_of(struct chat_store *s, struct connection *c, int64_t now_ms);
