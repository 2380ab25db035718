/* Tags filters in Protobuf. */
#include "protocol/client.pb-c.h"
#include "protocol/filter_decode.h"
#include "protocol/protobuf_message.h"

static int decode_one(struct bytes encoded, struct arena *a, struct filter_node *ret,
                      struct filter_children *ret_children, const char **ret_why) {
    struct protobuf_job job = { .arena = a };
    const Pb__FilterNode *n = protobuf_unpack(&job, &pb__filter_node__descriptor, encoded);

    if (n) {
        struct str *vals = protobuf_array(&job, n->n_vals, sizeof *vals);
        struct bytes *children = protobuf_array(&job, n->n_nodes, sizeof *children);

        protobuf_text(&job, n->op, &ret->op);
        protobuf_text(&job, n->key, &ret->key);
        protobuf_text(&job, n->cmp, &ret->cmp);
        protobuf_text(&job, n->val, &ret->val);
        for (size_t i = 0; vals && i < n->n_vals; i++)
            protobuf_text(&job, n->vals[i], &vals[i]);
        for (size_t i = 0; children && i < n->n_nodes; i++)
            children[i] = protobuf_bytes(n->nodes[i]);
        ret->vals = vals;
        ret->n_vals = n->n_vals;
        ret->n_nodes = n->n_nodes;
        ret_children->encoded = children;
    }
    *ret_why = job.why;
    return job.error;
}

int protobuf_decode_filter(struct bytes encoded, struct arena *a, const struct filter_node **ret,
                           const char **ret_why) {
    static const struct filter_decoder decoder = { decode_one };

    return filter_decode(&decoder, encoded, a, ret, ret_why);
}
