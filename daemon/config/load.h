/*
 * From files, credentials, environment and flags to a struct config; and back, as text.
 *
 * What is said later wins: defaults, file, credentials, environment, flags. Every mistake is found
 * in one go, each with its place and what would be right.
 */
#pragma once

#include "daemon/config/config.h"
#include "protocol/buffer.h"

/* An option given on the command line. A list given twice has both items. */
struct config_flag {
    const char *name; /* "--listen": for messages */
    const char *path; /* "http_server.listen" */
    const char *value;
};

struct config_source {
    const char *file;               /* NULL: none */
    const char *credentials_dir;    /* a file for each secret, by its option's path. NULL: none */
    const char *state_dir;          /* data_dir when nobody says one; NULL: "parley-data" */
    const char *const *environment; /* "NAME=value", to a NULL; those that begin with PARLEY_ or
                                       CENTRIFUGO_ count. NULL: none */
    const struct config_flag *flags;
    size_t n_flags;
};

enum { CONFIG_PROBLEMS_MAX = 50 };

struct config_problem {
    bool is_error;
    char *text; /* "parleyd.yaml:7:3: client.ping_interval: must be …" */
};

/* Zeroed is ready to use; config_report_finish() frees. */
struct config_report {
    struct config_problem items[CONFIG_PROBLEMS_MAX];
    size_t n;      /* of items */
    size_t errors; /* those past CONFIG_PROBLEMS_MAX counted too */
};

void config_report_finish(struct config_report *r);

/*
 * Blocks (reads files). 0: *ret has one reference, the caller's; report may hold warnings.
 * -EINVAL: report says why. -ENOMEM.
 */
MUST_CHECK int config_load(const struct config_source *source, struct config **ret,
                           struct config_report *report);

/* As config_load(), for a running daemon: options that need a restart keep the value of old, and
 * the report says so. On errors nothing changes. */
MUST_CHECK int config_reload(const struct config_source *source, const struct config *old,
                             struct config **ret, struct config_report *report);

/* Appends what is in force as YAML that config_load() reads; secrets are masked. */
void config_dump(const struct config *c, struct buffer *out);

/* Appends the reference page, docs/configuration.md. */
void config_document(struct buffer *out);
