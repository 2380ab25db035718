/* Options of parts: pairs of texts, and lists of what becomes of a code. */
#include <errno.h>
#include <stdio.h>

#include "daemon/config/impl.h"

static struct config_place place_of(const struct yaml_node *n) {
    return (struct config_place){ .line = n->line, .column = n->column };
}

static const struct yaml_node *member(const struct yaml_node *n, const char *key) {
    for (const struct yaml_node *child = n->children; child; child = child->next)
        if (str_equal(child->key, str_of(key)))
            return child;
    return NULL;
}

__attribute__((format(printf, 4, 5))) static void wrong(struct config_loader *l,
                                                        const struct yaml_node *n, const char *name,
                                                        const char *format, ...) {
    char words[CONFIG_WHY_MAX];
    struct config_place at = place_of(n);
    va_list args;

    va_start(args, format);
    (void) vsnprintf(words, sizeof words, format, args);
    va_end(args);
    config_problem(l, true, &at, name, "%s", words);
}

static bool has_room(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                     const char *name) {
    if (n->n_children <= (size_t) o->max)
        return true;
    wrong(l, n, name, "must have at most %lld items", (long long) o->max);
    return false;
}

static void put(const struct option *o, void *holder, void *items, size_t n) {
    *(void **) (void *) ((char *) holder + o->offset) = items;
    *(size_t *) (void *) ((char *) holder + o->offset_n) = n;
}

/* ---- pairs: { name: text }, or [ { key: name, value: text } ] ---- */

static bool take_pair(struct config_loader *l, const struct yaml_node *n, struct str key,
                      const struct yaml_node *value, const char *name, struct config_pair *ret) {
    if (!value || value->kind != YAML_SCALAR || key.len == 0) {
        wrong(l, n, name, "must be texts by their names");
        return false;
    }
    ret->name = value_text_copy(l->config->memory, key);
    ret->value = value_text_copy(l->config->memory, value->text);
    l->is_out_of_memory = l->is_out_of_memory || !ret->name.data || !ret->value.data;
    return !l->is_out_of_memory;
}

static void take_pairs(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                       void *holder, const char *name) {
    struct config_pair *pairs = arena_alloc(l->config->memory, (n->n_children + 1) * sizeof *pairs);
    size_t count = 0;
    if (!pairs) {
        l->is_out_of_memory = true;
        return;
    }
    for (const struct yaml_node *child = n->children; child; child = child->next) {
        const struct yaml_node *key = n->kind == YAML_SEQUENCE ? member(child, "key") : NULL;
        bool is_good = n->kind == YAML_MAPPING
                               ? take_pair(l, child, child->key, child, name, &pairs[count])
                               : take_pair(l, child, key ? key->text : (struct str){ 0 },
                                           member(child, "value"), name, &pairs[count]);
        if (!is_good)
            return;
        count++;
    }
    put(o, holder, pairs, count);
}

/* ---- codes ---- */

static bool take_code(struct config_loader *l, const struct yaml_node *in, const char *key,
                      int64_t min, int64_t max, const char *name, uint32_t *ret) {
    struct option o = { .kind = OPTION_COUNT, .min = min, .max = max };
    char why[CONFIG_WHY_MAX];
    const struct yaml_node *n = in ? member(in, key) : NULL;

    if (!n || n->kind != YAML_SCALAR) {
        wrong(l, in, name, "needs a `%s`", key);
        return false;
    }
    if (value_parse(&o, n->text, l->config->memory, ret, why) == 0)
        return true;
    wrong(l, n, name, "`%s` %s", key, why);
    return false;
}

static void take_words(struct config_loader *l, const struct yaml_node *in, const char *key,
                       struct str *ret) {
    const struct yaml_node *n = member(in, key);
    *ret = value_text_copy(l->config->memory, n ? n->text : (struct str){ 0 });
    l->is_out_of_memory = l->is_out_of_memory || !ret->data;
}

static bool is_true(const struct yaml_node *n) {
    return n && str_equal(n->text, STR("true"));
}

static bool is_empty(const struct yaml_node *n) {
    const struct yaml_node *code = n ? member(n, "code") : NULL;
    return !code || str_equal(code->text, STR("0"));
}

static bool take_status(struct config_loader *l, const struct yaml_node *n, const char *name,
                        struct config_transform *t) {
    const struct yaml_node *error = member(n, "to_error"), *end = member(n, "to_disconnect");

    if (is_empty(error) == is_empty(end)) {
        wrong(l, n, name, "needs either a `to_error` or a `to_disconnect`");
        return false;
    }
    t->is_disconnect = !is_empty(end);
    const struct yaml_node *to = t->is_disconnect ? end : error;
    if (!take_code(l, n, "status_code", 100, 599, name, &t->from) ||
        !take_code(l, to, "code", t->is_disconnect ? 3000 : 100, t->is_disconnect ? 4999 : 2999,
                   name, &t->code))
        return false;
    take_words(l, to, t->is_disconnect ? "reason" : "message", &t->text);
    t->is_temporary = !t->is_disconnect && is_true(member(to, "temporary"));
    return true;
}

static bool take_connect_code(struct config_loader *l, enum option_kind kind,
                              const struct yaml_node *n, const char *name,
                              struct config_transform *t) {
    bool is_response = kind == OPTION_RESPONSE_CODES;
    const struct yaml_node *to = member(n, "to");

    if (!to || to->kind != YAML_MAPPING) {
        wrong(l, n, name, "needs a `to`");
        return false;
    }
    if (!take_code(l, n, "code", 100, 4999, name, &t->from) ||
        !take_code(l, to, is_response ? "status_code" : "code", is_response ? 200 : 3000,
                   is_response ? 599 : 4999, name, &t->code))
        return false;
    t->is_disconnect = !is_response;
    take_words(l, to, is_response ? "body" : "reason", &t->text);
    return true;
}

static void take_transforms(struct config_loader *l, const struct option *o,
                            const struct yaml_node *n, void *holder, const char *name) {
    struct config_transform *items =
            arena_alloc(l->config->memory, (n->n_children + 1) * sizeof *items);
    size_t count = 0;
    if (!items) {
        l->is_out_of_memory = true;
        return;
    }
    for (const struct yaml_node *child = n->children; child; child = child->next) {
        struct config_transform *t = &items[count++];
        *t = (struct config_transform){ 0 };
        if (child->kind != YAML_MAPPING) {
            wrong(l, child, name, "must be a list of groups");
            return;
        }
        if (!(o->kind == OPTION_STATUS_CODES ? take_status(l, child, name, t)
                                             : take_connect_code(l, o->kind, child, name, t)))
            return;
    }
    put(o, holder, items, count);
}

void config_take_parts(struct config_loader *l, const struct option *o, const struct yaml_node *n,
                       void *holder, const char *name) {
    if (!has_room(l, o, n, name))
        return;
    if (o->kind == OPTION_PAIRS)
        take_pairs(l, o, n, holder, name);
    else if (n->kind == YAML_SEQUENCE)
        take_transforms(l, o, n, holder, name);
    else
        wrong(l, n, name, "must be a list, not %s", yaml_kind_name(n));
}

void config_take_text(struct config_loader *l, const struct option *o, struct str text,
                      void *holder, const struct config_place *at, const char *name) {
    struct yaml_node *root = NULL;
    struct yaml_error error;

    int r = yaml_read(str_bytes(text), l->config->memory, &root, &error);
    if (r == -ENOMEM) {
        l->is_out_of_memory = true;
        return;
    }
    if (r == 0 && root && root->kind != YAML_SCALAR) {
        config_take_parts(l, o, root, holder, name);
        return;
    }
    if (text.len > 0)
        config_problem(l, true, at, name, "must be JSON: %s",
                       o->kind == OPTION_PAIRS ? "{\"name\": \"text\"}" : "a list of groups");
}
