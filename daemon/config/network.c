#include "daemon/config/network.h"

#include <arpa/inet.h>

enum { MAPPED_BITS = 96 };

static bool parse(struct str text, struct in6_addr *ret, bool *ret_is_four) {
    char copy[INET6_ADDRSTRLEN + 1];
    struct in_addr four;

    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *ret_is_four = inet_pton(AF_INET, copy, &four) == 1;
    if (!*ret_is_four)
        return inet_pton(AF_INET6, copy, ret) == 1;
    memset(ret, 0, sizeof *ret);
    ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
    memcpy(ret->s6_addr + 12, &four, sizeof four);
    return true;
}

bool ip_parse(struct str text, struct in6_addr *ret) {
    bool is_four;
    return parse(text, ret, &is_four);
}

/* A number of at most three digits, and nothing else. */
static bool parse_bits(struct str text, unsigned *ret) {
    unsigned bits = 0;
    if (text.len == 0 || text.len > 3)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        bits = bits * 10 + (unsigned) (text.data[i] - '0');
    }
    *ret = bits;
    return true;
}

bool network_parse(struct str text, struct network *ret) {
    const char *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    size_t len = slash ? (size_t) (slash - text.data) : text.len;
    bool is_four;

    if (!parse((struct str){ text.data, len }, &ret->address, &is_four))
        return false;
    unsigned most = is_four ? 32 : 128;
    ret->bits = most;
    if (slash && !parse_bits((struct str){ slash + 1, text.len - len - 1 }, &ret->bits))
        return false;
    if (ret->bits > most)
        return false;
    ret->bits += is_four ? MAPPED_BITS : 0;
    return true;
}

bool network_has(const struct network *n, const struct in6_addr *address) {
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    return rest == 0 || (n->address.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest) == 0;
}

struct str ip_without_port(struct str text) {
    if (text.len && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        return end ? (struct str){ text.data + 1, (size_t) (end - text.data) - 1 } : text;
    }
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    if (!colon || memchr(colon + 1, ':', text.len - (size_t) (colon - text.data) - 1))
        return text;
    return (struct str){ text.data, (size_t) (colon - text.data) };
}
