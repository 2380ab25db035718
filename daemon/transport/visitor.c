#include "daemon/transport/visitor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "async/stream.h"
#include "daemon/config/config.h"
#include "daemon/transport/connection.h"

/* ---- addresses ---- */

/* IPv4 as IPv6 maps it, so that both are one kind. */
static bool parse_address(struct str text, struct in6_addr *ret, bool *ret_is_four) {
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

/* "[::1]:80" and "127.0.0.1:80" without brackets and port. */
static struct str without_port(struct str text) {
    if (text.len && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        return end ? (struct str){ text.data + 1, (size_t) (end - text.data) - 1 } : text;
    }
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    if (!colon || memchr(colon + 1, ':', text.len - (size_t) (colon - text.data) - 1))
        return text;
    return (struct str){ text.data, (size_t) (colon - text.data) };
}

struct network {
    struct in6_addr address;
    unsigned bits;
};

static bool parse_network(struct str text, struct network *ret) {
    const char *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    struct str address = { text.data, slash ? (size_t) (slash - text.data) : text.len };
    unsigned bits = 0;
    bool is_four;

    if (!parse_address(address, &ret->address, &is_four))
        return false;
    unsigned most = is_four ? 32 : 128;
    const char *end = text.data + text.len;
    for (const char *p = slash ? slash + 1 : end; p < end; p++) {
        if (*p < '0' || *p > '9' || bits > most)
            return false;
        bits = bits * 10 + (unsigned) (*p - '0');
    }
    if (!slash)
        bits = most;
    if (bits > most || (slash && slash + 1 == end))
        return false;
    ret->bits = is_four ? bits + 96 : bits;
    return true;
}

static bool is_within(const struct network *n, const struct in6_addr *address) {
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    return rest == 0 || ((n->address.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest)) == 0;
}

bool visitor_is_proxy_text(struct str text) {
    struct network n;
    return str_equal(text, STR("unix")) || parse_network(text, &n);
}

/* ---- proxies ---- */

static bool is_trusted(const struct config *c, struct str address) {
    struct in6_addr parsed;
    struct network network;
    bool is_four, is_address = parse_address(address, &parsed, &is_four);

    for (size_t i = 0; i < c->http.n_trusted_proxies; i++) {
        struct str one = c->http.trusted_proxies[i];
        if (is_address ? parse_network(one, &network) && is_within(&network, &parsed)
                       : str_equal(one, STR("unix")) && str_starts_with(address, one))
            return true;
    }
    return false;
}

static struct str peer_of(const struct http_exchange *x, char buf[static VISITOR_ADDRESS_MAX]) {
    return without_port(
            str_of(stream_peer(x->conn->session.outbox.stream, buf, VISITOR_ADDRESS_MAX)));
}

/* Each proxy appends whom it heard: from the end, the first that is none of ours. What a client
 * wrote itself stands before that. */
struct str visitor_address(const struct http_exchange *x, char buf[static VISITOR_ADDRESS_MAX]) {
    struct str address = peer_of(x, buf);
    struct str heard[HTTP_HEADERS_MAX];
    size_t n = 0;

    if (!is_trusted(x->config, address))
        return address;
    struct http_list list = http_list_of(&x->request->head, STR("X-Forwarded-For"));
    struct str one;
    while (http_list_next(&list, &one))
        heard[n++ % ELEMENTS_OF(heard)] = without_port(one);
    for (size_t seen = 0; n > 0 && seen < ELEMENTS_OF(heard); seen++) {
        struct in6_addr parsed;
        bool is_four;
        one = heard[--n % ELEMENTS_OF(heard)];
        if (!parse_address(one, &parsed, &is_four))
            break;
        address = one;
        if (!is_trusted(x->config, address))
            break;
    }
    return address;
}

bool visitor_is_secure(const struct http_exchange *x) {
    char buf[VISITOR_ADDRESS_MAX];
    struct str proto;

    if (x->conn->session.is_tls)
        return true;
    return is_trusted(x->config, peer_of(x, buf)) &&
           http_head_count(&x->request->head, STR("X-Forwarded-Proto")) == 1 &&
           http_head_find(&x->request->head, STR("X-Forwarded-Proto"), &proto) == 1 &&
           http_equal_nocase(proto, STR("https"));
}

/* ---- pages ---- */

/* scheme://host of an address that may go on behind it. */
static struct str origin_of(struct str url) {
    const char *slashes = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!slashes)
        return (struct str){ 0 };
    size_t at = (size_t) (slashes - url.data) + 3;
    const char *end = at < url.len ? memchr(url.data + at, '/', url.len - at) : NULL;
    return (struct str){ url.data, end ? (size_t) (end - url.data) : url.len };
}

static bool is_own_origin(const struct http_exchange *x, struct str origin) {
    struct str own = origin_of(x->config->chat.url), host;
    struct str scheme = visitor_is_secure(x) ? STR("https://") : STR("http://");

    if (own.len && http_equal_nocase(origin, own))
        return true;
    if (origin.len <= scheme.len ||
        !http_equal_nocase((struct str){ origin.data, scheme.len }, scheme) ||
        http_head_find(&x->request->head, STR("Host"), &host) != 1)
        return false;
    return http_equal_nocase((struct str){ origin.data + scheme.len, origin.len - scheme.len },
                             host);
}

bool visitor_is_own_page(const struct http_exchange *x) {
    const struct http_head *head = &x->request->head;
    struct str said;

    size_t n = http_head_count(head, STR("Origin"));
    if (n > 0)
        return n == 1 && http_head_find(head, STR("Origin"), &said) == 1 && is_own_origin(x, said);
    if (http_head_find(head, STR("Sec-Fetch-Site"), &said) != 1)
        return true;
    return http_equal_nocase(said, STR("same-origin")) || http_equal_nocase(said, STR("none"));
}
