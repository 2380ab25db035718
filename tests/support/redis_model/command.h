/*
 * Commands of the modelled Redis: what they are run with, how they answer, where they are found.
 * Answers and errors are those of Redis 7.0, to the byte (tests/unit/redis_model compares them).
 */
#pragma once

#include "protocol/buffer.h"
#include "tests/support/redis_model/keyspace.h"

struct database;

struct call {
    struct database *database;
    struct keyspace *keys;
    const struct bytes *argv; /* its name included */
    size_t n;
    int64_t now_ms;
    struct buffer *out; /* the answer, as it goes over the wire */
    bool has_written;
    bool is_scripted;
    bool is_begun; /* scripted, behind what has written: it is seen through */
};

typedef void command_fn(struct call *c);

enum command_flags {
    COMMAND_WRITES = 1,
    COMMAND_NOT_SCRIPTED = 2,
    COMMAND_GROWS = 4, /* refused when memory is full */
};

struct redis_command_entry {
    const char *name; /* in lower case */
    int arity;        /* its name included; below 0: at least so many */
    unsigned flags;   /* enum command_flags */
    command_fn *run;
};

/* Each ends with an entry without a name. */
extern const struct redis_command_entry key_commands[], string_commands[], hash_commands[],
        zset_commands[], stream_commands[], script_commands[];

/* ---- answers ---- */

void answer_status(struct call *c, const char *text);
void answer_error(struct call *c, const char *text); /* with its code: "ERR syntax error" */
void answer_int(struct call *c, int64_t value);
void answer_bulk(struct call *c, struct bytes b);
void answer_nil(struct call *c);
void answer_nil_array(struct call *c);
void answer_array(struct call *c, size_t n); /* so many answers follow */
void answer_double(struct call *c, double value);

/* ---- arguments ---- */

bool bytes_are(struct bytes b, const char *word); /* whatever its case */
bool bytes_to_int(struct bytes b, int64_t *ret);  /* strictly, as Redis does */
bool bytes_to_double(struct bytes b, double *ret);
/* An error is answered where they say false. */
bool argument_int(struct call *c, size_t i, int64_t *ret);

/* The value of that type under argument i. False: another type is there, which is answered. *ret is
 * NULL where nothing is. */
bool find_typed(struct call *c, size_t i, enum value_type type, struct value **ret);
/* The same, made if missing. */
bool want_typed(struct call *c, size_t i, enum value_type type, struct value **ret);
void drop_if_empty(struct call *c, struct value *v);
