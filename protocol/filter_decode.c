#include "protocol/filter_decode.h"

#include <errno.h>

/* The siblings below one node, to be decoded. */
struct siblings {
    struct siblings *next;
    struct filter_node *nodes;
    const struct bytes *encoded;
    size_t n;
    unsigned depth; /* the root's is 1 */
};

int filter_decode(const struct filter_decoder *d, struct bytes encoded, struct arena *a,
                  const struct filter_node **ret, const char **ret_why) {
    struct filter_node *root = arena_alloc(a, sizeof *root);
    struct siblings first = { .nodes = root, .encoded = &encoded, .n = 1, .depth = 1 };
    struct siblings **tail = &first.next;
    size_t n_nodes = 1;

    if (!root)
        return -ENOMEM;
    for (const struct siblings *s = &first; s; s = s->next) {
        for (size_t i = 0; i < s->n; i++) {
            struct filter_node *node = &s->nodes[i];
            struct filter_children children = { 0 };

            *node = (struct filter_node){ 0 };
            int r = d->decode_one(s->encoded[i], a, node, &children, ret_why);
            if (r < 0)
                return r;
            if (!node->n_nodes)
                continue;

            n_nodes += node->n_nodes;
            if (s->depth == FILTER_DEPTH_MAX || n_nodes > FILTER_NODES_MAX) {
                *ret_why = "a tags filter is too large";
                return -EBADMSG;
            }
            struct filter_node *below = arena_alloc(a, node->n_nodes * sizeof *below);
            struct siblings *more = arena_alloc(a, sizeof *more);
            if (!below || !more)
                return -ENOMEM;
            node->nodes = below;
            *more = (struct siblings){ .nodes = below,
                                       .encoded = children.encoded,
                                       .n = node->n_nodes,
                                       .depth = s->depth + 1 };
            *tail = more;
            tail = &more->next;
        }
    }
    *ret = root;
    return 0;
}
