/* Internet addresses and networks as one writes them. Pure. */
#pragma once

#include <netinet/in.h>

#include "protocol/bytes.h"

struct network {
    struct in6_addr address; /* IPv4 as IPv6 maps it */
    unsigned bits;
};

/* "192.0.2.1", "2001:db8::1". False: it is none. */
bool ip_parse(struct str text, struct in6_addr *ret);

/* An address, or with "/BITS" its network. */
bool network_parse(struct str text, struct network *ret);

bool network_has(const struct network *n, const struct in6_addr *address);

/* "[::1]:80" and "127.0.0.1:80" without brackets and port; other texts as they are. */
struct str ip_without_port(struct str text);
