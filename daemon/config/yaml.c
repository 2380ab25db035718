#include "daemon/config/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

/* A collection that has been opened and not closed. */
struct level {
    struct yaml_node *node;
    struct yaml_node *last_child;
    bool has_key;
    struct str key;
    uint32_t key_line, key_column;
};

struct reader {
    struct arena *arena;
    struct yaml_error *error;
    struct yaml_node *root;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    bool has_document;
};

static int refuse(struct reader *r, yaml_mark_t at, const char *why) {
    r->error->line = (uint32_t) at.line + 1;
    r->error->column = (uint32_t) at.column + 1;
    (void) snprintf(r->error->text, sizeof r->error->text, "%s", why);
    return -EINVAL;
}

static struct str copy_text(struct reader *r, const void *data, size_t len) {
    char *copy = arena_alloc(r->arena, len + 1);
    if (!copy)
        return (struct str){ 0 };
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return (struct str){ copy, len };
}

/* A scalar where a mapping wants a key. */
static int take_key(struct reader *r, struct level *l, const yaml_event_t *e) {
    struct str key = { (const char *) e->data.scalar.value, e->data.scalar.length };
    if (key.len == 0 || key.len > 200 || memchr(key.data, '\0', key.len))
        return refuse(r, e->start_mark, "a name was expected here");

    for (struct yaml_node *n = l->node->children; n; n = n->next) {
        if (!str_equal(n->key, key))
            continue;
        char why[160];
        (void) snprintf(why, sizeof why, "\"%.60s\" is there twice, first in line %u", n->key.data,
                        n->key_line);
        return refuse(r, e->start_mark, why);
    }

    l->key = copy_text(r, key.data, key.len);
    if (!l->key.data)
        return -ENOMEM;
    l->has_key = true;
    l->key_line = (uint32_t) e->start_mark.line + 1;
    l->key_column = (uint32_t) e->start_mark.column + 1;
    return 0;
}

static int add_node(struct reader *r, enum yaml_kind kind, yaml_mark_t at, struct yaml_node **ret) {
    if (++r->nodes > YAML_NODES_MAX)
        return refuse(r, at, "the file holds too many values");

    struct yaml_node *n = arena_alloc(r->arena, sizeof *n);
    if (!n)
        return -ENOMEM;
    *n = (struct yaml_node){
        .kind = kind,
        .line = (uint32_t) at.line + 1,
        .column = (uint32_t) at.column + 1,
    };
    n->key_line = n->line;
    n->key_column = n->column;

    if (r->depth == 0) {
        r->root = n;
    } else {
        struct level *l = &r->levels[r->depth - 1];
        if (l->has_key) {
            n->key = l->key;
            n->key_line = l->key_line;
            n->key_column = l->key_column;
            l->has_key = false;
        }
        if (l->last_child)
            l->last_child->next = n;
        else
            l->node->children = n;
        l->last_child = n;
        l->node->n_children++;
    }
    *ret = n;
    return 0;
}

static bool wants_key(const struct reader *r) {
    if (r->depth == 0)
        return false;
    const struct level *l = &r->levels[r->depth - 1];
    return l->node->kind == YAML_MAPPING && !l->has_key;
}

static int open_level(struct reader *r, enum yaml_kind kind, const yaml_event_t *e) {
    if (wants_key(r))
        return refuse(r, e->start_mark, "a name was expected here");
    if (r->depth == YAML_DEPTH_MAX)
        return refuse(r, e->start_mark, "nested too deeply");

    struct yaml_node *n;
    int result = add_node(r, kind, e->start_mark, &n);
    if (result < 0)
        return result;
    r->levels[r->depth++] = (struct level){ .node = n };
    return 0;
}

static int take_scalar(struct reader *r, const yaml_event_t *e) {
    if (e->data.scalar.anchor)
        return refuse(r, e->start_mark, "anchors are not supported");
    if (e->data.scalar.tag)
        return refuse(r, e->start_mark, "tags are not supported");
    if (wants_key(r))
        return take_key(r, &r->levels[r->depth - 1], e);

    struct yaml_node *n;
    int result = add_node(r, YAML_SCALAR, e->start_mark, &n);
    if (result < 0)
        return result;
    n->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = copy_text(r, e->data.scalar.value, e->data.scalar.length);
    return n->text.data ? 0 : -ENOMEM;
}

static int take_event(struct reader *r, const yaml_event_t *e) {
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->has_document)
            return refuse(r, e->start_mark, "a second document begins here; one is read");
        r->has_document = true;
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse(r, e->start_mark, "aliases are not supported");
    case YAML_SCALAR_EVENT:
        return take_scalar(r, e);
    case YAML_MAPPING_START_EVENT:
        if (e->data.mapping_start.anchor)
            return refuse(r, e->start_mark, "anchors are not supported");
        if (e->data.mapping_start.tag)
            return refuse(r, e->start_mark, "tags are not supported");
        return open_level(r, YAML_MAPPING, e);
    case YAML_SEQUENCE_START_EVENT:
        if (e->data.sequence_start.anchor)
            return refuse(r, e->start_mark, "anchors are not supported");
        if (e->data.sequence_start.tag)
            return refuse(r, e->start_mark, "tags are not supported");
        return open_level(r, YAML_SEQUENCE, e);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        return 0;
    default:
        return 0;
    }
}

static int parser_failed(struct reader *r, const yaml_parser_t *p) {
    if (p->error == YAML_MEMORY_ERROR)
        return -ENOMEM;

    char why[110];
    (void) snprintf(why, sizeof why, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "",
                    p->problem ? p->problem : "not YAML");
    if (p->error != YAML_READER_ERROR)
        return refuse(r, p->problem_mark, why);
    r->error->line = 0;
    (void) snprintf(r->error->text, sizeof r->error->text, "%s at byte %zu", why,
                    p->problem_offset);
    return -EINVAL;
}

int yaml_read(struct bytes in, struct arena *a, struct yaml_node **ret,
              struct yaml_error *ret_error) {
    struct reader r = { .arena = a, .error = ret_error };
    yaml_parser_t parser;

    *ret_error = (struct yaml_error){ 0 };
    if (in.len > YAML_BYTES_MAX) {
        (void) snprintf(ret_error->text, sizeof ret_error->text, "the file is larger than %d MiB",
                        YAML_BYTES_MAX >> 20);
        return -EINVAL;
    }
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, in.len ? in.data : (const unsigned char *) "", in.len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);

    bool is_done = false;
    int result = 0;
    while (!is_done && result == 0) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            result = parser_failed(&r, &parser);
            break;
        }
        is_done = e.type == YAML_STREAM_END_EVENT;
        result = take_event(&r, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    if (result == 0)
        *ret = r.root;
    return result;
}

bool yaml_is_null(const struct yaml_node *n) {
    return n->kind == YAML_SCALAR && n->is_plain &&
           (n->text.len == 0 || str_equal(n->text, STR("~")) || str_equal(n->text, STR("null")));
}

const char *yaml_kind_name(const struct yaml_node *n) {
    return n->kind == YAML_MAPPING    ? "a group of options"
           : n->kind == YAML_SEQUENCE ? "a list"
                                      : "a value";
}
