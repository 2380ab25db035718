/*
 * A YAML document (JSON is one) as a tree that remembers where everything stood.
 *
 * Stricter than YAML: no aliases, anchors or tags, no repeated keys, one document, keys are plain
 * words; and bounded in depth, size and number of nodes.
 */
#pragma once

#include "async/base.h"
#include "protocol/arena.h"

enum {
    YAML_DEPTH_MAX = 16,
    YAML_NODES_MAX = 100000,
    YAML_BYTES_MAX = 4 << 20,
};

enum yaml_kind { YAML_SCALAR, YAML_MAPPING, YAML_SEQUENCE };

struct yaml_node {
    enum yaml_kind kind;
    bool is_plain;                 /* a scalar without quotes */
    struct str text;               /* of a scalar; terminated */
    struct str key;                /* of a mapping's member; terminated */
    uint32_t line, column;         /* from 1 */
    uint32_t key_line, key_column; /* of the key; else as above */
    struct yaml_node *children;    /* first; NULL: none */
    struct yaml_node *next;        /* sibling */
    size_t n_children;
};

struct yaml_error {
    uint32_t line, column; /* from 1; 0: of the file as a whole */
    char text[160];
};

/*
 * Everything is copied into the arena. *ret is NULL for an empty document.
 * 0; -ENOMEM; -EINVAL: ret_error says where and why.
 */
MUST_CHECK int yaml_read(struct bytes in, struct arena *a, struct yaml_node **ret,
                         struct yaml_error *ret_error);

bool yaml_is_null(const struct yaml_node *n);          /* a plain null, ~ or nothing */
const char *yaml_kind_name(const struct yaml_node *n); /* "a list" */
