/* Values that both the wire and the engines carry. Spans are borrowed: who owns the bytes is said
 * where one is stored. */
#pragma once

#include "protocol/bytes.h"

/* Who: the protocol's ClientInfo. conn_info and chan_info are JSON or empty. */
struct client_info {
    struct str user;
    struct str client;
    struct bytes conn_info;
    struct bytes chan_info;
};

/* A label of a publication. */
struct tag {
    struct str key;
    struct str value;
};
