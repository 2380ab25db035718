/*
 * The one table of options: what each is called, what it may be, what it is by default, and what it
 * means. Files, environment, flags, --check-config, --dump-config and docs/configuration.md all
 * come from it.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum option_kind {
    OPTION_BOOL,     /* bool */
    OPTION_COUNT,    /* uint32_t */
    OPTION_SIZE,     /* uint32_t, bytes; "64KiB" */
    OPTION_MODE,     /* uint32_t, octal permissions */
    OPTION_DURATION, /* int64_t, milliseconds; "25s" */
    OPTION_CHOICE,   /* uint32_t, one of choices */
    OPTION_TEXT,     /* struct str */
    OPTION_SECRET,   /* struct str; also NAME_file, a credential, and masked in dumps */
    OPTION_FILE,     /* struct str, a file to be read; also a credential */
    OPTION_LIST,     /* struct str *, and size_t at offset_n */
};

struct option_choice {
    const char *name; /* of several with one value the first is the one that is written */
    uint32_t value;
};

struct option {
    const char *path; /* "client.ping_interval"; for namespaces, below the namespace */
    enum option_kind kind;
    size_t offset, offset_n;             /* in struct config, or struct namespace */
    int64_t min, max;                    /* of numbers; of texts and lists the length */
    bool may_be_zero;                    /* 0 is outside min..max and means "none" or "never" */
    bool needs_restart;                  /* a reload does not change it */
    const char *initial;                 /* as one would write it */
    const struct option_choice *choices; /* to a NULL name */
    const char *help;
};

const struct option *config_options(size_t *ret_n);    /* of struct config */
const struct option *namespace_options(size_t *ret_n); /* of struct namespace */

/* What a configuration of a Centrifugo may hold and Parley has no counterpart for, yet or ever. */
struct foreign_option {
    const char *path; /* what is below it, too; below namespaces as for namespace_options() */
    const char *what;
    const char
            *same_as; /* a value under which nothing is missed, beside false, 0, empty and null */
    bool may_not_be_ignored; /* leaving it out would let in whom it keeps out */
};

const struct foreign_option *foreign_options(size_t *ret_n);
const struct foreign_option *foreign_namespace_options(size_t *ret_n);
