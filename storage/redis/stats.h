/* What the Redis engine's servers have to say for /metrics. */
#pragma once

#include "storage/redis/options.h"
#include "storage/redis/server.h"
#include "storage/sqlite/archive.h"

struct engine;

enum { REDIS_NAME_MAX = 24 };

struct redis_shard_stats {
    char name[REDIS_NAME_MAX]; /* "redis 1" */
    struct redis_server_stats server;
};

/* As of the engine's last tick. Any thread. How many; 0: it is another engine. */
size_t engine_redis_stats(struct engine *e, struct redis_shard_stats ret[static REDIS_SHARDS_MAX]);

/* false: the engine has no archive. Any thread. */
bool engine_archive_stats(struct engine *e, struct archive_stats *ret);
