/* From the tree of a configuration file to options. */
#include <errno.h>
#include <stdio.h>

#include "daemon/config_impl.h"

enum { PATH_MAX_BYTES = 512 };

/* ---- one option from the file ---- */

static struct config_place place_of(const struct yaml_node *n) {
    return (struct config_place){ .line = n->line, .column = n->column };
}

static struct config_place key_place_of(const struct yaml_node *n) {
    return (struct config_place){ .line = n->key_line, .column = n->key_column };
}

static void wrong_kind(struct config_loader *l, const struct yaml_node *n, const char *name,
                       const char *wanted) {
    struct config_place at = place_of(n);
    config_problem(l, true, &at, name, "must be %s, not %s", wanted, yaml_kind_name(n));
}

static void take_list(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                      void *holder, const char *name) {
    struct str *items = arena_alloc(l->config->memory, sizeof *items * (n->n_children + 1));
    char why[CONFIG_WHY_MAX];
    size_t count = 0;
    if (!items) {
        l->is_out_of_memory = true;
        return;
    }
    for (const struct yaml_node *child = n->children; child; child = child->next) {
        if (child->kind != YAML_SCALAR) {
            wrong_kind(l, child, name, "a list of texts");
            return;
        }
        items[count++] = child->text;
    }

    int r = value_parse_list(o, items, count, l->config->memory, holder, why);
    struct config_place at = place_of(n);
    if (r == -ENOMEM)
        l->is_out_of_memory = true;
    else if (r < 0)
        config_problem(l, true, &at, name, "%s", why);
}

/* A value that looks like another type than the option's: `true` for a text is no accident one
 * should pass. */
static bool is_other_type(const struct option *o, const struct yaml_node *n) {
    bool looks_bool = str_equal(n->text, STR("true")) || str_equal(n->text, STR("false"));
    return o->kind == OPTION_BOOL ? !n->is_plain
                                  : n->is_plain && looks_bool && o->kind != OPTION_CHOICE;
}

static void take_option(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                        void *holder, struct config_place *place, const char *name) {
    if (yaml_is_null(n))
        return; /* as if it were not there */

    *place = place_of(n);
    if (n->kind == YAML_SEQUENCE && o->kind == OPTION_LIST) {
        take_list(l, o, n, holder, name);
        return;
    }
    if (n->kind != YAML_SCALAR) {
        wrong_kind(l, n, name, o->kind == OPTION_LIST ? "a list" : "a value");
        return;
    }

    char why[CONFIG_WHY_MAX];
    int r = 0;
    if (is_other_type(o, n)) {
        r = -EINVAL;
        (void) snprintf(why, sizeof why, "%s",
                        o->kind == OPTION_BOOL ? "must be true or false, without quotes"
                        : o->kind == OPTION_TEXT || o->kind == OPTION_SECRET ||
                                        o->kind == OPTION_FILE || o->kind == OPTION_LIST
                                ? "must be a text; put it in quotes if it is one"
                                : "must be a number, not true or false");
    }
    if (r == 0)
        r = value_parse(o, n->text, l->config->memory, holder, why);
    if (r == -ENOMEM)
        l->is_out_of_memory = true;
    else if (r < 0)
        config_problem(l, true, place, name, "%s", why);
}

/* ---- what is not ours ---- */

static bool is_nothing(const struct yaml_node *n, const char *same_as) {
    if (n->kind != YAML_SCALAR)
        return n->n_children == 0;
    return n->text.len == 0 || yaml_is_null(n) || str_equal(n->text, STR("false")) ||
           str_equal(n->text, STR("0")) || str_equal(n->text, STR("0s")) ||
           (same_as && str_equal(n->text, str_of(same_as)));
}

/* Does asking for nothing below it mean nothing? A group with `enabled: false` is off. */
static bool is_off(const struct yaml_node *n, const char *same_as) {
    if (is_nothing(n, same_as))
        return true;
    if (n->kind != YAML_MAPPING)
        return false;
    for (const struct yaml_node *child = n->children; child; child = child->next)
        if (str_equal(child->key, STR("enabled")))
            return is_nothing(child, NULL);
    return false;
}

static bool take_foreign(struct config_loader *l, const struct foreign_option *table, size_t n,
                         const char *path, const char *name, const struct yaml_node *node) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(path, table[i].path) != 0)
            continue;
        if (is_off(node, table[i].same_as))
            return true;
        struct config_place at = key_place_of(node);
        if (table[i].may_not_be_ignored)
            config_problem(l, true, &at, name,
                           "not supported, and leaving it out would not be safe (%s)",
                           table[i].what);
        else
            config_problem(l, false, &at, name, "not supported, ignored (%s)", table[i].what);
        return true;
    }
    return false;
}

/* ---- namespaces ---- */

static bool ends_in_file(struct str key, struct str *ret_base) {
    if (key.len <= 5 || memcmp(key.data + key.len - 5, "_file", 5) != 0)
        return false;
    *ret_base = (struct str){ key.data, key.len - 5 };
    return true;
}

static void unknown_name(struct config_loader *l, const struct yaml_node *n, const char *prefix,
                         const char *name, bool is_in_namespace) {
    struct buffer hint = BUFFER_INIT;
    struct config_place at = key_place_of(n);
    config_suggest(prefix, n->key, is_in_namespace, &hint);
    config_problem(l, true, &at, name, "unknown option%.*s", (int) hint.len,
                   hint.data ? (const char *) hint.data : "");
    buffer_finish(&hint);
}

static void take_namespace(struct config_loader *l, const struct yaml_node *n, struct namespace *ns,
                           struct config_place *places, const char *prefix) {
    size_t n_options, n_foreign;
    const struct option *options = namespace_options(&n_options);
    const struct foreign_option *foreign = foreign_namespace_options(&n_foreign);
    char name[PATH_MAX_BYTES];

    for (const struct yaml_node *child = n->children; child; child = child->next) {
        if (ns->name.data && str_equal(child->key, STR("name")))
            continue;
        (void) snprintf(name, sizeof name, "%s%s", prefix, child->key.data);
        size_t i = option_index(options, n_options, child->key);
        if (i != SIZE_MAX)
            take_option(l, &options[i], child, ns, &places[i], name);
        else if (!take_foreign(l, foreign, n_foreign, child->key.data, name, child))
            unknown_name(l, child, "", name, true);
    }
}

static bool is_namespace_name(struct str s) {
    if (s.len < 2 || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

int config_namespace_defaults(struct config_loader *l, struct namespace *ns) {
    size_t n;
    const struct option *options = namespace_options(&n);
    char why[CONFIG_WHY_MAX];
    for (size_t i = 0; i < n; i++) {
        int r = value_parse(&options[i], str_of(options[i].initial), l->config->memory, ns, why);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The name of a namespace of the list; .data NULL: it has none that is right, which is reported. */
static struct str namespace_name(struct config_loader *l, const struct yaml_node *item,
                                 size_t n_before) {
    struct config_place at = place_of(item);
    const struct yaml_node *name = NULL;
    for (const struct yaml_node *child = item->children; child; child = child->next)
        if (str_equal(child->key, STR("name")))
            name = child;

    if (!name || name->kind != YAML_SCALAR) {
        config_problem(l, true, &at, "channel.namespaces[]", "a namespace needs a `name`");
        return (struct str){ 0 };
    }
    at = place_of(name);
    if (!is_namespace_name(name->text)) {
        config_problem(l, true, &at, "channel.namespaces[].name",
                       "must be 2 to 64 letters, digits, `-`, `_` or `.`");
        return (struct str){ 0 };
    }
    for (size_t i = 0; i < n_before; i++) {
        if (!str_equal(l->config->namespaces[i].name, name->text))
            continue;
        config_problem(l, true, &at, "channel.namespaces[].name", "\"%s\" is there twice",
                       name->text.data);
        return (struct str){ 0 };
    }
    return name->text;
}

static void take_namespaces(struct config_loader *l, const struct yaml_node *list) {
    struct config *c = l->config;
    char prefix[CONFIG_PREFIX_MAX];
    size_t n_options;
    (void) namespace_options(&n_options);

    if (yaml_is_null(list))
        return;
    if (list->kind != YAML_SEQUENCE) {
        wrong_kind(l, list, "channel.namespaces", "a list of groups, each with a `name`");
        return;
    }
    if (list->n_children > CONFIG_NAMESPACES_MAX) {
        struct config_place at = place_of(list);
        config_problem(l, true, &at, "channel.namespaces", "must be at most %d",
                       CONFIG_NAMESPACES_MAX);
        return;
    }

    c->namespaces = arena_alloc(c->memory, sizeof *c->namespaces * (list->n_children + 1));
    l->namespace_places =
            arena_alloc(c->memory, sizeof *l->namespace_places * (list->n_children + 1));
    if (!c->namespaces || !l->namespace_places) {
        l->is_out_of_memory = true;
        return;
    }
    for (const struct yaml_node *item = list->children; item; item = item->next) {
        if (item->kind != YAML_MAPPING) {
            wrong_kind(l, item, "channel.namespaces[]", "a group of options with a `name`");
            continue;
        }
        struct str name = namespace_name(l, item, c->n_namespaces);
        if (!name.data)
            continue;

        struct namespace *ns = &c->namespaces[c->n_namespaces];
        struct config_place *places = arena_alloc(c->memory, sizeof *places * n_options);
        *ns = (struct namespace){ .name = name };
        if (!places || config_namespace_defaults(l, ns) < 0) {
            l->is_out_of_memory = true;
            return;
        }
        memset(places, 0, sizeof *places * n_options);
        l->namespace_places[c->n_namespaces++] = places;
        (void) snprintf(prefix, sizeof prefix, "channel.namespaces[%s].", name.data);
        take_namespace(l, item, ns, places, prefix);
    }
}

/* ---- the file ---- */

static bool is_group(const char *path) {
    size_t n, len = strlen(path);
    const struct option *options = config_options(&n);
    for (size_t i = 0; i < n; i++)
        if (strncmp(options[i].path, path, len) == 0 && options[i].path[len] == '.')
            return true;
    return false;
}

static void take_group(struct config_loader *l, const struct yaml_node *group, const char *prefix);

static void take_member(struct config_loader *l, const struct yaml_node *n, const char *prefix) {
    size_t n_options, n_foreign;
    const struct option *options = config_options(&n_options);
    const struct foreign_option *foreign = foreign_options(&n_foreign);
    struct str base;
    char path[PATH_MAX_BYTES];

    (void) snprintf(path, sizeof path - 1, "%s%s", prefix, n->key.data);
    size_t i = option_index(options, n_options, str_of(path));
    if (i != SIZE_MAX) {
        take_option(l, &options[i], n, l->config, &l->places[i], path);
        return;
    }
    if (strcmp(path, "channel.namespaces") == 0) {
        take_namespaces(l, n);
        return;
    }
    bool is_without = strcmp(path, "channel.without_namespace") == 0;
    if (is_without || is_group(path)) {
        if (yaml_is_null(n))
            return;
        if (n->kind != YAML_MAPPING) {
            wrong_kind(l, n, path, "a group of options");
            return;
        }
        (void) strcat(path, ".");
        if (is_without)
            take_namespace(l, n, &l->config->without_namespace, l->without_places, path);
        else
            take_group(l, n, path);
        return;
    }
    if (ends_in_file(str_of(path), &base)) {
        i = option_index(options, n_options, base);
        if (i != SIZE_MAX && options[i].kind == OPTION_SECRET) {
            struct config_place at = place_of(n);
            if (n->kind != YAML_SCALAR)
                wrong_kind(l, n, path, "a file's name");
            else if (l->places[i].line > 0)
                config_problem(l, true, &at, path, "%s is given, too; one of the two",
                               options[i].path);
            else if (n->text.len > 0)
                config_take_secret(l, &options[i], n->text.data, l->config, &at, path);
            l->places[i] = at;
            return;
        }
    }
    if (!take_foreign(l, foreign, n_foreign, path, path, n))
        unknown_name(l, n, prefix, path, false);
}

/* Calls itself once for each level of groups in the table of options: three. */
static void take_group(struct config_loader *l, const struct yaml_node *group, const char *prefix) {
    for (const struct yaml_node *child = group->children; child; child = child->next)
        take_member(l, child, prefix);
}

void config_take_tree(struct config_loader *l, const struct yaml_node *root) {
    if (yaml_is_null(root))
        return;
    if (root->kind != YAML_MAPPING) {
        wrong_kind(l, root, NULL, "a group of options");
        return;
    }
    take_group(l, root, "");
}
