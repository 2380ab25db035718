/* A transaction, inside. For the store and query.c. */
#pragma once

#include "storage/chat/connection.h"
#include "storage/chat/store.h"

struct chat_tx {
    struct connection *connection;
    struct chat_store *store;
    struct chat_work *work; /* whose turn it is; NULL: the store's own */
    const struct chat_limits *limits;
    const char *epoch;
    struct outbox *outbox; /* NULL: a reader's */
    struct arena own;      /* of the store's own work */
    int64_t now_ms;
};

void chat_limits_default(struct chat_limits *l); /* those that are 0 */
