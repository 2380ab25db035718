/* From the tree of a configuration file to options. */
#include <errno.h>
#include <stdio.h>

#include "daemon/config/impl.h"

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
    if (option_has_parts(o->kind) && n->kind != YAML_SCALAR) {
        config_take_parts(l, o, n, holder, name);
        return;
    }
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
                        : option_has_parts(o->kind) ? "must be a group or a list"
                                                    : "must be a number, not true or false");
    }
    if (r == 0 && option_has_parts(o->kind)) {
        config_take_text(l, o, n->text, holder, place, name);
        return;
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

static bool take_foreign(struct config_loader *l, const struct option_group *group,
                         const char *path, const char *name, const struct yaml_node *node) {
    const struct foreign_option *f = foreign_option_of(group, path);
    if (!f)
        return false;
    if (is_off(node, f->same_as))
        return true;

    struct config_place at = key_place_of(node);
    if (f->may_not_be_ignored)
        config_problem(l, true, &at, name,
                       "not supported, and leaving it out would not be safe (%s)", f->what);
    else
        config_problem(l, false, &at, name, "not supported, ignored (%s)", f->what);
    return true;
}

/* ---- options of one holder: the configuration, or an item of a group ---- */

struct holder {
    const struct option_group *group; /* NULL: the configuration itself */
    const struct option *options;
    size_t n_options;
    void *at;
    struct config_place *places;
    const char *name; /* what messages put before an option's path: "proxies[x]." or "" */
};

static bool ends_in_file(struct str key, struct str *ret_base) {
    if (key.len <= 5 || memcmp(key.data + key.len - 5, "_file", 5) != 0)
        return false;
    *ret_base = (struct str){ key.data, key.len - 5 };
    return true;
}

static void unknown_name(struct config_loader *l, const struct holder *h, const struct yaml_node *n,
                         const char *prefix, const char *name) {
    struct buffer hint = BUFFER_INIT;
    struct config_place at = key_place_of(n);
    config_suggest(prefix, n->key, h->group, &hint);
    config_problem(l, true, &at, name, "unknown option%.*s", (int) hint.len,
                   hint.data ? (const char *) hint.data : "");
    buffer_finish(&hint);
}

static bool is_group(const struct holder *h, const char *path) {
    size_t len = strlen(path);
    for (size_t i = 0; i < h->n_options; i++)
        if (strncmp(h->options[i].path, path, len) == 0 && h->options[i].path[len] == '.')
            return true;
    const struct option_group *groups = option_groups();
    for (size_t i = 0; i < OPTION_GROUPS && !h->group; i++)
        if (strncmp(groups[i].path, path, len) == 0 && groups[i].path[len] == '.')
            return true;
    return false;
}

/* `NAME_file` of a secret NAME. False: it is not that. */
static bool take_secret_file(struct config_loader *l, const struct holder *h,
                             const struct yaml_node *n, const char *path, const char *name) {
    struct str base;
    if (!ends_in_file(str_of(path), &base))
        return false;
    size_t i = option_index(h->options, h->n_options, base);
    if (i == SIZE_MAX || h->options[i].kind != OPTION_SECRET)
        return false;

    struct config_place at = place_of(n);
    if (n->kind != YAML_SCALAR)
        wrong_kind(l, n, name, "a file's name");
    else if (h->places[i].line > 0)
        config_problem(l, true, &at, name, "%s%s is given, too; one of the two", h->name,
                       h->options[i].path);
    else if (n->text.len > 0)
        config_take_secret(l, &h->options[i], n->text.data, h->at, &at, name);
    h->places[i] = at;
    return true;
}

static bool take_without_namespace(struct config_loader *l, const struct yaml_node *n,
                                   const char *path);

/* Members of a group. Calls itself once for each level of groups in the table of options: five. */
static void take_members(struct config_loader *l, const struct holder *h,
                         const struct yaml_node *group, const char *prefix) {
    char path[PATH_MAX_BYTES], name[PATH_MAX_BYTES + CONFIG_PREFIX_MAX];

    for (const struct yaml_node *n = group->children; n; n = n->next) {
        if (h->group && !*prefix && str_equal(n->key, STR("name")))
            continue;
        (void) snprintf(path, sizeof path - 1, "%s%s", prefix, n->key.data);
        (void) snprintf(name, sizeof name, "%s%s", h->name, path);
        size_t i = option_index(h->options, h->n_options, str_of(path));
        if (i != SIZE_MAX) {
            take_option(l, &h->options[i], n, h->at, &h->places[i], name);
            continue;
        }
        if (!h->group && (config_take_list(l, n, path) || take_without_namespace(l, n, path)))
            continue;
        if (take_secret_file(l, h, n, path, name))
            continue;
        if (is_group(h, path) && n->kind == YAML_MAPPING) {
            (void) strcat(path, ".");
            take_members(l, h, n, path);
        } else if (is_group(h, path)) {
            if (!yaml_is_null(n))
                wrong_kind(l, n, name, "a group of options");
        } else if (!take_foreign(l, h->group, path, name, n)) {
            unknown_name(l, h, n, prefix, name);
        }
    }
}

static bool take_without_namespace(struct config_loader *l, const struct yaml_node *n,
                                   const char *path) {
    const struct option_group *group = &option_groups()[GROUP_NAMESPACES];
    if (strcmp(path, "channel.without_namespace") != 0)
        return false;
    if (n->kind == YAML_MAPPING) {
        struct holder h = { .group = group,
                            .at = &l->config->without_namespace,
                            .places = l->without_places,
                            .name = "channel.without_namespace." };
        h.options = group_options(group, &h.n_options);
        take_members(l, &h, n, "");
    } else if (!yaml_is_null(n)) {
        wrong_kind(l, n, path, "a group of options");
    }
    return true;
}

/* ---- lists of groups ---- */

bool config_item_name_is_good(struct str s) {
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

int config_set_defaults(struct config_loader *l, const struct option *options, size_t n,
                        void *holder) {
    char why[CONFIG_WHY_MAX];
    for (size_t i = 0; i < n; i++) {
        int r = value_parse(&options[i], str_of(options[i].initial), l->config->memory, holder,
                            why);
        if (r < 0)
            return r;
    }
    return 0;
}

struct str config_item_name(const struct option_group *g, const void *item) {
    return *(const struct str *) (const void *) ((const char *) item + g->offset_name);
}

void *config_items(const struct config *c, const struct option_group *g, size_t *ret_n) {
    *ret_n = *(const size_t *) (const void *) ((const char *) c + g->offset_n);
    return *(void *const *) (const void *) ((const char *) c + g->offset);
}

void *config_find_item(const struct config *c, const struct option_group *g, struct str name) {
    size_t n;
    char *items = config_items(c, g, &n);
    for (size_t i = 0; i < n; i++)
        if (str_equal(config_item_name(g, items + i * g->item_size), name))
            return items + i * g->item_size;
    return NULL;
}

struct config_place *config_item_places(const struct config_loader *l, const struct option_group *g,
                                        const void *item) {
    size_t n;
    const char *items = config_items(l->config, g, &n);
    size_t i = (size_t) ((const char *) item - items) / g->item_size;
    return l->item_places[g - option_groups()][i];
}

void *config_add_item(struct config_loader *l, const struct option_group *g, struct str name) {
    struct config *c = l->config;
    struct arena *a = c->memory;
    struct config_place ***places = &l->item_places[g - option_groups()];
    size_t n, n_options;
    char *old = config_items(c, g, &n);
    const struct option *options = group_options(g, &n_options);

    /* They are few, and arenas do not grow things in place. */
    char *items = arena_alloc(a, (n + 1) * g->item_size);
    struct config_place **all = arena_alloc(a, (n + 1) * sizeof *all);
    struct config_place *of_item = arena_alloc(a, (n_options + 1) * sizeof *of_item);
    struct str copy = value_text_copy(a, name);
    if (!items || !all || !of_item || !copy.data) {
        l->is_out_of_memory = true;
        return NULL;
    }
    if (n) {
        memcpy(items, old, n * g->item_size);
        memcpy(all, *places, n * sizeof(struct config_place *));
    }
    char *item = items + n * g->item_size;
    memset(item, 0, g->item_size);
    memset(of_item, 0, (n_options + 1) * sizeof *of_item);
    *(struct str *) (void *) (item + g->offset_name) = copy;
    if (config_set_defaults(l, options, n_options, item) < 0) {
        l->is_out_of_memory = true;
        return NULL;
    }
    all[n] = of_item;
    *places = all;
    *(void **) (void *) ((char *) c + g->offset) = items;
    *(size_t *) (void *) ((char *) c + g->offset_n) = n + 1;
    return item;
}

/* The name of an item; .data NULL: it has none that is right, which is reported. */
static struct str item_name(struct config_loader *l, const struct option_group *g,
                            const struct yaml_node *item) {
    struct config_place at = place_of(item);
    const struct yaml_node *name = NULL;
    char path[CONFIG_PREFIX_MAX];

    for (const struct yaml_node *child = item->children; child; child = child->next)
        if (str_equal(child->key, STR("name")))
            name = child;
    if (!name || name->kind != YAML_SCALAR) {
        (void) snprintf(path, sizeof path, "%s[]", g->path);
        config_problem(l, true, &at, path, "%s needs a `name`", g->what);
        return (struct str){ 0 };
    }

    at = place_of(name);
    (void) snprintf(path, sizeof path, "%s[].name", g->path);
    if (!config_item_name_is_good(name->text)) {
        config_problem(l, true, &at, path, "must be 2 to 64 letters, digits, `-`, `_` or `.`");
        return (struct str){ 0 };
    }
    if (config_find_item(l->config, g, name->text)) {
        config_problem(l, true, &at, path, "\"%s\" is there twice", name->text.data);
        return (struct str){ 0 };
    }
    return name->text;
}

static void take_item(struct config_loader *l, const struct option_group *g,
                      const struct yaml_node *n) {
    char prefix[CONFIG_PREFIX_MAX];
    struct str name = item_name(l, g, n);
    void *item = name.data ? config_add_item(l, g, name) : NULL;
    if (!item)
        return;

    (void) snprintf(prefix, sizeof prefix, "%s[%s].", g->path, name.data);
    struct holder h = {
        .group = g, .at = item, .places = config_item_places(l, g, item), .name = prefix
    };
    h.options = group_options(g, &h.n_options);
    take_members(l, &h, n, "");
}

bool config_take_list(struct config_loader *l, const struct yaml_node *list, const char *path) {
    const struct option_group *g = option_groups();
    char name[CONFIG_PREFIX_MAX];

    for (size_t i = 0; i < OPTION_GROUPS && strcmp(g->path, path) != 0; i++)
        g++;
    if (g == option_groups() + OPTION_GROUPS)
        return false;
    if (yaml_is_null(list))
        return true;
    if (list->kind != YAML_SEQUENCE) {
        wrong_kind(l, list, path, "a list of groups, each with a `name`");
        return true;
    }
    if (list->n_children > g->max) {
        struct config_place at = place_of(list);
        config_problem(l, true, &at, path, "must be at most %zu", g->max);
        return true;
    }
    (void) snprintf(name, sizeof name, "%s[]", path);
    for (const struct yaml_node *item = list->children; item; item = item->next)
        if (item->kind == YAML_MAPPING)
            take_item(l, g, item);
        else
            wrong_kind(l, item, name, "a group of options with a `name`");
    return true;
}

/* ---- the file ---- */

void config_take_tree(struct config_loader *l, const struct yaml_node *root) {
    if (yaml_is_null(root))
        return;
    if (root->kind != YAML_MAPPING) {
        wrong_kind(l, root, NULL, "a group of options");
        return;
    }
    struct holder h = { .at = l->config, .places = l->places, .name = "" };
    h.options = config_options(&h.n_options);
    take_members(l, &h, root, "");
}
