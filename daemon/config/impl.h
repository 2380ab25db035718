/* What the files that make a configuration share. Private to daemon/config/. */
#pragma once

#include <stdarg.h>

#include "daemon/config/load.h"
#include "daemon/config/options.h"
#include "daemon/config/value.h"
#include "daemon/config/yaml.h"

/* Where an option was set: in the file (line > 0), or elsewhere (source), or nowhere. */
struct config_place {
    uint32_t line, column;
    const char *source; /* "PARLEY_WORKERS", "--listen" */
};

struct config_loader {
    const struct config_source *source;
    struct config *config;
    const struct config *old; /* what a reload replaces; or NULL */
    struct config_report *report;
    struct config_place *places;                      /* one per option */
    struct config_place *without_places;              /* one per namespace option */
    struct config_place **item_places[OPTION_GROUPS]; /* the same per item of a list of groups */
    bool is_out_of_memory;
};

/* "channel.without_namespace." or "channel.namespaces[chat]."; buf: CONFIG_PREFIX_MAX */
enum { CONFIG_PREFIX_MAX = 128 };

__attribute__((format(printf, 5, 6))) void config_problem(struct config_loader *l, bool is_error,
                                                          const struct config_place *at,
                                                          const char *path, const char *format,
                                                          ...);

/* Appends what a name that is none was probably meant to be: `; did you mean "…"?`; or nothing.
 * prefix: of the group it stood in, "client." or "". group: whose items it would be an option of,
 * or NULL. */
void config_suggest(const char *prefix, struct str name, const struct option_group *group,
                    struct buffer *out);
int name_distance(struct str a, struct str b); /* edits between two names; INT_MAX: far apart */

/* Sets what the file says; mistakes are reported. */
void config_take_tree(struct config_loader *l, const struct yaml_node *root);
MUST_CHECK int config_set_defaults(struct config_loader *l, const struct option *options, size_t n,
                                   void *holder);

void config_take_environment(struct config_loader *l);

/* Sets an option from a text that stands somewhere else than in the file. */
void config_set_text(struct config_loader *l, const struct option *o, const char *value,
                     void *holder, struct config_place *place, const char *source,
                     const char *name);

/* A list of groups, if path is one's. False: it is not. */
bool config_take_list(struct config_loader *l, const struct yaml_node *list, const char *path);

/* Items of such a list. They move when another is added, which is NULL when there is no memory. */
void *config_items(const struct config *c, const struct option_group *g, size_t *ret_n);
bool config_item_name_is_good(struct str name);
struct str config_item_name(const struct option_group *g, const void *item);
void *config_find_item(const struct config *c, const struct option_group *g, struct str name);
void *config_add_item(struct config_loader *l, const struct option_group *g, struct str name);
struct config_place *config_item_places(const struct config_loader *l, const struct option_group *g,
                                        const void *item);

/* An option of parts (config/parts.c): as the file has it, or as text, which is JSON. */
void config_take_parts(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                       void *holder, const char *name);
void config_take_text(struct config_loader *l, const struct option *o, struct str text,
                      void *holder, const struct config_place *at, const char *name);

/* Sets a secret from a file: its content without the newline that editors put at the end. */
void config_take_secret(struct config_loader *l, const struct option *o, const char *path,
                        void *holder, const struct config_place *at, const char *name);

/* Fills in what is made of other options, and looks for those that do not go together. 0, -ENOMEM;
 * mistakes are reported. */
MUST_CHECK int config_check(struct config_loader *l);

/* The same of the redis engine (config/redis.c). */
MUST_CHECK int config_check_redis(struct config_loader *l);

/* The same of the chat (config/chat.c); before namespaces are checked: it adds its own. */
MUST_CHECK int config_check_chat(struct config_loader *l);

/* The place of an option of struct config. */
const struct config_place *config_place_of(const struct config_loader *l, const char *path);

/* The proxy that is called so: one of `proxies`, or the standard one if it is "default" and has an
 * endpoint. NULL: there is none. */
const struct config_proxy *config_proxy_of(const struct config *c, struct str name,
                                           const struct config_proxy *standard);

/* The index of an option in its table; SIZE_MAX: there is none. */
size_t option_index(const struct option *options, size_t n, struct str path);
