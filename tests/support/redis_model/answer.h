/* Reads answers back from the wire's form: for scripts, and for tests. Only of what was written
 * here: it is not hardened against anything else. */
#pragma once

#include "protocol/bytes.h"

enum answer_kind {
    ANSWER_NIL,
    ANSWER_STATUS,
    ANSWER_ERROR,
    ANSWER_INT,
    ANSWER_BULK,
    ANSWER_ARRAY, /* number answers follow */
};

struct answer {
    enum answer_kind kind;
    struct bytes text;
    int64_t number;
};

struct answer_reader {
    struct bytes data;
    size_t at;
};

struct answer answer_next(struct answer_reader *r);
