/*
 * Options in the environment: PARLEY_CLIENT_PING_INTERVAL=10s. For namespaces and the like first
 * the list of names, then the options of each: PARLEY_CHANNEL_NAMESPACES="chat feed",
 * PARLEY_CHANNEL_NAMESPACES_CHAT_PRESENCE=true. CENTRIFUGO_ in place of PARLEY_ means the same.
 */
#include <errno.h>
#include <stdio.h>

#include "daemon/config/impl.h"

enum { NAME_MAX_BYTES = 512 };

/* PARLEY_ last: what is said later wins. */
static const char *const PREFIXES[] = { "CENTRIFUGO_", "PARLEY_" };

/* Appends a path as variables have it. */
static void append_name(const char *path, char *to, size_t cap) {
    size_t at = strlen(to);
    for (; *path && at + 1 < cap; path++)
        to[at++] = *path >= 'a' && *path <= 'z' ? (char) (*path - 'a' + 'A')
                   : (*path >= 'A' && *path <= 'Z') || (*path >= '0' && *path <= '9') ? *path
                                                                                      : '_';
    to[at] = '\0';
}

/* The options of one holder, under the name that its variables begin with. */
struct environment {
    struct config_loader *l;
    const struct option *options;
    size_t n;
    void *holder;
    struct config_place *places;
    const char *begin; /* "CHANNEL_NAMESPACES_CHAT_" */
    const char *path;  /* "channel.namespaces[chat].", for messages */
};

struct variable {
    struct str name; /* behind the prefix */
    const char *value;
    const char *source; /* whole name, lives as long as the configuration */
    const char *prefix;
};

struct guess {
    int distance;
    char name[NAME_MAX_BYTES];
};

static void warn_of_secret(struct config_loader *l, const struct variable *v, const char *path) {
    struct config_place at = { .source = v->source };
    config_problem(l, false, &at, path,
                   "a secret in the environment is seen by every child process; %s_FILE or a "
                   "credential is better",
                   v->source);
}

/* Is it one of these? The nearest name is remembered. */
static bool take_option(const struct environment *e, const struct variable *v,
                        struct guess *guess) {
    char name[NAME_MAX_BYTES], path[NAME_MAX_BYTES];

    for (size_t i = 0; i < e->n; i++) {
        const struct option *o = &e->options[i];
        (void) snprintf(name, sizeof name, "%s", e->begin);
        append_name(o->path, name, sizeof name);
        (void) snprintf(path, sizeof path, "%s%s", e->path, o->path);
        if (str_equal(v->name, str_of(name))) {
            if (o->kind == OPTION_SECRET)
                warn_of_secret(e->l, v, path);
            config_set_text(e->l, o, v->value, e->holder, &e->places[i], v->source, path);
            return true;
        }
        int distance = name_distance(v->name, str_of(name));
        if (distance < guess->distance) {
            guess->distance = distance;
            (void) snprintf(guess->name, sizeof guess->name, "%s", name);
        }
        if (o->kind != OPTION_SECRET)
            continue;
        append_name("_file", name, sizeof name);
        if (str_equal(v->name, str_of(name))) {
            e->places[i] = (struct config_place){ .source = v->source };
            config_take_secret(e->l, o, v->value, e->holder, &e->places[i], path);
            return true;
        }
    }
    return false;
}

/* "chat feed", or the list itself as JSON. */
static void take_names(struct config_loader *l, const struct option_group *g,
                       const struct variable *v) {
    struct config_place at = { .source = v->source };
    struct str text = str_of(v->value);

    if (text.len > 0 && text.data[0] == '[') {
        struct yaml_node *root = NULL;
        struct yaml_error error;
        int r = yaml_read(str_bytes(text), l->config->memory, &root, &error);
        if (r == -ENOMEM)
            l->is_out_of_memory = true;
        else if (r < 0)
            config_problem(l, true, &at, g->path, "%s", error.text);
        else if (root)
            (void) config_take_list(l, root, g->path);
        return;
    }
    for (size_t i = 0; i < text.len;) {
        size_t len = strcspn(text.data + i, " ,");
        struct str name = { text.data + i, len };
        size_t n;
        (void) config_items(l->config, g, &n);
        if (len > 0 && !config_item_name_is_good(name))
            config_problem(l, true, &at, g->path,
                           "a name must be 2 to 64 letters, digits, `-`, `_` or `.`");
        else if (len > 0 && n >= g->max)
            config_problem(l, true, &at, g->path, "must be at most %zu", g->max);
        else if (len > 0 && !config_find_item(l->config, g, name) && !config_add_item(l, g, name))
            return;
        i += len + 1;
    }
}

static bool take_group(struct config_loader *l, const struct option_group *g,
                       const struct variable *v, struct guess *guess) {
    char begin[NAME_MAX_BYTES] = "", path[NAME_MAX_BYTES];
    size_t n, n_begin;

    append_name(g->path, begin, sizeof begin);
    n_begin = strlen(begin);
    if (str_equal(v->name, str_of(begin)))
        return true; /* has been seen to */
    char *items = config_items(l->config, g, &n);
    for (size_t i = 0; i < n; i++) {
        void *item = items + i * g->item_size;
        const char *name = config_item_name(g, item).data;
        begin[n_begin] = '\0';
        append_name("_", begin, sizeof begin);
        append_name(name, begin, sizeof begin);
        append_name("_", begin, sizeof begin);
        if (!str_starts_with(v->name, str_of(begin)))
            continue;
        (void) snprintf(path, sizeof path, "%s[%s].", g->path, name);
        struct environment e = { .l = l,
                                 .holder = item,
                                 .begin = begin,
                                 .path = path,
                                 .places = config_item_places(l, g, item) };
        e.options = group_options(g, &e.n);
        if (take_option(&e, v, guess))
            return true;
    }
    return false;
}

static void take_variable(struct config_loader *l, const struct variable *v) {
    const struct option_group *groups = option_groups();
    struct config_place at = { .source = v->source };
    struct guess guess = { .distance = 4 };

    struct environment all = {
        .l = l, .holder = l->config, .places = l->places, .begin = "", .path = ""
    };
    all.options = config_options(&all.n);
    struct environment without = { .l = l,
                                   .holder = &l->config->without_namespace,
                                   .places = l->without_places,
                                   .begin = "CHANNEL_WITHOUT_NAMESPACE_",
                                   .path = "channel.without_namespace." };
    without.options = namespace_options(&without.n);

    if (take_option(&all, v, &guess) || take_option(&without, v, &guess))
        return;
    for (size_t i = 0; i < OPTION_GROUPS; i++)
        if (take_group(l, &groups[i], v, &guess))
            return;
    /* Others may use the prefix for things of their own. */
    if (guess.distance < 4)
        config_problem(l, false, &at, NULL, "no such option, ignored; did you mean %s%s?",
                       v->prefix, guess.name);
}

/* False: it is none of ours. */
static bool read_variable(struct config_loader *l, const char *text, const char *prefix,
                          struct variable *ret) {
    size_t in = strlen(prefix), len = strcspn(text, "=");
    if (strncmp(text, prefix, in) != 0 || strncmp(text, "CENTRIFUGO_VAR_", 15) == 0)
        return false;

    struct str source = value_text_copy(l->config->memory, (struct str){ text, len });
    if (!source.data) {
        l->is_out_of_memory = true;
        return false;
    }
    *ret = (struct variable){
        .name = { source.data + in, len - in },
        .value = text[len] ? text + len + 1 : "",
        .source = source.data,
        .prefix = prefix,
    };
    return true;
}

static void take_list_of(struct config_loader *l, const struct variable *v) {
    const struct option_group *groups = option_groups();
    for (size_t i = 0; i < OPTION_GROUPS; i++) {
        char name[NAME_MAX_BYTES] = "";
        append_name(groups[i].path, name, sizeof name);
        if (str_equal(v->name, str_of(name)))
            take_names(l, &groups[i], v);
    }
}

void config_take_environment(struct config_loader *l) {
    for (size_t i = 0; i < ELEMENTS_OF(PREFIXES); i++) {
        struct variable v;
        for (const char *const *text = l->source->environment; text && *text; text++)
            if (read_variable(l, *text, PREFIXES[i], &v))
                take_list_of(l, &v);
        for (const char *const *text = l->source->environment; text && *text; text++)
            if (read_variable(l, *text, PREFIXES[i], &v))
                take_variable(l, &v);
    }
}
