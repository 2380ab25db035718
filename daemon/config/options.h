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
    OPTION_TIME,     /* uint64_t, seconds of Unix time */
    /* Of parts: in a file as YAML or JSON has it, elsewhere as JSON text. */
    OPTION_PAIRS,            /* struct config_pair *, and size_t at offset_n: names and texts */
    OPTION_STATUS_CODES,     /* struct config_transform *, likewise: HTTP status to a code */
    OPTION_DISCONNECT_CODES, /* the same: error to a disconnect */
    OPTION_RESPONSE_CODES,   /* the same: error to an HTTP status and body */
};

static inline bool option_has_parts(enum option_kind kind) {
    return kind >= OPTION_PAIRS;
}

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
    const char *zero;                    /* of OPTION_COUNT: then the word for it; NULL: "0" */
    bool needs_restart;                  /* a reload does not change it */
    const char *initial;                 /* as one would write it */
    const struct option_choice *choices; /* to a NULL name */
    const char *help;
};

const struct option *config_options(size_t *ret_n);    /* of struct config */
const struct option *namespace_options(size_t *ret_n); /* of struct namespace */

/* A list of named groups of options. */
struct option_group {
    const char *path;              /* "channel.namespaces" */
    const char *what;              /* an item of it: "a namespace" */
    size_t offset, offset_n;       /* of array and length in struct config */
    size_t item_size, offset_name; /* of an item; where its name is in it */
    size_t max;
    const struct option *options; /* of an item; NULL: namespace_options() */
    size_t n_options;
};

enum {
    GROUP_NAMESPACES,
    GROUP_PROXIES,
    GROUP_RPC,
    GROUP_API_KEYS,
    GROUP_WEBHOOKS,
    OPTION_GROUPS,
};

const struct option_group *option_groups(void); /* OPTION_GROUPS of them */
const struct option *group_options(const struct option_group *g, size_t *ret_n);

/* What a configuration of a Centrifugo may hold and Parley has no counterpart for, yet or ever. */
struct foreign_option {
    const char *path; /* what is below it, too; below namespaces as for namespace_options() */
    const char *what;
    const char
            *same_as; /* a value under which nothing is missed, beside false, 0, empty and null */
    bool may_not_be_ignored; /* leaving it out would let in whom it keeps out */
};

/* NULL: it is not known. group: path is an option's of its items; NULL: a whole path. */
const struct foreign_option *foreign_option_of(const struct option_group *group, const char *path);
