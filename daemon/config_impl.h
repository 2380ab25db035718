/* What the files that make a configuration share. Private to daemon/config_*.c. */
#pragma once

#include <stdarg.h>

#include "daemon/config_load.h"
#include "daemon/config_options.h"
#include "daemon/config_value.h"
#include "daemon/config_yaml.h"

/* Where an option was set: in the file (line > 0), or elsewhere (source), or nowhere. */
struct config_place {
    uint32_t line, column;
    const char *source; /* "PARLEY_WORKERS", "--listen" */
};

struct config_loader {
    const struct config_source *source;
    struct config *config;
    struct config_report *report;
    struct config_place *places;         /* one per option */
    struct config_place *without_places; /* one per namespace option */
    struct config_place *
            *namespace_places; /* the same per namespace, in the file's order; NULL: none */
    bool is_out_of_memory;
};

/* "channel.without_namespace." or "channel.namespaces[chat]."; buf: CONFIG_PREFIX_MAX */
enum { CONFIG_PREFIX_MAX = 128 };

__attribute__((format(printf, 5, 6))) void config_problem(struct config_loader *l, bool is_error,
                                                          const struct config_place *at,
                                                          const char *path, const char *format,
                                                          ...);

/* Appends what a name that is none was probably meant to be: `; did you mean "…"?`; or nothing.
 * prefix: of the group it stood in, "client." or "". */
void config_suggest(const char *prefix, struct str name, bool is_in_namespace, struct buffer *out);
int name_distance(struct str a, struct str b); /* edits between two names; INT_MAX: far apart */

/* Sets what the file says; mistakes are reported. */
void config_take_tree(struct config_loader *l, const struct yaml_node *root);
MUST_CHECK int config_namespace_defaults(struct config_loader *l, struct namespace *ns);

/* Sets a secret from a file: its content without the newline that editors put at the end. */
void config_take_secret(struct config_loader *l, const struct option *o, const char *path,
                        void *holder, const struct config_place *at, const char *name);

/* Fills in what is made of other options, and looks for those that do not go together. 0, -ENOMEM;
 * mistakes are reported. */
MUST_CHECK int config_check(struct config_loader *l);

/* The index of an option in its table; SIZE_MAX: there is none. */
size_t option_index(const struct option *options, size_t n, struct str path);
