/*
 * What was written, command by command, with its time: the data of a Redis as it was any number of
 * writes ago is what the commands until then make of nothing.
 */
#pragma once

#include "tests/support/redis_model/database.h"

struct log_record {
    int64_t now_ms;
    struct blob *argv;
    size_t n;
};

struct log {
    struct log_record *records;
    size_t n, cap;
};

void log_finish(struct log *l);

/* A command that has written: EVALSHA is kept as the EVAL that it stands for. */
void log_append(struct log *l, const struct database *d, const struct bytes *argv, size_t n,
                int64_t now_ms);
void log_copy(struct log *l, const struct log *from, size_t n); /* its first n records */
void log_truncate(struct log *l, size_t n);

/* Makes the data in a new database. Its scripts are forgotten, as by a restart. */
void log_replay(const struct log *l, struct database *d);

/* A record's arguments, until the log changes. ret: as many as it has. */
void log_arguments(const struct log_record *r, struct bytes *ret);
