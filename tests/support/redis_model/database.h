/*
 * A Redis without lines: keys, scripts, and the commands that need no more. One call is one
 * command, atomically, at the time that its caller says. The shipped Lua scripts run here as they
 * are, by Lua 5.1, as in Redis.
 */
#pragma once

#include "protocol/buffer.h"
#include "tests/support/redis_model/command.h"

struct scripts;

struct database {
    struct keyspace keys;
    struct scripts *scripts;
    bool is_readonly; /* as a replica is */
    bool is_full;     /* what may need memory is refused */
    void *arg;
    /* Who was given it; NULL: nobody. */
    int64_t (*publish)(void *arg, struct bytes channel, struct bytes payload);
    char unknown[32]; /* the first command asked for that is not modelled; empty: none */
};

/* Large; zeroed before. Aborts without memory. */
void database_init(struct database *d);
void database_finish(struct database *d);

/*
 * The answer is appended to out. argv: each followed by a 0 that is not counted; n > 0. True: it
 * has changed the data.
 */
bool database_execute(struct database *d, const struct bytes *argv, size_t n, int64_t now_ms,
                      struct buffer *out);

const struct redis_command_entry *database_command(struct bytes name); /* NULL: not modelled */

/* Inside of a call: the same with what it knows. */
void command_run(struct call *c);
