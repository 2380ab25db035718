/* The inside of a server: for the files of this folder. */
#pragma once

#include "async/event.h"
#include "async/group.h"
#include "storage/redis/keeper.h"
#include "storage/redis/pipeline.h"
#include "storage/redis/sentinel.h"
#include "storage/redis/server.h"
#include "storage/redis/subscriptions.h"

struct redis_server {
    struct redis_server_options options; /* its texts and addresses are ours; no 0 is left in it */
    char *texts;
    struct address *addresses;
    struct redis_line_options line_options;
    struct redis_pipeline pipeline;
    struct redis_subscriptions subscriptions;
    struct redis_sentinels sentinels;
    struct redis_keeper commands, subscribing;
    struct redis_command ping;
    bool is_pinged;
    struct event up;
    struct task *greeter; /* runs greet(), by greeting */
    struct redis_line *greeting;
    struct group tasks;
    unsigned callers; /* tasks in a call that suspends */
    bool is_closing;
};

extern const struct redis_keeper_kind redis_commands_kind, redis_subscribing_kind;

/* Where to connect to. Errors have their sentence in why. */
SUSPENDS MUST_CHECK int redis_server_find(struct redis_server *s, struct redis_why *why,
                                          struct address *ret);
__attribute__((format(printf, 2, 3))) void redis_server_warn(struct redis_server *s,
                                                             const char *format, ...);
