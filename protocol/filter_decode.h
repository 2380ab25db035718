/* How any codec decodes a tags filter: for the codecs, nobody else. */
#pragma once

#include "protocol/tags_filter.h"

/* A node's children, still encoded: as many as its n_nodes. In the arena. */
struct filter_children {
    const struct bytes *encoded;
};

/* What a codec knows: one node. 0; -EBADMSG: ret_why says more; -ENOMEM. */
struct filter_decoder {
    int (*decode_one)(struct bytes encoded, struct arena *a, struct filter_node *ret,
                      struct filter_children *ret_children, const char **ret_why);
};

/* A tree of at most FILTER_DEPTH_MAX levels and FILTER_NODES_MAX nodes; level by level, since
 * nothing may recurse on what a peer sends. Results as of decode_one. */
MUST_CHECK int filter_decode(const struct filter_decoder *d, struct bytes encoded, struct arena *a,
                             const struct filter_node **ret, const char **ret_why);
