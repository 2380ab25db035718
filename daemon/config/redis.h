/* What the redis options mean together. */
#pragma once

#include "storage/redis/options.h"

/* One Redis. Its contexts for TLS are the daemon's to make. */
struct config_redis_shard {
    struct redis_shard_options it;
    bool is_tls, is_sentinel_tls;
};

/*
 * Reads one address: "HOST:PORT", "redis://[[USER]:PASSWORD@]HOST:PORT[/DB]", "rediss://…",
 * "redis+sentinel://HOST:PORT,HOST:PORT?sentinel_master_name=NAME", "rediss+sentinel://…". Sets
 * what it says. Texts are copied into the arena. 0; -ENOMEM; -EINVAL: *ret_why says, as the end of
 * a sentence and without quoting it: it may hold a password.
 */
struct arena;
MUST_CHECK int redis_address_read(struct str text, struct arena *a, struct config_redis_shard *ret,
                                  const char **ret_why);
