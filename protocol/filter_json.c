/* Tags filters in JSON. */
#include <errno.h>

#include "protocol/codec_json.h"
#include "protocol/filter_decode.h"
#include "protocol/json_fields.h"

/* A node and its children, which are decoded later. */
struct json_node {
    struct filter_node node;
    struct filter_children children;
};

static void decode_vals(struct json *j, struct arena *a, void *at) {
    struct json_node *n = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct str *val = json_list_add(j, a, &list, sizeof *val);
        if (val)
            json_text(j, a, val);
    }
    n->node.vals = list.items;
    n->node.n_vals = list.n;
}

static void decode_nodes(struct json *j, struct arena *a, void *at) {
    struct json_node *n = at;
    struct arena_list list = { 0 };

    if (!json_enter_array(j))
        return;
    while (json_element(j)) {
        struct bytes *child = json_list_add(j, a, &list, sizeof *child);
        if (child)
            json_value(j, child);
    }
    n->children.encoded = list.items;
    n->node.n_nodes = list.n;
}

static const struct json_field fields[] = {
    JSON_FIELD_NAMED(struct json_node, node.op, "op"),
    JSON_FIELD_NAMED(struct json_node, node.key, "key"),
    JSON_FIELD_NAMED(struct json_node, node.cmp, "cmp"),
    JSON_FIELD_NAMED(struct json_node, node.val, "val"),
    JSON_WHOLE_BY("vals", decode_vals, NULL),
    JSON_WHOLE_BY("nodes", decode_nodes, NULL),
};

static int decode_one(struct bytes encoded, struct arena *a, struct filter_node *ret,
                      struct filter_children *ret_children, const char **ret_why) {
    struct json_node n = { 0 };
    struct json j;

    json_init(&j, encoded);
    json_decode_object(&j, a, JSON_TABLE(fields), &n);
    json_end(&j);
    if (json_error(&j)) {
        *ret_why = json_error(&j);
        return json_result(&j);
    }
    *ret = n.node;
    *ret_children = n.children;
    return 0;
}

int json_decode_filter(struct bytes encoded, struct arena *a, const struct filter_node **ret,
                       const char **ret_why) {
    static const struct filter_decoder decoder = { decode_one };

    return filter_decode(&decoder, encoded, a, ret, ret_why);
}
